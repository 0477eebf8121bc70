"""Shards: immutable files of float32 rows under sorted keys, written whole or not at all, verified when read.

::

    header    magic with the format, digest of the settings, n_rows, n_features, CRC-32 of header and index
    index     n_rows keys of 32 bytes in ascending order, n_rows CRC-32 of the rows
    rows      n_rows * n_features little-endian float32
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from fishsk._utils.files import write_atomically

logger = logging.getLogger(__name__)

FORMAT = 1
# The format is part of the name, so that an older version never reads, evicts or clears a newer one's rows.
SUFFIX = f".rows{FORMAT}"

_MAGIC = b"fishsk\x00" + bytes([FORMAT])
_HEADER = struct.Struct("<8s16sIII")
KEY = np.dtype("S32")  # NumPy ignores trailing zero bytes, which is harmless among keys of one length
_INDEX_BYTES = KEY.itemsize + 4
_BLOCK_BYTES = 4 * 2**20

_warned: set[Path] = set()


class Shard:
    """The verified index of one file of rows: keys and checksums in memory, no file kept open.

    Its folder is named by the digest of the settings; `n_features` of None expects rows of any length.
    ValueError if the file is corrupt, cut off, or belongs to other settings.
    """

    def __init__(self, path: Path, n_features: int | None = None):
        with open(path, "rb") as file:
            self.n_bytes = os.fstat(file.fileno()).st_size
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                raise ValueError("its header is cut off")
            magic, digest, n_rows, width, crc = _HEADER.unpack(header)
            self.start = _HEADER.size + n_rows * _INDEX_BYTES
            if self.n_bytes != self.start + 4 * n_rows * width:
                raise ValueError("its header and size disagree")
            index = file.read(self.start - _HEADER.size)
        if zlib.crc32(index, zlib.crc32(header[:-4])) != crc:
            raise ValueError("the checksum of its index is wrong")
        if magic != _MAGIC or digest.hex() != path.parent.name or n_features not in (None, width):
            raise ValueError("it belongs to other settings")
        self.path = path
        self.n_features = width
        self.keys = np.frombuffer(index, dtype=KEY, count=n_rows)
        self.sums = np.frombuffer(index, dtype="<u4", offset=n_rows * KEY.itemsize)

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which of the keys are here, as positions in `keys`, and where, as row numbers."""
        at = self.keys.searchsorted(keys)
        (hits,) = (self.keys.take(at, mode="clip") == keys).nonzero()  # one that is beyond the last is not it
        return hits, at[hits]


class Rows:
    """The rows of a shard, mapped for as long as this lives, whatever becomes of the file's name.

    OSError if the file cannot be opened.
    """

    def __init__(self, shard: Shard):
        self.shard = shard
        self._map = None
        with open(shard.path, "rb") as file:
            if os.fstat(file.fileno()).st_size == shard.n_bytes:
                self._map = mmap.mmap(file.fileno(), shard.n_bytes, access=mmap.ACCESS_READ)

    def take(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copy the rows of these numbers, and say which are as they were written."""
        shard = self.shard
        # To read past the end of a file that was cut would raise SIGBUS.
        if self._map is not None and self._map.size() == shard.n_bytes:
            mapped = np.frombuffer(self._map, dtype="<f4", offset=shard.start)
            rows = mapped.reshape(len(shard.keys), shard.n_features)[at]
            valid = checksums(rows) == shard.sums[at]
        else:
            rows = np.zeros((len(at), shard.n_features), dtype="<f4")
            valid = np.zeros(len(at), dtype=bool)
        if not valid.all():
            warn_once(shard.path, "Stored features in %s are corrupt and are computed again.")
        return rows, valid

    def find_valid(self) -> np.ndarray:
        """Return the numbers of the rows that are as they were written."""
        parts = cut(np.arange(len(self.shard.keys)), self.shard.n_features)
        return np.concatenate([part[self.take(part)[1]] for part in parts])


def checksums(rows: np.ndarray) -> np.ndarray:
    """Return the CRC-32 of each row.

    It finds every burst of up to 32 wrong bits, any three wrong bits in a row of up to 11 KB (two beyond),
    and all but one in 2**32 of other damage; at 2 GB/s it costs a quarter of what blake2b does.
    """
    data = np.ascontiguousarray(rows, dtype="<f4").view(np.uint8).reshape(-1).data
    step = 4 * rows.shape[1]
    crc32 = zlib.crc32
    return np.array([crc32(data[i : i + step]) for i in range(0, len(data), step)], dtype=np.uint32)


def cut(index: np.ndarray, n_features: int) -> Iterator[np.ndarray]:
    """Cut row numbers into parts whose rows take little memory."""
    step = max(1, _BLOCK_BYTES // (4 * n_features))
    for start in range(0, len(index), step):
        yield index[start : start + step]


def list_shards(folder: Path) -> list[str]:
    """Return the names of a folder's shards: of files, since anything may lie in a folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.name.endswith(SUFFIX) and entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def write_shard(
    folder: Path,
    keys: np.ndarray,
    sums: np.ndarray,
    blocks: Iterable[np.ndarray],
    n_features: int,
    *,
    durable: bool = True,
) -> int:
    """Write rows, in blocks, under sorted and distinct keys as a new shard; return its size in bytes."""
    header = _HEADER.pack(_MAGIC, bytes.fromhex(folder.name), len(keys), n_features, 0)[:-4]
    index = keys.tobytes() + sums.astype("<u4").tobytes()
    header += struct.pack("<I", zlib.crc32(index, zlib.crc32(header)))
    body = (np.asarray(block, dtype="<f4").tobytes() for block in blocks)
    name = f"{os.urandom(16).hex()}{SUFFIX}"
    write_atomically(folder / name, itertools.chain([header, index], body), durable=durable)
    return len(header) + len(index) + 4 * len(keys) * n_features


def merge_shards(shards: Sequence[Shard]) -> None:
    """Write the valid rows of shards of one folder as one shard, then remove those.

    OSError if one cannot be read, which another process may have merged or removed, or nothing be written.
    """
    opened = [*map(Rows, shards)]
    valid = [rows.find_valid() for rows in opened]
    keys = np.concatenate([shard.keys[at] for shard, at in zip(shards, valid, strict=True)])
    # The checksums move with the rows: new ones would bless what decays between the check and the copy.
    sums = np.concatenate([shard.sums[at] for shard, at in zip(shards, valid, strict=True)])
    source = np.repeat(np.arange(len(shards)), [len(at) for at in valid])
    number = np.concatenate(valid)
    keys, first = np.unique(keys, return_index=True)

    def blocks() -> Iterator[np.ndarray]:
        for part in cut(first, shards[0].n_features):
            block = np.empty((len(part), shards[0].n_features), dtype="<f4")
            for i, rows in enumerate(opened):
                here = source[part] == i
                block[here], _ = rows.take(number[part[here]])
            yield block

    if keys.size:
        write_shard(shards[0].path.parent, keys, sums[first], blocks(), shards[0].n_features)
    opened.clear()  # Windows removes no file that is mapped
    for shard in shards:
        with contextlib.suppress(OSError):
            os.unlink(shard.path)


def discard(path: Path, reason: object) -> None:
    """Remove a corrupt file, and log it."""
    warn_once(path, "%s is corrupt and is discarded (%s). What it held is made again.", reason)
    with contextlib.suppress(OSError):
        os.unlink(path)


def warn_once(path: Path, message: str, *details: object) -> None:
    """Log a warning about a file or folder, one in a process.

    Not `warnings.warn`: where those are errors it would end the program, and a cache must never be fatal.
    """
    if path not in _warned:
        _warned.add(path)
        logger.warning(message, repr(str(path)), *details)

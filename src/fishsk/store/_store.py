"""The feature store: one checked row per image content, on disk, shared by processes.

A cache folder holds one sub-folder per settings, named by their digest. There `settings.json` says what the
rows were computed with, for human readers, and the rows are in shards.

Shards are immutable and their names are never used twice, so the store is safe without a lock: a shard
appears whole, and is removed only once a younger one with its rows is on disk (or for being corrupt, or the
least recently used). Two processes that merge the same shards leave two valid copies; the next merge makes
them one. A reader goes on with the shards it has mapped, whatever becomes of their names, and looks again
where one was gone before; only on Windows, where mapped files cannot be removed, merged shards stay until a
later merge or eviction. Between calls a store holds verified indexes and no file, so that one which is kept
open holds no disk space of files that were removed.

To make a store is to read and check the index of every shard, 36 bytes a row. `open_store` keeps a few
stores, for services that ask for one image at a time: at each later use, what is kept looks for another
owner, another format and the shards of other processes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Sequence

import numpy as np

from fishsk._utils.files import expand, sweep, sync_folder, write_atomically
from fishsk.store._folders import SETTINGS, check_owner, default_max_bytes, evict, parse_settings, sha256_of
from fishsk.store._shards import (
    FORMAT,
    KEY,
    Rows,
    Shard,
    checksums,
    cut,
    discard,
    list_shards,
    merge_shards,
    warn_once,
    write_shard,
)

_MAX_SHARDS = 32
_MAX_SHARD_BYTES = 256 * 2**20
_TRIES = 10  # against other processes that merge, clear, or remove the folder at the same moment
_MAX_STORES = 8
_MAX_INDEX_BYTES = 256 * 2**20  # of the stores that are kept


class FeatureStore:
    """Rows of float32 features under 32-byte keys, in files that any number of processes share.

    The store is a cache: whatever is wrong with a row or a file, the row counts as missing and a warning is
    logged. It judges bytes, not numbers: what was written comes back bit for bit, NaN and infinity included.

    Parameters
    ----------
    folder : path-like
        The cache folder. It is created, for its owner alone, by the first `write`.
    settings : dict
        All that changes a number besides the key, as JSON can hold it. Only stores of equal settings and
        `n_features` share rows.
    n_features : int
        The length of a row.
    max_bytes : int, default=None
        The size of the cache folder, over all settings, above which `write` removes the least recently used
        shards. None reads the environment variable FISHSK_CACHE_LIMIT; without it, it means 10 GiB.

    Raises
    ------
    ValueError
        If the rows of these settings were written in a newer format.
    PermissionError
        If the folder belongs to another user, who could have put any numbers there.
    NotADirectoryError
        If `folder` is a file.

    See Also
    --------
    cache_info : What a cache folder holds.

    Examples
    --------
    >>> import hashlib, tempfile
    >>> import numpy as np
    >>> from fishsk.store import FeatureStore
    >>> keys = [hashlib.sha256(content).digest() for content in (b"trout", b"shark")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = FeatureStore(folder, {"pooling": "avg"}, n_features=2)
    ...     store.write(keys[:1], np.array([[1, 2]], dtype=np.float32))
    ...     rows, found = store.read(keys)
    >>> rows[found], found
    (array([[1., 2.]], dtype=float32), array([ True, False]))
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: dict[str, object],
        n_features: int,
        *,
        max_bytes: int | None = None,
    ):
        self.n_features = n_features
        self.max_bytes = default_max_bytes() if max_bytes is None else max_bytes
        document: dict[str, object] = {"n_features": n_features, "settings": settings}
        self._root = expand(folder)
        self._folder = self._root / sha256_of(document)[:32]
        document["format"] = FORMAT
        document["sha256"] = sha256_of(document)
        self._settings_json = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        self._shards: dict[str, Shard] = {}
        self.n_index_bytes = 0  # the memory that the indexes take
        self._ignored: set[str] = set()  # corrupt, or merged into another
        self._unweighed_bytes = self.max_bytes  # written since the folder's size was compared with the limit
        self.check()
        sweep(self._folder)

    def check(self) -> None:
        """Refuse a folder of another user or of a newer format."""
        check_owner(self._root, self._folder)
        path = self._folder / SETTINGS
        try:
            content = path.read_bytes()
        except OSError:
            return
        if content == self._settings_json:
            return
        found = parse_settings(content).get("format", FORMAT)
        if found != FORMAT:
            raise ValueError(
                f"The feature cache must have format {FORMAT}. {str(path)!r} says format {found!r}: "
                "a newer fishsk wrote it. Upgrade, or name another folder with cache=... or FISHSK_CACHE."
            )
        discard(path, "it is not what was written")

    def read(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of digests of 32 bytes, NaN where nothing was found, and which were found.

        Each row is verified by its checksum.
        """
        wanted = np.array(keys, dtype=KEY)
        rows = np.empty((len(wanted), self.n_features), dtype=np.float32)
        found = np.zeros(len(wanted), dtype=bool)
        left = np.argsort(wanted)  # the shards' own order, so that each is read from front to back
        for _ in range(_TRIES):
            left, complete = self._look_up(wanted, left, rows, found)
            if complete:
                break
        rows[~found] = np.nan
        return rows, found

    def _look_up(
        self, wanted: np.ndarray, left: np.ndarray, rows: np.ndarray, found: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Fill in what is found; return what is left, and whether no shard vanished before it was read."""
        complete = True
        for shard in self._refresh():
            hits, at = shard.find(wanted[left])
            if not hits.size:
                continue
            try:
                opened = Rows(shard)
            except FileNotFoundError:
                complete = False
                continue
            except OSError as error:
                warn_once(shard.path, "%s cannot be read (%s). What it holds is computed again.", error)
                continue
            for part in cut(np.arange(len(hits)), self.n_features):
                places = left[hits[part]]
                rows[places], found[places] = opened.take(at[part])
            with contextlib.suppress(OSError):
                os.utime(shard.path)  # the least recently used is evicted first
            if not found[left[hits]].all():
                del opened
                with contextlib.suppress(OSError):  # drops the corrupt rows, where the folder may be written
                    self._merge([shard])
            left = left[~found[left]]
        return left, complete

    def write(self, keys: Sequence[bytes], rows: np.ndarray, *, durable: bool = True) -> None:
        """Add rows under digests of 32 bytes; of equal keys the first is stored.

        They outlive the process, and a power cut where they are `durable`: to force a few to disk takes
        longer than to compute them. Without room or permission nothing is stored and a warning is logged, one
        per process and folder.
        """
        wanted = np.array(keys, dtype=KEY)
        assert rows.shape == (len(wanted), self.n_features)
        if not wanted.size:
            return
        unique, first = np.unique(wanted, return_index=True)
        parts = list(cut(first, self.n_features))
        sums = np.concatenate([checksums(rows[part]) for part in parts])
        try:
            for attempt in range(_TRIES):
                try:
                    self._make_folder()
                    blocks = (rows[part] for part in parts)
                    self._unweighed_bytes += write_shard(
                        self._folder, unique, sums, blocks, self.n_features, durable=durable
                    )
                    break
                except (FileNotFoundError, FileExistsError):  # the folder was removed in between
                    if attempt == _TRIES - 1:
                        raise
            with contextlib.suppress(FileNotFoundError):  # others tidy too, and what is gone is tidy
                self._compact()
            if self._unweighed_bytes > self.max_bytes // 128:
                evict(self._root, self.max_bytes)
                self._unweighed_bytes = 0
        except OSError as error:
            warn_once(
                self._root,
                "Features cannot be stored in %s (%s), and are computed again when they are next needed. "
                "Free the disk, name another folder with cache=..., or silence this with cache=None.",
                error,
            )

    def _refresh(self) -> list[Shard]:
        """Open what appeared in the folder and forget what vanished; the largest shards come first."""
        listed: set[str] | None = None
        shards = self._shards  # other threads may set it meanwhile, to what an older list held
        for _ in range(_TRIES):  # between listing and opening, a merge elsewhere may rename what is there
            try:
                names = set(list_shards(self._folder))
            except OSError as error:
                warn_once(self._folder, "Stored features in %s cannot be read: %s.", error)
                return []
            self._ignored &= names
            names -= self._ignored
            if names == listed or names == shards.keys():
                break
            listed = names
            shards = {name: shard for name, shard in shards.items() if name in names}
            for name in names - shards.keys():
                path = self._folder / name
                try:
                    shards[name] = Shard(path, self.n_features)
                except FileNotFoundError:
                    pass
                except OSError as error:
                    warn_once(path, "%s cannot be read (%s). What it holds is computed again.", error)
                except ValueError as error:
                    self._ignored.add(name)
                    discard(path, error)
            self._shards = shards
            self.n_index_bytes = sum(shard.keys.nbytes + shard.sums.nbytes for shard in shards.values())
        return sorted(shards.values(), key=lambda shard: -len(shard.keys))

    def _compact(self) -> None:
        """Merge the smaller half of many small shards: as like meets like, a row is seldom rewritten."""
        limit = min(_MAX_SHARD_BYTES, self.max_bytes // 16)  # eviction takes whole shards
        small = [shard for shard in reversed(self._refresh()) if shard.n_bytes < limit // 2]
        if len(small) > _MAX_SHARDS:
            half = small[: len(small) // 2 + 1]
            totals = itertools.accumulate(shard.n_bytes for shard in half)
            self._merge([shard for shard, total in zip(half, totals, strict=True) if total <= limit])

    def _merge(self, shards: list[Shard]) -> None:
        merge_shards(shards)
        self._ignored.update(shard.path.name for shard in shards)

    def _make_folder(self) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        check_owner(self._root, self._folder)  # someone else may have made them just now
        if not (self._folder / SETTINGS).exists():
            sync_folder(self._root)
            write_atomically(self._folder / SETTINGS, [self._settings_json])


# The least recently used first. Threads share it without a lock, which a fork could leave locked: each step
# is one call of a dict's, and who misses what another has just opened opens it again.
_kept: dict[tuple[str, str, int, int], FeatureStore] = {}


def open_store(folder: str | os.PathLike[str], settings: dict[str, object], n_features: int) -> FeatureStore:
    """Return the store of a folder and of settings, from those that this process keeps where it is there.

    Parameters and errors are those of `FeatureStore`; the size limit is that of now.
    """
    key = (
        os.path.abspath(expand(folder)),
        json.dumps(settings, sort_keys=True),
        n_features,
        default_max_bytes(),
    )
    store = _kept.get(key)
    if store is None:
        store = FeatureStore(folder, settings, n_features, max_bytes=key[-1])
    else:
        store.check()
    _kept.pop(key, None)
    _kept[key] = store
    kept = _kept.copy()
    n_bytes = sum(each.n_index_bytes for each in kept.values())
    for oldest, each in kept.items():
        if len(_kept) <= _MAX_STORES and n_bytes <= _MAX_INDEX_BYTES:
            break
        _kept.pop(oldest, None)
        n_bytes -= each.n_index_bytes
    return store

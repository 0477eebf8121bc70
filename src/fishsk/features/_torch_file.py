"""Weights in torch's file format of before 2020, read without torch and without running anything in them.

The format is four pickles (a magic number, a version, the sizes of types, and a dictionary of tensors that
refer to storages by keys), a pickled list of these keys, and for each key the number of its elements, 8 bytes
little-endian, and their raw values [1]_.

References
----------
.. [1] ``_legacy_save`` in https://github.com/pytorch/pytorch/blob/v2.0.0/torch/serialization.py
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_N_PICKLES = 5
_ZIP = b"PK\x03\x04"  # of torch's newer format
# What a dictionary of tensors is pickled with.
# fmt: off
_OPCODES = {
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "BINPUT", "LONG_BINPUT", "BINGET",
    "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT",
    "SETITEM", "SETITEMS",
}
# fmt: on


class _Storage(NamedTuple):
    """Values that tensors share: their key, their dtype and how many they are."""

    key: str
    dtype: str
    n_values: int


class _Tensor(NamedTuple):
    """Where the values of a tensor are, and how many lie between neighbors along each axis."""

    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(path: str | os.PathLike[str], *, sha256: str) -> dict[str, np.ndarray]:
    """Return the arrays of a file by their names.

    Parameters
    ----------
    path : path-like
        What ``torch.save`` wrote of a `state_dict` in its older format.
    sha256 : str
        Digest of the file, which is compared before a byte of it is interpreted.

    Returns
    -------
    dict of str to ndarray
        float32 or int64, read-only, with torch's axes.

    Raises
    ------
    ValueError
        If the file has another digest, or is not of this format.
    OSError
        If it cannot be read.
    """
    content = Path(path).read_bytes()
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise ValueError(
            f"{os.fspath(path)!r} must have the SHA-256 {sha256}. Got {got}: the file has changed. Install "
            "or copy it again."
        )
    try:
        return _parse(content)
    except Exception as error:  # pickle raises almost anything on corrupt bytes
        raise ValueError(
            f"{os.fspath(path)!r} must be a state_dict in torch's older file format: {error}. Write it with "
            "torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)."
        ) from error


def _parse(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in the bytes of a file."""
    if content.startswith(_ZIP):
        raise ValueError("it is a zip archive, which is torch's newer one")
    stream = io.BytesIO(content)
    magic, protocol, system, tensors, keys = (_unpickle(stream) for _ in range(_N_PICKLES))
    if (magic, protocol) != (_MAGIC, _PROTOCOL) or system["little_endian"] is not True:
        raise ValueError("its first bytes are others")
    if not isinstance(tensors, dict) or not all(isinstance(each, _Tensor) for each in tensors.values()):
        raise ValueError("it holds something else than tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if sorted(storages) != sorted(keys):
        raise ValueError("its tensors and its values do not belong together")
    values = {key: _read_values(content, stream, storages[key]) for key in keys}
    if stream.read(1):
        raise ValueError("there is something behind its last value")
    return {name: _make_array(tensor, values[tensor.storage.key]) for name, tensor in tensors.items()}


def _unpickle(stream: io.BytesIO) -> Any:
    """Return the next pickled object."""
    start = stream.tell()
    n_left = len(stream.getbuffer()) - start
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name not in _OPCODES:
            raise ValueError(f"it holds the pickle opcode {opcode.name}, which no tensors need")
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > n_left:  # for which memory would be reserved
            raise ValueError(f"it holds the memo index {argument}")
    stream.seek(start)
    return _Unpickler(stream).load()


class _Unpickler(pickle.Unpickler):
    """It knows four names, and calls two functions: one makes a dictionary, the other a `_Tensor`."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            # A function of its own: BUILD, which a dictionary comes with, can set attributes of it.
            ("torch._utils", "_rebuild_tensor_v2"): lambda *of: _make_tensor(*of),
            ("torch", "FloatStorage"): "<f4",
            ("torch", "LongStorage"): "<i8",
        }
        if (module, name) not in known:
            raise ValueError(f"it names {module}.{name}, which no tensors need")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, n_values, part = pid
        if kind != "storage" or dtype not in ("<f4", "<i8") or part is not None:
            raise ValueError(f"it refers to {pid}")
        return _Storage(str(key), dtype, _check_count(n_values))


def _make_tensor(storage: Any, start: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """Return the tensor that torch would make of values, if these are there."""
    tensor = _Tensor(
        storage, _check_count(start), tuple(map(_check_count, shape)), tuple(map(_check_count, strides))
    )
    last = start + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
    if not isinstance(storage, _Storage) or 0 in tensor.shape or last >= storage.n_values:
        raise ValueError(f"a tensor has values that are not there: {tensor}")
    if math.prod(tensor.shape) > storage.n_values:
        raise ValueError(f"a tensor repeats values: {tensor}")
    return tensor


def _check_count(given: Any) -> int:
    if type(given) is not int or given < 0:
        raise ValueError(f"a number of values is {given!r}")
    return given


def _read_values(content: bytes, stream: io.BytesIO, storage: _Storage) -> np.ndarray:
    """Return the next values of a file."""
    if int.from_bytes(stream.read(8), "little") != storage.n_values:
        raise ValueError(f"the number of values of storage {storage.key} is not {storage.n_values}")
    # Too few bytes are a ValueError of NumPy.
    values = np.frombuffer(content, storage.dtype, storage.n_values, stream.tell())
    stream.seek(values.nbytes, io.SEEK_CUR)
    return values


def _make_array(tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    step = values.itemsize
    strides = [stride * step for stride in tensor.strides]
    return np.ndarray(tensor.shape, values.dtype, values.data, tensor.start * step, strides)

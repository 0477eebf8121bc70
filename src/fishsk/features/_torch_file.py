"""Published weights in torch's file format of before 2020, read without torch.

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
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

_N_PICKLES = 5


class _Tensor(NamedTuple):
    """The storage of a tensor, where in it its values begin, and how many lie between neighbors."""

    storage: tuple[str, str, int]  # key, dtype, number of values
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(path: str | os.PathLike[str], *, sha256: str) -> dict[str, np.ndarray]:
    """Return the arrays of a `state_dict` by their names, float32 or int64, read-only, with torch's axes.

    The digest is that of a file that is known to be sound: ValueError if it is another, before a byte of the
    file is interpreted.
    """
    content = Path(path).read_bytes()
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise ValueError(
            f"{os.fspath(path)!r} must have the SHA-256 {sha256}. Got {got}: the file has changed. Install "
            "or copy it again."
        )
    stream = io.BytesIO(content)
    *_, tensors, keys = (_Unpickler(stream).load() for _ in range(_N_PICKLES))
    storages = {tensor.storage[0]: tensor.storage for tensor in tensors.values()}
    values: dict[str, np.ndarray] = {}
    for key in keys:
        start = stream.tell() + 8
        _, dtype, n_values = storages[key]
        values[key] = np.frombuffer(content, dtype, n_values, start)
        stream.seek(start + values[key].nbytes)
    arrays = {}
    for name, tensor in tensors.items():
        of = values[tensor.storage[0]]
        strides = [stride * of.itemsize for stride in tensor.strides]
        arrays[name] = np.ndarray(tensor.shape, of.dtype, of.data, tensor.start * of.itemsize, strides)
    return arrays


class _Unpickler(pickle.Unpickler):
    """It knows four names."""

    def find_class(self, module: str, name: str) -> object:
        known: dict[tuple[str, str], object] = {
            ("collections", "OrderedDict"): OrderedDict,
            # A function, of which BUILD, which a dictionary comes with, can set attributes.
            ("torch._utils", "_rebuild_tensor_v2"): lambda *of: _Tensor(*of[:4]),
            ("torch", "FloatStorage"): "<f4",
            ("torch", "LongStorage"): "<i8",
        }
        return known[module, name]

    def persistent_load(self, pid: tuple[str, str, str, str, int, object]) -> tuple[str, str, int]:
        _, dtype, key, _, n_values, _ = pid
        return key, dtype, n_values

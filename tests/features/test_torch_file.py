"""Files of torch's older format, written here as torch writes them."""

import hashlib
import io
import os
import pickle
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from fishsk.features._torch_file import read_torch_file


class Storage:
    """What torch keeps the values of a tensor in."""

    def __init__(self, array):
        self.array = array


class Tensor:
    """What is pickled as a call of torch's `_rebuild_tensor_v2`."""

    def __init__(self, array, *, start=0, shape=None, strides=None):
        self.storage = Storage(array.reshape(-1))
        strides = tuple(step // array.itemsize for step in array.strides) if strides is None else strides
        self.place = (start, array.shape if shape is None else shape, strides)

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, *self.place, False, OrderedDict())


class Pickler(pickle.Pickler):
    """It refers to storages by keys, as torch's does."""

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        kind = {"f": "FloatStorage", "i": "LongStorage"}[value.array.dtype.kind]
        key, n_values = str(id(value)), value.array.size
        return "storage", getattr(sys.modules["torch"], kind), key, "cpu", n_values, None


@pytest.fixture
def dump(monkeypatch):
    """Return a function that returns the bytes of a file of tensors."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        pass

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def dump(tensors):
        tensors = OrderedDict(tensors)
        tensors._metadata = OrderedDict(version=1)  # as a state_dict has
        storages = [tensor.storage for tensor in tensors.values() if isinstance(tensor, Tensor)]
        heads = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
        parts = [pickle.dumps(head, protocol=2) for head in heads]
        stream = io.BytesIO()
        Pickler(stream, protocol=2).dump(tensors)
        keys = [str(id(storage)) for storage in storages]
        parts += [stream.getvalue(), pickle.dumps(keys, protocol=2)]
        for storage in storages:
            parts += [storage.array.size.to_bytes(8, "little"), storage.array.tobytes()]
        return b"".join(parts)

    return dump


def read(path, content):
    path.write_bytes(content)
    return read_torch_file(path, sha256=hashlib.sha256(content).hexdigest())


def make_tensors():
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return {
        "kernel": Tensor(kernel),
        "turned": Tensor(kernel, shape=(4, 2, 3), strides=(1, 12, 4)),
        "part": Tensor(kernel, start=20, shape=(4,), strides=(1,)),
        "count": Tensor(np.array(7)),
    }


def test_arrays_come_back_by_their_names(dump, tmp_path):
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    expected = {
        "kernel": kernel,
        "turned": kernel.transpose(2, 0, 1),
        "part": kernel.ravel()[20:],
        "count": 7,
    }
    arrays = read(tmp_path / "weights.pth", dump(make_tensors()))
    assert list(arrays) == list(expected)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])
    assert (arrays["kernel"].dtype, arrays["count"].dtype) == (np.float32, np.int64)


def test_fault_34_a_file_that_has_changed_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("fishsk.features._torch_file._Unpickler", lambda stream: pytest.fail("it was read"))
    (tmp_path / "weights.pth").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"weights.pth' must have the SHA-256 00. Got [0-9a-f]{64}: "):
        read_torch_file(tmp_path / "weights.pth", sha256="00")


class Evil:
    """It is pickled as a call of another function."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_fault_35_no_other_function_is_known(dump, tmp_path):
    with pytest.raises(KeyError, match="mkdir"):
        read(tmp_path / "weights.pth", dump({"kernel": Evil(str(tmp_path / "ran"))}))
    assert not (tmp_path / "ran").exists()

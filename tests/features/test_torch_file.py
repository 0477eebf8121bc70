"""Files of torch's older format, written here as torch writes them, and what is refused."""

import hashlib
import io
import os
import pickle
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fishsk.features._torch_file import _parse, read_torch_file


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

    def dump(tensors, *, little=True):
        tensors = OrderedDict(tensors)
        tensors._metadata = OrderedDict(version=1)  # as a state_dict has
        storages = [tensor.storage for tensor in tensors.values() if isinstance(tensor, Tensor)]
        heads = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": little})
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
    monkeypatch.setattr("fishsk.features._torch_file._parse", lambda content: pytest.fail("it was read"))
    (tmp_path / "weights.pth").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"weights.pth' must have the SHA-256 00. Got [0-9a-f]{64}: "):
        read_torch_file(tmp_path / "weights.pth", sha256="00")


class Evil:
    """It is pickled as a call of another function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("evil", "match"),
    [
        (lambda path: Evil(os.mkdir, path), r"it names posix.mkdir|it names nt.mkdir"),
        (lambda path: Evil(eval, f"open({path!r}, 'w')"), r"it names __builtin__.eval"),
        (lambda path: OrderedDict, "something else than tensors"),
    ],
)
def test_fault_35_what_is_no_tensor_is_refused_and_nothing_runs(evil, match, dump, tmp_path):
    with pytest.raises(ValueError, match=match):
        read(tmp_path / "weights.pth", dump({"kernel": evil(str(tmp_path / "ran"))}))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("place", "match"),
    [
        ({"shape": (3, 3, 4)}, "has values that are not there"),
        ({"start": 1}, "has values that are not there"),
        ({"start": -1}, "a number of values is -1"),
        ({"strides": (12, 4, 100)}, "has values that are not there"),
        ({"shape": (2**40,), "strides": (0,)}, "repeats values"),
        ({"shape": (2, 3, 4, 1)}, "longer than|shorter than"),
    ],
)
def test_fault_34_a_tensor_of_values_that_are_not_there_is_refused(place, match, dump, tmp_path):
    tensor = Tensor(np.zeros((2, 3, 4), dtype=np.float32), **place)
    with pytest.raises(ValueError, match=match):
        read(tmp_path / "weights.pth", dump({"kernel": tensor}))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda content: content[:-1], "buffer"),
        (lambda content: content + b"x", "behind its last value"),
        (lambda content: b"PK\x03\x04" + content, "zip archive"),
        (lambda content: b"", "exhausted"),
        (lambda content: content.replace(b"M\xe9\x03.", b"M\xea\x03.", 1), "its first bytes are others"),
        # A memo index for which gigabytes would be reserved.
        (lambda content: b"\x80\x02Nr\xff\xff\xff\x7f.", "memo index"),
        (lambda content: b"\x80\x02cos\nsystem\n(Vtrue\ntR.", "the pickle opcode UNICODE"),
    ],
)
def test_fault_34_a_corrupt_file_of_torch_is_named(spoil, match, dump, tmp_path):
    with pytest.raises(ValueError, match=rf"weights.pth' must be a state_dict in torch's .*{match}"):
        read(tmp_path / "weights.pth", spoil(dump(make_tensors())))


def test_bytes_of_another_order_are_refused(dump, tmp_path):
    with pytest.raises(ValueError, match="its first bytes are others"):
        read(tmp_path / "weights.pth", dump(make_tensors(), little=False))


def test_fault_34_no_changed_byte_does_more_than_change_a_name_or_a_number(dump, tmp_path):
    content = dump(make_tensors())

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(st.integers(0, len(content) - 1), st.integers(0, 255))
    def change(place, byte):
        changed = bytearray(content)
        changed[place] = byte
        (tmp_path / "weights.pth").write_bytes(changed)
        try:
            arrays = read(tmp_path / "weights.pth", bytes(changed))
        except ValueError:
            return
        assert all(isinstance(array, np.ndarray) and array.size <= 24 for array in arrays.values())

    change()


def test_reading_leaves_the_reader_as_it_was(dump):
    """The pickle opcode BUILD sets attributes; those of a function would stay."""
    content = dump(make_tensors())
    before = content.index(b"ctorch._utils\n_rebuild_tensor_v2\n")
    name = b"ctorch._utils\n_rebuild_tensor_v2\n"
    spoiled = content[:before] + name + b"}X\x04\x00\x00\x00leftK\x01sb" + content[before + len(name) :]
    assert list(_parse(spoiled)) == list(_parse(content))
    assert not hasattr(sys.modules["fishsk.features._torch_file"]._make_tensor, "left")

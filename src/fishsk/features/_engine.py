"""Engines of frozen networks: which engine runs which, and the networks that this process has loaded."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace

from fishsk._compat.tensorflow import uses_onednn
from fishsk._utils.files import StrPath
from fishsk._utils.versions import find_version
from fishsk.features._int8 import describe_int8, load_int8
from fishsk.features._network import KerasBackbone, Run, Settings, View
from fishsk.features._onnx_file import OnnxBackbone, load_onnxruntime
from fishsk.features._tensorflow import load_litert, load_tensorflow

_ENGINES: dict[str, Callable[..., Run]] = {
    "int8": load_int8,
    "litert": load_litert,
    "onnxruntime": load_onnxruntime,
    "tensorflow": load_tensorflow,
}
# Where there is none of these, TensorFlow finds no GPU, and need not be asked: Linux, AMD's, Windows's.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_ONEDNN_MACHINES = ("x86_64", "AMD64")  # on which `import fishsk` switches it on
_MAX_LOADED = 4
_loaded: dict[Settings, Run] = {}  # the oldest first
_lock = threading.Lock()  # a network that one thread loads is not loaded by others


def resolve_engine(backbone: KerasBackbone | OnnxBackbone, precision: str) -> tuple[str, ...]:
    """Return the engine that runs a network: its name, and what else changes a number that it gives."""
    if backbone.source.engine == "onnxruntime":
        return ("onnxruntime",)
    if precision == "int8":
        return describe_int8()
    if _has_gpu():
        return "tensorflow", "gpu"
    if backbone.source.engine == "litert" and find_version("ai-edge-litert") is not None:
        return ("litert",)
    return ("tensorflow",) if _is_onednn_on() else ("tensorflow", "without oneDNN")


def load_network(settings: Settings, folder: StrPath | None, *, shown: bool) -> Run:
    """Return the function from a batch of images and a view to its features.

    Networks are kept by their settings, so that equal transformers of a process share one. In the cache
    folder those are kept that take long to make, which `shown` shows by a progress bar.
    """
    settings = replace(settings, resize="stretch", views=(View.PLAIN,))  # of which it knows nothing
    with _lock:
        if settings not in _loaded:
            network = _ENGINES[settings.engine[0]](settings, folder, shown=shown)
            if len(_loaded) == _MAX_LOADED:
                del _loaded[next(iter(_loaded))]
            _loaded[settings] = network
        return _loaded[settings]


@functools.cache
def _is_onednn_on() -> bool:
    """Return whether TensorFlow runs on oneDNN in this process, or will; warn once where that was not meant.

    TensorFlow reads the variable when it is imported. On processors without AVX-512 it is off by default, and
    then a row depends on its batch.
    """
    is_wanted = os.environ.get(_ONEDNN) != "0"
    if "tensorflow" not in sys.modules:
        return is_wanted
    if platform.machine() not in _ONEDNN_MACHINES or uses_onednn():
        return True
    if is_wanted:
        warnings.warn(
            "TensorFlow was imported before fishsk, and runs without oneDNN. Features then depend on the "
            "batch in their last digits, and are stored apart from others. Import fishsk before TensorFlow "
            f"and Keras, or set {_ONEDNN}=1 in the environment. {_ONEDNN}=0 silences this.",
            UserWarning,
            stacklevel=2,
        )
    return False


@functools.cache
def _has_gpu() -> bool:
    """Return whether TensorFlow would run networks on a GPU."""
    if not any(map(os.path.exists, _GPU_DEVICES)) and find_version("tensorflow-metal") is None:
        return False
    try:
        import tensorflow as tf
    except ImportError:
        return False
    return bool(tf.config.list_physical_devices("GPU"))


def _start_afresh() -> None:
    """Leave the parent's networks, whose threads a forked process lacks: to free one would wait for them."""
    global _lock, _loaded
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_loaded))  # nor are they freed at its end
    _lock, _loaded = threading.Lock(), {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

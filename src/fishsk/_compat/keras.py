"""Private names of Keras 3.15."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import keras
from keras.src.utils import file_utils

_lock = threading.Lock()

# What the parts of Keras must be that a configuration names, by the modules in which it may name them.
_BASES: dict[str, tuple[type, ...]] = {
    "keras": (keras.Model, keras.DTypePolicy),
    "keras.constraints": (keras.constraints.Constraint,),
    "keras.dtype_policies": (keras.DTypePolicy,),
    "keras.initializers": (keras.initializers.Initializer,),
    "keras.layers": (keras.layers.Layer,),
    "keras.losses": (keras.losses.Loss,),
    "keras.metrics": (keras.metrics.Metric,),
    "keras.models": (keras.Model,),
    "keras.optimizers": (keras.optimizers.Optimizer,),
    "keras.optimizers.schedules": (keras.optimizers.schedules.LearningRateSchedule,),
    "keras.random": (keras.random.SeedGenerator,),
    "keras.regularizers": (keras.regularizers.Regularizer,),
}
# Modules with operations that have no public class: x + 1 in a network, a layer of ConvNeXt.
_INTERNAL = ("keras.src.applications.", "keras.src.layers.", "keras.src.models.", "keras.src.ops.")
_FUNCTIONS = (
    keras.activations,
    keras.constraints,
    keras.initializers,
    keras.losses,
    keras.metrics,
    keras.regularizers,
)
_DATA = {"__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__", "__tuple__"}
# Layers that run code, or read a file that a configuration names.
_UNSAFE = {
    "FlaxLayer",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
}


class _AskedForError(Exception):
    """Keras has asked for a file."""


def find_download(build: Callable[[], object]) -> tuple[str, str, str | None]:
    """Return what a function of keras.applications would download, and let it do nothing further.

    That is a file's name in Keras's folder, its URL, and its hash where Keras has one.
    """
    asked: list[tuple[str, str, str | None]] = []

    def ask(fname: str, origin: str, *, file_hash: str | None = None, **_: object) -> str:
        asked.append((fname, origin, file_hash))
        raise _AskedForError

    with getting_files_by(ask), contextlib.suppress(_AskedForError):
        build()
    ((name, url, digest),) = asked
    kind = {32: "md5", 64: "sha256"}.get(len(digest or ""))
    return name, url, kind and f"{kind}:{digest}"


@contextlib.contextmanager
def getting_files_by(get_file: Callable[..., str]) -> Iterator[None]:
    """Let Keras ask a function for files, in this thread alone."""
    thread = threading.get_ident()
    with _lock:
        of_keras = file_utils.get_file

        def choose(*args: object, **kwargs: object) -> str:
            return (get_file if threading.get_ident() == thread else of_keras)(*args, **kwargs)

        with mock.patch.object(file_utils, "get_file", choose):
            yield


def forget_model(callback: keras.callbacks.Callback) -> None:
    """Take the model away from a callback; `set_model`, the public way, does more in some callbacks."""
    callback._model = None


def take_initial_epoch(model: keras.Model) -> int:
    """Return the epoch in which BackupAndRestore wants `model` to go on, 0 unless it does; once."""
    epoch, model._initial_epoch = model._initial_epoch or 0, None
    return epoch


def find_unsafe(described: object) -> Iterator[str]:
    """Yield what a configuration holds besides data and parts of Keras that neither run code nor read files.

    It is what Keras writes of a network, as JSON holds it; nothing of it is built.
    """
    left = [described]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            left += part.values()
            if "class_name" in part and (unsafe := _name_unsafe(part)):
                yield unsafe
        elif isinstance(part, list | tuple):
            left += part
        elif part is not None and not isinstance(part, str | int | float | bool):
            yield f"{part!r}, which is no data"


def _name_unsafe(part: dict[str, Any]) -> str | None:
    """Return what to call a part that is not on the list of those allowed."""
    name, module, registered = part["class_name"], part.get("module"), part.get("registered_name")
    if name == "__lambda__":
        return "a lambda"
    if not isinstance(name, str) or name in _UNSAFE:
        return f"a layer of the kind {name}"
    if name == "function":
        name = str(part.get("config"))
        found = [getattr(place, name, None) for place in _FUNCTIONS]
        is_safe = module == "builtins" and any(map(inspect.isfunction, found))
        return None if is_safe else f"the function {name}, which is not Keras's own"
    if module is None:
        is_safe = name in _DATA
    else:
        bases = (keras.Operation,) if str(module).startswith(_INTERNAL) else _BASES.get(module, ())
        found_class = getattr(sys.modules.get(module), name, None)
        is_safe = inspect.isclass(found_class) and issubclass(found_class, bases)
    # Keras writes ">Name" once its own class has been registered without a package, as some libraries do.
    if is_safe and registered in (None, name, f">{name}"):
        return None
    return f"{registered or name}, which is not Keras's own"

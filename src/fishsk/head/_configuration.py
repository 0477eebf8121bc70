"""Configurations of Keras: whether all that they name is Keras's own, and none of it code or a file."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from fishsk._compat.keras import Functional

_PLACES = {
    "keras": (keras, (keras.Model, keras.DTypePolicy)),
    "keras.constraints": (keras.constraints, keras.constraints.Constraint),
    "keras.initializers": (keras.initializers, keras.initializers.Initializer),
    "keras.layers": (keras.layers, keras.layers.Layer),
    "keras.losses": (keras.losses, keras.losses.Loss),
    "keras.metrics": (keras.metrics, keras.metrics.Metric),
    "keras.models": (keras.models, keras.Model),
    "keras.optimizers": (keras.optimizers, keras.optimizers.Optimizer),
    "keras.optimizers.schedules": (
        keras.optimizers.schedules,
        keras.optimizers.schedules.LearningRateSchedule,
    ),
    "keras.random": (keras.random, keras.random.SeedGenerator),
    "keras.regularizers": (keras.regularizers, keras.regularizers.Regularizer),
}
_FUNCTIONS = (keras.activations, keras.losses, keras.metrics)

#: Keras's layers that run code, or read a file that a configuration names.
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


def is_known(described: Any) -> bool:
    """Return whether a configuration names only parts of Keras that neither run code nor read files."""
    if isinstance(described, dict):
        if "class_name" in described and not _is_known_part(described):
            return False
        return all(map(is_known, described.values()))
    if isinstance(described, list | tuple):
        return all(map(is_known, described))
    return described is None or isinstance(described, str | int | float | bool)


def check_configuration(described: Any) -> None:
    """Check that a configuration may be saved and loaded."""
    if not is_known(described):
        raise ValueError(
            "A network that is saved must be made of Keras's own layers, losses and metrics, without Lambda "
            "and what reads files: a file of fishsk holds no code. Build it of such, or pickle the pipeline."
        )


def _is_known_part(described: dict[str, Any]) -> bool:
    name, module = described["class_name"], described.get("module")
    if not isinstance(name, str):
        return False
    if name == "function":
        found = [getattr(place, str(described.get("config")), None) for place in _FUNCTIONS]
        return module == "builtins" and any(map(inspect.isfunction, found))
    if module is None:  # tensors and tuples
        return name in ("__keras_tensor__", "__tuple__") and described.get("registered_name") is None
    if (module, name) == (Functional.__module__, Functional.__name__):
        return described.get("registered_name") == name
    place, bases = _PLACES.get(module, (None, ()))
    part = getattr(place, name, None)
    is_safe = inspect.isclass(part) and issubclass(part, bases) and name not in _UNSAFE
    return is_safe and described.get("registered_name") in (None, name)

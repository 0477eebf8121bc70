"""What a file says that a head has learned, checked before the head believes it."""

from __future__ import annotations

import json
import reprlib
from typing import Any

import numpy as np

from fishsk.head import (
    ACTIVATIONS,
    LOSSES,
    Architecture,
    KerasHeadClassifier,
    check_configuration,
    is_own,
    restore_architecture,
)
from fishsk.persistence._archive import take

_CLASSIFYING = LOSSES[:2]
_MAX_LABELS = 2**24  # bytes of all class labels: a few letters of JSON can ask for any width


def check_head_state(head: Any, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Check what `_set_fitted_state` of a head takes for granted.

    Raises
    ------
    TypeError, ValueError
        If no head of this type can have learned this.
    """
    is_classifier = isinstance(head, KerasHeadClassifier)
    if "network" in state:
        _check_own_state(is_classifier, state, arrays)
        return
    common = {"architecture": dict, "feature_names_in": list, "history": dict, "seed": int}
    of_classes = {"classes": list, "classes_dtype": str, "temperature": float}
    described, names, history, seed, *of_targets = take(
        state,
        "the head's state",
        **common | (of_classes if is_classifier else {"target_ndim": int}),
    )
    architecture = _take_architecture(described)
    n_features = architecture.n_features
    if (architecture.loss in _CLASSIFYING) != is_classifier:
        raise ValueError(f"a {type(head).__name__} cannot have the loss {architecture.loss!r}")
    if is_classifier:
        classes, dtype, temperature = of_targets
        _check_classes(classes, dtype, architecture.n_outputs)
        if temperature <= 0:
            raise ValueError(f"the head's temperature must be above 0. Got {temperature}")
    elif of_targets[0] not in (1, 2) or (of_targets[0] == 1 and architecture.n_outputs != 1):
        raise ValueError(f"the head's targets cannot have {of_targets[0]} dimensions")
    if len(names) not in (0, n_features) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"the head must have {n_features} feature names, or none. Got {reprlib.repr(names)}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"the head's seed must be in 0 to 2**32 - 1. Got {seed}")
    _check_history(history)
    # Adam's iterations, its learning rate, and two moments of each weight that trains.
    moments = [shape for shape in architecture.shapes.values() for _ in range(2)]
    adam = {f"optimizer_{i}": shape for i, shape in enumerate([(), (), *moments])}
    found = {key: array.shape for key, array in arrays.items() if key.startswith("optimizer_")}
    if found not in ({}, adam) or len(arrays) != len(architecture.shapes) + len(found):
        raise ValueError(f"a head of the architecture {described} cannot have the arrays {sorted(arrays)}")


def get_head_params(head: Any) -> dict[str, Any]:
    """Return the parameters of a head that are saved; a network of one's own is saved as what it has learned.

    Its function, optimizer, loss, metrics and their routed parameters are code, or names for it: in their
    place the head that is loaded has the compiled network as its `model`.
    """
    params = head.get_params(deep=False)
    if not is_own(head):
        return params
    defaults = type(head)().get_params(deep=False)
    of_network = {"model", "optimizer", "loss", "metrics"}
    return {name: defaults[name] if name in of_network else params[name] for name in defaults}


def _check_own_state(is_classifier: bool, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    network, shapes, n_features, names, history, seed, target = take(
        state,
        "the head's state",
        network=dict,
        row_shapes=dict,
        n_features_in=int,
        feature_names_in=list,
        history=dict,
        seed=int,
        target=dict,
    )
    check_configuration(network)
    if sorted(arrays) != sorted(f"weight_{index}" for index in range(len(arrays))):
        raise ValueError(f"a network of one's own cannot have the arrays {sorted(arrays)}")
    if not 0 <= seed < 2**32 or n_features < 0 or not all(isinstance(name, str) for name in names):
        raise ValueError("the head's seed, number of features and their names must be such")
    if not all(isinstance(shape, list) and all(type(n) is int for n in shape) for shape in shapes.values()):
        raise ValueError(f"the shapes of rows must be lists of numbers. Got {reprlib.repr(shapes)}")
    _check_history(history)
    if not is_classifier:
        kind, shape = take(target, "the targets", kind=str, shape=list)
        if kind != "numbers" or not all(type(n) is int for n in shape) or len(shape) > 1:
            raise ValueError(f"a regressor's targets must be numbers. Got {reprlib.repr(target)}")
        return
    kind, classes, dtypes = take(target, "the targets", kind=str, classes=list, dtypes=list)
    if kind not in ("classes", "tags", "one-hot", "columns") or len(classes) != len(dtypes) or not classes:
        raise ValueError(f"a classifier's targets must be classes. Got {reprlib.repr(target)}")
    for labels, dtype in zip(classes, dtypes, strict=True):
        _check_classes(labels, dtype, len(labels))


def _check_history(history: dict[str, Any]) -> None:
    for name, values in history.items():
        if not isinstance(values, list) or not values or len(values) != len(history.get("loss", [])):
            raise ValueError(f"the head's history {name!r} must be as long as its 'loss'")
        if not all(value is None or isinstance(value, float) for value in values):
            raise ValueError(f"the head's history {name!r} must hold floats. Got {reprlib.repr(values)}")


def _take_architecture(described: dict[str, Any]) -> Architecture:
    """Return the architecture that a file describes, if there can be such a head."""
    take(
        described,
        "the head's architecture",
        n_features=int,
        hidden_units=list,
        n_outputs=int,
        dropout=float,
        l2=float,
        activation=str,
        loss=str,
    )
    if not all(type(n) is int and n > 0 for n in described["hidden_units"]):
        raise ValueError(f"no head has the architecture {described}")
    architecture = restore_architecture(described)
    if (
        min(architecture.n_features, architecture.n_outputs) < 1
        or (architecture.loss == LOSSES[0] and architecture.n_outputs < 2)
        or not 0 <= architecture.dropout < 1
        or architecture.l2 < 0
        or architecture.activation not in ACTIVATIONS
        or architecture.loss not in LOSSES
    ):
        raise ValueError(f"no head has the architecture {described}")
    return architecture


def _check_classes(classes: list, dtype: str, n_classes: int) -> None:
    """Check that class labels are sorted, and that the dtype holds them as they are."""
    kind = np.dtype(dtype)
    if kind.kind not in "biufUO" or kind.itemsize * len(classes) > _MAX_LABELS:
        raise ValueError(f"the head's class labels must be numbers or text. Got dtype {dtype!r}")
    if kind.kind == "O" and not all(isinstance(label, str) for label in classes):
        raise ValueError(f"the head's class labels must be text. Got {reprlib.repr(classes)}")
    labels = np.array(classes, dtype=kind)
    if labels.shape != (n_classes,) or json.dumps(labels.tolist()) != json.dumps(classes):
        raise ValueError(f"the head must have {n_classes} labels of {dtype!r}. Got {reprlib.repr(classes)}")
    if not (labels[:-1] < labels[1:]).all():
        raise ValueError(f"the head's class labels must be sorted. Got {reprlib.repr(classes)}")

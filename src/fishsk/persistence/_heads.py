"""What a file says that a head has learned, checked before the head believes it."""

from __future__ import annotations

import json
import reprlib
from typing import Any

import numpy as np

from fishsk.head import (
    ACTIVATIONS,
    OUTPUTS,
    Architecture,
    DenseNetwork,
    KerasHead,
    check_configuration,
    find_builder,
    restore_architecture,
)
from fishsk.persistence._archive import take

_MAX_LABELS = 2**24  # bytes of all class labels: a few letters of JSON can ask for any width
_OF_NETWORK = ("model", "optimizer", "loss")


def check_head_state(head: KerasHead, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Check what `_set_fitted_state` of a head takes for granted.

    Raises
    ------
    TypeError, ValueError
        If no head of this type can have learned this.
    """
    is_classifier = is_head_of(head, "KerasHeadClassifier")
    network = "network" if "network" in state else "architecture"
    shapes, n_features, names, history, seed, temperature, target, described = take(
        state,
        "the head's state",
        row_shapes=dict,
        n_features_in=int,
        feature_names_in=list,
        history=dict,
        seed=int,
        temperature=float,
        target=dict,
        **{network: dict},
    )
    if not 0 <= seed < 2**32 or n_features < 0 or not all(isinstance(name, str) for name in names):
        raise ValueError("the head's seed, number of features and their names must be such")
    if len(names) not in (0, n_features):
        raise ValueError(f"the head must have {n_features} feature names, or none. Got {reprlib.repr(names)}")
    if temperature <= 0:
        raise ValueError(f"the head's temperature must be above 0. Got {temperature}")
    if not all(isinstance(shape, list) and all(type(n) is int for n in shape) for shape in shapes.values()):
        raise ValueError(f"the shapes of rows must be lists of numbers. Got {reprlib.repr(shapes)}")
    _check_history(history)
    n_outputs = _check_target(is_classifier, target)
    if network == "network":
        check_configuration(described)
        if sorted(arrays) != sorted(f"weight_{index}" for index in range(len(arrays))):
            raise ValueError(f"a custom network cannot have the arrays {sorted(arrays)}")
        return
    architecture = _take_architecture(described)
    if (
        (architecture.output == "linear") == is_classifier
        or architecture.n_features != n_features
        or shapes != {"X": [n_features]}
        or architecture.n_outputs not in n_outputs
    ):
        raise ValueError(f"a {type(head).__name__} cannot have the architecture {described} for its targets")
    # What an optimizer remembers are numbers, and arrays of the shapes of weights.
    found = {key: array.shape for key, array in arrays.items() if key.startswith("optimizer_")}
    known = {(), *architecture.shapes.values()}
    numbered = sorted(found) == sorted(f"optimizer_{index}" for index in range(len(found)))
    if not numbered or not known.issuperset(found.values()):
        raise ValueError(f"a head of the architecture {described} cannot have the arrays {sorted(arrays)}")
    if len(arrays) != len(architecture.shapes) + len(found):
        raise ValueError(f"a head of the architecture {described} cannot have the arrays {sorted(arrays)}")


def is_head_of(step: Any, name: str) -> bool:
    """Return whether a step is a head of this name, also one that was read where there is no Keras."""
    return isinstance(step, KerasHead) and name in [each.__name__ for each in type(step).__mro__]


def has_custom_network(head: KerasHead) -> bool:
    """Return whether a head has a custom network, or will have one once it is fitted."""
    if head.initialized_:
        return not isinstance(head._network, DenseNetwork)
    return find_builder(head) is not None


def get_head_params(head: KerasHead) -> dict[str, Any]:
    """Return the parameters of a head that are saved; a custom network is saved as what it has learned.

    Its function, optimizer, loss, metrics and their routed parameters are code, or names for it: in their
    place the head that is loaded has the compiled network as its `model`.
    """
    if not has_custom_network(head):
        return head.get_params(deep=False)
    defaults = type(head)().get_params(deep=False)
    params = head.get_params(deep=False)
    return {name: defaults[name] if name in _OF_NETWORK else params[name] for name in defaults}


def _check_target(is_classifier: bool, target: dict[str, Any]) -> tuple[int, ...]:
    """Check what the head knows of its targets, and return how many outputs a built-in network may have."""
    if not is_classifier:
        kind, shape = take(target, "the targets", kind=str, shape=list)
        if kind != "numbers" or not all(type(n) is int and n > 0 for n in shape) or len(shape) > 1:
            raise ValueError(f"a regressor's targets must be numbers. Got {reprlib.repr(target)}")
        return (shape[0] if shape else 1,)
    kind, classes, dtypes = take(target, "the targets", kind=str, classes=list, dtypes=list)
    if kind not in ("classes", "tags", "one-hot", "columns") or len(classes) != len(dtypes) or not classes:
        raise ValueError(f"a classifier's targets must be classes. Got {reprlib.repr(target)}")
    if (kind != "columns" and len(classes) != 1) or not all(type(labels) is list for labels in classes):
        raise ValueError(f"a classifier's targets must be classes. Got {reprlib.repr(target)}")
    for labels, dtype in zip(classes, dtypes, strict=True):
        _check_classes(labels, dtype, len(labels))
    n_classes = len(classes[0])
    return (1, 2) if n_classes == 2 and kind == "classes" else (n_classes,)


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
        output=str,
    )
    if not all(type(n) is int and n > 0 for n in described["hidden_units"]):
        raise ValueError(f"no head has the architecture {described}")
    architecture = restore_architecture(described)
    if (
        min(architecture.n_features, architecture.n_outputs) < 1
        or not 0 <= architecture.dropout < 1
        or architecture.l2 < 0
        or architecture.activation not in ACTIVATIONS
        or architecture.output not in OUTPUTS
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

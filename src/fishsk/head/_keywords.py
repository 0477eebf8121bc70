"""Parameters beside the named ones, in scikeras's spelling: Keras's keywords, and those routed to a part."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fishsk.head._base import KerasHead

#: Prefixes of parameters that are routed to a part.
PREFIXES = ("model", "compile", "optimizer", "loss", "metrics", "callbacks", "fit", "predict")

#: Keywords of Keras and scikeras that the heads take besides their own parameters, with their defaults.
KEYWORDS: dict[str, Any] = {
    "build_fn": None,
    "initial_epoch": 0,
    "loss_weights": None,
    "metrics": None,
    "run_eagerly": False,
    "shuffle": True,
    "steps_per_epoch": None,
    "validation_batch_size": None,
    "validation_data": None,
    "validation_freq": 1,
    "validation_split": None,
    "validation_steps": None,
    "weighted_metrics": None,
}
COMPILATION = ("loss_weights", "metrics", "run_eagerly", "weighted_metrics")
_TRAINING = tuple(name for name in KEYWORDS if name not in (*COMPILATION, "build_fn"))
#: What `fit` itself takes besides, as Keras's does.
_FIT = (*_TRAINING, "epochs", "batch_size", "verbose", "callbacks", "class_weight")
_PREDICT = ("batch_size", "callbacks", "steps", "verbose")
_BUILD_METHOD = "_keras_build_fn"  # as scikeras's documentation asks subclasses to name it


def is_routed(name: str) -> bool:
    """Return whether a parameter belongs to a part of the head."""
    prefix, separator, _ = name.partition("__")
    return bool(separator) and prefix in PREFIXES


def route(params: Mapping[str, Any], destination: str) -> dict[str, Any]:
    """Return the parameters that are routed to a destination, without its prefix."""
    prefix = f"{destination}__"
    return {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}


def set_keywords(head: KerasHead, keywords: Mapping[str, Any]) -> None:
    """Set keywords of a constructor; what is neither routed nor known is of the user's function."""
    own = {name for name in keywords if not is_routed(name) and name not in KEYWORDS}
    for name, value in keywords.items():
        setattr(head, name, value)
    if not own:
        return
    if find_builder(head) is None:
        raise TypeError(f"{type(head).__name__}.__init__() got an unexpected keyword argument {min(own)!r}")
    head._of_builder = frozenset(own)


def find_builder(head: KerasHead) -> Any:
    """Return the function or model that a head is to use, or None for its built-in network."""
    if head.model is None and (old := getattr(head, "build_fn", None)) is not None:
        warnings.warn(
            "build_fn is scikeras's old name of model, and goes with the next release: write model.",
            FutureWarning,
            stacklevel=2,
        )
        return old
    return head.model if head.model is not None else getattr(head, _BUILD_METHOD, None)


def find_training(head: KerasHead, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a fit is to go, by Keras's names: `keywords` of fit win over ``fit__...``, this over all.

    Raises
    ------
    TypeError
        If a keyword or a parameter that is routed to ``fit`` or ``predict`` is none of Keras's.
    """
    params = head.get_params()
    routed = route(params, "fit")
    for what, names in (("fit", keywords), ("fit__", routed)):
        check_names(what, names, _FIT)
    check_names("predict__", route(params, "predict"), _PREDICT)
    if find_builder(head) is None and (of_model := sorted(route(params, "model"))):
        raise TypeError(
            f"Parameters of model need a model that takes them. Got model__{of_model[0]} without."
        )
    found = {name: params.get(name, KEYWORDS[name]) for name in _TRAINING}
    found |= {"epochs": head.epochs, "batch_size": head.batch_size, "verbose": head.verbose}
    found |= {name: value for name, value in routed.items() if not name.startswith("callbacks")}
    found |= keywords
    found["extra_callbacks"] = found.pop("callbacks", None)
    if found["validation_split"] is None:
        found["validation_split"] = head.validation_fraction
    return found


def check_prediction(head: KerasHead, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a prediction is to go: `keywords` win over ``predict__...``."""
    routed = route(vars(head), "predict")
    check_names("predictions", keywords, _PREDICT)
    found = {name: value for name, value in routed.items() if not name.startswith("callbacks")}
    return found | dict(keywords)


def check_names(what: str, names: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raise a TypeError for a name that is not known."""
    unknown = sorted(name for name in names if name not in known and not name.startswith("callbacks__"))
    if unknown:
        raise TypeError(f"Keywords of {what} must be among {sorted(known)}. Got {unknown}.")

"""Parameters beside the named ones, in scikeras's spelling: Keras's keywords, and those routed to a part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import keras

    from fishsk.head._base import KerasHead
    from fishsk.head._targets import Rows

    Builder: TypeAlias = Callable[..., keras.Model] | keras.Model
    Loss: TypeAlias = str | type | Callable[..., object] | keras.losses.Loss | list | dict

Keywords = Mapping[str, object]

#: Prefixes of parameters that are routed to a part.
PREFIXES = ("model", "compile", "optimizer", "loss", "metrics", "callbacks", "fit", "predict")

#: Keywords of `keras.Model.compile` that the heads take besides their own parameters, with their defaults.
COMPILATION: dict[str, object] = {
    "loss_weights": None,
    "metrics": None,
    "run_eagerly": False,
    "weighted_metrics": None,
}
#: Those of `keras.Model.fit`.
_TRAINING: dict[str, object] = {
    "initial_epoch": 0,
    "shuffle": True,
    "steps_per_epoch": None,
    "validation_batch_size": None,
    "validation_data": None,
    "validation_freq": 1,
    "validation_split": None,
    "validation_steps": None,
}
KEYWORDS = COMPILATION | _TRAINING
#: Keywords that `fit` itself takes besides, as Keras's does.
_FIT = (*_TRAINING, "epochs", "batch_size", "verbose", "callbacks", "class_weight")
_PREDICT = ("batch_size", "callbacks", "steps", "verbose")
_STEPS, _SMALLEST_BATCH, _LARGEST_BATCH = 30, 2, 64  # of batch_size="auto": benchmarks/bench_few.py
_BUILD_METHOD = "_keras_build_fn"  # as scikeras's documentation asks subclasses to name it


def is_routed(name: str) -> bool:
    """Return whether a parameter belongs to a part of the head."""
    prefix, separator, _ = name.partition("__")
    return bool(separator) and prefix in PREFIXES


def route(params: Keywords, destination: str) -> dict[str, Any]:
    """Return the parameters that are routed to a destination, without its prefix."""
    prefix = f"{destination}__"
    return {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}


def find_builder(head: KerasHead) -> Builder | None:
    """Return the function or model that a head is to use, or None for its built-in network."""
    return head.model if head.model is not None else getattr(head, _BUILD_METHOD, None)


def find_training(head: KerasHead, keywords: Keywords) -> dict[str, Any]:
    """Return how a fit is to go, by Keras's names: `keywords` of fit win over ``fit__...``, this over all.

    TypeError if a keyword or a parameter that is routed to ``fit`` or ``predict`` is none of Keras's.
    """
    params = head.get_params()
    found = {name: params.get(name, default) for name, default in _TRAINING.items()}
    found |= {name: params[name] for name in ("epochs", "batch_size", "verbose")}
    found |= _take("fit", route(params, "fit"), keywords, _FIT)
    _take("predict", route(params, "predict"), {}, _PREDICT)
    if find_builder(head) is None and (of_model := sorted(route(params, "model"))):
        raise TypeError(
            f"Parameters of model need a model that takes them. Got model__{of_model[0]} without."
        )
    if found["validation_split"] is None:
        found["validation_split"] = head.validation_fraction
    return found


def find_prediction(head: KerasHead, keywords: Keywords) -> dict[str, Any]:
    """Return how a prediction is to go: `keywords` win over ``predict__...``."""
    return _take("predict", route(vars(head), "predict"), keywords, _PREDICT)


def _take(what: str, routed: Keywords, keywords: Keywords, known: Iterable[str]) -> dict[str, Any]:
    """Return what is routed to a method and the `keywords` of its call, which win, if all of it is known.

    Of callbacks only those of the call: what is routed to them is made by `fishsk.head._callbacks`.
    """
    routed = {name: value for name, value in routed.items() if not name.startswith("callbacks__")}
    if unknown := sorted({*routed, *keywords} - set(known)):
        raise TypeError(f"Keywords of {what} must be among {sorted(known)}. Got {unknown}.")
    return {**routed, **keywords, "callbacks": keywords.get("callbacks")}


def resolve_batch_size(batch_size: int | str | None, X: Rows, default: int) -> int:
    """Return the rows of a batch: None is the default, -1 are all rows, "auto" is by their number."""
    if batch_size is None:
        return default
    if batch_size not in (-1, "auto"):
        return int(batch_size)
    if not hasattr(X, "shape"):
        raise ValueError(
            f"batch_size={batch_size!r} requires that `X` implement `shape`. Got a {type(X).__name__}."
        )
    if batch_size == -1:
        return max(1, len(X))
    return min(max(len(X) // _STEPS, _SMALLEST_BATCH), _LARGEST_BATCH)

"""Networks of one's own: how they are built, compiled and copied; the spelling of all of it is scikeras's."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from fishsk.head._random import preserved_random
from fishsk.head._scikeras import find_build_method, route_compilation, route_params

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
    "validation_split": 0.0,
    "validation_steps": None,
    "weighted_metrics": None,
}
_COMPILATION = ("loss_weights", "metrics", "run_eagerly", "weighted_metrics")
_TRAINING = tuple(name for name in KEYWORDS if name not in (*_COMPILATION, "build_fn"))
#: What `fit` itself takes besides, as Keras's does.
_FIT = (*_TRAINING, "epochs", "batch_size", "verbose", "callbacks", "class_weight")


def is_routed(name: str) -> bool:
    """Return whether a parameter belongs to a part of the head."""
    prefix, separator, _ = name.partition("__")
    return bool(separator) and prefix in PREFIXES


def set_keywords(head: Any, keywords: Mapping[str, Any]) -> None:
    """Set keywords of a constructor; what is neither routed nor known must be for one's own function."""
    for name, value in keywords.items():
        setattr(head, name, value)
        if not (is_routed(name) or name in KEYWORDS or find_builder(head) is not None):
            raise TypeError(f"{type(head).__name__}.__init__() got an unexpected keyword argument {name!r}")


def find_builder(head: Any) -> Any:
    """Return the function or model that a head is to use, or None for its built-in network."""
    model = head.model if head.model is not None else getattr(head, "build_fn", None)
    return model if model is not None else find_build_method(head)


def find_training(head: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a fit is to go, by Keras's names: `keywords` of fit win over ``fit__...``, this over all."""
    unknown = sorted(keywords.keys() - set(_FIT))
    if unknown:
        raise TypeError(f"{type(head).__name__}.fit() must get keywords among {sorted(_FIT)}. Got {unknown}.")
    params = head.get_params()
    found = {name: params.get(name, KEYWORDS[name]) for name in _TRAINING}
    found |= {"epochs": head.epochs, "batch_size": head.batch_size, "verbose": head.verbose}
    routed = route_params(params, destination="fit", pass_filter=set())
    found |= {name: value for name, value in routed.items() if not name.startswith("callbacks")}
    found |= keywords
    found["extra_callbacks"] = found.pop("callbacks", None)
    return found


def is_own(head: Any) -> bool:
    """Return whether a head must be trained by Keras's own steps: what its built-in network cannot do."""
    params = head.get_params()
    return (
        find_builder(head) is not None
        or head.optimizer not in ("adam", "Adam")
        or not head._has_built_in_loss()
        or any(params.get(name, KEYWORDS[name]) != KEYWORDS[name] for name in _COMPILATION)
        or any(is_routed(name) and name.partition("__")[0] in PREFIXES[1:5] for name in params)
    )


def build_model(
    head: Any, meta: Mapping[str, Any], seed: int, make_built_in: Callable[[], Any]
) -> keras.Model:
    """Return a compiled model, built with first weights that follow from `seed` alone."""
    builder = find_builder(head)
    with preserved_random(seed):
        if builder is None:
            model = make_built_in()
        elif isinstance(builder, keras.Model):
            model = copy_model(builder)
        elif callable(builder):
            model = _call(head, builder, meta)
        else:
            raise TypeError(f"``model`` must be a function, a Keras model or None. Got {builder!r}.")
        if not isinstance(model, keras.Model):
            raise TypeError(f"model must return a keras.Model. Got {model!r}.")
        if not model.compiled:
            arguments = _find_compilation(head)
            if arguments["loss"] is None:
                arguments["loss"] = head._choose_loss(model)
            model.compile(**arguments, jit_compile=False)
        _check_compiled(head, model)
    return model


def _call(head: Any, builder: Callable[..., Any], meta: Mapping[str, Any]) -> Any:
    """Call a function with its routed parameters, and with those of scikeras's three that it takes."""
    params = head.get_params()
    plain = {name for name in head._extra_params() if not is_routed(name) and name not in KEYWORDS}
    arguments = route_params(params, destination="model", pass_filter=plain, strict=True)
    kinds = inspect.signature(builder).parameters.values()
    takes_all = any(kind.kind is kind.VAR_KEYWORD for kind in kinds)
    names = {kind.name for kind in kinds}
    offered = {
        "meta": lambda: dict(meta),
        "compile_kwargs": lambda: _find_compilation(head),
        "params": lambda: params,
    }
    arguments |= {name: offer() for name, offer in offered.items() if takes_all or name in names}
    return builder(**arguments)


def _find_compilation(head: Any) -> dict[str, Any]:
    params = head.get_params()
    given = {name: params.get(name, KEYWORDS[name]) for name in _COMPILATION}
    given |= {"optimizer": head.optimizer, "loss": head.loss}
    if isinstance(given["metrics"], str | type | keras.metrics.Metric):
        given["metrics"] = [given["metrics"]]
    if isinstance(head.optimizer, str | type):
        params = {"optimizer__learning_rate": head.learning_rate} | params
    arguments = route_compilation(given, params)
    if isinstance(arguments["optimizer"], keras.optimizers.Optimizer):
        arguments["optimizer"] = _copy_optimizer(arguments["optimizer"])
    return arguments


def _copy_optimizer(optimizer: Any) -> Any:
    """Return an optimizer as new: Keras binds one to the first model that it trains."""
    return type(optimizer).from_config(optimizer.get_config())


def copy_model(model: keras.Model) -> keras.Model:
    """Return a model with the weights and the compilation of another."""
    if not type(model).__module__.startswith("keras."):
        return copy.deepcopy(model)
    twin = keras.models.clone_model(model)
    if model.built:
        twin.set_weights(model.get_weights())
    if model.compiled:
        twin.compile_from_config(model.get_compile_config())
    return twin


def _check_compiled(head: Any, model: keras.Model) -> None:
    """Check that a model can learn, and learns what it was asked to."""
    losses = keras.tree.flatten(model.loss) if isinstance(model.loss, list | tuple | dict) else [model.loss]
    if not any(loss is not None for loss in losses):
        raise ValueError(
            "No valid loss function found: you must provide a loss function to train, as the parameter loss "
            f"of {type(head).__name__} or in the function that compiles the model. Got {model.loss!r}."
        )
    if model.optimizer is None:
        raise ValueError("model must be compiled with an optimizer, or be left uncompiled. Got none.")
    if isinstance(head.loss, str) and isinstance(model.loss, str) and head.loss != model.loss:
        names = [getattr(keras.losses.get(loss), "__name__", loss) for loss in (head.loss, model.loss)]
        if names[0] != names[1]:
            raise ValueError(
                f"loss={head.loss!r} must be the loss that the model is compiled with, {model.loss!r}. Leave "
                "loss away, or use compile_kwargs in the function."
            )


def count_steps(rows: np.ndarray, batch_size: int, n_steps: int | None) -> np.ndarray:
    """Return the first rows, as many as `n_steps` batches take."""
    return rows if n_steps is None else rows[: n_steps * batch_size]

"""The Keras model of a head: how it is built, compiled and copied, in scikeras's spelling."""

from __future__ import annotations

import copy
import inspect
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from fishsk.head._custom import name_loss
from fishsk.head._dense import DenseNetwork
from fishsk.head._keywords import COMPILATION, find_builder, route
from fishsk.head._scikeras import CLASS_FINDERS, instantiate

if TYPE_CHECKING:
    from fishsk.head._base import KerasHead

_random_lock = threading.RLock()


def build_custom(head: KerasHead, meta: Mapping[str, object], seed: int) -> keras.Model:
    """Return the compiled model of a head's `model`, with first weights that follow from `seed` alone."""
    builder, params = find_builder(head), head.get_params()
    with preserved_random(seed):
        if isinstance(builder, keras.Model):
            if wrong := [name for name in params if name.startswith("model__")]:
                raise TypeError(f"Parameters of model need a function. Got {wrong} beside a keras.Model.")
            model = copy_model(builder)
        elif callable(builder):
            # With its own parameters, and with those of scikeras's three that it takes.
            arguments = {name: value for name, value in params.items() if name in head._of_builder}
            arguments |= {name: value for name, value in route(params, "model").items() if "__" not in name}
            takes = inspect.signature(builder).parameters
            offered = {"meta": dict(meta), "compile_kwargs": find_compilation(head), "params": params}
            takes_all = any(each.kind is each.VAR_KEYWORD for each in takes.values())
            offered = {name: value for name, value in offered.items() if takes_all or name in takes}
            model = builder(**arguments, **offered)
        else:
            raise TypeError(f"``model`` must be a function, a Keras model or None. Got {builder!r}.")
        if not isinstance(model, keras.Model):
            raise TypeError(f"model must return a keras.Model. Got {model!r}.")
        if not model.compiled:
            compile_model(head, model)
    _check_compiled(head, model)
    return model


def compile_model(head: KerasHead, model: keras.Model) -> keras.Model:
    """Compile a model as a head's parameters say; what they leave open suits targets and outputs."""
    arguments, n_outputs = find_compilation(head), len(getattr(model, "outputs", None) or [])
    has_metric = arguments["metrics"] is None and n_outputs == 1 and isinstance(head.loss, str | None)
    if arguments["loss"] is None or has_metric:
        loss, metric = head._choose_loss(model)
        arguments["loss"] = arguments["loss"] or loss
        if has_metric:
            arguments["metrics"] = [metric]
    # No graph is traced for the scaled loss of a float16 policy.
    model.compile(**arguments, jit_compile=False, auto_scale_loss=False)
    return model


def find_compilation(head: KerasHead) -> dict[str, Any]:
    """Return the arguments of `keras.Model.compile` that a head's parameters make."""
    params = head.get_params()
    arguments = {name: params.get(name, default) for name, default in COMPILATION.items()}
    arguments |= {"optimizer": head.optimizer, "loss": head.loss}
    if isinstance(arguments["metrics"], str | type | keras.metrics.Metric):
        arguments["metrics"] = [arguments["metrics"]]
    routed = route(params, "compile")
    known = inspect.signature(keras.Model.compile).parameters
    if unknown := sorted(routed.keys() - known.keys()):
        raise TypeError(f"Parameters of compile must be among {sorted(known)}. Got compile__{unknown[0]}.")
    arguments |= routed
    if isinstance(head.optimizer, str | type):
        params = {"optimizer__learning_rate": head.learning_rate} | params
    for name, find_class in CLASS_FINDERS.items():
        arguments[name] = instantiate(name, arguments[name], params, find_class)
    optimizer = arguments["optimizer"]
    if isinstance(optimizer, keras.optimizers.Optimizer):  # Keras binds one to the first model that it trains
        arguments["optimizer"] = type(optimizer).from_config(optimizer.get_config())
    return arguments


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


def _check_compiled(head: KerasHead, model: keras.Model) -> None:
    """Check that a model can learn, and learns what it was asked to."""
    if all(loss is None for loss in keras.tree.flatten(model.loss)):
        raise ValueError(
            "No valid loss function found: you must provide a loss function to train, as the parameter loss "
            f"of {type(head).__name__} or in the function that compiles the model. Got {model.loss!r}."
        )
    if model.optimizer is None:
        raise ValueError("model must be compiled with an optimizer, or be left uncompiled. Got none.")
    default = inspect.signature(type(head)).parameters.get("loss")
    asked, compiled = name_loss(head.loss), name_loss(model.loss)
    if asked and compiled and asked not in (compiled, default and name_loss(default.default)):
        raise ValueError(
            f"loss={head.loss!r} must be the loss that the model is compiled with, {model.loss!r}. Leave "
            "loss away, or use compile_kwargs in the function."
        )


def add_to_model(head: KerasHead, features: keras.KerasTensor) -> keras.KerasTensor:
    """Return what a fitted head predicts of `features`, as the output of layers of Keras."""
    network, temperature = head._network, getattr(head, "temperature_", 1.0)
    if isinstance(network, DenseNetwork):
        outputs = network.architecture.build(network.weights, output="linear")(features)
        losses = [(network.architecture.output, True)]
    else:
        outputs, losses = copy_model(network.model)(features), network.read_losses()
        if temperature == 1 and not any(is_logits for _, is_logits in losses):
            return outputs
    outputs = list(outputs.values()) if isinstance(outputs, dict) else outputs
    several, parts = isinstance(outputs, list | tuple), []
    for index, (part, (kind, is_logits)) in enumerate(
        zip(outputs if several else [outputs], losses, strict=True)
    ):
        suffix = f"_{index + 1}" if several else ""
        if kind != "linear" and not is_logits:
            logs = keras.ops.log(keras.ops.maximum(part, 1e-30))
            part = logs if kind == "softmax" else logs - keras.ops.log(keras.ops.maximum(1 - part, 1e-7))
        if kind != "linear" and temperature != 1:
            part = keras.layers.Rescaling(1 / temperature, dtype="float32", name=f"temperature{suffix}")(part)
        if kind != "linear":
            part = keras.layers.Activation(kind, dtype="float32", name=f"{kind}{suffix}")(part)
        parts.append(part)
    return parts if several else parts[0]


@contextmanager
def preserved_random(seed: int | None = None) -> Iterator[None]:
    """Give the global random state back as it was; with a `seed`, lend it seeded.

    Keras draws the seeds of layers and initializers that were given none from Python's global generator.
    """
    with _random_lock:
        python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002

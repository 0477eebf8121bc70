"""The Keras model of a head: how it is built, compiled and copied, in scikeras's spelling."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras

from fishsk.head._dense import DenseNetwork
from fishsk.head._keywords import COMPILATION, KEYWORDS, find_builder
from fishsk.head._random import preserved_random
from fishsk.head._scikeras import route_compilation, route_params

if TYPE_CHECKING:
    from fishsk.head._base import KerasHead


def build_custom(head: KerasHead, meta: Mapping[str, Any], seed: int) -> keras.Model:
    """Return the compiled model of a head's `model`, with first weights that follow from `seed` alone."""
    builder = find_builder(head)
    with preserved_random(seed):
        if isinstance(builder, keras.Model):
            if wrong := [name for name in head.get_params() if name.startswith("model__")]:
                raise TypeError(f"Parameters of model need a function. Got {wrong} beside a keras.Model.")
            model = copy_model(builder)
        elif callable(builder):
            model = _call(head, builder, meta)
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
    arguments = find_compilation(head)
    if arguments["loss"] is None:
        arguments["loss"] = head._choose_loss(model)
    has_one_output = len(getattr(model, "outputs", None) or []) == 1
    if arguments["metrics"] is None and has_one_output and isinstance(head.loss, str | None):
        arguments["metrics"] = [_make_metric(head._choose_metric())]
    model.compile(
        **arguments,
        jit_compile=False,
        auto_scale_loss=False,  # of the float16 policy, which no graph is traced for
    )
    return model


def _make_metric(name: str) -> Any:
    """Return a metric; Keras would take "accuracy" of tags for that of classes."""
    return keras.metrics.BinaryAccuracy("accuracy") if name == "binary_accuracy" else name


def _call(head: KerasHead, builder: Callable[..., Any], meta: Mapping[str, Any]) -> Any:
    """Call a function with its routed parameters, and with those of scikeras's three that it takes."""
    params = head.get_params()
    arguments = route_params(params, destination="model", pass_filter=head._of_builder, strict=True)
    kinds = inspect.signature(builder).parameters.values()
    takes_all = any(kind.kind is kind.VAR_KEYWORD for kind in kinds)
    names = {kind.name for kind in kinds}
    offered: dict[str, Callable[[], Any]] = {
        "meta": lambda: dict(meta),
        "compile_kwargs": lambda: find_compilation(head),
        "params": lambda: params,
    }
    arguments |= {name: offer() for name, offer in offered.items() if takes_all or name in names}
    return builder(**arguments)


def find_compilation(head: KerasHead) -> dict[str, Any]:
    """Return the arguments of `keras.Model.compile` that a head's parameters make."""
    params = head.get_params()
    given = {name: params.get(name, KEYWORDS[name]) for name in COMPILATION}
    given |= {"optimizer": head.optimizer, "loss": head.loss}
    if isinstance(given["metrics"], str | type | keras.metrics.Metric):
        given["metrics"] = [given["metrics"]]
    if isinstance(head.optimizer, str | type):
        params = {"optimizer__learning_rate": head.learning_rate} | params
    arguments = route_compilation(given, params)
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


def add_to_model(head: KerasHead, features: Any) -> Any:
    """Return what a fitted head predicts of `features`, as the output of layers of Keras."""
    network, temperature = head._network, head._temperature
    if isinstance(network, DenseNetwork):
        kind = network.architecture.output
        model = replace(network.architecture, from_logits=True).build(network.weights)
        return _to_probabilities(model(features), kind, temperature, is_logits=True)
    model = keras.models.clone_model(network.model)
    model.set_weights(network.model.get_weights())
    outputs = model(features)
    if temperature == 1 and not any(is_logits for _, is_logits in network.read_losses()):
        return outputs
    parts = outputs if isinstance(outputs, list | tuple) else [outputs]
    parts = [
        _to_probabilities(part, kind, temperature, is_logits=is_logits)
        for part, (kind, is_logits) in zip(parts, network.read_losses(), strict=True)
    ]
    return parts if isinstance(outputs, list | tuple) else parts[0]


def _to_probabilities(outputs: Any, kind: str, temperature: float, *, is_logits: bool) -> Any:
    """Return calibrated probabilities, as `fishsk.head._calibration` makes them."""
    if kind == "linear":
        return outputs
    if not is_logits:
        logs = keras.ops.log(keras.ops.maximum(outputs, 1e-30))
        outputs = logs if kind == "softmax" else logs - keras.ops.log(keras.ops.maximum(1 - outputs, 1e-7))
    if temperature != 1:
        outputs = keras.layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(outputs)
    return keras.layers.Activation(kind, dtype="float32", name=kind)(outputs)

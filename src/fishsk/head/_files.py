"""Heads as data, for files: nothing in them is code, and a custom network is what it has learned."""

from __future__ import annotations

import copy
import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from fishsk.head._base import KerasHead
from fishsk.head._classifier import KerasHeadClassifier
from fishsk.head._dense import Architecture, DenseNetwork
from fishsk.head._keywords import find_builder
from fishsk.head._regressor import KerasHeadRegressor
from fishsk.head._targets import ClassEncoder, NumberEncoder, Unchanged, is_categorical

if TYPE_CHECKING:
    import keras

_CUSTOM = "custom"  # what a file says in the place of a `model`
_PLAIN = (KerasHeadClassifier, KerasHeadRegressor)  # without scikeras's classes among their bases


class SavedNetwork:
    """A custom network in a file: its configuration, as JSON, and its weights."""

    def __init__(self, model: keras.Model) -> None:
        import keras

        self.configuration = json.dumps(keras.saving.serialize_keras_object(model))
        check_configuration(json.loads(self.configuration))
        self.weights = model.get_weights()

    def restore(self) -> keras.Model:
        """Return the Keras model; ValueError if it is not of Keras's own parts, or a weight does not fit."""
        import keras

        from fishsk.head._building import preserved_random

        described = json.loads(self.configuration)
        check_configuration(described)
        with preserved_random():
            model = keras.saving.deserialize_keras_object(described, safe_mode=True)
        if not isinstance(model, keras.Model):
            raise ValueError(f"the head's network must be a keras.Model. Got {type(model).__name__}")
        if not all(np.isfinite(array).all() for array in self.weights):
            raise ValueError("the head's weights must be finite")
        model.set_weights(self.weights)
        return model


#: Types of heads that a file may hold. It names them by their modules: to move one makes another format.
DATA_TYPES = (*_PLAIN, Architecture, ClassEncoder, DenseNetwork, NumberEncoder, SavedNetwork, Unchanged)


def to_data(head: KerasHead) -> KerasHead:
    """Return a twin of a head for a file; its callbacks are left out.

    The function that has built a custom network, its optimizer and its loss are code, or names for it.
    ValueError if the network itself holds code.
    """
    kind = type(head)
    twin: Any = object.__new__(kind.__bases__[0] if kind.__module__ == "fishsk.head._estimators" else kind)
    state = {name: None if _is_callback(name) else value for name, value in vars(head).items()}
    network = state.get("_network")
    if find_builder(head) is not None if network is None else not isinstance(network, DenseNetwork):
        defaults = kind().get_params(deep=False)
        state = {name: state[name] for name in state.keys() - head._extra_params().keys() - {"_of_builder"}}
        state |= {"model": _CUSTOM, "optimizer": defaults["optimizer"], "loss": defaults["loss"]}
        if network is not None:
            state["_network"] = SavedNetwork(network.model)
        if isinstance(encoder := state.get("target_encoder_"), ClassEncoder):
            loss = "categorical_crossentropy" if is_categorical(encoder.loss) else None
            state["target_encoder_"] = copy.copy(encoder).set_params(loss=loss)
    vars(twin).update({name: state[name] for name in sorted(state.keys() - {"_model", "_skl_callbacks"})})
    return twin


def from_data(twin: KerasHead) -> KerasHead:
    """Return the head that `to_data` was given, whose `model` is the network that it has learned.

    It has the class of scikeras, too, where this process has imported that. ValueError if a weight does not
    fit, there are callbacks, or a custom network is not of Keras's own parts.
    """
    kind = type(twin)
    if kind in _PLAIN and "scikeras.wrappers" in sys.modules:
        kind = getattr(importlib.import_module("fishsk.head._estimators"), kind.__name__)
    head: Any = object.__new__(kind)
    vars(head).update(vars(twin))
    if any(_is_callback(name) and value is not None for name, value in vars(head).items()):
        raise ValueError("the callbacks of a head in a file must be None")
    network = vars(head).get("_network")
    if isinstance(network, SavedNetwork):
        from fishsk.head._custom import KerasNetwork

        head.model = network.restore()
        head._network = KerasNetwork.of(head.model)
    elif network is not None:
        network.check()
    return head


def _is_callback(name: str) -> bool:
    return name.rpartition("__")[2] == "callbacks"


def complete(heads: list[KerasHead]) -> None:
    """Let the heads of a file that are there to be cloned have the network of the one that was fitted."""
    models = [head.model for head in heads if head.model not in (None, _CUSTOM)]
    for head in heads:
        if isinstance(head.model, str):
            if head.model != _CUSTOM or not models:
                raise ValueError(f"a head's model must be in the file. Got {head.model!r}")
            head.model = models[0]


def check_configuration(described: object) -> None:
    """Refuse, by a ValueError, a configuration of Keras that runs code or reads files."""
    from fishsk._compat.keras import find_unsafe

    if any(find_unsafe(described)):
        raise ValueError(
            "A network that is saved must be made of Keras's own layers, losses and metrics, without Lambda "
            "and what reads files: a file of fishsk holds no code. Build it of such, or pickle the pipeline."
        )

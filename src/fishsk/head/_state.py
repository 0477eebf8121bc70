"""What a head has learned, as plain data, there and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fishsk.head._dense import Architecture, DenseNetwork
from fishsk.head._targets import ClassEncoder, NumberEncoder, Unchanged

if TYPE_CHECKING:
    from fishsk.head._base import KerasHead


def pack_state(head: KerasHead) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a fitted head has learned, as a JSON-able dict and named arrays.

    Raises
    ------
    ValueError
        If a custom network holds code, or the head has encoders of its own.
    """
    encoder, network = head.target_encoder_, head._network
    if type(encoder) not in (ClassEncoder, NumberEncoder) or type(head.feature_encoder_) is not Unchanged:
        raise ValueError("A head with encoders of its own cannot be saved as data. Pickle it.")
    meta = {
        "row_shapes": {name: list(shape) for name, shape in head._row_shapes.items()},
        "n_features_in": getattr(head, "n_features_in_", 0),
        "feature_names_in": getattr(head, "feature_names_in_", np.empty(0)).tolist(),
        "history": {  # JSON has no NaN
            name: [None if np.isnan(value) else float(value) for value in values]
            for name, values in head.history_.items()
        },
        "seed": head._seed,
        "temperature": head._temperature,
        "target": encoder.describe(),
    }
    if isinstance(network, DenseNetwork):
        described = asdict(network.architecture)
        meta["architecture"] = described | {"hidden_units": list(described["hidden_units"])}
        arrays = dict(zip(network.architecture.shapes, network.weights, strict=True))
        for index, array in enumerate(network.optimizer_state or []):
            arrays[f"optimizer_{index}"] = array
        return meta, arrays
    import keras

    from fishsk.head._configuration import check_configuration

    meta["network"] = json.loads(json.dumps(keras.saving.serialize_keras_object(network.model)))
    check_configuration(meta["network"])
    return meta, {f"weight_{index}": array for index, array in enumerate(network.model.get_weights())}


def unpack_state(head: KerasHead, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Make a head equal to the one that `pack_state` described; its `model` is the network that was learned.

    Raises
    ------
    ValueError
        If a weight is missing or does not fit, or a custom network is not of Keras's own parts.
    """
    network: Any
    if "network" in meta:
        head.model, network = _restore_custom(meta["network"], arrays)
    else:
        architecture = restore_architecture(meta["architecture"])
        for name, shape in architecture.shapes.items():
            array = arrays.get(name, np.empty(0))
            if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(
                    f"The head's weight {name!r} must be an array of finite float32 of shape {shape}. "
                    + (f"Got {array.dtype} of shape {array.shape}." if name in arrays else "Got none.")
                )
        n_arrays = sum(name.startswith("optimizer_") for name in arrays)
        state = [arrays[f"optimizer_{index}"] for index in range(n_arrays)] or None
        network = DenseNetwork(architecture, [arrays[name] for name in architecture.shapes], state)
    head.target_encoder_ = head.target_encoder.restore(meta["target"])
    head.feature_encoder_ = head.feature_encoder
    for name, value in head.target_encoder_.get_metadata().items():
        setattr(head, name, value)
    head._is_custom = not isinstance(network, DenseNetwork)
    head._row_shapes = {name: tuple(shape) for name, shape in meta["row_shapes"].items()}
    if meta["n_features_in"]:
        head.n_features_in_ = meta["n_features_in"]
    if meta["feature_names_in"]:
        head.feature_names_in_ = np.array(meta["feature_names_in"], dtype=object)
    head._temperature = meta["temperature"]
    history = {
        name: [np.nan if value is None else value for value in values]
        for name, values in meta["history"].items()
    }
    head._take_over(network, meta["seed"], history)


def restore_architecture(described: dict[str, Any]) -> Architecture:
    """Return the architecture that a dict of JSON describes."""
    return Architecture(**described | {"hidden_units": tuple(described["hidden_units"])})


def _restore_custom(described: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Any, Any]:
    """Return a Keras model with its weights, and the network of it."""
    import keras

    from fishsk.head._configuration import check_configuration
    from fishsk.head._custom import CustomNetwork
    from fishsk.head._random import preserved_random

    check_configuration(described)
    with preserved_random():
        model = keras.saving.deserialize_keras_object(described, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ValueError(f"the head's network must be a keras.Model. Got {type(model).__name__}")
    given = [arrays.get(f"weight_{index}", np.empty(0)) for index in range(len(arrays))]
    shapes = [weight.shape for weight in model.get_weights()]
    if [array.shape for array in given] != shapes or not all(np.isfinite(array).all() for array in given):
        raise ValueError(f"the head's weights must be finite arrays of the shapes {shapes}")
    model.set_weights(given)
    return model, CustomNetwork.of(model)

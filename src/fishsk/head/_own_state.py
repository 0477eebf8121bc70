"""What a head with a network of one's own has learned, as data: a configuration and arrays."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np

from fishsk.head._configuration import check_configuration
from fishsk.head._own_head import Own, OwnNetworkMixin
from fishsk.head._random import preserved_random
from fishsk.head._targets import ClassEncoder, NumberEncoder


def pack_own(head: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a fitted head has learned, as a JSON-able dict and named arrays."""
    encoder, model = head.target_encoder_, head._own.model
    if (
        type(encoder) not in (ClassEncoder, NumberEncoder)
        or type(head).feature_encoder is not OwnNetworkMixin.feature_encoder
    ):
        raise ValueError("A head with encoders of its own cannot be saved as data. Pickle it.")
    described = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    check_configuration(described)
    history = {
        name: [None if np.isnan(value) else value for value in values]
        for name, values in head.history_.items()
    }
    meta = {
        "network": described,
        "row_shapes": {name: list(shape) for name, shape in head._row_shapes.items()},
        "n_features_in": getattr(head, "n_features_in_", 0),
        "feature_names_in": getattr(head, "feature_names_in_", np.empty(0)).tolist(),
        "history": history,
        "seed": head._own.seed,
        "target": _describe_encoder(encoder),
    }
    return meta, {f"weight_{index}": array for index, array in enumerate(model.get_weights())}


def unpack_own(head: Any, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Make a head equal to the one that `pack_own` described; its `model` is the network that was learned.

    Raises
    ------
    ValueError
        If the network is not Keras's, or a weight is missing or does not fit.
    """
    check_configuration(meta["network"])
    with preserved_random():
        model = keras.saving.deserialize_keras_object(meta["network"], safe_mode=True)
    if not isinstance(model, keras.Model):
        raise ValueError(f"the head's network must be a keras.Model. Got {type(model).__name__}")
    given = [arrays.get(f"weight_{index}", np.empty(0)) for index in range(len(arrays))]
    shapes = [weight.shape for weight in model.get_weights()]
    if [array.shape for array in given] != shapes or not all(np.isfinite(array).all() for array in given):
        raise ValueError(f"the head's weights must be finite arrays of the shapes {shapes}")
    model.set_weights(given)
    head.model = model
    head.target_encoder_ = _restore_encoder(head, meta["target"])
    head.feature_encoder_ = head.feature_encoder
    head._row_shapes = {name: tuple(shape) for name, shape in meta["row_shapes"].items()}
    if meta["n_features_in"]:
        head.n_features_in_ = meta["n_features_in"]
    if meta["feature_names_in"]:
        head.feature_names_in_ = np.array(meta["feature_names_in"], dtype=object)
    vars(head).update(head.target_encoder_.get_metadata())
    rate = model.optimizer.get_config().get("learning_rate") if model.compiled else None
    history = {
        name: [np.nan if value is None else value for value in values]
        for name, values in meta["history"].items()
    }
    head._take_over_own(Own(model, meta["seed"], rate if isinstance(rate, float | int) else None), history)


def _describe_encoder(encoder: Any) -> dict[str, Any]:
    if isinstance(encoder, NumberEncoder):
        return {"kind": "numbers", "shape": list(encoder.shape_)}
    classes = encoder.classes_ if encoder.kind_ == "columns" else [encoder.classes_]
    return {
        "kind": encoder.kind_,
        "classes": [each.tolist() for each in classes],
        "dtypes": [each.dtype.str for each in classes],
    }


def _restore_encoder(head: Any, described: dict[str, Any]) -> Any:
    encoder = head.target_encoder
    if isinstance(encoder, NumberEncoder):
        encoder.shape_ = tuple(described["shape"])
        return encoder
    classes = [
        np.array(labels, dtype=dtype)
        for labels, dtype in zip(described["classes"], described["dtypes"], strict=True)
    ]
    encoder.kind_ = described["kind"]
    encoder.classes_ = classes if encoder.kind_ == "columns" else classes[0]
    return encoder

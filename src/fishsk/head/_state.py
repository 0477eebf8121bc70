"""What a head has learned: all of it or nothing, and as plain data, there and back; histories of fits."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fishsk.head._dense import Architecture, DenseNetwork
from fishsk.head._targets import ClassEncoder, NumberEncoder, Unchanged

if TYPE_CHECKING:
    from fishsk.head._base import KerasHead


_Method = TypeVar("_Method", bound=Callable[..., Any])


def learns_as_a_whole(method: _Method) -> _Method:
    """Decorate a method that learns and returns self: a twin learns, and hands over once it has succeeded.

    Where the method raises or is interrupted, the estimator is as before; while it runs, callbacks and other
    threads can predict with what was learned before.
    """

    @functools.wraps(method)
    def learn(self: Any, *args: Any, **kwargs: Any) -> Any:
        before, twin = dict(vars(self)), object.__new__(type(self))
        vars(twin).update(before)
        method(twin, *args, **kwargs)
        after = vars(twin)
        # Only what has changed, so that parameters which a callback sets on the estimator stay.
        vars(self).update(
            {name: value for name, value in after.items() if name not in before or value is not before[name]}
        )
        for name in before.keys() - after.keys():
            vars(self).pop(name, None)
        return self

    return learn  # type: ignore[return-value]


def join_histories(old: dict[str, list[float]], new: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return `old` followed by `new`, with NaN where one of them lacks a name."""
    n_old, n_new = (max(map(len, history.values()), default=0) for history in (old, new))
    return {
        name: old.get(name, [np.nan] * n_old) + new.get(name, [np.nan] * n_new)
        for name in dict.fromkeys([*old, *new])
    }


def find_turn(history: dict[str, list[float]]) -> tuple[int, int | None]:
    """Return the epoch of the lowest validation loss, and the first epoch of overfitting or None.

    Validation turned if it has not come back to its minimum for three epochs or more, if it is worse by
    more than 1 % on their average, and if the training loss went on falling meanwhile.
    """
    losses = np.nan_to_num(history.get("val_loss", history["loss"]), nan=np.inf)
    best = int(losses.argmin())
    later = losses[best + 1 :]
    turned = (
        "val_loss" in history
        and len(later) >= 3
        and later.mean() > 1.01 * losses[best]
        and history["loss"][-1] < history["loss"][best]
    )
    return best, best + 1 if turned else None


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


def check_configuration(described: Any) -> None:
    """Check that a configuration of Keras may be saved and loaded: it neither runs code nor reads files.

    Raises
    ------
    ValueError
        If it holds anything but data and such parts of Keras.
    """
    from fishsk._compat.keras import find_unsafe

    if any(find_unsafe(described)):
        raise ValueError(
            "A network that is saved must be made of Keras's own layers, losses and metrics, without Lambda "
            "and what reads files: a file of fishsk holds no code. Build it of such, or pickle the pipeline."
        )


def restore_architecture(described: dict[str, Any]) -> Architecture:
    """Return the architecture that a dict of JSON describes."""
    return Architecture(**described | {"hidden_units": tuple(described["hidden_units"])})


def _restore_custom(described: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[Any, Any]:
    """Return a Keras model with its weights, and the network of it."""
    import keras

    from fishsk.head._building import preserved_random
    from fishsk.head._custom import CustomNetwork

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

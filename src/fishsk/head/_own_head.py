"""What a head does when its network is one's own: rows of any shape, targets by encoders, Keras's steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, check_random_state, column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from fishsk._compat.sklearn import check_sample_weight
from fishsk._utils.process import check_not_forked
from fishsk.head._history import join_histories
from fishsk.head._own import build_model, copy_model
from fishsk.head._own_training import OwnNetwork, lend_network
from fishsk.head._random import preserved_random
from fishsk.head._scikeras import metric_name
from fishsk.head._targets import ClassEncoder, NumberEncoder, Unchanged, join_outputs, split_by_output

_PREDICTION_BATCH = 256


@dataclass
class Own:
    """A network of one's own, the learning rate it began with, and its graphs if nobody shares them."""

    model: keras.Model
    seed: int
    rate: float | None
    network: OwnNetwork | None = None

    def reconstruct(self, model: keras.Model) -> dict[str, Any]:
        """Return the attributes of a head with the weights of `model`, which is in training."""
        return {"_own": Own(copy_model(model), self.seed, self.rate), "_seed": self.seed}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"network": None}  # Keras writes the model; graphs are traced anew


class OwnNetworkMixin:
    """The part of a head that fits and asks networks of one's own.

    `target_encoder` and `feature_encoder` are properties as of scikeras, which a subclass may override;
    `meta` of a function that builds a network holds what these and the data say.
    """

    _own: Own | None = None

    @property
    def feature_encoder(self) -> Any:
        """Transformer of `X` before it reaches a network of one's own, for subclasses to override."""
        return Unchanged()

    def _validate_own(self: Any, X: Any, y: Any, *, reset: bool) -> Any:
        """Return rows of any shape, and targets; what `reset` learns is part of `meta`."""
        if isinstance(X, Mapping) and not issparse(X):  # one sparse format is a dict
            X = {name: _check_part(part) for name, part in X.items()}
            check_consistent_length(*X.values())
            found: dict[str, Any] = {name: part.shape[1:] for name, part in X.items()}
        else:
            X = _check_part(
                validate_data(self, X, reset=reset, dtype=None, allow_nd=True, ensure_min_samples=1)
            )
            found = {"X": X.shape[1:]}
        if reset:
            self._row_shapes = found
        elif found != self._row_shapes:
            raise ValueError(f"X must hold rows of the shape {self._row_shapes}, as in fit. Got {found}.")
        if y is None:
            return X, None
        y = np.asarray(y)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        check_consistent_length(*keras.tree.flatten(X), y)
        if y.ndim == 2 and y.shape[1] == 1 and type_of_target(y) in ("binary", "multiclass"):
            y = column_or_1d(y, warn=True)
        return X, y

    def _learn_own_targets(self: Any, X: Any, y: Any, classes: Any = None) -> dict[str, Any]:
        """Fit the encoders, and return `meta`."""
        encoder = self.target_encoder
        if classes is not None and isinstance(encoder, ClassEncoder):
            encoder.set_params(classes=np.unique(classes))
        self.target_encoder_ = encoder.fit(y)
        self.feature_encoder_ = self.feature_encoder.fit(X)
        meta = {"target_type_": type_of_target(y if classes is None else np.asarray(classes))}
        meta |= {"y_dtype_": y.dtype, "y_ndim_": y.ndim}
        if isinstance(X, np.ndarray):
            meta |= {"X_dtype_": X.dtype, "X_shape_": X.shape, "n_features_in_": X.shape[1]}
        meta |= {"target_encoder_": self.target_encoder_, "feature_encoder_": self.feature_encoder_}
        for part in (self.target_encoder_, self.feature_encoder_):
            meta |= getattr(part, "get_metadata", dict)()
        vars(self).update(meta)
        return meta

    def _build_own(self: Any, data: Any, classes: Any) -> Own:
        """Return a new network for these rows and targets."""
        X, y = data
        check_not_forked()
        meta = self._learn_own_targets(X, y, classes)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        model = build_model(self, meta, seed, lambda: self._make_built_in(meta))
        expected = meta.get("n_outputs_expected_")
        if model.built and hasattr(model, "outputs") and isinstance(self.target_encoder_, ClassEncoder):
            n_outputs = len(model.outputs)
            is_by_tag = self.target_encoder_.kind_ == "tags" and n_outputs == meta["n_classes_"]
            if expected and n_outputs != expected and not is_by_tag:
                raise ValueError(
                    f"model must have {expected} outputs for such targets, but it has {n_outputs}: Detected "
                    f"a Keras model input of size {expected}. Got {model!r}."
                )
        rate = model.optimizer.get_config().get("learning_rate")
        return Own(model, seed, rate if isinstance(rate, float | int) else None)

    def _encode_own(self: Any, X: Any, y: Any, own: Own) -> Any:
        """Return rows and targets as the network takes them."""
        X = self.feature_encoder_.transform(X)
        y = self.target_encoder_.transform(y)
        return X, split_by_output(y, len(getattr(own.model, "outputs", None) or [0]))

    def _train_own(
        self: Any,
        own: Own,
        data: Any,
        weight: np.ndarray,
        train: np.ndarray,
        validation: np.ndarray | None,
        training: Mapping[str, Any],
        callbacks: Any,
        *,
        logs_rate: bool,
    ) -> None:
        """Train on the rows `train` of `data`, which is (X, targets), and take over what was learned."""
        check_not_forked()
        X, y = (keras.tree.map_structure(np.ascontiguousarray, part) for part in data)
        uniform = all(np.ptp(weight[part]) == 0 for part in (train, validation) if part is not None)
        parts = (X, y) if uniform else (X, y, weight.astype(np.float32))
        history = getattr(self, "history_", {}) if own is self._own else {}
        first = len(history.get("loss", [])) if own is self._own else training["initial_epoch"]
        with preserved_random(own.seed):  # first weights of a model that is built at its first use
            if own.network is None and not own.model.built:
                own.model.test_step(keras.tree.map_structure(lambda part: part[:1], parts))
        own.model.optimizer.build(own.model.trainable_variables)
        if own.rate is not None:
            own.model.optimizer.learning_rate = own.rate
        with lend_network(own.model, parts, own.network) as network:
            found = network.fit(
                parts,
                train,
                validation,
                epochs=range(first, first + training["epochs"]),
                batch_size=training["batch_size"],
                seed=own.seed,
                callbacks=callbacks,
                verbose=int(training["verbose"]),
                shuffle=training["shuffle"],
                validation_batch_size=training["validation_batch_size"] or training["batch_size"],
                validation_freq=training["validation_freq"],
                logs_rate=logs_rate,
            )
        own.network = network if network.model is own.model else None
        if not all(np.isfinite(array).all() for array in own.model.get_weights()):
            raise ValueError(
                f"Training diverged: the weights are not finite after {len(found.get('loss', []))} epochs. "
                "Scale X, as StandardScaler does, or lower the learning rate."
            )
        found = {_name_metric(name): values for name, values in found.items()}
        self._take_over_own(own, join_histories(history, found))

    def _take_over_own(self: Any, own: Own, history: Any = None) -> None:
        self._own, self._model, self._seed = own, None, own.seed
        self._learn_history(history or {})

    def _outputs(self: Any, X: Any, keywords: Mapping[str, Any]) -> Any:
        """Return what a network of one's own says of rows."""
        check_is_fitted(self)
        X, _ = self._validate_own(X, None, reset=False)
        X = self.feature_encoder_.transform(X)
        model, batch_size = self._own.model, self._find_prediction_batch(X, keywords)
        n_rows = len(keras.tree.flatten(X)[0])
        found = []
        with self._predicting(keywords) as hooks:
            for index, start in enumerate(range(0, n_rows, batch_size)):
                hooks.on_predict_batch_begin(index)
                batch = keras.tree.map_structure(lambda part, at=start: part[at : at + batch_size], X)
                outputs = keras.tree.map_structure(np.asarray, model.predict_step((batch,)))
                found.append(outputs)
                hooks.on_predict_batch_end(index, {"outputs": outputs})
        outputs = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *found)
        encoder = self.target_encoder_
        if not isinstance(encoder, ClassEncoder | NumberEncoder):
            return outputs
        return join_outputs(outputs, model, apart=getattr(encoder, "kind_", None) == "columns")

    def _find_prediction_batch(self: Any, X: Any, keywords: Mapping[str, Any]) -> int:
        params = self.get_params()
        asked = keywords.get("batch_size", params.get("predict__batch_size", _PREDICTION_BATCH))
        return resolve_batch_size(asked, X, _PREDICTION_BATCH)

    def _weigh_own(self: Any, X: Any, y: Any, sample_weight: Any) -> np.ndarray:
        rows = keras.tree.flatten(X)[0]
        return check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)


def resolve_batch_size(batch_size: Any, X: Any, default: Any) -> Any:
    """Return the rows of a batch: None is the default, and -1 are all rows."""
    if batch_size is None:
        return default
    if batch_size == -1:
        if not hasattr(X, "shape"):
            raise ValueError(
                f"batch_size=-1, all rows, requires that `X` implement `shape`. Got a {type(X).__name__}."
            )
        return max(1, len(X))
    return int(batch_size)


def _name_metric(name: str) -> str:
    """Return a metric's long name, as scikeras does: "mae" is in a history as "mean_absolute_error"."""
    prefix = "val_" if name.startswith("val_") else ""
    try:
        return prefix + metric_name(name.removeprefix("val_"))
    except ValueError:  # one's own
        return name


def _check_part(part: Any) -> np.ndarray:
    """Return an array of numbers, float32 where it holds other floats than these."""
    part = np.asarray(part)
    return part.astype(np.float32) if part.dtype.kind not in "iu" else part

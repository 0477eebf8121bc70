"""What every Keras head has, whatever it predicts: parameters, a network to train, what was learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fishsk._utils.process import check_not_forked
from fishsk._utils.stamp import StampedMixin
from fishsk.head._callbacks import make_callbacks
from fishsk.head._history import find_turn, join_histories
from fishsk.head._state import pack_state, unpack_state
from fishsk.head._training import Architecture, borrow_network


class _Start(NamedTuple):
    """What training goes on from."""

    architecture: Architecture
    weights: list[np.ndarray]
    seed: int
    optimizer_state: list[np.ndarray] | None = None
    history: dict[str, list[float]] = {}


class KerasHead(StampedMixin, CallbackSupportMixin, BaseEstimator):
    """Base of heads; it stands first among the bases.

    A head sets `n_features_in_` and `classes_`, and calls `_start_afresh` or `_go_on`, then `_train`.
    """

    _model: keras.Model | None = None  # the model_ that was asked for, never pickled

    @property
    def model_(self) -> keras.Model:
        """A Keras model with the fitted weights."""
        check_is_fitted(self)
        if self._model is None:
            check_not_forked()
            model = self._architecture.build(self.learning_rate)
            model.set_weights(self._weights)
            self._model = model
        return self._model

    def to_keras(self, features: Any) -> Any:
        """Add this head to a functional Keras model, in layers that load without fishsk.

        Parameters
        ----------
        features : keras.KerasTensor of shape (None, `n_features_in_`), float32
            What the head was trained on.

        Returns
        -------
        keras.KerasTensor
            What the head predicts: of a classifier the probabilities, whose columns follow `classes_`.
        """
        model = keras.models.clone_model(self.model_)
        model.set_weights(self.model_.get_weights())
        return model(features)

    @property
    def initialized_(self) -> bool:
        """Whether there are weights to predict with; the name is scikeras's."""
        return self.__sklearn_is_fitted__()

    @property
    def current_epoch(self) -> Any:
        """Number of epochs trained, 0 before; the name is scikeras's."""
        return getattr(self, "n_iter_", 0)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return also those that `set_params` routed to `callbacks`.

        Returns
        -------
        params : dict
        """
        return super().get_params(deep) | (self._routed_params() if deep else {})

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of `callbacks`, spelt ``callbacks__...``.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : KerasHeadClassifier
        """
        routed = {name: value for name, value in params.items() if name.startswith("callbacks__")}
        super().set_params(**{name: value for name, value in params.items() if name not in routed})
        for name, value in routed.items():
            setattr(self, name, value)
        return self

    def _routed_params(self) -> Any:
        return {name: value for name, value in vars(self).items() if name.startswith("callbacks__")}

    def _start_afresh(self) -> Any:
        architecture = Architecture(
            n_features=self.n_features_in_,
            hidden_units=int(self.hidden_units),
            n_classes=len(self.classes_),
            dropout=float(self.dropout),
            l2=float(self.l2),
        )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return _Start(architecture, architecture.initial_weights(np.random.default_rng((seed, 0))), seed)

    def _go_on(self, optimizer_state: Any = None) -> Any:
        if self.hidden_units != self._architecture.hidden_units:
            raise ValueError(
                f"hidden_units must be {self._architecture.hidden_units}, as in the network to go on with. "
                f"Got {self.hidden_units}. A fit with warm_start=False builds a new network."
            )
        architecture = replace(self._architecture, dropout=float(self.dropout), l2=float(self.l2))
        return _Start(architecture, self._weights, self._seed, optimizer_state, self.history_)

    def _train(
        self,
        start: Any,
        data: Any,
        train: Any,
        validation: Any,
        epochs: int,
        callbacks: Any = (),
        *,
        keep_optimizer: Any = False,
    ) -> None:
        """Train from `start` on the rows `train` of `data`, which is (X, codes, weight)."""
        check_not_forked()
        X, codes, weight = data
        weight = weight.copy()
        for part in (train, validation):
            if part is not None:
                weight[part] /= weight[part].mean()
        first = len(start.history.get("loss", []))
        with borrow_network(start.architecture) as network:
            network.reset(start.architecture, start.weights, self.learning_rate, start.optimizer_state)
            history = network.fit(
                (X, codes, weight.astype(np.float32)),
                train,
                validation,
                epochs=range(first, first + epochs),
                batch_size=self.batch_size,
                seed=start.seed,
                callbacks=[*callbacks, *make_callbacks(self.callbacks, self._routed_params())],
                verbose=int(self.verbose),
            )
            weights = network.model.get_weights()
            optimizer_state = network.optimizer_state() if keep_optimizer else None
        if not all(np.isfinite(array).all() for array in weights):
            raise ValueError(
                f"Training diverged: the weights are not finite after {len(history['loss'])} epochs. Scale "
                f"X, as StandardScaler does, or lower learning_rate. Got {self.learning_rate}."
            )
        self._take_over(
            start.architecture, weights, start.seed, optimizer_state, join_histories(start.history, history)
        )

    def _take_over(
        self, architecture: Any, weights: Any, seed: Any, optimizer_state: Any = None, history: Any = None
    ) -> None:
        """Set all that a fit learns, but for what describes X and y."""
        self._architecture, self._weights, self._seed = architecture, weights, seed
        self._optimizer_state, self._model = optimizer_state, None
        self.history_ = history or {}
        self.n_iter_ = len(self.history_.get("loss", []))
        if self.history_:
            self.best_epoch_, self.overfit_epoch_ = find_turn(self.history_)

    def _get_fitted_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what was learned, as a JSON-able dict and named arrays."""
        check_is_fitted(self)
        return pack_state(self)

    def _set_fitted_state(self, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take over what `_get_fitted_state` returned; ValueError if a weight is missing or does not fit."""
        state = unpack_state(meta, arrays)
        for name, value in state["described"].items():
            setattr(self, name, value)
        self._take_over(*state["learned"])

    def _logits(self, X: Any) -> np.ndarray:
        """Return the network's logits, without TensorFlow."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        # In float64 no digit that matters depends on the other rows, as it does in a float32 matrix product.
        *hidden, kernel, bias = (array.astype(np.float64) for array in self._weights)
        logits = np.empty((len(X), len(self.classes_)))
        step = max(1, 2**22 // X.shape[1])
        for start in range(0, len(X), step):
            rows = X[start : start + step].astype(np.float64)
            if hidden:
                rows = np.maximum(rows @ hidden[0] + hidden[1], 0)
            logits[start : start + step] = rows @ kernel + bias
        return logits

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_weights")

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_model", None)
        return state

    def __sklearn_clone__(self) -> Self:
        twin = super().__sklearn_clone__()
        return twin.set_params(**clone(self._routed_params(), safe=False))

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
from fishsk.head._architecture import Architecture
from fishsk.head._callbacks import make_callbacks
from fishsk.head._history import find_turn, join_histories
from fishsk.head._state import pack_state, unpack_state
from fishsk.head._training import borrow_network


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
    _temperature = 1.0  # of heads without one, such as those that fishsk 0.1 pickled

    @property
    def model_(self) -> keras.Model:
        """A Keras model with the fitted weights."""
        check_is_fitted(self)
        if self._model is None:
            check_not_forked()
            model = self._architecture.build(self.learning_rate, self._temperature)
            model.set_weights(self._weights)
            self._model = model
        return self._model

    @property
    def temperature_(self) -> float:
        """What the logits are divided by, for probabilities that mean what they say; 1 for none."""
        check_is_fitted(self)
        return self._temperature

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
        if self.n_features_in_ % self.n_views:
            raise ValueError(
                f"X must hold n_views={self.n_views} views side by side, each of as many columns. Got "
                f"{self.n_features_in_} columns. Pass as n_views what the transformer's n_views_out says."
            )
        architecture = Architecture(
            n_features=self.n_features_in_,
            hidden_units=int(self.hidden_units),
            n_classes=len(self.classes_),
            dropout=float(self.dropout),
            l2=float(self.l2),
            label_smoothing=float(self.label_smoothing),
            n_networks=int(self.n_networks),
            n_views=int(self.n_views),
        )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return _Start(architecture, architecture.initial_weights(np.random.default_rng((seed, 0))), seed)

    def _go_on(self, optimizer_state: Any = None) -> Any:
        for name in ("hidden_units", "n_networks", "n_views"):
            if getattr(self, name) != (before := getattr(self._architecture, name)):
                raise ValueError(
                    f"{name} must be {before}, as in the network to go on with. "
                    f"Got {getattr(self, name)}. A fit with warm_start=False builds a new network."
                )
        architecture = replace(
            self._architecture,
            dropout=float(self.dropout),
            l2=float(self.l2),
            label_smoothing=float(self.label_smoothing),
        )
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
        """Return the logits before they are calibrated, without TensorFlow."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return self._architecture.logits(self._weights, X)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_weights")

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_model", None)
        return state

    def __sklearn_clone__(self) -> Self:
        twin = super().__sklearn_clone__()
        return twin.set_params(**clone(self._routed_params(), safe=False))

"""What every Keras head has, whatever it predicts: parameters, a network to train, what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fishsk._compat.sklearn import Interval, Options, StrOptions
from fishsk._utils.process import check_not_forked
from fishsk._utils.stamp import StampedMixin
from fishsk.head._architecture import ACTIVATIONS, Architecture
from fishsk.head._fitting import FittingMixin
from fishsk.head._history import find_turn, join_histories
from fishsk.head._own import KEYWORDS, is_routed
from fishsk.head._own_head import OwnNetworkMixin
from fishsk.head._own_state import pack_own, unpack_own
from fishsk.head._state import pack_state, unpack_state
from fishsk.head._training import borrow_network


class _Start(NamedTuple):
    """What training goes on from."""

    architecture: Architecture
    weights: list[np.ndarray]
    seed: int
    optimizer_state: list[np.ndarray] | None = None
    history: dict[str, list[float]] = {}

    def reconstruct(self, model: keras.Model) -> dict[str, Any]:
        """Return the attributes of a head with the weights of `model`, which is in training."""
        return {"_weights": model.get_weights(), "_architecture": self.architecture, "_seed": self.seed}


class KerasHead(FittingMixin, OwnNetworkMixin, StampedMixin, CallbackSupportMixin, BaseEstimator):
    """Base of heads; it stands first among the bases.

    A head knows its targets: `_validate` checks them, `_learn_targets` looks at them, `_encode` and
    `_row_weights` give what the built-in network trains on, `_strata` what a validation part is stratified
    by, and `_loss` and `_n_outputs` what it must have. `target_encoder` is for networks of one's own.
    """

    _parameter_constraints: dict = {
        "hidden_units": [Interval(Integral, 0, None, closed="left"), tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, 2**31 - 1, closed="both"), Options(Integral, {-1}), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left"), None],
        "lr_factor": [Interval(Real, 0, 1, closed="right")],
        "early_stopping": ["boolean"],
        "early_stopping_patience": [Interval(Integral, 1, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "callbacks": [keras.callbacks.Callback, type, str, list, tuple, dict, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _model: keras.Model | None = None  # the model_ that was asked for, never pickled
    _temperature = 1.0  # of heads without one, such as those that fishsk 0.1 pickled

    @property
    def model_(self) -> keras.Model:
        """A Keras model with the fitted weights."""
        check_is_fitted(self)
        if self._own is not None:
            return self._own.model
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
            Whether to return also those of parts that can say them.

        Returns
        -------
        params : dict
        """
        return super().get_params(deep) | self._extra_params()

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those that are routed to a part, such as ``callbacks__...`` or ``model__...``.

        Parameters
        ----------
        **params : dict
            Parameters by name.

        Returns
        -------
        self : estimator
        """
        known = KEYWORDS.keys() | self._extra_params().keys()
        routed = {name: value for name, value in params.items() if is_routed(name) or name in known}
        super().set_params(**{name: value for name, value in params.items() if name not in routed})
        for name, value in routed.items():
            setattr(self, name, value)
        return self

    def _extra_params(self) -> dict[str, Any]:
        """Return the parameters that the constructor took as keywords, or that were routed since."""
        named = set(self._get_param_names())
        return {
            name: value
            for name, value in vars(self).items()
            if name not in named and name[0] != "_" and name[-1] != "_"
        }

    def _make_built_in(self, meta: Mapping[str, Any]) -> keras.Model:
        """Return the built-in network as a model that is not compiled, for another optimizer or loss."""
        if len(meta.get("X_shape_", ())) != 2:
            raise ValueError(
                "X must be 2-D for the built-in network. Pass as model a function that builds another."
            )
        self._learn_built_in_targets(meta)
        start = self._start_afresh()
        model = start.architecture.build_layers()
        model.set_weights(start.weights)
        return model

    def _start_afresh(self) -> Any:
        architecture = Architecture(
            n_features=self.n_features_in_,
            hidden_units=_unify(self.hidden_units),
            n_outputs=self._n_outputs,
            dropout=float(self.dropout),
            l2=float(self.l2),
            activation=self.activation,
            loss=self._loss,
        )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return _Start(architecture, architecture.initial_weights(np.random.default_rng((seed, 0))), seed)

    def _go_on(self, optimizer_state: Any = None) -> Any:
        asked = {"hidden_units": _unify(self.hidden_units), "activation": self.activation, "loss": self._loss}
        for name, value in asked.items():
            if value != (before := getattr(self._architecture, name)):
                raise ValueError(
                    f"{name} must be {before}, as in the network to go on with. "
                    f"Got {value}. A fit with warm_start=False builds a new network."
                )
        architecture = replace(
            self._architecture,
            dropout=float(self.dropout),
            l2=float(self.l2),
        )
        return _Start(architecture, self._weights, self._seed, optimizer_state, self.history_)

    def _train(
        self,
        start: Any,
        data: Any,
        weight: np.ndarray,
        train: np.ndarray,
        validation: np.ndarray | None,
        training: Mapping[str, Any],
        callbacks: Any,
        *,
        logs_rate: bool,
    ) -> None:
        """Train from `start` on the rows `train` of `data`: rows as what trains takes them, and targets."""
        check_not_forked()
        weight = weight.copy()
        for part in (train, validation):
            if part is not None:
                weight[part] /= weight[part].mean()
        first = len(start.history.get("loss", [])) or training["initial_epoch"]
        with borrow_network(start.architecture) as network:
            network.reset(start.architecture, start.weights, self.learning_rate, start.optimizer_state)
            history = network.fit(
                (*data, weight.astype(np.float32)),
                train,
                validation,
                epochs=range(first, first + training["epochs"]),
                batch_size=training["batch_size"],
                seed=start.seed,
                callbacks=callbacks,
                verbose=int(training["verbose"]),
                shuffle=training["shuffle"],
                validation_freq=training["validation_freq"],
                logs_rate=logs_rate,
            )
            weights = network.model.get_weights()
            optimizer_state = network.optimizer_state() if training.get("keeps_optimizer") else None
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
        self._optimizer_state, self._model, self._own = optimizer_state, None, None
        self._learn_history(history or {})

    def _learn_history(self, history: dict[str, list[float]]) -> None:
        self.history_ = history
        self.n_iter_ = len(self.history_.get("loss", []))
        if "loss" in self.history_:
            self.best_epoch_, self.overfit_epoch_ = find_turn(self.history_)

    def _get_fitted_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what was learned, as a JSON-able dict and named arrays."""
        check_is_fitted(self)
        if self._own is not None:
            return pack_own(self)
        return pack_state(self)

    def _set_fitted_state(self, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take over what `_get_fitted_state` returned; ValueError if a weight is missing or does not fit."""
        if "network" in meta:
            unpack_own(self, meta, arrays)
            return
        state = unpack_state(meta, arrays)
        for name, value in state["described"].items():
            setattr(self, name, value)
        self._take_over(*state["learned"])
        self._set_target_state(meta, self._architecture)

    def _logits(self, X: Any, keywords: Mapping[str, Any] = MappingProxyType({})) -> np.ndarray:
        """Return the logits before they are calibrated (a regressor's predictions), without TensorFlow."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        with self._predicting(keywords) as hooks:
            hooks.on_predict_batch_begin(0)
            logits = self._architecture.logits(self._weights, X)
            hooks.on_predict_batch_end(0, {"outputs": logits})
        return logits

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_seed")

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_model", None)
        return state


def _unify(hidden_units: Any) -> tuple[int, ...]:
    """Return the units of each hidden layer; there is none for 0."""
    if isinstance(hidden_units, list | tuple):
        units = tuple(hidden_units)
    else:
        units = (hidden_units,) if hidden_units else ()
    if not all(isinstance(each, int | np.integer) and each > 0 for each in units):
        raise ValueError(
            "hidden_units must be a number of units, or a tuple of numbers of 1 or more, one for each hidden "
            f"layer. Got {hidden_units!r}."
        )
    return tuple(map(int, units))

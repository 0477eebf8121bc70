"""What every Keras head has, whatever it predicts: parameters, a network to train, what was learned."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import keras
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fishsk._compat.sklearn import Interval, StrOptions
from fishsk._utils.process import check_not_forked
from fishsk._utils.stamp import StampedMixin
from fishsk.head._architecture import ACTIVATIONS, Architecture
from fishsk.head._callbacks import EpochTasks, make_callbacks
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

    A head knows its targets: `_validate` checks them, `_learn_targets` looks at them, `_encode` and
    `_row_weights` give what the network trains on, `_strata` what a validation part is stratified by, and
    `_loss` and `_n_outputs` what the network must have.
    """

    _parameter_constraints: dict = {
        "hidden_units": [Interval(Integral, 0, None, closed="left"), tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, 2**31 - 1, closed="both")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left"), None],
        "lr_factor": [Interval(Real, 0, 1, closed="right")],
        "lr_patience": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "n_views": [Interval(Integral, 1, None, closed="left")],
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
        self : estimator
        """
        routed = {name: value for name, value in params.items() if name.startswith("callbacks__")}
        super().set_params(**{name: value for name, value in params.items() if name not in routed})
        for name, value in routed.items():
            setattr(self, name, value)
        return self

    def _routed_params(self) -> Any:
        return {name: value for name, value in vars(self).items() if name.startswith("callbacks__")}

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        warm = self.warm_start and self.__sklearn_is_fitted__()
        X, y = self._validate(X, y, reset=not warm)
        if not warm:
            self._learn_targets(y)
        targets, weight = self._encode(y), self._row_weights(X, y, sample_weight)
        rows = np.flatnonzero(weight)
        if not len(rows):
            raise ValueError(
                "sample_weight and class_weight must leave a row whose weight is above 0. Got only zeros."
            )
        strata = self._strata(targets[rows])
        start = self._go_on() if warm else self._start_afresh()
        train, validation = self._split(rows, strata, start.seed)

        context = self._init_callback_context(max_subtasks=self.epochs)
        # Copied only if a callback of scikit-learn asks for them.
        task = {"estimator": self, "X": cache(lambda: X[train]), "y": cache(lambda: y[train])}
        if sample_weight is not None:
            task["metadata"] = cache(lambda: {"sample_weight": np.asarray(sample_weight)[train]})
        context.call_on_fit_task_begin(**task)

        callbacks = self._own_callbacks("loss" if validation is None else "val_loss")
        if hasattr(self, "_skl_callbacks"):
            callbacks.append(EpochTasks(context, task, start.architecture))
        self._train(start, (X, targets, weight), train, validation, self.epochs, callbacks)
        self._temperature = 1.0
        if validation is not None:
            self._calibrate(X[validation], targets[validation], weight[validation])
        context.call_on_fit_task_end(**task, reconstruction_attributes={})

    def _fit_an_epoch(self, X: Any, y: Any, sample_weight: Any, *, first: bool) -> None:
        """Train for one epoch, as part of a `partial_fit` that has checked its arguments."""
        targets, weight = self._encode(y), self._row_weights(X, y, sample_weight)
        start = self._start_afresh() if first else self._go_on(optimizer_state=self._optimizer_state)
        self._train(start, (X, targets, weight), np.flatnonzero(weight), None, 1, keep_optimizer=True)

    def _start_only(self) -> None:
        """Take over the weights that training would start from."""
        start = self._start_afresh()
        self._take_over(start.architecture, start.weights, start.seed)
        self._temperature = 1.0

    def _own_callbacks(self, monitor: str) -> list[keras.callbacks.Callback]:
        """Return the callbacks that `lr_factor` and `early_stopping` ask for."""
        callbacks = []
        if self.lr_factor < 1:
            callbacks.append(
                keras.callbacks.ReduceLROnPlateau(monitor, factor=self.lr_factor, patience=self.lr_patience)
            )
        if self.early_stopping:
            callbacks.append(
                keras.callbacks.EarlyStopping(monitor, patience=self.patience, restore_best_weights=True)
            )
        return callbacks

    def _calibrate(self, X: Any, targets: Any, weight: Any) -> None:
        """Set what the logits are divided by; a head that knows no probabilities leaves it."""

    def _split(self, rows: Any, strata: Any, seed: Any) -> Any:
        """Return the rows that train, and those that validate or None."""
        if not self.validation_fraction:
            return rows, None
        n_validation = int(np.ceil(self.validation_fraction * len(rows)))
        counts = [len(rows)] if strata is None else np.unique(strata, return_counts=True)[1]
        if min(counts) < 2 or min(n_validation, len(rows) - n_validation) < len(counts):
            classes = f"all {len(counts)} classes (the smallest has {min(counts)} rows)"
            warnings.warn(
                f"A validation part of validation_fraction={self.validation_fraction} of {len(rows)} rows, "
                f"and the rest, cannot each hold {'a row' if strata is None else classes}. All rows train, "
                "and the training loss is monitored. Pass validation_fraction=0 to silence this warning.",
                UserWarning,
                stacklevel=6,
            )
            return rows, None
        return train_test_split(rows, test_size=n_validation, stratify=strata, random_state=seed)

    def _start_afresh(self) -> Any:
        if self.n_features_in_ % self.n_views:
            raise ValueError(
                f"X must hold n_views={self.n_views} views side by side, each of as many columns. Got "
                f"{self.n_features_in_} columns. Pass as n_views what the transformer's n_views_out says."
            )
        architecture = Architecture(
            n_features=self.n_features_in_,
            hidden_units=_unify(self.hidden_units),
            n_outputs=self._n_outputs,
            dropout=float(self.dropout),
            l2=float(self.l2),
            label_smoothing=float(getattr(self, "label_smoothing", 0.0)),
            n_networks=int(self.n_networks),
            n_views=int(self.n_views),
            activation=self.activation,
            loss=self._loss,
        )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return _Start(architecture, architecture.initial_weights(np.random.default_rng((seed, 0))), seed)

    def _go_on(self, optimizer_state: Any = None) -> Any:
        asked = {"hidden_units": _unify(self.hidden_units), "activation": self.activation, "loss": self._loss}
        asked |= {"n_networks": self.n_networks, "n_views": self.n_views}
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
            label_smoothing=float(getattr(self, "label_smoothing", 0.0)),
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
        """Train from `start` on the rows `train` of `data`, which is (X, targets, weight)."""
        check_not_forked()
        X, targets, weight = data
        weight = weight.copy()
        for part in (train, validation):
            if part is not None:
                weight[part] /= weight[part].mean()
        first = len(start.history.get("loss", []))
        with borrow_network(start.architecture) as network:
            network.reset(start.architecture, start.weights, self.learning_rate, start.optimizer_state)
            history = network.fit(
                (X, targets, weight.astype(np.float32)),
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
        self._set_target_state(meta, self._architecture)

    def _logits(self, X: Any) -> np.ndarray:
        """Return the logits before they are calibrated (a regressor's predictions), without TensorFlow."""
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


def _unify(hidden_units: Any) -> int | tuple[int, ...]:
    """Return the units of the hidden layers: a number for none or one, or else a tuple."""
    units = hidden_units if isinstance(hidden_units, list | tuple) else [hidden_units]
    if not all(isinstance(each, int | np.integer) and each >= (len(units) > 1) for each in units):
        raise ValueError(
            "hidden_units must be a number of units, or a tuple of numbers of 1 or more, one for each hidden "
            f"layer. Got {hidden_units!r}."
        )
    return int(sum(units)) if len(units) < 2 else tuple(map(int, units))

"""Base of all Keras heads: parameters, rows, predictions, learned state."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from fishsk._compat.sklearn import Interval, Options, StrOptions, check_sample_weight, fit_context
from fishsk._utils.stamp import StampedMixin
from fishsk._utils.versions import link_documentation
from fishsk.head._dense import ACTIVATIONS, Architecture, DenseNetwork
from fishsk.head._keywords import KEYWORDS, find_builder, find_prediction, is_routed, resolve_batch_size
from fishsk.head._state import find_turn, learns_as_a_whole
from fishsk.head._targets import Rows, RowsLike, Unchanged, Weight, take_rows

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike
    from sklearn.callback import CallbackContext

    from fishsk.head._custom import KerasNetwork
    from fishsk.head._keywords import Builder, Keywords, Loss

_PREDICTION_BATCH = 256


class KerasHead(StampedMixin, CallbackSupportMixin, BaseEstimator):
    """Base of heads; it stands first among the bases. It predicts without Keras, which trains.

    A head knows its targets: `target_encoder` makes of them what a network trains on, `_describe_output` says
    what the built-in network answers with, `_choose_loss` what suits a network. `target_encoder` and
    `feature_encoder` are properties as of scikeras, which a subclass may override.
    """

    _parameter_constraints: dict = {
        "model": [callable, None],
        "hidden_units": [Interval(Integral, 0, None, closed="left"), tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [
            Interval(Integral, 1, 2**31 - 1, closed="both"),
            Options(Integral, {-1}),
            StrOptions({"auto"}),
            None,
        ],
        "validation_fraction": [Interval(Real, 0, 1, closed="left"), None],
        "lr_factor": [Interval(Real, 0, 1, closed="right")],
        "early_stopping": ["boolean"],
        "early_stopping_patience": [Interval(Integral, 1, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left"), StrOptions({"scale"})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    n_features_in_: int
    history_: dict[str, list[float]]
    target_encoder_: BaseEstimator
    feature_encoder_: BaseEstimator

    _doc_link_module, _doc_link_template = link_documentation()
    _scaled_penalty = 80  # that l2="scale" divides by the number of rows: benchmarks/bench_recipe.py
    _of_builder: frozenset[str] = frozenset()  # the keywords that are parameters of the user's function
    _network: DenseNetwork | KerasNetwork
    _is_custom: bool
    _seed: int
    temperature_: float
    _model: keras.Model | None = None  # the model_ that was asked for, never pickled

    def __init__(
        self,
        model: Builder | None = None,
        *,
        hidden_units: int | tuple[int, ...] = 512,
        activation: str = "relu",
        dropout: float = 0.5,
        learning_rate: float = 1e-3,
        epochs: int = 20,
        batch_size: int | str | None = 32,
        optimizer: str | type | keras.optimizers.Optimizer = "adam",
        loss: Loss | None = None,
        validation_fraction: float | None = 0.1,
        lr_factor: float = 0.5,
        early_stopping: bool = False,
        early_stopping_patience: int = 5,
        l2: float | str = 0.0,
        callbacks: object = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **keywords: object,
    ) -> None:
        self.model = model
        self.hidden_units = hidden_units
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.loss = loss
        self.validation_fraction = validation_fraction
        self.lr_factor = lr_factor
        self.early_stopping = early_stopping
        self.early_stopping_patience = early_stopping_patience
        self.l2 = l2
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        for name, value in keywords.items():
            setattr(self, name, value)
        of_builder = {name for name in keywords if not is_routed(name) and name not in KEYWORDS}
        if of_builder and find_builder(self) is None:
            name = min(of_builder)
            raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument {name!r}")
        if of_builder:
            self._of_builder = frozenset(of_builder)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those that were routed to a part among them, as any estimator does."""
        return super().get_params(deep) | self._extra_params()

    def set_params(self, **params: object) -> Self:
        """Set parameters, also those that are routed to a part, such as ``callbacks__...``."""
        known = KEYWORDS.keys() | self._extra_params().keys()
        routed = {name for name in params if is_routed(name) or name in known}
        for name in routed:
            setattr(self, name, params[name])
        return super().set_params(**{name: value for name, value in params.items() if name not in routed})

    def _extra_params(self) -> dict[str, Any]:
        """Return the parameters that the constructor took as keywords, or that were routed since."""
        named = set(self._get_param_names())
        return {
            name: value
            for name, value in vars(self).items()
            if name not in named and name[0] != "_" and name[-1] != "_"
        }

    @learns_as_a_whole
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: RowsLike, y: ArrayLike, sample_weight: Weight = None, **keywords: object) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; for a custom network rows of any shape, or a dict of arrays.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Of a classifier class labels, numbers or strings; or the tags of each row, as a table of 0 and 1.
            A custom network may have several outputs, for a table of several class labels a row. Of a
            regressor the numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the losses.
        **keywords : dict
            Those of Keras's ``fit``, such as ``epochs`` and ``validation_data``, for this fit only.

        Returns
        -------
        self : estimator
            The head itself.

        Raises
        ------
        ValueError
            If class labels are all the same, or the loss diverges.
        RuntimeError
            In a process forked from one in which TensorFlow has run.
        """
        from fishsk.head import _fitting

        _fitting.fit(self, X, y, sample_weight, keywords)
        return self

    @learns_as_a_whole
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: RowsLike, y: ArrayLike, sample_weight: Weight = None, **keywords: object
    ) -> Self:
        """Train for one more epoch on the given rows, without a validation part.

        The learning rate stays at `learning_rate`; Adam's moments and the randomness go on where they were,
        so that k calls with the same rows equal a fit of k epochs without validation.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As of `fit`.
        **keywords : dict
            Those of Keras's ``fit``.

        Returns
        -------
        self : estimator
            The head itself.
        """
        from fishsk.head import _fitting

        _fitting.fit_an_epoch(self, X, y, sample_weight, keywords)
        return self

    @learns_as_a_whole
    def initialize(self, X: RowsLike, y: ArrayLike) -> Self:
        """Draw the first weights for `X` and `y` without training, as scikeras's method of this name does."""
        from fishsk.head import _fitting

        self._validate_params()
        _fitting.initialize(self, X, y)
        return self

    @property
    def feature_encoder(self) -> BaseEstimator:
        """Transformer of `X` before it reaches the network, for subclasses to override."""
        return Unchanged()

    @property
    def target_encoder(self) -> BaseEstimator:
        """Transformer of `y` before it reaches the network, for subclasses to override."""
        raise NotImplementedError

    def _validate_rows(self, X: RowsLike, *, reset: bool) -> Rows:
        """Return rows as float32, for a custom network rows of any shape and of integers, too."""
        if reset:
            self._is_custom = find_builder(self) is not None
        if not self._is_custom:
            return validate_data(self, X, reset=reset, dtype=np.float32, order="C")
        if isinstance(X, Mapping) and not issparse(X):  # one sparse format is a dict
            parts = {name: _as_numbers(np.asarray(part)) for name, part in X.items()}
            check_consistent_length(*parts.values())
            return parts
        return _as_numbers(validate_data(self, X, reset=reset, dtype=None, allow_nd=True))

    def _validate_targets(self, X: Rows, y: ArrayLike) -> np.ndarray:
        """Return targets as an array, with as many rows as `X`."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        targets = np.asarray(y)
        if targets.dtype.kind == "f":
            assert_all_finite(targets, input_name="y")
        check_consistent_length(*(X.values() if isinstance(X, dict) else [X]), targets)
        is_column = targets.ndim == 2 and targets.shape[1] == 1
        if is_column and type_of_target(targets) in ("binary", "multiclass"):
            return column_or_1d(targets, warn=True)
        return targets

    def _weigh(self, X: Rows, y: np.ndarray, sample_weight: Weight) -> np.ndarray:
        """Return the weight of each row."""
        rows = next(iter(X.values())) if isinstance(X, dict) else X
        return check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)

    def _strata(self, targets: Any, rows: np.ndarray) -> np.ndarray | None:
        """Return what the validation part is stratified by."""
        return None

    def _describe_output(self) -> tuple[int, str]:
        """Return how many numbers the built-in network answers with, and what they mean."""
        raise NotImplementedError

    def _choose_loss(self, model: keras.Model) -> tuple[Any, Any]:
        """Return the loss that suits a network, and what is measured besides it, as Keras takes them."""
        raise NotImplementedError

    def _make_architecture(self, n_features: int, n_rows: int) -> Architecture:
        """Return the built-in network that the parameters ask for, which is to learn from some rows."""
        units = self.hidden_units
        units = tuple(units) if isinstance(units, list | tuple) else (units,) if units else ()
        if not all(isinstance(each, int | np.integer) and each > 0 for each in units):
            raise ValueError(
                "hidden_units must be a number of units, or a tuple of numbers of 1 or more, one for each "
                f"hidden layer. Got {self.hidden_units!r}."
            )
        n_outputs, output = self._describe_output()
        # Keras takes the mean of the tags' losses: each has its full penalty only where that is divided, too.
        n_losses = n_outputs if output == "sigmoid" else 1
        return Architecture(
            n_features=n_features,
            hidden_units=tuple(map(int, units)),
            n_outputs=n_outputs,
            dropout=float(self.dropout),
            l2=self._scaled_penalty / n_rows / n_losses if self.l2 == "scale" else float(self.l2),
            activation=self.activation,
            output=output,
        )

    def _take_over(self, network: DenseNetwork | KerasNetwork, history: dict[str, list[float]]) -> None:
        """Set what training learns."""
        self._network, self._model = network, None
        self.history_ = history
        self.n_iter_ = len(history.get("loss", []))
        if "loss" in history:
            self.best_epoch_, self.overfit_epoch_ = find_turn(history)

    @property
    def model_(self) -> keras.Model:
        """The Keras model that was trained, with its weights."""
        check_is_fitted(self)
        if not isinstance(self._network, DenseNetwork):
            return self._network.model
        if self._model is None:
            from fishsk.head._building import compile_model

            network = self._network
            self._model = compile_model(self, network.architecture.build(network.weights))
        return self._model

    @property
    def initialized_(self) -> bool:
        """Whether there are weights to predict with; the name is scikeras's."""
        return self.__sklearn_is_fitted__()

    @property
    def current_epoch(self) -> int:
        """Number of epochs trained, 0 before; the name is scikeras's."""
        return getattr(self, "n_iter_", 0)

    def to_keras(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Add this head to a functional Keras model, in layers that load without fishsk.

        Parameters
        ----------
        features : keras.KerasTensor of shape (None, `n_features_in_`), float32
            Features like those that the head was trained on.

        Returns
        -------
        keras.KerasTensor
            Predictions: of a classifier the probabilities, whose columns follow `classes_`.
        """
        from fishsk.head._building import add_to_model

        return add_to_model(self, features)

    def _scores(self, X: RowsLike, keywords: Keywords = MappingProxyType({})) -> Any:
        """Return the logits of rows before they are calibrated, or the numbers that a regressor predicts."""
        check_is_fitted(self)
        asked = find_prediction(self, keywords)
        rows = self.feature_encoder_.transform(self._validate_rows(X, reset=False))
        batch_size = resolve_batch_size(asked.get("batch_size"), rows, _PREDICTION_BATCH)
        if asked.get("steps") is not None:
            rows = take_rows(rows, slice(asked["steps"] * batch_size))
        given = [self.callbacks, asked["callbacks"], getattr(self, "predict__callbacks", None)]
        if all(each is None for each in given):
            return self._network.scores(rows, batch_size)
        from fishsk.head._callbacks import watch_prediction

        return watch_prediction(self, asked["callbacks"], partial(self._network.scores, rows, batch_size))

    def _begin_task(self, max_subtasks: int) -> CallbackContext:
        """Return the context in which scikit-learn's callbacks see a fit."""
        return self._init_callback_context(max_subtasks=max_subtasks)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_seed")

    def __getstate__(self) -> dict[str, object]:
        state = super().__getstate__()
        state.pop("_model", None)
        return state


def _as_numbers(array: np.ndarray) -> np.ndarray:
    """Return integers as they are, and anything else as float32."""
    return array if array.dtype.kind in "iu" else array.astype(np.float32)

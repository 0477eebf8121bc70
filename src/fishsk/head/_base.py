"""What every Keras head has, whatever it predicts: parameters, rows, predictions, what was learned."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from fishsk._compat.sklearn import Interval, Options, StrOptions, check_sample_weight
from fishsk._utils.stamp import StampedMixin
from fishsk.head._dense import ACTIVATIONS, Architecture, DenseNetwork
from fishsk.head._history import find_turn
from fishsk.head._keywords import KEYWORDS, check_prediction, find_builder, is_routed
from fishsk.head._targets import Unchanged

if TYPE_CHECKING:
    import keras

    from fishsk.head._custom import CustomNetwork

_PREDICTION_BATCH = 256
# Both by cross-validation on few and many images: benchmarks/bench_recipe.py.
_PENALTY_OF_ALL_ROWS = 80  # that l2="scale" divides by their number
_STEPS, _SMALLEST_BATCH, _LARGEST_BATCH = 30, 8, 64  # an epoch of batch_size="auto"
_Method = TypeVar("_Method", bound=Callable[..., Any])


class KerasHead(StampedMixin, CallbackSupportMixin, BaseEstimator):
    """Base of heads; it stands first among the bases. It predicts without Keras, which trains.

    A head knows its targets: `target_encoder` makes of them what a network trains on, `_describe_output` says
    what the built-in network answers with, `_choose_loss` and `_choose_metric` what suits a network.
    `target_encoder` and `feature_encoder` are properties as of scikeras, which a subclass may override.
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

    model: Any
    hidden_units: int | tuple[int, ...]
    activation: str
    dropout: float
    learning_rate: float
    epochs: int
    batch_size: int | str | None
    optimizer: Any
    loss: Any
    validation_fraction: float | None
    lr_factor: float
    early_stopping: bool
    early_stopping_patience: int
    l2: float | str
    callbacks: Any
    warm_start: bool
    random_state: Any
    verbose: int
    n_features_in_: int
    history_: dict[str, list[float]]

    _of_builder: frozenset[str] = frozenset()  # the keywords that are parameters of the user's function
    _network: DenseNetwork | CustomNetwork
    _is_custom: bool
    _seed: int
    _temperature: float
    _row_shapes: dict[str, tuple[int, ...]]
    _model: keras.Model | None = None  # the model_ that was asked for, never pickled

    # Parameters

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

    # Rows and targets

    @property
    def feature_encoder(self) -> Any:
        """Transformer of `X` before it reaches the network, for subclasses to override."""
        return Unchanged()

    @property
    def target_encoder(self) -> Any:
        """Transformer of `y` before it reaches the network, for subclasses to override."""
        raise NotImplementedError

    def _validate_rows(self, X: Any, *, reset: bool) -> Any:
        """Return rows as float32, for a custom network rows of any shape and of integers, too."""
        if reset:
            self._is_custom = find_builder(self) is not None
        if not self._is_custom:
            found = validate_data(self, X, reset=reset, dtype=np.float32, order="C")
            shapes = {"X": found.shape[1:]}
        elif isinstance(X, Mapping) and not issparse(X):  # one sparse format is a dict
            found = {name: _check_part(part) for name, part in X.items()}
            check_consistent_length(*found.values())
            shapes = {name: part.shape[1:] for name, part in found.items()}
        else:
            found = _check_part(validate_data(self, X, reset=reset, dtype=None, allow_nd=True))
            shapes = {"X": found.shape[1:]}
        if reset:
            self._row_shapes = shapes
        elif shapes != self._row_shapes:
            raise ValueError(f"X must hold rows of the shape {self._row_shapes}, as in fit. Got {shapes}.")
        return found

    def _validate_targets(self, X: Any, y: Any) -> np.ndarray:
        """Return targets as an array, with as many rows as `X`."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        y = np.asarray(y)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        check_consistent_length(*(X.values() if isinstance(X, dict) else [X]), y)
        if y.ndim == 2 and y.shape[1] == 1 and type_of_target(y) in ("binary", "multiclass"):
            y = column_or_1d(y, warn=True)
        return y

    def _weigh(self, X: Any, y: np.ndarray, sample_weight: Any) -> np.ndarray:
        """Return the weight of each row."""
        rows = next(iter(X.values())) if isinstance(X, dict) else X
        return check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)

    def _strata(self, targets: Any, rows: np.ndarray) -> np.ndarray | None:
        """Return what the validation part is stratified by."""
        return None

    def _describe_output(self) -> tuple[int, str]:
        """Return how many numbers the built-in network answers with, and what they mean."""
        raise NotImplementedError

    def _choose_loss(self, model: keras.Model) -> Any:
        """Return the loss that suits a network."""
        raise NotImplementedError

    def _choose_metric(self) -> str:
        """Return what is measured besides the loss."""
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
        return Architecture(
            n_features=n_features,
            hidden_units=tuple(map(int, units)),
            n_outputs=n_outputs,
            dropout=float(self.dropout),
            l2=_PENALTY_OF_ALL_ROWS / n_rows if self.l2 == "scale" else float(self.l2),
            activation=self.activation,
            output=output,
        )

    # What was learned

    def _take_over(self, network: DenseNetwork | CustomNetwork, seed: int, history: dict) -> None:
        """Set what training learns."""
        self._network, self._seed, self._model = network, seed, None
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
    def temperature_(self) -> float:
        """What logits are divided by, for probabilities that mean what they say; 1 for none."""
        check_is_fitted(self)
        return self._temperature

    @property
    def initialized_(self) -> bool:
        """Whether there are weights to predict with; the name is scikeras's."""
        return self.__sklearn_is_fitted__()

    @property
    def current_epoch(self) -> Any:
        """Number of epochs trained, 0 before; the name is scikeras's."""
        return getattr(self, "n_iter_", 0)

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
        from fishsk.head._building import add_to_model

        return add_to_model(self, features)

    def _scores(self, X: Any, keywords: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """Return the logits of rows before they are calibrated, or the numbers that a regressor predicts."""
        check_is_fitted(self)
        training = check_prediction(self, keywords)
        X = self.feature_encoder_.transform(self._validate_rows(X, reset=False))
        batch_size = resolve_batch_size(training.get("batch_size"), X, _PREDICTION_BATCH)
        if (steps := training.get("steps")) is not None:
            X = take_rows(X, slice(steps * batch_size))
        with self._predicting(keywords) as hooks:
            if not isinstance(self._network, DenseNetwork):
                return self._network.scores(X, batch_size, hooks)
            if hooks is not None:
                hooks.on_predict_batch_begin(0)
            scores = self._network.scores(X)
            if hooks is not None:
                hooks.on_predict_batch_end(0, {"outputs": scores})
            return scores

    @contextmanager
    def _predicting(self, keywords: Mapping[str, Any]) -> Iterator[Any]:
        """Let callbacks see a prediction begin and end, if there are any."""
        if (
            self.callbacks is None
            and keywords.get("callbacks") is None
            and not any(name.startswith("predict__callbacks") for name in vars(self))
        ):
            yield None
            return
        from fishsk.head._callbacks import watch_prediction

        with watch_prediction(self, keywords.get("callbacks")) as hooks:
            yield hooks

    def _begin_task(self, max_subtasks: int) -> Any:
        """Return the context in which scikit-learn's callbacks see a fit."""
        return self._init_callback_context(max_subtasks=max_subtasks)

    def _get_fitted_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what was learned, as a JSON-able dict and named arrays."""
        from fishsk.head._state import pack_state

        check_is_fitted(self)
        return pack_state(self)

    def _set_fitted_state(self, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take over what `_get_fitted_state` returned; ValueError if a weight is missing or does not fit."""
        from fishsk.head._state import unpack_state

        unpack_state(self, meta, arrays)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_seed")

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_model", None)
        return state


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


def resolve_batch_size(batch_size: int | str | None, X: Any, default: int | None) -> Any:
    """Return the rows of a batch: None is the default, -1 are all rows, "auto" is by their number."""
    if batch_size is None:
        return default
    if batch_size not in (-1, "auto"):
        return int(batch_size)
    if not hasattr(X, "shape"):
        raise ValueError(
            f"batch_size={batch_size!r} requires that `X` implement `shape`. Got a {type(X).__name__}."
        )
    if batch_size == -1:
        return max(1, len(X))
    return min(max(len(X) // _STEPS, _SMALLEST_BATCH), _LARGEST_BATCH)


def take_rows(nest: Any, rows: Any) -> Any:
    """Return some rows of an array, or of each in a nest of them."""
    if isinstance(nest, dict):
        return {name: take_rows(part, rows) for name, part in nest.items()}
    if isinstance(nest, list | tuple):
        return [take_rows(part, rows) for part in nest]
    return nest[rows]


def _check_part(part: Any) -> np.ndarray:
    """Return an array of numbers, float32 where it holds other floats than these."""
    part = np.asarray(part)
    return part.astype(np.float32) if part.dtype.kind not in "iu" else part

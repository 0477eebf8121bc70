"""KerasHeadRegressor: a small Keras network that predicts numbers, as a full citizen of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from fishsk._compat.sklearn import fit_context
from fishsk._utils.versions import link_documentation
from fishsk.head._base import KerasHead, learns_as_a_whole
from fishsk.head._keywords import set_keywords
from fishsk.head._targets import NumberEncoder, join_outputs

if TYPE_CHECKING:
    import keras


class KerasHeadRegressor(RegressorMixin, KerasHead):
    """Regressor with hidden layers (or none) or any Keras network, trained with Keras on features.

    The built-in network is Dense(`hidden_units`, relu), Dropout, Dense(n_outputs), trained with Adam. The
    learning rate is lowered on plateaus of the validation loss; the validation part is split off the training
    data.

    Targets should be of the size of 1, such as `sklearn.preprocessing.StandardScaler` makes them: wrap the
    regressor in `sklearn.compose.TransformedTargetRegressor`, which scales them and predicts in their unit.

    Parameters
    ----------
    model : callable, keras.Model or None, default=None
        Network to train instead of the built-in one, as of `KerasHeadClassifier`.
    hidden_units : int or tuple of int, default=512
        Units of the hidden layer, or of each of several. 0 leaves it out, which makes the network a linear
        regression.
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Of the hidden layers.
    dropout : float in [0, 1), default=0.5
        Share of each layer's hidden units (of the features, if there are none) that each training step leaves
        out.
    learning_rate : float, default=1e-3
        Learning rate in the first epoch.
    optimizer : str, type or keras.optimizers.Optimizer, default="adam"
        As of `KerasHeadClassifier`.
    epochs : int, default=20
        Passes over the training part; `early_stopping` and callbacks may end training before.
    batch_size : int, "auto" or None, default=32
        Rows of each training step. The last step of an epoch takes the rows that remain. "auto" is a
        thirtieth of all rows, at least 8 and at most 64, so that few rows make as many steps as many. -1 are
        all rows, None is 32.
    loss : str, type, callable, keras.losses.Loss, list or dict, default="mean_squared_error"
        What is minimized; "mse" and "mae" are short for two of them. ``"huber"`` is the squared error for
        errors up to 1, and grows in proportion above, so that single wrong targets weigh less [1]_.
        Any other loss of Keras, or one's own, serves too.
    validation_fraction : float in [0, 1) or None, default=0.1
        Share of the training rows that only validates. With 0 or None all rows train, and the training loss
        steers the learning rate and early stopping.
    lr_factor : float in (0, 1], default=0.5
        The learning rate is multiplied by it after three epochs in which the monitored loss has not fallen by
        1e-4 below its best. 1 keeps the learning rate.
    early_stopping : bool, default=False
        Whether to stop after `early_stopping_patience` epochs without a better loss. The weights are then
        those of the best epoch, also if training has run to its end.
    early_stopping_patience : int, default=5
        Epochs that early stopping waits for a better loss.
    l2 : float or "scale", default=0.0
        Strength of the penalty on the squared kernels. "scale" is 80 / n_rows, as scikit-learn's `C` acts.
    callbacks : keras.callbacks.Callback, its class or name, list, tuple, dict of them, or None, default=None
        Keras callbacks. Names and classes are instantiated by each fit; their parameters are routed, as in
        scikeras, by ``callbacks__patience=2`` for all, or ``callbacks__0__patience=2`` or
        ``callbacks__key__patience=2`` for one of a list or dict. scikit-learn's callbacks are given to
        `set_callbacks`.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit (with a new optimizer), and adds to `history_`.
    random_state : int, RandomState instance or None, default=None
        Seeds the first weights, the validation split, the order of rows and dropout. An int gives the same
        bits in every fit, process and order of fits. TensorFlow's and Python's global random state is never
        used.
    verbose : int, default=0
        0 is silent, 1 shows Keras's progress bar, 2 a line for each epoch.
    **keywords : dict
        Parameters of `model`, routed parameters, and keywords of Keras, as of `KerasHeadClassifier`.

    Attributes
    ----------
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string names in `fit`.
    n_outputs_ : int
        Number of numbers that are predicted of a row.
    model_ : keras.Model
        A Keras model with the fitted weights, built when it is first asked for. It is this estimator's own:
        no later fit changes it, and training it further does not change the estimator.
    history_ : dict of list of float
        ``"loss"``, ``"mean_absolute_error"``, ``"val_loss"``, ``"val_mean_absolute_error"`` and
        ``"learning_rate"`` of each epoch. The losses are without `l2`. The two of validation are absent if
        there was no validation part.
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        Index of the epoch with the lowest validation loss (training loss, without a validation part).
    overfit_epoch_ : int or None
        Index of the first epoch after the validation loss turned, as of `KerasHeadClassifier`.

    See Also
    --------
    KerasHeadClassifier : The same for classes.
    sklearn.neural_network.MLPRegressor : scikit-learn's own network.
    sklearn.compose.TransformedTargetRegressor : Scale the targets too.

    Notes
    -----
    Sample weights are scaled to a mean of 1, so that a weight of 2 is the same as a row given twice. Rows
    of weight 0 are left out.

    Fits of the same architecture use the same compiled network of their process, one after the other. Keras
    callbacks see it as their ``model`` until the fit ends.

    References
    ----------
    .. [1] Huber (1964), "Robust Estimation of a Location Parameter", https://doi.org/10.1214/aoms/1177703732

    Examples
    --------
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import StandardScaler, scale
    >>> from fishsk import KerasHeadRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> head = KerasHeadRegressor(hidden_units=32, random_state=0)
    >>> head = TransformedTargetRegressor(head, transformer=StandardScaler()).fit(scale(X), y)
    >>> head.score(scale(X), y) > 0.4
    True
    """

    n_outputs_: int
    target_encoder_: Any
    feature_encoder_: Any

    _doc_link_module, _doc_link_template = link_documentation()

    _parameter_constraints: dict = {
        **KerasHead._parameter_constraints,
    }

    def __init__(
        self,
        model: Any = None,
        *,
        hidden_units: int | tuple[int, ...] = 512,
        activation: str = "relu",
        dropout: float = 0.5,
        learning_rate: float = 1e-3,
        epochs: int = 20,
        batch_size: int | str | None = 32,
        optimizer: Any = "adam",
        loss: Any = "mean_squared_error",
        validation_fraction: float | None = 0.1,
        lr_factor: float = 0.5,
        early_stopping: bool = False,
        early_stopping_patience: int = 5,
        l2: float | str = 0.0,
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **keywords: Any,
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
        set_keywords(self, keywords)

    @learns_as_a_whole
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, **keywords: Any) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the losses.
        **keywords : dict
            Those of Keras's ``fit``, such as ``epochs`` and ``validation_data``, for this fit only.

        Returns
        -------
        self : KerasHeadRegressor

        Raises
        ------
        ValueError
            If the loss diverges.
        RuntimeError
            In a process forked from one in which TensorFlow has run.
        """
        from fishsk.head import _fitting

        _fitting.fit(self, X, y, sample_weight, keywords)
        return self

    @learns_as_a_whole
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, **keywords: Any) -> Self:
        """Train for one more epoch on the given rows, without a validation part.

        The learning rate stays at `learning_rate`; Adam's moments and the randomness go on where they were,
        so that k calls with the same rows equal a fit of k epochs without validation.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.
        **keywords : dict
            Those of Keras's ``fit``.

        Returns
        -------
        self : KerasHeadRegressor
        """
        from fishsk.head import _fitting

        _fitting.fit_an_epoch(self, X, y, sample_weight, keywords)
        return self

    @learns_as_a_whole
    def initialize(self, X: Any, y: Any) -> Self:
        """Draw the first weights without training, as scikeras's method of this name does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.

        Returns
        -------
        self : KerasHeadRegressor
        """
        from fishsk.head import _fitting

        self._validate_params()
        _fitting.initialize(self, X, y)
        return self

    def predict(self, X: Any, **keywords: Any) -> np.ndarray:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        **keywords : dict
            ``batch_size``, ``verbose`` and ``callbacks``, as of Keras's ``predict``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Of the shape that `y` had in `fit`; float32 of rows of float32, else float64.
        """
        is_apart = not isinstance(getattr(self, "target_encoder_", None), NumberEncoder)
        outputs = join_outputs(self._scores(X, keywords), apart=is_apart)
        dtype = getattr(X, "dtype", None)
        predicted = self.target_encoder_.inverse_transform(outputs)
        return predicted.astype(np.float32, copy=False) if dtype == np.float32 else predicted

    @property
    def target_encoder(self) -> NumberEncoder:
        """Transformer of `y` before it reaches the network, for subclasses to override."""
        return NumberEncoder()

    def _validate_targets(self, X: Any, y: Any) -> np.ndarray:
        y = super()._validate_targets(X, y)
        return y.astype(np.float64) if y.dtype.kind == "O" else y

    def _describe_output(self) -> tuple[int, str]:
        return self.n_outputs_, "linear"

    def _choose_loss(self, model: keras.Model) -> Any:
        return "mean_squared_error"

    def _choose_metric(self) -> str:
        return "mean_absolute_error"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

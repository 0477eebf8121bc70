"""KerasHeadClassifier: a small Keras network on 2-D features, as a full citizen of scikit-learn."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from fishsk._compat.sklearn import (
    Interval,
    StrOptions,
    check_partial_fit_first_call,
    check_sample_weight,
    fit_context,
)
from fishsk._utils.versions import link_documentation
from fishsk.head._base import KerasHead
from fishsk.head._calibration import fit_temperature
from fishsk.head._scikeras import ScikerasClassifier
from fishsk.head._state import learns_as_a_whole


class KerasHeadClassifier(KerasHead, ScikerasClassifier):
    """Classifier with one hidden layer (or none), trained with Keras on 2-D features.

    The network is Dense(`hidden_units`, relu), Dropout, Dense(n_classes, softmax), trained with Adam on the
    sparse categorical cross-entropy. The learning rate is lowered on plateaus of the validation loss; the
    validation part is split off the training data. It also calibrates the probabilities.

    Parameters
    ----------
    hidden_units : int or tuple of int, default=512
        Units of the hidden layer, or of each of several. 0 leaves it out, which makes the network a
        multinomial logistic regression.
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Of the hidden layers.
    dropout : float in [0, 1), default=0.5
        Share of each layer's hidden units (of the features, if there are none) that each training step leaves
        out.
    learning_rate : float, default=1e-3
        Learning rate of Adam in the first epoch.
    epochs : int, default=20
        Passes over the training part; `early_stopping` and callbacks may end training before.
    batch_size : int, default=32
        Rows of each training step. The last step of an epoch takes the rows that remain.
    validation_fraction : float in [0, 1) or None, default=0.1
        Share of the training rows, stratified by class, that only validates. With 0 or None all rows train,
        and the training loss steers the learning rate and early stopping.
    lr_factor : float in (0, 1], default=0.5
        The learning rate is multiplied by it after `lr_patience` epochs in which the monitored loss has not
        fallen by 1e-4 below its best. 1 keeps the learning rate.
    lr_patience : int, default=3
        Epochs to wait for a better loss before the learning rate is lowered.
    early_stopping : bool, default=False
        Whether to stop after `patience` epochs without a better loss. The weights are then those of the
        best epoch, also if training has run to its end.
    patience : int, default=5
        Epochs that early stopping waits for a better loss.
    l2 : float, default=0.0
        Strength of the penalty on the squared kernels.
    label_smoothing : float in [0, 1), default=0.0
        Share of each row's label that is spread evenly over all classes in the losses [3]_. The network is
        then less sure of itself.
    n_networks : int, default=1
        Number of networks, each with first weights and dropout of its own, whose logits are averaged. They
        are trained in one go, as parts of one network.
    n_views : int, default=1
        Number of views of an image that stand side by side in each row of `X`, as `VGG16FeatureTransformer`
        puts them with ``combine_views="concatenate"``. Each epoch trains on one view of each row, drawn anew;
        in validation and prediction the logits of all views are averaged.
    calibration : {"temperature"} or None, default="temperature"
        ``"temperature"`` divides the logits by the number that gives the validation part, which has not
        trained, its lowest log loss [4]_: probabilities then mean what they say, and what is predicted stays
        as it is. Without a validation part nothing is calibrated.
    threshold : float in [0, 1], default=0.5
        Probability above which a row is predicted to have a tag, where `y` is a table of tags.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class's rows, as in scikit-learn.
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

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string names in `fit`.
    model_ : keras.Model
        A Keras model with the fitted weights, built when it is first asked for. It is this estimator's own:
        no later fit changes it, and training it further does not change the estimator.
    temperature_ : float
        What the logits are divided by; above 1, the network was too sure of itself. 1 without calibration.
    history_ : dict of list of float
        ``"loss"``, ``"accuracy"``, ``"val_loss"``, ``"val_accuracy"`` and ``"learning_rate"`` of each
        epoch. The losses are cross-entropies, without `l2` and `label_smoothing`. The two of validation are
        absent if there was no validation part.
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        Index of the epoch with the lowest validation loss (training loss, without a validation part).
    overfit_epoch_ : int or None
        Index of the first epoch after the validation loss turned: it stayed above its minimum for the three
        or more epochs that followed, by more than 1 % on average, while the training loss fell. None if it
        did not turn.

    See Also
    --------
    fishsk.make_fish_pipeline : Images to classes; this classifier is its last step.
    sklearn.neural_network.MLPClassifier : scikit-learn's own network.

    Notes
    -----
    Sample weights are scaled to a mean of 1, so that a weight of 2 is the same as a row given twice. Rows
    of weight 0 are left out.

    Fits of the same architecture use the same compiled network of their process, one after the other. Keras
    callbacks see it as their ``model`` until the fit ends.

    References
    ----------
    .. [1] Kingma, Ba (2015), "Adam: A Method for Stochastic Optimization", https://arxiv.org/abs/1412.6980
    .. [2] Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
       https://jmlr.org/papers/v15/srivastava14a.html
    .. [3] Szegedy et al. (2016), "Rethinking the Inception Architecture for Computer Vision",
       https://arxiv.org/abs/1512.00567
    .. [4] Guo et al. (2017), "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from fishsk import KerasHeadClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> head = KerasHeadClassifier(hidden_units=16, learning_rate=0.01, random_state=0).fit(scale(X), y)
    >>> head.score(scale(X), y) > 0.9
    True
    >>> sorted(head.history_)
    ['accuracy', 'learning_rate', 'loss', 'val_accuracy', 'val_loss']
    """

    _has_tags = False  # whether rows have any number of tags, and not one class each

    _doc_link_module, _doc_link_template = link_documentation()

    _parameter_constraints: dict = {
        **KerasHead._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "calibration": [StrOptions({"temperature"}), None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        *,
        hidden_units: int | tuple[int, ...] = 512,
        activation: str = "relu",
        dropout: float = 0.5,
        learning_rate: float = 1e-3,
        epochs: int = 20,
        batch_size: int = 32,
        validation_fraction: float | None = 0.1,
        lr_factor: float = 0.5,
        lr_patience: int = 3,
        early_stopping: bool = False,
        patience: int = 5,
        l2: float = 0.0,
        label_smoothing: float = 0.0,
        n_networks: int = 1,
        n_views: int = 1,
        calibration: str | None = "temperature",
        threshold: float = 0.5,
        class_weight: dict | str | None = None,
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_units = hidden_units
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.lr_factor = lr_factor
        self.lr_patience = lr_patience
        self.early_stopping = early_stopping
        self.patience = patience
        self.l2 = l2
        self.label_smoothing = label_smoothing
        self.n_networks = n_networks
        self.n_views = n_views
        self.calibration = calibration
        self.threshold = threshold
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @learns_as_a_whole
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Class labels: numbers or strings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the losses.

        Returns
        -------
        self : KerasHeadClassifier

        Raises
        ------
        ValueError
            If `y` has a single class, or the loss diverges.
        RuntimeError
            In a process forked from one in which TensorFlow has run.
        """
        self._fit(X, y, sample_weight)
        return self

    @learns_as_a_whole
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one more epoch on the given rows, without a validation part.

        The learning rate stays at `learning_rate`; Adam's moments and the randomness go on where they were,
        so that k calls with the same rows equal a fit of k epochs without validation. `temperature_` stays
        that of the last `fit`, or 1.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Class labels; they need not hold every class.
        classes : array-like of shape (n_classes,), default=None
            All class labels; needed by the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : KerasHeadClassifier
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows, which partial_fit does not see. Pass a dict, with "
                "weights such as those of sklearn.utils.class_weight.compute_class_weight."
            )
        first = not self.__sklearn_is_fitted__()
        X, y = self._validate(X, y, reset=first)
        if first and y.ndim == 2:
            self._learn_targets(y)
        elif check_partial_fit_first_call(self, classes):
            self._has_tags = False
        self._fit_an_epoch(X, y, sample_weight, first=first)
        return self

    @learns_as_a_whole
    def initialize(self, X: Any, y: Any) -> Self:
        """Draw the first weights without training, as scikeras's method of this name does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : KerasHeadClassifier
        """
        self._validate_params()
        X, y = self._validate(X, y, reset=True)
        self._learn_targets(y)
        self._start_only()
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            float64; the columns follow `classes_`.
        """
        logits = self._logits(X) / self._temperature
        return expit(logits) if self._has_tags else softmax(logits, axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            float64, finite also where a probability is too small for a float; columns follow `classes_`.
        """
        logits = self._logits(X) / self._temperature
        return log_expit(logits) if self._has_tags else log_softmax(logits, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels.
        """
        if self._has_tags:
            return (self.predict_proba(X) > self.threshold).astype(np.int64)
        codes = self._logits(X).argmax(axis=1)
        return self.classes_[codes]

    def _validate(self, X: Any, y: Any, *, reset: bool) -> Any:
        is_table = getattr(np.asarray(y), "ndim", 1) == 2 and type_of_target(y) == "multilabel-indicator"
        X, y = validate_data(self, X, y, dtype=np.float32, order="C", reset=reset, multi_output=is_table)
        check_classification_targets(y)
        return X, y

    def _learn_targets(self, y: Any) -> None:
        self._has_tags = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if self._has_tags else np.unique(y)

    @property
    def _n_outputs(self) -> int:
        return len(self.classes_)

    @property
    def _loss(self) -> str:
        return "binary_crossentropy" if self._has_tags else "sparse_categorical_crossentropy"

    def _encode(self, y: Any) -> Any:
        """Return the number of each row's class, or its tags as float32."""
        if (y.ndim == 2) != self._has_tags or (self._has_tags and y.shape[1] != len(self.classes_)):
            expected = f"a table of {len(self.classes_)} tags" if self._has_tags else "one label a row"
            raise ValueError(f"y must hold {expected}, as in the first fit. Got shape {y.shape}.")
        if self._has_tags:
            return y.astype(np.float32)
        unseen = np.setdiff1d(y, self.classes_)
        if len(unseen):
            raise ValueError(
                f"y must hold only labels in classes_, {self.classes_.tolist()}. Got also {unseen.tolist()}. "
                "A fit with warm_start=False learns new classes."
            )
        return np.searchsorted(self.classes_, y)

    def _strata(self, targets: Any) -> Any:
        if self._has_tags:
            return None
        present = np.unique(targets)
        if len(present) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes among the rows of y whose weight is not 0. "
                f"Got 1 class, {self.classes_[present].tolist()[0]!r}."
            )
        return targets

    def _row_weights(self, X: Any, y: Any, sample_weight: Any) -> Any:
        weight = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is None:
            return weight
        if self._has_tags:
            return weight * compute_sample_weight(self.class_weight, y)
        rows = np.flatnonzero(weight)  # a class whose rows all weigh nothing cannot be balanced
        classes, codes = np.unique(y[rows], return_inverse=True)
        by_class = compute_class_weight(
            self.class_weight,
            classes=classes,
            y=y[rows],
            sample_weight=None if sample_weight is None else weight[rows],
        )
        weighted = np.zeros_like(weight)
        weighted[rows] = weight[rows] * by_class[codes]
        return weighted

    def _calibrate(self, X: Any, targets: Any, weight: Any) -> None:
        if self.calibration is not None and not self._has_tags:
            logits = self._architecture.logits(self._weights, X)
            self._temperature = fit_temperature(logits, targets, weight)

    def _get_target_state(self) -> dict[str, Any]:
        return {
            "classes": self.classes_.tolist(),
            "classes_dtype": self.classes_.dtype.str,
            "temperature": self._temperature,
        }

    def _set_target_state(self, meta: dict[str, Any], architecture: Any) -> None:
        self.classes_ = np.array(meta["classes"], dtype=meta["classes_dtype"])
        self._temperature = meta.get("temperature", 1.0)
        self._has_tags = architecture.loss == "binary_crossentropy"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

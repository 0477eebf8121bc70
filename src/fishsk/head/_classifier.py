"""KerasHeadClassifier: a small Keras network on 2-D features, as a full citizen of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.validation import check_is_fitted

from fishsk._compat.sklearn import Interval, StrOptions, check_partial_fit_first_call, fit_context
from fishsk.head._base import KerasHead
from fishsk.head._calibration import to_probabilities
from fishsk.head._keywords import find_builder
from fishsk.head._state import learns_as_a_whole
from fishsk.head._targets import ClassEncoder, Rows, RowsLike, Weight, find_codes, join_outputs

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from fishsk.head._keywords import Builder, Loss


class KerasHeadClassifier(ClassifierMixin, KerasHead):
    """Classifier with hidden layers (or none) or any Keras network, trained with Keras on features.

    The built-in network is Dense(`hidden_units`, relu), Dropout, Dense(n_classes, softmax), trained with Adam
    on the sparse categorical cross-entropy. The learning rate is lowered on plateaus of the validation loss;
    the validation part is split off the training data. It also calibrates the probabilities.

    Parameters
    ----------
    model : callable, keras.Model or None, default=None
        Network to train instead of the built-in one: a function that returns a Keras model, compiled or not,
        or a model, which is copied for each fit, with its weights, and never changed. A function gets its
        own parameters, set by keyword or as ``model__units=64``, and those of ``meta`` (what is known of the
        data, such as ``n_classes_`` and ``X_shape_``), ``compile_kwargs`` and ``params`` that it takes, as
        in scikeras. Rows may then have any shape, and `X` may be a dict of arrays.
    hidden_units : int or tuple of int, default=512
        Units of the hidden layer, or of each of several. 0 leaves it out, which makes the network a
        multinomial logistic regression.
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Activation of the hidden layers.
    dropout : float in [0, 1), default=0.5
        Share of each layer's hidden units (of the features, if there are none) that each training step leaves
        out.
    learning_rate : float, default=1e-3
        Learning rate in the first epoch.
    epochs : int, default=20
        Passes over the training part; `early_stopping` and callbacks may end training before.
    batch_size : int, "auto" or None, default=32
        Rows of each training step. The last step of an epoch takes the rows that remain. "auto" is a
        thirtieth of all rows, at least 2 and at most 64, so that few rows make as many steps as many. -1 are
        all rows, None is 32.
    optimizer : str, type or keras.optimizers.Optimizer, default="adam"
        Name, class or instance of an optimizer. Arguments of names and classes are routed:
        ``optimizer__momentum=0.9``, ``optimizer__clipnorm=1.0``, and as ``optimizer__learning_rate`` a number
        or a schedule, which then steers the learning rate alone.
    loss : str, type, callable, keras.losses.Loss, list, dict or None, default=None
        None is the cross-entropy that suits the targets. Arguments are routed: ``loss__from_logits=True``.
    validation_fraction : float in [0, 1) or None, default=0.1
        Share of the training rows, stratified by class, that only validates. With 0 or None all rows train,
        and the training loss steers the learning rate and early stopping.
    lr_factor : float in (0, 1], default=0.5
        The learning rate is multiplied by it after three epochs in which the monitored loss has not fallen by
        1e-4 below its best. 1 keeps the learning rate.
    early_stopping : bool, default=False
        Whether to stop after `early_stopping_patience` epochs without a better loss. The weights are then
        those of the best epoch, also if training has run to its end.
    early_stopping_patience : int, default=5
        Epochs that early stopping waits for a better loss.
    l2 : float or "scale", default=0.0
        Strength of the penalty on the squared kernels. "scale" is 80 / n_rows, as scikit-learn's `C` acts; of
        tags, whose losses are averaged, it is divided by their number.
    calibration : {"temperature"} or None, default="temperature"
        ``"temperature"`` divides the logits by the number that gives the validation part, which has not
        trained, its lowest log loss [3]_: a probability of 0.8 is then right about 8 times in 10, and the
        predicted class stays the same. Without a validation part nothing is calibrated.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class's rows, as in scikit-learn.
    tags : sequence of str or None, default=None
        Names of the columns of `y`, where `y` is a table of 0 and 1. With them rows count as tags even if
        each has exactly one.
    threshold : float in (0, 1) or "f1", default=0.5
        Smallest probability at which `predict` gives a tag. "f1" chooses for each tag the threshold of its
        highest F1 score: on the validation part, or in three folds, which takes three more fits, where all
        rows train. For a tag on few rows the threshold is mostly chance.
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
        Parameters of `model`, parameters that are routed to a part by their prefix, and keywords of Keras's
        ``fit`` and ``compile``: ``shuffle``, ``validation_split``, ``validation_data``, ``validation_freq``,
        ``validation_batch_size``, ``validation_steps``, ``steps_per_epoch``, ``initial_epoch``,
        ``metrics``, ``loss_weights``, ``weighted_metrics``, ``run_eagerly``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; of tags, and of several labels a row, a list of the labels in each column of `y`.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string names in `fit`.
    model_ : keras.Model
        A Keras model with the fitted weights, built when it is first asked for. It is this estimator's own:
        no later fit changes it, and training it further does not change the estimator.
    temperature_ : float
        Divisor of the logits; above 1, the network was overconfident. 1 without calibration. `model_` is the
        network as it trained, `to_keras` divides its logits, too.
    thresholds_ : ndarray of shape (n_tags,)
        Smallest probability at which each tag is given; only where `y` holds tags.
    history_ : dict of list of float
        ``"loss"``, ``"accuracy"``, ``"val_loss"``, ``"val_accuracy"`` and ``"learning_rate"`` of each
        epoch. The losses are cross-entropies, without `l2`. The two of validation are
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
    sklearn.neural_network.MLPClassifier : The network of scikit-learn itself.

    Notes
    -----
    Sample weights are scaled to a mean of 1, so that a weight of 2 is the same as a row given twice. Rows
    of weight 0 are left out.

    Fits of the same architecture use the same compiled network of their process, one after the other; those
    of several threads have one each. Keras callbacks see it as their ``model`` until the fit ends.

    References
    ----------
    .. [1] Kingma, Ba (2015), "Adam: A Method for Stochastic Optimization", https://arxiv.org/abs/1412.6980
    .. [2] Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
       https://jmlr.org/papers/v15/srivastava14a.html
    .. [3] Guo et al. (2017), "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599

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

    classes_: np.ndarray

    _parameter_constraints: dict = {
        **KerasHead._parameter_constraints,
        "calibration": [StrOptions({"temperature"}), None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "tags": ["array-like", None],
        "threshold": [Interval(Real, 0, 1, closed="neither"), StrOptions({"f1"})],
    }

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
        calibration: str | None = "temperature",
        class_weight: dict | str | None = None,
        tags: Sequence[str] | None = None,
        threshold: float | str = 0.5,
        callbacks: object = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **keywords: object,
    ) -> None:
        super().__init__(
            model,
            hidden_units=hidden_units,
            activation=activation,
            dropout=dropout,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            loss=loss,
            validation_fraction=validation_fraction,
            lr_factor=lr_factor,
            early_stopping=early_stopping,
            early_stopping_patience=early_stopping_patience,
            l2=l2,
            callbacks=callbacks,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
            **keywords,
        )
        self.calibration = calibration
        self.class_weight = class_weight
        self.tags = tags
        self.threshold = threshold

    @learns_as_a_whole
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: RowsLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: Weight = None,
        **keywords: object,
    ) -> Self:
        """Train for one more epoch on the given rows, without a validation part.

        The learning rate stays at `learning_rate`; Adam's moments and the randomness go on where they were,
        so that k calls with the same rows equal a fit of k epochs without validation. `temperature_` stays
        that of the last `fit`, or 1.

        Parameters
        ----------
        X, y : array-like
            As of `fit`; `y` need not hold every class.
        classes : array-like of shape (n_classes,), default=None
            All class labels; needed by the first call, but for tags and custom networks.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss.
        **keywords : dict
            Those of Keras's ``fit``.

        Returns
        -------
        self : KerasHeadClassifier
            The head, which has learned.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' needs all rows, which partial_fit does not see. Pass a dict, with "
                "weights such as those of sklearn.utils.class_weight.compute_class_weight."
            )
        from fishsk.head import _fitting

        if find_builder(self) is None and (self.initialized_ or np.ndim(y) == 1):
            check_partial_fit_first_call(self, classes)
        _fitting.fit_an_epoch(self, X, y, sample_weight, keywords, classes)
        return self

    @property
    def thresholds_(self) -> np.ndarray:
        """From which probability on each tag is given."""
        check_is_fitted(self)
        return self.target_encoder_.thresholds_

    def predict_proba(self, X: RowsLike, **keywords: object) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        **keywords : dict
            ``batch_size``, ``verbose`` and ``callbacks``, as of Keras's ``predict``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns follow `classes_`. Of tags the probability of each. Of several labels a row a list of
            arrays. All are float64.
        """
        proba = self._to_probabilities(self._scores(X, keywords))
        return self.target_encoder_.inverse_transform(proba, return_proba=True)

    def predict_log_proba(self, X: RowsLike, **keywords: object) -> Any:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        **keywords : dict
            As of `predict_proba`.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Columns follow `classes_`. It is finite also where a probability is 0.
        """
        proba, tiny = self.predict_proba(X, **keywords), np.finfo(np.float64).tiny
        if isinstance(proba, list):
            return [np.log(np.maximum(part, tiny)) for part in proba]
        return np.log(np.maximum(proba, tiny))

    def predict(self, X: RowsLike, **keywords: object) -> np.ndarray:
        """Return the most probable class, or the tags whose probability is above their threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        **keywords : dict
            As of `predict_proba`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_tags)
            Class labels, or 0 and 1.
        """
        proba = self._to_probabilities(self._scores(X, keywords))
        return self.target_encoder_.inverse_transform(proba)

    def _to_probabilities(self, scores: np.ndarray | list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """Return the probabilities of each output, as the encoder of the targets reads them."""
        parts = scores if isinstance(scores, list) else [scores]
        parts = [
            to_probabilities(part, kind, self.temperature_)
            for part, kind in zip(parts, self._network.kinds, strict=True)
        ]
        is_apart = self._kind == "columns" or not isinstance(self.target_encoder_, ClassEncoder)
        return join_outputs(parts, apart=is_apart) if isinstance(scores, list) else parts[0]

    @property
    def target_encoder(self) -> ClassEncoder:
        """Transformer of `y` before it reaches the network, for subclasses to override."""
        return ClassEncoder(loss=self.loss, tags=self.tags)

    @property
    def _kind(self) -> str:
        """Kind of `y`: "classes", "one-hot", tags, or several columns of classes."""
        return getattr(self.target_encoder_, "kind_", "classes")

    def _describe_output(self) -> tuple[int, str]:
        if self._kind == "columns":
            raise ValueError(
                "y must hold one label a row, or tags, for the built-in network. Got several columns of "
                "labels. Use sklearn.multioutput.MultiOutputClassifier, or pass a model with several outputs."
            )
        n_classes = len(self.classes_)
        if n_classes == 2 and self._kind == "classes" and self.loss == "binary_crossentropy":
            return 1, "sigmoid"
        return (n_classes, "sigmoid") if self._kind == "tags" else (max(2, n_classes), "softmax")

    def _choose_loss(self, model: keras.Model) -> tuple[Any, Any]:
        import keras

        if self._kind == "tags":
            # By its name Keras would take the metric of classes.
            return "binary_crossentropy", keras.metrics.BinaryAccuracy("accuracy")
        if self._kind == "one-hot":
            return "categorical_crossentropy", "accuracy"
        losses = [
            "binary_crossentropy" if output.shape[-1] == 1 else "sparse_categorical_crossentropy"
            for output in model.outputs
        ]
        return losses if len(losses) > 1 else losses[0], "accuracy"

    def _strata(self, targets: Any, rows: np.ndarray) -> np.ndarray | None:
        if self._kind not in ("classes", "one-hot") or isinstance(targets, list):
            return None
        codes = find_codes(targets[rows])
        present = np.unique(codes)
        if len(present) == 1 and find_builder(self) is None:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes among the rows of y whose weight is not 0. "
                f"Got 1 class, {self.classes_[present].tolist()[0]!r}."
            )
        return codes if len(present) > 1 else None

    def _weigh(self, X: Rows, y: np.ndarray, sample_weight: Weight) -> np.ndarray:
        weight = super()._weigh(X, y, sample_weight)
        if self.class_weight is None:
            return weight
        if y.ndim == 2:
            return weight * compute_sample_weight(self.class_weight, y)
        rows, weighted = np.flatnonzero(weight), weight.copy()
        # A class whose rows all weigh nothing cannot be balanced.
        classes, codes = np.unique(y[rows], return_inverse=True)
        given = None if sample_weight is None else weight[rows]
        by_class = compute_class_weight(self.class_weight, classes=classes, y=y[rows], sample_weight=given)
        weighted[rows] *= by_class[codes]
        return weighted

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

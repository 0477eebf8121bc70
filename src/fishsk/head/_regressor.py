"""KerasHeadRegressor: a small Keras network that predicts numbers, as a full citizen of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from fishsk.head._base import KerasHead
from fishsk.head._targets import NumberEncoder, Rows, RowsLike, join_outputs

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike


class KerasHeadRegressor(RegressorMixin, KerasHead):
    """Regressor with hidden layers (or none) or any Keras network, trained with Keras on features.

    The built-in network is Dense(`hidden_units`, relu), Dropout, Dense(n_outputs), trained with Adam. The
    learning rate is lowered on plateaus of the validation loss; the validation part is split off the training
    data.

    Targets should be standardized. Wrap the regressor in `sklearn.compose.TransformedTargetRegressor` with a
    `sklearn.preprocessing.StandardScaler`, which scales them and predicts in their unit.

    Parameters
    ----------
    model, hidden_units, activation, dropout, learning_rate, epochs, batch_size, optimizer : optional
        As in `KerasHeadClassifier`.
    loss : str, type, callable, keras.losses.Loss, list, dict or None, default=None
        Loss that training minimizes: None is the mean squared error, "mae" the mean absolute error.
        ``"huber"`` is the squared error for errors up to 1, and grows in proportion above, so that single
        wrong targets weigh less [1]_. Any other loss of Keras, or a function, may be given, too.
    validation_fraction, lr_factor, early_stopping, early_stopping_patience : optional
        As in `KerasHeadClassifier`; the validation rows are drawn at random.
    l2 : float or "scale", default=0.0
        Strength of the penalty on the squared kernels; "scale" is 2,500 / n_rows, for thousands of columns.
    callbacks, warm_start, random_state, verbose : optional
        As in `KerasHeadClassifier`.
    **keywords : dict
        Parameters of `model`, routed parameters, and keywords of Keras.

    Attributes
    ----------
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if `X` had string names in `fit`.
    n_outputs_ : int
        Number of targets.
    model_ : keras.Model
        A Keras model with the fitted weights, of this estimator alone.
    history_ : dict of list of float
        ``"loss"``, ``"mean_absolute_error"``, ``"val_loss"``, ``"val_mean_absolute_error"`` and
        ``"learning_rate"`` of each epoch. The losses are without `l2`. The two of validation are absent if
        there was no validation part.
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        Index of the epoch with the lowest validation loss (training loss, without a validation part).
    overfit_epoch_ : int or None
        Index of the first epoch after the validation loss turned.

    See Also
    --------
    KerasHeadClassifier : The same for classes, with more on attributes and weights.
    sklearn.neural_network.MLPRegressor : The network of scikit-learn itself.
    sklearn.compose.TransformedTargetRegressor : Scale the targets too.

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

    _scaled_penalty = 2500  # benchmarks/bench_regression.py; squared errors are steeper than cross-entropies

    def predict(self, X: RowsLike, **keywords: object) -> np.ndarray:
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
        scores = self._scores(X, keywords)
        outputs = join_outputs(scores, apart=not isinstance(self.target_encoder_, NumberEncoder))
        predicted = self.target_encoder_.inverse_transform(outputs)
        is_single = getattr(X, "dtype", None) == np.float32
        return predicted.astype(np.float32, copy=False) if is_single else predicted

    @property
    def target_encoder(self) -> NumberEncoder:
        """Transformer of `y` before it reaches the network, for subclasses to override."""
        return NumberEncoder()

    def _validate_targets(self, X: Rows, y: ArrayLike) -> np.ndarray:
        y = super()._validate_targets(X, y)
        return y.astype(np.float64) if y.dtype.kind == "O" else y

    def _describe_output(self) -> tuple[int, str]:
        return self.n_outputs_, "linear"

    def _choose_loss(self, model: keras.Model) -> tuple[Any, Any]:
        return "mean_squared_error", "mean_absolute_error"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

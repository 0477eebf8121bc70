"""LearningForecastDisplay: would more images help, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.axes import make_ax, palette
from fishsk.inspection._classification import count_draws
from fishsk.inspection._estimators import check_classifier, run_frozen_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fishsk._utils.typing import ArrayLike, Folds, ImagesLike, RandomState

_N_SIZES = 6
_SMALLEST = 0.1  # of the training part
_PER_CLASS = 10  # images in the smallest training part, on average: fewer are hardly learned from
_EXPONENTS = np.linspace(0.1, 1, 37)  # learning curves in the literature lie between
_REACH = 4  # times the images that there are, up to which the figure goes


@dataclass(kw_only=True, eq=False, repr=False)
class LearningForecastDisplay:
    """Accuracy against the number of training images, and a power law that forecasts more.

    Use `from_estimator` to create one. The curve is measured in cross-validation, on features that are
    computed once: `sklearn.model_selection.LearningCurveDisplay` draws such a curve too, and ends where the
    images end. Here the power law ``error = floor + scale * n ** -exponent`` [1]_ is fitted to it, with a
    95 % interval.

    Parameters
    ----------
    train_sizes : ndarray of shape (n_sizes,)
        Numbers of training images.
    test_scores : ndarray of shape (n_sizes, n_folds)
        The accuracy on each fold's test part, 0 to 1.
    law : ndarray of shape (3,)
        Floor, scale and exponent of the power law that fits the mean accuracies.
    drawn_laws : ndarray of shape (n_draws, 3)
        The same of each bootstrap resample.
    n_samples : int
        Number of images; in cross-validation a part of them trains.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the curve.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    TrainingCurveDisplay : How one training went, epoch by epoch.
    sklearn.model_selection.LearningCurveDisplay : The curve without a forecast.

    Notes
    -----
    The interval comes from bootstrap resamples of the test images, each with its answers at all sizes. The
    training parts of folds overlap, and are all of the same images: the spread is therefore widened by the
    factor of Nadeau and Bengio [2]_, 1.5 for five folds. The user guide measures how often the interval
    covers the truth. It holds for more images *of the same kind*, not for other cameras or places.

    References
    ----------
    .. [1] J. Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017,
       https://arxiv.org/abs/1712.00409
    .. [2] C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003),
       https://doi.org/10.1023/A:1024068626366

    Examples
    --------
    >>> from fishsk import LearningForecastDisplay
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_digits(return_X_y=True)
    >>> display = LearningForecastDisplay.from_estimator(GaussianNB(), X[:600], y[:600], random_state=0)
    >>> display.train_sizes.tolist()
    [100, 137, 187, 256, 351, 480]
    >>> accuracy, low, high = display.predict(1200)
    >>> bool(low < accuracy < high)
    True
    """

    train_sizes: np.ndarray
    test_scores: np.ndarray
    law: np.ndarray
    drawn_laws: np.ndarray
    n_samples: int

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ImagesLike,
        y: ArrayLike,
        *,
        cv: Folds = 5,
        n_jobs: int | None = None,
        random_state: RandomState = None,
        ax: Axes | None = None,
    ) -> Self:
        """Train clones on more and more images, in folds, and draw the curve with its forecast.

        Parameters
        ----------
        estimator : estimator
            A classifier of images, fitted or not, such as `make_fish_pipeline` makes; of a fitted search the
            best estimator counts. Frozen features are computed once, or read from the cache.
        X : array-like or sequence
            Images, as `KerasFeatureTransformer` describes them.
        y : array-like of shape (n_samples,)
            Their labels.
        cv : int, cross-validation generator or iterable, default=5
            The folds, each image in one test part, as in `sklearn.model_selection.cross_val_predict`.
        n_jobs : int, default=None
            Processes that train, as in scikit-learn.
        random_state : int, RandomState instance or None, default=None
            Seeds the order in which images of each class join the training parts.
        ax : matplotlib Axes, default=None
            As in `plot`.

        Returns
        -------
        LearningForecastDisplay
            The display, plotted.

        Raises
        ------
        ValueError
            If the estimator is no classifier, or there are too few images for a curve.
        """
        measured = measure_learning(estimator, X, y, cv=cv, n_jobs=n_jobs, random_state=random_state)
        return cls(**measured).plot(ax)

    def predict(self, n_samples: Any) -> tuple[Any, Any, Any]:
        """Return the accuracy to expect of training on some number of images.

        Parameters
        ----------
        n_samples : int or array-like of int
            Numbers of training images.

        Returns
        -------
        accuracy, low, high : float or ndarray
            Forecast of the power law, and its 95 % interval.
        """
        sizes = np.atleast_1d(n_samples)
        drawn = 1 - predict_errors(self.drawn_laws, sizes)
        return self._describe(1 - predict_errors(self.law[np.newaxis], sizes)[0], drawn, n_samples)

    def predict_gain(self, n_more: Any) -> tuple[Any, Any, Any]:
        """Return what more training images would add to the accuracy that all present ones give.

        Parameters
        ----------
        n_more : int or array-like of int
            Numbers of further images, of all classes in the present proportions.

        Returns
        -------
        gain, low, high : float or ndarray
            Forecast of the power law, and its 95 % interval; 0.01 is one point.
        """
        sizes = self.n_samples + np.append(0, np.atleast_1d(n_more))
        law, drawn = (-predict_errors(laws, sizes) for laws in (self.law[np.newaxis], self.drawn_laws))
        return self._describe((law - law[:, :1])[0, 1:], (drawn - drawn[:, :1])[:, 1:], n_more)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the curve, the power law and its interval.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            By default a new figure is made.

        Returns
        -------
        LearningForecastDisplay
            This display.
        """
        self.ax_ = make_ax(ax, figsize=(6.4, 4.4))
        self.figure_ = self.ax_.figure
        measured, forecast = palette(self.ax_)
        end = _REACH * self.n_samples
        sizes = np.geomspace(self.train_sizes[0], end, 100)
        accuracy, low, high = self.predict(sizes)
        band = {"color": forecast, "alpha": 0.25, "linewidth": 0}
        self.ax_.fill_between(sizes, low, high, label="95 % interval", **band)
        self.ax_.plot(sizes, accuracy, "--", color=forecast, label="Power law")
        mean, spread = self.test_scores.mean(axis=1), self.test_scores.std(axis=1)
        points = {"fmt": "o", "capsize": 3, "color": measured}
        self.ax_.errorbar(self.train_sizes, mean, spread, label="Mean and spread of the folds", **points)
        self.ax_.axvline(self.n_samples, color="0.5", linestyle=":", label="All images there are")
        self.ax_.set(xscale="log", xlabel="Training images", ylabel="Accuracy")
        ticks = [self.train_sizes[0], self.train_sizes[len(self.train_sizes) // 2], self.n_samples, end]
        self.ax_.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        self.ax_.minorticks_off()
        self.ax_.legend(loc="lower right", fontsize="small")
        return self

    @staticmethod
    def _describe(value: np.ndarray, drawn: np.ndarray, like: Any) -> tuple[Any, Any, Any]:
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
        low, high = np.minimum(low, value), np.maximum(high, value)
        return (value, low, high) if np.ndim(like) else (float(value[0]), float(low[0]), float(high[0]))


def measure_learning(
    estimator: Any, X: Any, y: Any, *, cv: Any = 5, n_jobs: int | None = None, random_state: Any = None
) -> dict[str, Any]:
    """Return what a `LearningForecastDisplay` shows, by the names of its parameters."""
    y = column_or_1d(y)
    check_consistent_length(X, y)
    check_classifier(estimator)
    learner, features = run_frozen_steps(estimator, X)
    folds = list(check_cv(cv, y, classifier=True).split(features, y))
    tested = np.sort(np.concatenate([test for _, test in folds]))
    if not np.array_equal(tested, np.arange(len(y))):
        raise ValueError(f"cv must test each image once. Got {cv!r}. Pass a number of folds.")
    largest, n_classes = min(len(train) for train, _ in folds), len(np.unique(y))
    smallest = max(_SMALLEST * largest, _PER_CLASS * n_classes)
    if smallest > largest / 2:
        raise ValueError(
            f"A learning curve needs {2 * _PER_CLASS} training images per class in each fold, on average. "
            f"Got {largest} of {n_classes} classes. Add images, or raise cv."
        )
    # Their ratios are about equal.
    sizes = np.unique(np.geomspace(smallest, largest, _N_SIZES).round().astype(int))
    rng = check_random_state(random_state)
    orders = [_shuffle_evenly(train, y, rng) for train, _ in folds]
    right = Parallel(n_jobs=n_jobs)(
        delayed(_test_learner)(learner, features, y, order[:size], test)
        for order, (_, test) in zip(orders, folds, strict=True)
        for size in sizes
    )
    by_fold = [np.array(right[start : start + len(sizes)]) for start in range(0, len(right), len(sizes))]
    ratio = np.mean([len(test) / len(train) for train, test in folds])
    law, drawn = _fit(sizes, np.concatenate(by_fold, axis=1).T, np.sqrt(1 + len(folds) * ratio))
    return {
        "train_sizes": sizes,
        "test_scores": np.array([each.mean(axis=1) for each in by_fold]).T,
        "law": law,
        "drawn_laws": drawn,
        "n_samples": len(y),
    }


def _shuffle_evenly(rows: np.ndarray, y: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Return rows in such an order that each beginning has all classes in proportion."""
    rows = rng.permutation(rows)
    place = np.empty(len(rows))
    for label in np.unique(y[rows]):
        members = np.flatnonzero(y[rows] == label)
        place[members] = (np.arange(len(members)) + rng.random_sample()) / len(members)
    return rows[np.argsort(place, kind="stable")]


def _test_learner(learner: Any, X: Any, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return which test images a clone recognizes after training."""
    fitted = clone(learner).fit(safe_indexing(X, train), y[train])
    return np.asarray(fitted.predict(safe_indexing(X, test))) == y[test]


def _fit(sizes: np.ndarray, right: np.ndarray, widening: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the power law of the mean errors, and those of bootstrap resamples of the images."""
    n_samples = len(right)
    errors = 1 - right.mean(axis=0)
    # One image more of each kind: without, a size without mistakes would have no variance.
    share = (errors * n_samples + 1) / (n_samples + 2)
    weights = n_samples / (share * (1 - share))
    draws = count_draws(np.full(n_samples, 1 / n_samples), n_samples)
    drawn = errors + widening * (1 - draws @ right / n_samples - errors)
    law = fit_power_laws(sizes, errors[np.newaxis], weights)[0]
    return law, fit_power_laws(sizes, np.clip(drawn, 0, 1), weights)


def fit_power_laws(sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return floor, scale and exponent of each curve: weighted least squares, no floor or scale below 0.

    `errors`, of shape (n_curves, n_sizes), are in 0 to 1; `weights` are one over the variance at each size.
    """
    laws = np.zeros((len(errors), 3))
    smallest = np.full(len(errors), np.inf)
    for exponent in _EXPONENTS:  # for each of them the law is a straight line
        x = sizes**-exponent
        mean_x, mean_y = np.average(x, weights=weights), np.average(errors, axis=1, weights=weights)
        scale = (errors - mean_y[:, np.newaxis]) @ (weights * (x - mean_x)) / (weights @ (x - mean_x) ** 2)
        scale = np.maximum(scale, 0)
        floor = mean_y - scale * mean_x
        through_0 = errors @ (weights * x) / (weights @ x**2)
        scale, floor = np.where(floor < 0, through_0, scale), np.maximum(floor, 0)
        fitted = floor[:, np.newaxis] + scale[:, np.newaxis] * x
        residuals = (errors - fitted) ** 2 @ weights
        better = residuals < smallest
        smallest[better] = residuals[better]
        laws[better] = np.column_stack([floor, scale, np.full(len(errors), exponent)])[better]
    return laws


def predict_errors(laws: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the error of each law at each size, of shape (n_laws, n_sizes)."""
    floor, scale, exponent = (column[:, np.newaxis] for column in laws.T)
    return floor + scale * np.asarray(sizes, dtype=float) ** -exponent

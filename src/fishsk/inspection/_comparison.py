"""compare_pipelines: is a new classifier or regressor better than an old one, and on which images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import binomtest, wilcoxon
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from fishsk.inspection._classification import count_draws, percentile_interval, resample
from fishsk.inspection._evaluation import evaluate
from fishsk.inspection._regression import RegressionEvaluation

_N_DRAWS = 10_000  # bootstrap resamples


@dataclass(frozen=True)
class PairedDifference:
    """How two classifiers did on the same images."""

    n_samples: int
    accuracy_a: float  # the share that a recognized, 0 to 1
    accuracy_b: float
    difference: float  # `accuracy_b` less `accuracy_a`
    # Of 95 %: percentiles over bootstrap resamples of the images, each with both of its answers.
    interval: tuple[float, float]
    n_fixed: int  # images that only b recognized
    n_broken: int  # images that only a recognized
    # McNemar's exact test: how probable so uneven a split of these images is, or a more uneven one, if
    # neither classifier is better.
    p_value: float


@dataclass(frozen=True)
class ClassificationComparison(PairedDifference):
    """Result of `compare_pipelines`: the difference on all images, by class and image by image."""

    classes: np.ndarray = field(repr=False)  # every true label, sorted
    per_class: dict[Any, PairedDifference] = field(repr=False)  # the same on the images of each class alone
    fixed: np.ndarray = field(repr=False)  # which images only b recognized; those of which b is surest first
    broken: np.ndarray = field(repr=False)  # which images only a recognized
    y_true: np.ndarray = field(repr=False)
    y_pred_a: np.ndarray = field(repr=False)
    y_pred_b: np.ndarray = field(repr=False)
    # The probability of each answer; NaN where a classifier gives none.
    confidence_a: np.ndarray = field(repr=False)
    confidence_b: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class RegressionComparison:
    """Result of `compare_pipelines` for two regressors."""

    n_samples: int
    mae_a: float  # mean absolute error of a, in the unit of the target
    mae_b: float
    difference: float  # `mae_b` less `mae_a`: below 0 where b is better
    # Of 95 %: percentiles over bootstrap resamples of the images, each with both of its errors.
    interval: tuple[float, float]
    # Wilcoxon's signed-rank test: how probable such differences between the absolute errors are, or larger
    # ones, if neither regressor is better.
    p_value: float
    n_nearer: int  # images on which b is nearer to the truth than a
    n_farther: int
    nearer: np.ndarray = field(repr=False)  # which images these are, the largest difference first
    farther: np.ndarray = field(repr=False)
    y_true: np.ndarray = field(repr=False)
    y_pred_a: np.ndarray = field(repr=False)
    y_pred_b: np.ndarray = field(repr=False)


def compare_pipelines(a: Any, b: Any, X: Any, y: Any) -> ClassificationComparison | RegressionComparison:
    """Compare two fitted classifiers or regressors on the same images, which neither was trained on.

    Two accuracies may differ significantly even if their intervals overlap: both classifiers met the same
    images, and only the images on which they disagree tell them apart.

    Parameters
    ----------
    a, b : estimator
        Fitted classifiers of images, such as `make_fish_pipeline` makes, or fitted searches; or two
        regressors. a is the old one. They may use different features.
    X : array-like or sequence
        Images, as `KerasFeatureTransformer` describes them.
    y : array-like of shape (n_samples,)
        Their true labels or numbers.

    Returns
    -------
    ClassificationComparison or RegressionComparison
        Its attributes are the two accuracies ``accuracy_a`` and ``accuracy_b``; their ``difference`` and its
        95 % ``interval``, by bootstrap resamples [1]_; the ``p_value`` of McNemar's exact test [2]_;
        ``fixed`` and ``broken``, the numbers in `X` of the images that only b or only a recognized; and
        ``per_class``, the same by class. Of regressors they are the mean absolute errors ``mae_a`` and
        ``mae_b``, their ``difference`` (below 0 where b is better) and its ``interval``, the ``p_value`` of
        Wilcoxon's signed-rank test [3]_, and ``nearer`` and ``farther``, the images on which b is nearer to
        the truth and farther from it.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If one of the two is not fitted.
    ValueError
        If they are neither two classifiers nor two regressors, or know no class in common.

    See Also
    --------
    write_comparison : The same as a page with the images.

    Notes
    -----
    The interval and the test speak of these two fitted classifiers, and of images like these. Trained again
    with another seed, both would answer a little differently. Of many classes some differ by chance alone:
    read the rows of ``per_class`` as where to look, not as tests.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993.
    .. [2] Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
       percentages", Psychometrika 12 (1947), https://doi.org/10.1007/BF02295996
    .. [3] F. Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1 (1945),
       https://doi.org/10.2307/3001968

    Examples
    --------
    >>> from fishsk import compare_pipelines
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.svm import SVC
    >>> X, y = load_digits(return_X_y=True)
    >>> old, new = GaussianNB().fit(X[:900], y[:900]), SVC().fit(X[:900], y[:900])
    >>> comparison = compare_pipelines(old, new, X[900:], y[900:])
    >>> comparison.difference > 0.1, comparison.p_value < 0.001
    (True, True)
    >>> comparison.fixed.shape == (comparison.n_fixed,)
    True
    """
    for estimator in (a, b):
        check_is_fitted(estimator)
    if is_regressor(a) and is_regressor(b):
        return _compare_regressors(*(evaluate(estimator, X, y) for estimator in (a, b)))
    for name, estimator in {"a": a, "b": b}.items():
        if not is_classifier(estimator):
            raise ValueError(f"{name} must be a classifier, or both regressors. Got {estimator!r}.")
    known_a, known_b = (np.asarray(estimator.classes_).tolist() for estimator in (a, b))
    if not set(known_a) & set(known_b):
        raise ValueError(
            f"a and b must know the same classes, or some of them. Got {known_a!r} and {known_b!r}."
        )
    found_a, found_b = (evaluate(estimator, X, y) for estimator in (a, b))
    y = found_a.y_true
    right_a, right_b = y == found_a.y_pred, y == found_b.y_pred
    classes = np.unique(y)
    order = np.argsort(-found_b.confidence, kind="stable")
    return ClassificationComparison(
        **vars(_pair(right_a, right_b)),
        classes=classes,
        per_class={label: _pair(right_a[y == label], right_b[y == label]) for label in classes.tolist()},
        fixed=order[(right_b & ~right_a)[order]],
        broken=order[(right_a & ~right_b)[order]],
        y_true=y,
        y_pred_a=found_a.y_pred,
        y_pred_b=found_b.y_pred,
        confidence_a=found_a.confidence,
        confidence_b=found_b.confidence,
    )


def _compare_regressors(a: RegressionEvaluation, b: RegressionEvaluation) -> RegressionComparison:
    change = np.abs(b.errors) - np.abs(a.errors)
    order = np.argsort(change, kind="stable")
    draws = resample(len(change), _N_DRAWS)
    nearer, farther = order[change[order] < 0], order[::-1][change[order[::-1]] > 0]
    return RegressionComparison(
        n_samples=a.n_samples,
        mae_a=a.mae,
        mae_b=b.mae,
        difference=float(change.mean()),
        interval=percentile_interval(np.concatenate([change[rows].mean(axis=1) for rows in draws])),
        p_value=float(wilcoxon(change).pvalue) if change.any() else 1.0,
        n_nearer=len(nearer),
        n_farther=len(farther),
        nearer=nearer,
        farther=farther,
        y_true=a.y_true,
        y_pred_a=a.y_pred,
        y_pred_b=b.y_pred,
    )


def _pair(right_a: np.ndarray, right_b: np.ndarray) -> PairedDifference:
    n_samples = len(right_a)
    n_fixed, n_broken = int(np.sum(right_b & ~right_a)), int(np.sum(right_a & ~right_b))
    n_differ = n_fixed + n_broken
    # To draw images with replacement is to draw which of three kinds they are of.
    shares = np.array([n_fixed, n_broken, n_samples - n_differ]) / n_samples
    draws = count_draws(shares, n_samples, _N_DRAWS)
    return PairedDifference(
        n_samples=n_samples,
        accuracy_a=float(right_a.mean()),
        accuracy_b=float(right_b.mean()),
        difference=(n_fixed - n_broken) / n_samples,
        interval=percentile_interval((draws[:, 0] - draws[:, 1]) / n_samples),
        n_fixed=n_fixed,
        n_broken=n_broken,
        p_value=float(binomtest(n_fixed, n_differ).pvalue) if n_differ else 1.0,
    )

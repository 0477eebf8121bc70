"""compare_images: do new images come from where the training images come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import fisher_exact, rankdata
from sklearn.base import BaseEstimator, is_classifier
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from fishsk.inspection._classification import accuracy_interval, check_one_target
from fishsk.inspection._estimators import split_at_features
from fishsk.inspection._unfamiliar import FamiliarRows

if TYPE_CHECKING:
    from fishsk._utils.typing import ArrayLike, ImagesLike, RandomState

_FEWEST = 10  # new images
_N_COMPARED = 1000  # images of each side at most that the tests compare
_RIDGE = 0.01  # the classifier's penalty, in traces of the kernel


@dataclass(frozen=True)
class ClassShare:
    """How much of the images a class is, as far as the model says."""

    label: object
    n_train: int  # images that are taken for it
    n_new: int
    share_train: float  # of 0 to 1
    share_new: float
    difference: float  # `share_new` less `share_train`
    interval: tuple[float, float]  # of 95 %, Newcombe's
    p_value: float  # Fisher's exact test, times the number of classes (Bonferroni), at most 1


@dataclass(frozen=True)
class ImageDrift:
    """Result of `compare_images`."""

    # How probable a difference as large is, by the clearer of two tests, if the new images come from where
    # those of training come from. Small values mean drift.
    p_value: float
    # How well a classifier tells the two apart: the probability that of a new image and one of training it
    # takes the former for the new one, 0.5 if it cannot.
    classifier_auc: float
    classifier_p_value: float = field(repr=False)
    kernel_distance: float  # the squared maximum mean discrepancy, 0 where the two do not differ
    kernel_p_value: float = field(repr=False)
    n_train: int
    n_new: int
    n_compared: tuple[int, int]  # how many of each the two tests compared, drawn at random
    n_unfamiliar: int  # new images that are unlike all of training
    share_unfamiliar: float
    interval_unfamiliar: tuple[float, float]  # of 95 %, Wilson's
    false_alarms: float  # the share to expect of images like those of training
    # Those whose share moved most come first; there are none of a regressor.
    classes: tuple[ClassShare, ...] = field(repr=False)
    # The places of the new images, those farthest from training first.
    moved: np.ndarray = field(repr=False)
    # Of each new image to its nearest training images, as `find_unfamiliar` measures it.
    distance: np.ndarray = field(repr=False)
    threshold: float  # the distance above which an image is unlike those of training
    nearest: np.ndarray = field(repr=False)  # the training image nearest to each


def compare_images(
    X_train: ImagesLike,
    X_new: ImagesLike,
    pipeline: BaseEstimator,
    *,
    n_permutations: int = 999,
    false_alarms: float = 0.05,
    random_state: RandomState = 0,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | str | None = "auto",
) -> ImageDrift:
    """Test whether new images have drifted from the training images.

    The score of a test holds for images like those of the test. Another camera, season or site gives others,
    before anybody has labeled them. Two tests compare the features of the frozen network, without labels: how
    well a classifier can tell new from old [1]_, and how far apart the means of the two are in the space of a
    kernel [2]_.

    Parameters
    ----------
    X_train : array-like or sequence
        The images that the model was trained on, or others like them, such as its test images.
    X_new : array-like or sequence
        The new images, at least 10.
    pipeline : estimator
        A fitted classifier or regressor of images, such as `make_fish_pipeline` makes, or a search over one.
    n_permutations : int, default=999
        Number of permutations; the smallest p value is 1 / (`n_permutations` + 1).
    false_alarms : float, default=0.05
        As in `find_unfamiliar`.
    random_state : int, RandomState instance or None, default=0
        Seeds permutations, and the choice of at most 1,000 images of each side for the tests.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_estimator`.

    Returns
    -------
    ImageDrift
        Its ``p_value`` is small where the images have drifted. ``share_unfamiliar``, the share that is unlike
        training, ``classes``, those whose share moved most first, and ``moved``, the places of the new images
        that are farthest from training, tell how. Each test has a ``classifier_auc`` or ``kernel_distance``
        and a p value of its own.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.
    ValueError
        If there are too few images.

    See Also
    --------
    write_drift : The same as a page with the images.
    find_unfamiliar : Which single images are unlike training.

    Notes
    -----
    The classifier is kernel ridge regression, judged on each image by the fit without it, which needs no fit
    for each; the kernel is Gaussian, as wide as the median distance. Both p values come from the same
    permutations, and so does that of the clearer of the two, so that it is right with any number of images.

    Class shares are those of the model's answers. On the images that it was trained on it is right more often
    than on new ones, so that a class may seem to move by a point or two where it is often taken for another:
    pass test images as `X_train` to compare like with like. Images that belong together, such as frames of a
    video, count as if they were independent, and make p values too small.

    ``benchmarks/bench_drift.py`` measures false alarms and power.

    References
    ----------
    .. [1] D. Lopez-Paz and M. Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017,
       https://arxiv.org/abs/1610.06545
    .. [2] A. Gretton et al., "A Kernel Two-Sample Test", Journal of Machine Learning Research 13 (2012),
       https://jmlr.org/papers/v13/gretton12a.html

    Examples
    --------
    >>> from fishsk import compare_images, make_fish_pipeline
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(300, random_state=0)
    >>> pipeline = make_fish_pipeline(weights="cifar95", random_state=0).fit(X[:200], y[:200])
    >>> compare_images(X[:200], X[200:], pipeline).p_value > 0.05
    True
    >>> compare_images(X[:200], X[200:] // 2, pipeline).p_value  # a darker aquarium
    0.001
    """
    check_is_fitted(pipeline)
    pixels = {"image_shape": image_shape, "input_range": input_range}
    train, new = (split_at_features(pipeline, X, **pixels) for X in (X_train, X_new))
    return measure_drift(
        train, new, n_permutations=n_permutations, false_alarms=false_alarms, random_state=random_state
    )


def measure_drift(
    train: tuple[np.ndarray, Any, Any],
    new: tuple[np.ndarray, Any, Any],
    *,
    n_permutations: int = 999,
    false_alarms: float = 0.05,
    random_state: RandomState = 0,
) -> ImageDrift:
    """Do the work of `compare_images` with features, the rest of a pipeline, and what that takes."""
    n_train, n_new = len(train[0]), len(new[0])
    if n_new < _FEWEST:
        raise ValueError(f"X_new must hold at least {_FEWEST} images. Got {n_new}.")
    found = FamiliarRows(train[0], false_alarms=false_alarms).compare(new[0])
    rng = np.random.default_rng(random_state)
    drawn = [normalize(rows)[rng.permutation(len(rows))[:_N_COMPARED]] for rows in (train[0], new[0])]
    return ImageDrift(
        **run_tests(*drawn, n_permutations=n_permutations, rng=rng),
        n_train=n_train,
        n_new=n_new,
        n_compared=(len(drawn[0]), len(drawn[1])),
        n_unfamiliar=int(found.is_unfamiliar.sum()),
        share_unfamiliar=float(found.is_unfamiliar.mean()),
        interval_unfamiliar=accuracy_interval(found.is_unfamiliar),
        false_alarms=false_alarms,
        classes=_compare_classes(train[1], train[2], new[2]),
        moved=np.argsort(-found.distance, kind="stable"),
        distance=found.distance,
        threshold=found.threshold,
        nearest=found.nearest,
    )


def run_tests(
    train: np.ndarray, new: np.ndarray, *, n_permutations: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return both statistics, their p values, and that of the clearer one, by permutations.

    Rows have length 1; the result is by the names of `ImageDrift`.
    """
    rows = np.concatenate([train, new])
    squares = np.maximum(2 - 2 * (rows @ rows.T).astype(np.float64), 0)
    kernel = np.exp(-squares / max(np.median(squares), 1e-12))
    is_new = np.zeros((len(rows), n_permutations + 1), dtype=bool)
    is_new[len(train) :, 0] = True
    for column in range(1, n_permutations + 1):
        is_new[rng.permutation(len(rows))[: len(new)], column] = True
    statistics = np.stack([_find_auc(kernel, is_new), _find_discrepancy(kernel, is_new)])
    # Of each test, and of each permutation, the share of all permutations that are at least as extreme.
    p_values = rankdata(-statistics, method="max", axis=1) / (n_permutations + 1)
    clearer = p_values.min(axis=0)
    return {
        "p_value": float(np.mean(clearer <= clearer[0])),
        "classifier_auc": float(statistics[0, 0]),
        "classifier_p_value": float(p_values[0, 0]),
        "kernel_distance": float(statistics[1, 0]),
        "kernel_p_value": float(p_values[1, 0]),
    }


def _find_auc(kernel: np.ndarray, is_new: np.ndarray) -> np.ndarray:
    """Return, for each permutation, how well kernel ridge regression tells the sides apart, as an AUC.

    Each row is predicted by the fit without it, which follows from the fit with it [1]_ by a matrix that all
    permutations share.

    References
    ----------
    .. [1] R. Rifkin and R. Lippert, "Notes on Regularized Least Squares", MIT-CSAIL-TR-2007-025, 2007.
    """
    n_new = is_new[:, 0].sum()
    n_train = len(kernel) - n_new
    hat, targets = make_hat(kernel), is_new.astype(np.float64)
    left_out = np.diag(hat)[:, np.newaxis]
    predicted = (hat @ targets - left_out * targets) / np.maximum(1 - left_out, 1e-9)
    ranks = rankdata(predicted, axis=0)
    return ((ranks * is_new).sum(axis=0) - n_new * (n_new + 1) / 2) / (n_new * n_train)


def make_hat(kernel: np.ndarray) -> np.ndarray:
    """Return the matrix by which kernel ridge regression predicts, with an intercept, what it has seen."""
    centered = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, np.newaxis] + kernel.mean()
    values, vectors = np.linalg.eigh(centered)
    values = np.maximum(values, 0)
    shrunk = values / (values + _RIDGE * values.sum())
    return (vectors * shrunk) @ vectors.T + 1 / len(kernel)


def _find_discrepancy(kernel: np.ndarray, is_new: np.ndarray) -> np.ndarray:
    """Return, for each permutation, the unbiased estimate of the squared maximum mean discrepancy."""
    off = kernel - np.diag(np.diag(kernel))
    targets = is_new.astype(np.float64)
    n_new = targets[:, 0].sum()
    n_train = len(kernel) - n_new
    sums = off @ targets
    among_new = (targets * sums).sum(axis=0)
    between = sums.sum(axis=0) - among_new
    among_train = off.sum() - among_new - 2 * between
    means = among_new / (n_new * (n_new - 1)) + among_train / (n_train * (n_train - 1))
    return means - 2 * between / (n_new * n_train)


def _compare_classes(rest: BaseEstimator, *values: ArrayLike) -> tuple[ClassShare, ...]:
    """Return how the share of each class that a model answers differs between two sets of images."""
    if not is_classifier(rest):
        return ()
    train, new = (check_one_target(rest.predict(each), "The prediction") for each in values)
    labels = np.asarray(rest.classes_).tolist()
    found = [_compare_shares(label, train == label, new == label, len(labels)) for label in labels]
    return tuple(sorted(found, key=lambda share: (share.p_value, -abs(share.difference))))


def _compare_shares(label: object, train: np.ndarray, new: np.ndarray, n_tests: int) -> ClassShare:
    """Return the difference of two shares, with Newcombe's interval [1]_ and Fisher's test.

    References
    ----------
    .. [1] R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison
       of eleven methods", Statistics in Medicine 17 (1998).
    """
    n_train, n_new = int(train.sum()), int(new.sum())
    (low_a, high_a), (low_b, high_b) = accuracy_interval(train), accuracy_interval(new)
    a, b = n_train / len(train), n_new / len(new)
    p_value = fisher_exact([[n_train, len(train) - n_train], [n_new, len(new) - n_new]]).pvalue
    return ClassShare(
        label=label,
        n_train=n_train,
        n_new=n_new,
        share_train=a,
        share_new=b,
        difference=b - a,
        interval=(
            b - a - float(np.hypot(b - low_b, high_a - a)),
            b - a + float(np.hypot(high_b - b, a - low_a)),
        ),
        p_value=min(1.0, float(p_value) * n_tests),
    )

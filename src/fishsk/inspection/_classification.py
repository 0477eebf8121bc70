"""How good predicted classes are: one record of plain arrays and scores, for every place that shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, log_loss

N_DRAWS = 1000  # bootstrap resamples
_BLOCK = 2**20  # drawn images at a time
_N_BINS = 15  # as in Guo et al.
_SURE = 0.99


@dataclass(frozen=True)
class LabelScores:
    """Scores of one class or tag: shares of 0 to 1, NaN where they are shares of nothing, but for F1."""

    name: str
    n_true: int  # images that have it
    n_predicted: int  # images that get it
    n_right: int  # images that do both
    precision: float
    precision_interval: tuple[float, float]  # of 95 %: Wilson's score interval
    recall: float
    recall_interval: tuple[float, float]
    f1: float
    average_precision: float  # the mean precision over all thresholds, weighed by the recall that each gains
    threshold: float  # from which probability on an image gets a tag; NaN where there is none


def score_label(
    name: str, has: np.ndarray, gets: np.ndarray, proba: np.ndarray | None = None, threshold: float = np.nan
) -> LabelScores:
    """Return the scores of a class or tag, of the images that have it, and of those that get it."""
    n_true, n_predicted, n_right = (int(each.sum()) for each in (has, gets, has & gets))
    return LabelScores(
        name=name,
        n_true=n_true,
        n_predicted=n_predicted,
        n_right=n_right,
        precision=n_right / n_predicted if n_predicted else np.nan,
        precision_interval=accuracy_interval(has[gets]),
        recall=n_right / n_true if n_true else np.nan,
        recall_interval=accuracy_interval(gets[has]),
        f1=2 * n_right / max(1, n_true + n_predicted),
        average_precision=np.nan if proba is None or not n_true else average_precision_score(has, proba),
        threshold=float(threshold),
    )


@dataclass(frozen=True)
class ClassificationEvaluation:
    """Predictions on images that were not trained on, and what follows from them; intervals are of 95 %."""

    score_name: ClassVar[str] = "Accuracy"

    n_samples: int
    classes: np.ndarray  # every label, true or predicted, sorted
    known_classes: np.ndarray  # the labels that the classifier was trained on
    y_true: np.ndarray
    y_pred: np.ndarray
    proba: np.ndarray | None  # (n_samples, n_known_classes); None where the classifier gives none
    confidence: np.ndarray  # the probability of the predicted class; NaN where the classifier gives none
    accuracy: float  # the share of right predictions, 0 to 1
    interval: tuple[float, float]  # of the accuracy: Wilson's score interval
    macro_f1: float  # the mean of the classes' F1 scores
    macro_f1_interval: tuple[float, float]  # percentiles over bootstrap resamples of the images
    scores: list[LabelScores]  # of each class
    confusion: np.ndarray  # counts; rows are true classes
    worst: np.ndarray  # indices of the wrong predictions, the most confident first

    def score(self, members: np.ndarray) -> tuple[float, tuple[float, float]]:
        """Return the accuracy on some of the images, a mask, with its 95 % interval."""
        right = (self.y_true == self.y_pred)[members]
        return float(right.mean()), accuracy_interval(right)


def evaluate_classification(
    y_true: Any, proba: np.ndarray | None, classes: np.ndarray, y_pred: Any = None
) -> ClassificationEvaluation:
    """Compare true labels with predictions, by default the most probable classes.

    A true label that is none of the classes, whose order is that of the columns of `proba`, counts as
    predicted wrong.
    """
    y_true, classes = as_labels(y_true), as_labels(classes)
    y_pred = classes[np.asarray(proba).argmax(axis=1)] if y_pred is None else as_labels(y_pred)
    confidence = np.full(len(y_true), np.nan) if proba is None else find_confidence(y_pred, proba, classes)
    labels = np.union1d(classes, y_true)
    right = y_true == y_pred
    wrong = np.flatnonzero(~right)
    confusion = confusion_matrix(y_true, y_pred, labels=labels)
    draws = count_draws(confusion.ravel() / len(y_true), len(y_true))
    return ClassificationEvaluation(
        n_samples=len(y_true),
        classes=labels,
        known_classes=classes,
        y_true=y_true,
        y_pred=y_pred,
        proba=proba,
        confidence=confidence,
        accuracy=float(right.mean()),
        interval=accuracy_interval(right),
        macro_f1=float(_macro_f1(confusion)),
        macro_f1_interval=percentile_interval(_macro_f1(draws.reshape(-1, *confusion.shape))),
        scores=[score_label(str(label), y_true == label, y_pred == label) for label in labels.tolist()],
        confusion=confusion,
        worst=wrong[np.argsort(-confidence[wrong], kind="stable")],
    )


def check_one_target(y: object, name: str) -> np.ndarray:
    """Return labels or numbers; ValueError with `name` if there are several for each image."""
    labels = np.asarray(y)
    if labels.ndim != 1 and labels.shape[1:] != (1,):
        raise ValueError(
            f"{name} must be one label or one number for each image. Got shape {labels.shape}. Pass one "
            "column at a time, or tags as 0 and 1."
        )
    return labels.ravel()


def as_labels(labels: np.typing.ArrayLike) -> np.ndarray:
    """Return labels with a dtype of their own: scikit-learn cannot compare numbers among objects."""
    labels = np.asarray(labels)
    own = np.array(labels.tolist())
    # Texts among numbers would make all of them texts.
    return own if labels.dtype == object and (own == labels).all() else labels


def check_proba(y_proba: np.typing.ArrayLike, classes: np.ndarray) -> np.ndarray:
    """Return probabilities as an array, once there is a column for each class."""
    y_proba = np.asarray(y_proba, dtype=float)
    if y_proba.ndim != 2 or y_proba.shape[1] != len(classes):
        raise ValueError(
            f"y_proba must have one column for each of the classes {classes.tolist()!r}. Got shape "
            f"{y_proba.shape}. Pass classes, in the order of the columns."
        )
    return y_proba


def find_confidence(y_pred: np.ndarray, proba: np.typing.ArrayLike, classes: np.ndarray) -> np.ndarray:
    """Return the probability of each predicted label; ValueError if one is none of the classes.

    It need not be the most probable one.
    """
    columns = {label: column for column, label in enumerate(np.asarray(classes).tolist())}
    labels = np.asarray(y_pred).tolist()
    unknown = sorted(set(labels) - set(columns), key=str)
    if unknown:
        raise ValueError(f"y_pred must hold the classes {list(columns)!r}. Got {unknown!r} as well.")
    return np.asarray(proba)[np.arange(len(labels)), [columns[label] for label in labels]]


def accuracy_interval(right: np.ndarray) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a share of successes [1]_; NaN for a share of nothing.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
       the American Statistical Association 22 (1927), https://doi.org/10.1080/01621459.1927.10502953
    """
    if not len(right):
        return float("nan"), float("nan")
    interval = binomtest(int(np.sum(right)), len(right)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def percentile_interval(drawn: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a score by its values over bootstrap resamples; NaN if none is finite."""
    known = drawn[np.isfinite(drawn)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def resample(n_samples: int, n_draws: int = N_DRAWS) -> Iterator[np.ndarray]:
    """Yield bootstrap resamples, each a row of places, always the same; some of them at a time."""
    rng, step = np.random.default_rng(0), max(1, _BLOCK // n_samples)
    for start in range(0, n_draws, step):
        yield rng.integers(n_samples, size=(min(step, n_draws - start), n_samples))


def count_draws(shares: np.ndarray, n_samples: int, n_draws: int = N_DRAWS) -> np.ndarray:
    """Return how often bootstrap resamples hold each kind of image, (n_draws, n_kinds), always the same."""
    return np.random.default_rng(0).multinomial(n_samples, shares, size=n_draws)


def mean_f1(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the mean F1 score of counts: right ones, and true and given ones together."""
    return (2 * hits / np.maximum(sizes, 1)).mean(axis=-1)


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Return the mean F1 score of confusion matrices (..., n_classes, n_classes)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return mean_f1(hits, confusion.sum(axis=-1) + confusion.sum(axis=-2))


@dataclass(frozen=True)
class ProbabilityScores:
    """Scores of predicted probabilities; lower is better in each."""

    log_loss: float  # mean negative logarithm of the true class's probability, in nats
    brier_score: float  # mean squared distance of the probabilities from the truth, 0 to 2, over all classes
    calibration_error: float  # see `calibration_error`, 0 to 1
    n_sure_and_wrong: int  # wrong answers that were given with a probability above 0.99
    n_samples: int  # images that calibration error and `n_sure_and_wrong` count: all
    n_known: int  # images that log loss and Brier score count: those of classes that the classifier knows


def score_probabilities(evaluation: ClassificationEvaluation) -> ProbabilityScores | None:
    """Return the scores of an evaluation's probabilities; None where the classifier gives none.

    Images of a class that the classifier does not know have no probability of being right, and are left out
    of log loss and Brier score.
    """
    if evaluation.proba is None:
        return None
    y_true, classes = evaluation.y_true, evaluation.known_classes
    known = np.isin(y_true, classes)
    proper = float("nan"), float("nan")
    if known.any():
        proba = evaluation.proba[known] / evaluation.proba[known].sum(axis=1, keepdims=True)
        proper = (
            log_loss(y_true[known], proba, labels=classes),
            brier_score_loss(y_true[known], proba, labels=classes, scale_by_half=False),
        )
    right = y_true == evaluation.y_pred
    return ProbabilityScores(
        log_loss=float(proper[0]),
        brier_score=float(proper[1]),
        calibration_error=calibration_error(evaluation.confidence, right),
        n_sure_and_wrong=int(np.sum(~right & (evaluation.confidence > _SURE))),
        n_samples=len(y_true),
        n_known=int(known.sum()),
    )


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of predicted classes [1]_.

    It is the mean distance between probability and share of right answers over 15 bins of equal width,
    weighed by their sizes.

    References
    ----------
    .. [1] Guo et al. (2017), "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599
    """
    bins = np.minimum((np.asarray(confidence) * _N_BINS).astype(int), _N_BINS - 1)
    distances = np.bincount(bins, weights=confidence - right)  # of the sums, which sizes weigh
    return float(np.abs(distances).sum() / len(right))

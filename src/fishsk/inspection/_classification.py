"""How good predicted classes are: one record of plain arrays and scores, for every place that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix

_N_DRAWS = 1000  # bootstrap resamples


@dataclass(frozen=True)
class ClassificationEvaluation:
    """Predictions on images that were not trained on, and what follows from them.

    Attributes
    ----------
    n_samples : int
        The number of images.
    classes : ndarray of shape (n_classes,)
        Every label, true or predicted, sorted.
    known_classes : ndarray of shape (n_known_classes,)
        The labels that the classifier was trained on.
    y_true, y_pred : ndarray of shape (n_samples,)
        True and predicted labels.
    proba : ndarray of shape (n_samples, n_known_classes) or None
        Predicted probabilities; None where the classifier gives none.
    confidence : ndarray of shape (n_samples,)
        The probability of the predicted class; NaN where the classifier gives none.
    accuracy : float
        The share of right predictions, 0 to 1.
    interval : (float, float)
        The 95 % interval of the accuracy (Wilson's score interval).
    macro_f1 : float
        The mean of the classes' F1 scores.
    macro_f1_interval : (float, float)
        Its 95 % interval (percentiles over bootstrap resamples of the images).
    recall_intervals : ndarray of shape (n_classes, 2)
        The 95 % interval of each class's recall (Wilson's); NaN for a class without images.
    per_class : dict
        scikit-learn's classification report as a dict.
    confusion : ndarray of shape (n_classes, n_classes)
        Counts; rows are true classes.
    worst : ndarray of int
        Indices of the wrong predictions, the most confident first.
    """

    score_name: ClassVar[str] = "Accuracy"

    n_samples: int
    classes: np.ndarray
    known_classes: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray
    proba: np.ndarray | None
    confidence: np.ndarray
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    recall_intervals: np.ndarray
    per_class: dict[str, Any]
    confusion: np.ndarray
    worst: np.ndarray

    def score(self, members: np.ndarray) -> tuple[float, tuple[float, float]]:
        """Return the accuracy on some of the images, a mask, with its 95 % interval."""
        right = (self.y_true == self.y_pred)[members]
        return float(right.mean()), accuracy_interval(right)


def evaluate_classification(
    y_true: Any, proba: np.ndarray | None, classes: np.ndarray, y_pred: Any = None
) -> ClassificationEvaluation:
    """Compare true labels with predictions.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels; one that is not in `classes` counts as predicted wrong.
    proba : ndarray of shape (n_samples, n_classes) or None
        Probabilities, columns as in `classes`; None where there are none.
    classes : ndarray of shape (n_classes,)
        The labels that the classifier knows.
    y_pred : array-like of shape (n_samples,), default=None
        Predicted labels; by default the most probable ones.
    """
    y_true, classes = as_labels(y_true), as_labels(classes)
    y_pred = classes[np.asarray(proba).argmax(axis=1)] if y_pred is None else as_labels(y_pred)
    confidence = np.full(len(y_true), np.nan)
    if proba is not None:
        confidence = find_confidence(y_pred, proba, classes)
    labels = np.union1d(classes, y_true)
    right = y_true == y_pred
    wrong = np.flatnonzero(~right)
    confusion = confusion_matrix(y_true, y_pred, labels=labels)
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
        macro_f1_interval=_macro_f1_interval(confusion),
        recall_intervals=np.array([accuracy_interval(right[y_true == label]) for label in labels]),
        per_class=classification_report(y_true, y_pred, labels=labels, output_dict=True, zero_division=0.0),
        confusion=confusion,
        worst=wrong[np.argsort(-confidence[wrong], kind="stable")],
    )


def as_labels(labels: Any) -> np.ndarray:
    """Return labels with a dtype of their own: scikit-learn cannot compare numbers among objects."""
    labels = np.asarray(labels)
    own = np.array(labels.tolist())
    # Texts among numbers would make all of them texts.
    return own if labels.dtype == object and (own == labels).all() else labels


def check_proba(y_proba: Any, classes: np.ndarray) -> np.ndarray:
    """Return probabilities as an array, once there is a column for each class."""
    y_proba = np.asarray(y_proba, dtype=float)
    if y_proba.ndim != 2 or y_proba.shape[1] != len(classes):
        raise ValueError(
            f"y_proba must have one column for each of the classes {classes.tolist()!r}. Got shape "
            f"{y_proba.shape}. Pass classes, in the order of the columns."
        )
    return y_proba


def find_confidence(y_pred: np.ndarray, proba: Any, classes: np.ndarray) -> np.ndarray:
    """Return the probability of each predicted label, which need not be the most probable one.

    Raises
    ------
    ValueError
        If a label is none of the classes.
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


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Return the mean F1 score of confusion matrices (..., n_classes, n_classes); 0 for an absent class."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    sizes = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return (2 * hits / np.maximum(sizes, 1)).mean(axis=-1)


def _macro_f1_interval(confusion: np.ndarray) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % percentiles over bootstrap resamples of the images, always the same ones."""
    n_samples = int(confusion.sum())
    # To draw images with replacement is to draw the cells that they fell into.
    draws = np.random.default_rng(0).multinomial(n_samples, confusion.ravel() / n_samples, size=_N_DRAWS)
    low, high = np.percentile(_macro_f1(draws.reshape(_N_DRAWS, *confusion.shape)), [2.5, 97.5])
    return float(low), float(high)

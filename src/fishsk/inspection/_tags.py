"""How good predicted tags are, of which an image may have several: one record of plain arrays and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import precision_recall_curve
from sklearn.utils import check_consistent_length

from fishsk.inspection._classification import (
    LabelScores,
    accuracy_interval,
    count_draws,
    mean_f1,
    percentile_interval,
    score_label,
)
from fishsk.inspection._estimators import find_last, find_setting
from fishsk.inspection._feature_map import style_of_class

_N_NAMED = 10  # tags in a legend


@dataclass(frozen=True)
class TagsEvaluation:
    """Predicted tags of images that were not trained on, and what follows from them."""

    score_name: ClassVar[str] = "All tags right"

    n_samples: int
    y_true: np.ndarray  # 0 and 1, (n_samples, n_tags)
    y_pred: np.ndarray
    proba: np.ndarray | None  # of each tag; None where the classifier gives none
    tags: list[LabelScores]
    accuracy: float  # the share of images all of whose tags are right, and no other is given
    interval: tuple[float, float]  # of the accuracy: Wilson's score interval
    macro_f1: float  # the mean of the tags' F1 scores
    macro_f1_interval: tuple[float, float]  # percentiles over bootstrap resamples of the images
    mean_average_precision: float
    worst: np.ndarray  # indices of the images with a wrong tag, the most confident mistake first

    @property
    def names(self) -> list[str]:
        """The tags."""
        return [tag.name for tag in self.tags]

    def score(self, members: np.ndarray) -> tuple[float, tuple[float, float]]:
        """Return the share of some of the images, a mask, all of whose tags are right, and its interval."""
        right = (self.y_true == self.y_pred).all(axis=1)[members]
        return float(right.mean()), accuracy_interval(right)


def predicts_tags(estimator: BaseEstimator) -> bool:
    """Return whether a fitted classifier answers several tags of each image."""
    last = find_last(estimator)
    return isinstance(getattr(last, "classes_", None), list) or getattr(last, "multilabel_", False)


def is_of_tags(y: np.typing.ArrayLike) -> bool:
    """Return whether targets are a table of 0 and 1, a column for each of several tags."""
    y = np.asarray(y)
    return y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "buif" and bool(np.isin(y, (0, 1)).all())


def evaluate_tags(
    y_true: np.ndarray, y_pred: object, proba: np.ndarray | None, names: list[str], thresholds: Any = None
) -> TagsEvaluation:
    """Compare true tags with predictions; `proba` and `thresholds` may be None."""
    y_true, y_pred = np.asarray(y_true).astype(int), np.asarray(y_pred)
    check_consistent_length(y_true, y_pred)
    if y_pred.shape != y_true.shape or not is_of_tags(y_pred):
        raise ValueError(
            f"Predictions must be 0 or 1 for each of {y_true.shape[1]} tags. Got shape {y_pred.shape}."
        )
    y_pred = y_pred.astype(int)
    thresholds = np.full(len(names), np.nan) if thresholds is None else thresholds
    columns = [None] * len(names) if proba is None else proba.T
    tags = [
        score_label(name, has == 1, gets == 1, column, threshold)
        for name, has, gets, column, threshold in zip(
            names, y_true.T, y_pred.T, columns, thresholds, strict=True
        )
    ]
    n_samples = len(y_true)
    draws = count_draws(np.full(n_samples, 1 / n_samples), n_samples)
    wrong = y_true != y_pred
    rows = np.flatnonzero(wrong.any(axis=1))
    if proba is not None:
        off = np.where(wrong, np.abs(proba - y_true), 0).max(axis=1)
        rows = rows[np.argsort(-off[rows], kind="stable")]
    right = ~wrong.any(axis=1)
    known = [tag.average_precision for tag in tags if np.isfinite(tag.average_precision)]
    return TagsEvaluation(
        n_samples=n_samples,
        y_true=y_true,
        y_pred=y_pred,
        proba=proba,
        tags=tags,
        accuracy=float(right.mean()),
        interval=accuracy_interval(right),
        macro_f1=float(np.mean([tag.f1 for tag in tags])),
        macro_f1_interval=percentile_interval(mean_f1(draws @ (y_true & y_pred), draws @ (y_true + y_pred))),
        mean_average_precision=float(np.mean(known)) if known else np.nan,
        worst=rows,
    )


def predict_tag_proba(estimator: BaseEstimator, X: object) -> np.ndarray | None:
    """Return the probability of each tag, (n_samples, n_tags), or None where there is none."""
    if not hasattr(estimator, "predict_proba"):
        return None
    proba = estimator.predict_proba(X)
    # A list of trees and neighbors holds both classes of each tag.
    return np.column_stack([each[:, -1] for each in proba]) if isinstance(proba, list) else np.asarray(proba)


def name_tags(estimator: BaseEstimator, n_tags: int) -> list[str]:
    """Return the names of the tags that an estimator was told, or else their numbers."""
    names = find_setting(estimator.get_params(), "tags", None)
    return [*map(str, range(n_tags) if names is None else names)]


def join_tags(row: Any, names: list[str]) -> str:
    """Return the tags of an image as tables have them, separated by semicolons."""
    return ";".join(name for name, is_there in zip(names, row, strict=True) if is_there)


def draw_tags(evaluation: TagsEvaluation) -> Any:
    """Return precision against recall of each tag, at all thresholds, as a figure; dots are those chosen."""
    import matplotlib.pyplot as plt

    axes = plt.figure(figsize=(5.4, 4.8), layout="constrained").add_subplot()
    for column, tag in enumerate(evaluation.tags):
        color, marker = style_of_class(column)
        if evaluation.proba is not None and tag.n_true:
            precision, recall, _ = precision_recall_curve(
                evaluation.y_true[:, column], evaluation.proba[:, column]
            )
            label = tag.name if column < _N_NAMED else None
            axes.step(recall, precision, where="post", color=color, label=label, linewidth=1.2)
        axes.plot(tag.recall, tag.precision, marker, color=color)
    axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1.03), ylim=(0, 1.03))
    if axes.get_legend_handles_labels()[0]:
        with plt.rc_context({"text.parse_math": False}):
            axes.legend(fontsize="small", loc="lower left")
    return axes.figure

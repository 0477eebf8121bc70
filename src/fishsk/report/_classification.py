"""Sections of the report on a classifier, of classes or of tags: scores, images, probabilities."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fishsk._utils.axes import palette
from fishsk.inspection import (
    AccuracyCoverageDisplay,
    ClassificationEvaluation,
    TagsEvaluation,
    draw_tags,
    gather_coverage,
    join_tags,
    lay_out,
    score_probabilities,
    style_of_class,
)
from fishsk.report._figures import Show, draw_figure, gather_scores, know

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_N_IMAGES = 1000  # shown in the confusion matrix's cells together, as far as each shows one
_N_BINS = 10
_PER_BIN = 20  # images, or else fewer bins
_N_PLACES = 500
_MAP = (700, 500)  # width and height, in units of the map
_MARGIN = 14
_PEEK = 110  # longest side of an image that is shown at its point
_SHAPES = {  # by matplotlib's names of markers, around (0, 0)
    "o": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "s": "M-4.5-4.5h9v9h-9z",
    "^": "M0-6l5.5 10h-11z",
    "D": "M0-6.3l6.3 6.3-6.3 6.3-6.3-6.3z",
    "v": "M0 6l5.5-10h-11z",
    "P": "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    "X": "M-5.7-2.9l2.8-2.8 2.9 2.8 2.9-2.8 2.8 2.8-2.8 2.9 2.8 2.9-2.8 2.8-2.9-2.8-2.9 2.8-2.8-2.8 2.8-2.9z",
}


def describe(
    evaluation: ClassificationEvaluation, names: dict[Any, str], index: int, name: str
) -> dict[str, object]:
    """Return the classes of an image for people to read."""
    true, predicted = (
        names[labels[[index]].tolist()[0]] for labels in (evaluation.y_true, evaluation.y_pred)
    )
    right = bool(evaluation.y_true[index] == evaluation.y_pred[index])
    confidence = None if evaluation.proba is None else f"{evaluation.confidence[index]:.2f}"
    answer = "recognized" if right else f"taken for {predicted}"
    sure = "" if confidence is None else f", probability {confidence}"
    return {
        "true": true,
        "predicted": predicted,
        "right": right,
        "confidence": confidence,
        "words": f"{name}: {true} {answer}{sure}",
        "map_words": f"Heat map of {name}: what spoke for {predicted} and for {true}",
    }


def gather(
    evaluation: ClassificationEvaluation,
    rows: np.ndarray,
    show: Show,
    names: dict[Any, str],
    y_train: np.ndarray | None,
    max_images: int,
) -> dict[str, object]:
    """Return what a classifier's page shows beside what all pages show.

    `rows` are the features of the test images, and `names` is what is written for each label.
    """
    classes = evaluation.classes[:, np.newaxis]
    has, had = evaluation.y_true == classes, None if y_train is None else y_train == classes
    labels = [names[label] for label in evaluation.classes.tolist()]
    coverage = calibration = None
    if evaluation.proba is not None:
        found = gather_coverage(evaluation)
        coverage = draw_figure(lambda: AccuracyCoverageDisplay(**found).plot().figure_)
        coverage["marks"] = found["marks"]
        calibration = _draw_calibration(evaluation)
    return {
        "summary": _summarize(evaluation, names),
        "classes": gather_scores(evaluation.scores, labels, has, had, show),
        "confusion": _gather_confusion(evaluation, show, labels, max_images),
        "map": _gather_map(evaluation, rows, show, names),
        "coverage": coverage,
        "calibration": calibration,
    }


def _summarize(evaluation: ClassificationEvaluation, names: dict[Any, str]) -> dict[str, object]:
    """Return the numbers of the first screen."""
    wrong = evaluation.confusion * (1 - np.eye(len(evaluation.classes), dtype=int))
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    supports = evaluation.confusion.sum(axis=1)
    labels = evaluation.classes.tolist()
    known = evaluation.known_classes.tolist()
    return vars(evaluation) | {
        "n_right": evaluation.n_samples - len(evaluation.worst),
        "n_mistakes": len(evaluation.worst),
        "n_classes": len(labels),
        "unknown": [
            {"name": names[label], "count": int(support)}
            for label, support in zip(labels, supports, strict=True)
            if label not in known
        ],
        "majority": {
            "name": names[labels[supports.argmax()]],
            "share": float(supports.max() / evaluation.n_samples),
        },
        "confused": {
            "true": names[labels[true]],
            "predicted": names[labels[predicted]],
            "count": int(wrong.max()),
            "of": int(supports[true]),
        },
    }


def _gather_confusion(
    evaluation: ClassificationEvaluation, show: Show, labels: list[str], max_images: int
) -> list[dict[str, object]]:
    """Return the rows of the confusion matrix; each cell has its count, its share of the row and images.

    A cell shows the most confident of mistakes, and the least certain of right predictions.
    """
    counts = evaluation.confusion
    most = min(max_images, max(1, _N_IMAGES // np.count_nonzero(counts)))
    rows = []
    for row, true in enumerate(evaluation.classes):
        cells = []
        for column, predicted in enumerate(evaluation.classes):
            members = np.flatnonzero((evaluation.y_true == true) & (evaluation.y_pred == predicted))
            confidence = evaluation.confidence[members]
            order = np.argsort(confidence if row == column else -confidence, kind="stable")
            share = counts[row, column] / max(1, counts[row].sum())
            cells.append(
                {
                    "id": f"cell-{row}-{column}",
                    "true": labels[row],
                    "predicted": labels[column],
                    "right": row == column,
                    "count": int(counts[row, column]),
                    "share": float(share),
                    "images": [show(index) for index in members[order[:most]]],
                }
            )
        rows.append({"name": labels[row], "count": int(counts[row].sum()), "cells": cells})
    return rows


def _gather_map(
    evaluation: ClassificationEvaluation, rows: np.ndarray, show: Show, names: dict[Any, str]
) -> dict[str, object]:
    """Return test images as points, where those of like features, `rows`, are neighbors."""
    chosen = np.sort(np.random.default_rng(0).permutation(evaluation.n_samples)[:_N_PLACES])
    places = lay_out(rows[chosen], random_state=0)
    places = _MARGIN + places * (np.array(_MAP) - 2 * _MARGIN)
    points = []
    for index, (x, y) in zip(chosen, places.tolist(), strict=True):
        shown = show(index)
        width, height = shown["image"]["width"], shown["image"]["height"]
        scale = _PEEK / max(width, height)
        sides = scale * np.array([width, height])
        left, top = np.clip(np.array([x, y - 0.62 * _PEEK]) - sides / 2, 0, np.array(_MAP) - sides)
        peek = {"x": f"{left:.1f}", "y": f"{top:.1f}", "scale": f"{scale:.3f}"}
        number = int(np.searchsorted(evaluation.classes, evaluation.y_true[index]))
        points.append(shown | {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": number, "peek": peek})
    styles = [style_of_class(number) for number in range(len(evaluation.classes))]
    return {
        "width": _MAP[0],
        "height": _MAP[1],
        "points": points,
        "n_images": evaluation.n_samples,
        "n_wrong": sum(not point["right"] for point in points),
        "classes": [
            {"name": names[label], "color": color, "shape": _SHAPES[marker]}
            for label, (color, marker) in zip(evaluation.classes.tolist(), styles, strict=True)
        ],
    }


def _draw_calibration(evaluation: ClassificationEvaluation) -> dict[str, object]:
    """Return scikit-learn's calibration display of the predicted classes, with its numbers."""
    from sklearn.calibration import CalibrationDisplay, calibration_curve

    confidence = evaluation.confidence
    right = evaluation.y_true == evaluation.y_pred
    n_bins = max(1, min(_N_BINS, len(right) // _PER_BIN))
    shares, means = calibration_curve(right, confidence, pos_label=True, n_bins=n_bins, strategy="quantile")

    def draw() -> Figure:
        import matplotlib.pyplot as plt

        axes = plt.figure(figsize=(5.4, 4.8), layout="constrained").add_subplot()
        # scikit-learn draws the diagonal in black, on a dark ground as well.
        axes.plot([0, 1], [0, 1], ":", color=plt.rcParams["text.color"], label="Perfectly calibrated")
        display = CalibrationDisplay(shares, means, confidence, estimator_name="Predicted class")
        display.plot(ax=axes, ref_line=False, color=palette(axes)[0])
        axes.set(xlabel="Probability of the predicted class", ylabel="Share that is right")
        return axes.figure

    mean, (low, high) = float(confidence.mean()), evaluation.interval
    verdict = "overconfident" if mean > high else "underconfident"
    return draw_figure(draw) | {
        "bins": [{"mean": mean, "share": share} for mean, share in zip(means, shares, strict=True)],
        "mean": mean,
        "verdict": "well calibrated on average" if low <= mean <= high else verdict,
        "scores": score_probabilities(evaluation),
    }


def write_tags(row: Any, names: list[str]) -> str:
    """Return the tags of an image for people to read."""
    return join_tags(row, names).replace(";", ", ") or "no tag"


def describe_tags(evaluation: TagsEvaluation, index: int, name: str) -> dict[str, object]:
    """Return the tags of an image for people to read, and which are off."""
    names = evaluation.names
    true, got = evaluation.y_true[index], evaluation.y_pred[index]
    parts = [("missed", true > got), ("wrong", got > true)]
    off = "; ".join(f"{word}: {write_tags(which, names)}" for word, which in parts if which.any())
    shown = {"true": write_tags(true, names), "predicted": write_tags(got, names), "off": off or "right"}
    words = f"{name}: {shown['true']}, predicted {shown['predicted']}"
    return shown | {"confidence": None, "words": words, "map_words": ""}


def gather_tags(evaluation: TagsEvaluation, show: Show, y_train: np.ndarray | None) -> dict[str, object]:
    """Return what a page about tags shows beside what all pages show."""
    had = None if y_train is None else y_train.T
    n_tags = evaluation.y_true.sum(axis=1)  # of each image
    return {
        "tags": gather_scores(evaluation.tags, evaluation.names, evaluation.y_true.T, had, show),
        "summary": vars(evaluation)
        | {
            "n_tags": len(evaluation.tags),
            "n_right": evaluation.n_samples - len(evaluation.worst),
            "n_mistakes": len(evaluation.worst),
            "mean_average_precision": know(evaluation.mean_average_precision),
            "untagged": float((n_tags == 0).mean()),
            "n_a_image": float(n_tags.mean()),
        },
        "figure_of_tags": draw_figure(partial(draw_tags, evaluation)),
    }

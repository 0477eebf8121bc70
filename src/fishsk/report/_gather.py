"""Everything that the report shows, gathered as plain numbers, text, lists and dicts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fishsk.features import Images
from fishsk.inspection import Evaluation, evaluate, find_features, find_fitted
from fishsk.report._album import ClassAlbum
from fishsk.report._beside import gather_duplicates, gather_unfamiliar
from fishsk.report._facts import Timings, describe_run, find_digests
from fishsk.report._figures import draw_calibration, draw_diagram, draw_training
from fishsk.report._refits import gather_forecast, gather_labels
from fishsk.report._understand import add_explanations, gather_coverage_section, gather_map

_N_IMAGES = 1000  # shown in the confusion matrix's cells together, as far as each shows one
_N_SAMPLES = 8  # of each class
_N_MISTAKES = 16


def gather_report(
    estimator: Any,
    test: tuple[Any, Images, np.ndarray],
    train: tuple[Any, Images, np.ndarray | None] | None,
    *,
    names: dict[Any, str],
    image_names: Sequence[str] | None = None,
    max_images: int = 24,
    explain: bool = True,
    pixels: dict[str, Any],
    cv: Any = None,
) -> dict[str, Any]:
    """Return everything that the page shows, as plain numbers, text, lists and dicts.

    `test` and `train` hold images as the user gave them, the same images checked, and labels; `names` maps
    labels to what is written for them, and `pixels` holds `image_shape` and `input_range`.
    `write_report` describes the other parameters.
    """
    timings = Timings()
    X, images, y = test
    with timings("Predict the test images"):
        evaluation = evaluate(estimator, X, y)
    names = {label: names.get(label, str(label)) for label in evaluation.classes.tolist()}
    album = ClassAlbum(images, evaluation, names, image_names)
    with timings("Gather scores and images"):
        report: dict[str, Any] = {
            "summary": _summarize(evaluation, names),
            "classes": _gather_classes(evaluation, album, None if train is None else train[2]),
            "confusion": _gather_confusion(evaluation, album, max_images),
            "mistakes": [album.show(index) for index in evaluation.mistakes[:_N_MISTAKES]],
            "n_train": None if train is None else len(train[1]),
        }
    worst = evaluation.mistakes[:_N_MISTAKES]
    with timings("Explain mistakes"):
        report["explained"] = None
        if explain:
            report["explained"] = add_explanations(report["mistakes"], estimator, X, worst, album, pixels)
    report["coverage"] = gather_coverage_section(album)
    with timings("Read features"):
        rows = find_features(estimator, X, **pixels)
        train_rows = None if train is None else find_features(estimator, train[0], **pixels)
    with timings("Lay images out"):
        report["map"] = gather_map(rows, album)
    y_train = None if train is None else train[2]
    report["unfamiliar"] = report["duplicates"] = None
    if train is not None and train_rows is not None:
        with timings("Look for unfamiliar images"):
            report["unfamiliar"] = gather_unfamiliar(rows, (train_rows, train[1]), album)
        with timings("Look for near-duplicates"):
            describe = partial(_describe_partner, y_train, names)
            beside = (train_rows, train[1], y_train)
            report["duplicates"] = gather_duplicates((rows, images, y), beside, album, describe)
    report["forecast"] = report["labels"] = None
    if cv is not None and train is not None and y_train is not None:
        with timings("Train on growing parts"):
            report["forecast"] = gather_forecast(estimator, train[0], y_train, cv)
        with timings("Look for wrong labels"):
            report["labels"] = gather_labels(estimator, (*train[:2], y_train), cv, album.add, names)
    with timings("Draw figures"):
        report["training"] = draw_training(estimator)
        report["calibration"] = draw_calibration(evaluation)
    with timings("Describe the pipeline and the data"):
        report["diagram"] = draw_diagram(find_fitted(estimator))
        report["digests"] = find_digests(estimator, (images, y), None if train is None else train[1:])
    report["images"] = album.images
    return report | describe_run(timings)


def _summarize(evaluation: Evaluation, names: dict[Any, str]) -> dict[str, Any]:
    """Return the numbers of the first screen."""
    n_samples = len(evaluation.y_true)
    wrong = evaluation.confusion * (1 - np.eye(len(evaluation.classes), dtype=int))
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    supports = evaluation.confusion.sum(axis=1)
    labels = [names[label] for label in evaluation.classes.tolist()]
    return {
        "n_samples": n_samples,
        "n_right": n_samples - len(evaluation.mistakes),
        "n_mistakes": len(evaluation.mistakes),
        "n_classes": len(evaluation.classes),
        "accuracy": evaluation.accuracy,
        "interval": evaluation.interval,
        "macro_f1": evaluation.macro_f1,
        "macro_f1_interval": evaluation.macro_f1_interval,
        "unknown": [
            {"name": name, "count": int(support)}
            for name, label, support in zip(labels, evaluation.classes.tolist(), supports, strict=True)
            if label not in evaluation.known_classes.tolist()
        ],
        "majority": {"name": labels[supports.argmax()], "share": float(supports.max() / n_samples)},
        "confused": {
            "true": labels[true],
            "predicted": labels[predicted],
            "count": int(wrong.max()),
            "of": int(supports[true]),
        },
    }


def _gather_classes(
    evaluation: Evaluation, album: ClassAlbum, y_train: np.ndarray | None
) -> list[dict[str, Any]]:
    """Return a row of the classification table, and a sample of images, for each class."""
    counts = evaluation.confusion
    hits, n_true, n_predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    rows = []
    for at, label in enumerate(evaluation.classes.tolist()):
        members = np.flatnonzero(evaluation.y_true == label)
        chosen = members[np.linspace(0, len(members) - 1, min(_N_SAMPLES, len(members))).astype(int)]
        low, high = evaluation.recall_intervals[at].tolist()
        rows.append(
            {
                "name": album.names[label],
                "n_test": int(n_true[at]),
                "n_train": None if y_train is None else int(np.sum(y_train == label)),
                "precision": float(hits[at] / n_predicted[at]) if n_predicted[at] else None,
                "recall": float(hits[at] / n_true[at]) if n_true[at] else None,
                "low": low,
                "high": high,
                "f1": float(2 * hits[at] / max(1, n_true[at] + n_predicted[at])),
                "samples": [album.show(index) for index in chosen],
            }
        )
    return rows


def _gather_confusion(evaluation: Evaluation, album: ClassAlbum, max_images: int) -> list[dict[str, Any]]:
    """Return the rows of the confusion matrix; each cell has its count, its share of the row and images.

    A cell shows the most confident of mistakes, and the least certain of right predictions.
    """
    counts = evaluation.confusion
    labels = [album.names[label] for label in evaluation.classes.tolist()]
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
                    "images": [album.show(index) for index in members[order[:most]]],
                }
            )
        rows.append({"name": labels[row], "count": int(counts[row].sum()), "cells": cells})
    return rows


def _describe_partner(y_train: np.ndarray | None, names: dict[Any, str], index: int) -> dict[str, Any]:
    """Return the name of a training image's class."""
    if y_train is None:
        return {"partner_class": None}
    label = y_train[[index]].tolist()[0]
    return {"partner_class": names.get(label, str(label))}

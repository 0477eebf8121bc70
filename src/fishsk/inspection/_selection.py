"""Which images of a data set a grid shows, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from fishsk._compat.sklearn import safe_indexing
from fishsk.features import check_images
from fishsk.inspection._pixels import make_thumbnail
from fishsk.inspection._regression import as_numbers, write_number
from fishsk.inspection._settings import name_classes

_SELECTIONS = ("random", "first", "confident_mistakes", "least_certain")
_OF_NUMBERS = ("random", "first", "largest_errors")


def gather_predictions(
    X: Any,
    y: Any,
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]],
    *,
    classes: np.ndarray,
    select: str = "random",
    label: Any = None,
    n_images: int = 36,
    display_labels: Any = None,
    image_shape: tuple | None = None,
    input_range: tuple | None = (0, 255),
    random_state: Any = None,
) -> dict[str, Any]:
    """Return what a `PredictionGridDisplay` shows, by the names of its parameters.

    `predict` maps positions in `X` to predicted labels and to their probabilities, or None; it is asked for
    no more than `select` and `label` need. `from_predictions` describes the other parameters.
    """
    _check_selection(select, _SELECTIONS, "classes")
    y = column_or_1d(y)
    check_consistent_length(X, y)
    names = name_classes(classes, display_labels)
    found = None if label is None else find_label(label, names)
    rows = np.arange(len(y)) if label is None else np.flatnonzero(y == found)
    n_candidates = len(rows)
    if not n_candidates:
        raise ValueError(f"There must be images to choose from. Got none whose true label is {label!r}.")
    if select == "random":
        rows = check_random_state(random_state).permutation(rows)
    if select in ("random", "first"):
        rows = rows[:n_images]
    y_pred, confidence = predict(rows)
    wrong = y_pred != y[rows]
    if select in ("random", "first"):
        order = np.arange(len(rows))
    elif confidence is None:
        raise ValueError(f"select={select!r} needs probabilities. Pass y_proba, or choose select='random'.")
    elif select == "confident_mistakes":
        order = np.argsort(-confidence, kind="stable")
        order = order[wrong[order]]
    else:
        order = np.argsort(confidence, kind="stable")
    chosen = rows[order[:n_images]]
    y_pred = y_pred[order[:n_images]]
    images: Sequence = []
    if len(chosen):
        images = check_images(safe_indexing(X, chosen), image_shape=image_shape, input_range=input_range)
    pool = f"{n_candidates} images" if label is None else f"{n_candidates} images of {names[found]}"
    mistaken = f"{(y_pred != y[chosen]).sum()} mistaken"
    title = {
        "random": f"{len(chosen)} of {pool}, drawn at random: {mistaken}",
        "first": f"The first {len(chosen)} of {pool}: {mistaken}",
        "confident_mistakes": f"The {len(chosen)} most confident of {wrong.sum()} mistakes in {pool}",
        "least_certain": f"The {len(chosen)} least certain predictions for {pool}: {mistaken}",
    }[select]
    if not len(chosen):
        title = f"No mistakes in {pool}"
    return {
        "images": [make_thumbnail(image) for image in images],
        "y_true": y[chosen],
        "y_pred": y_pred,
        "confidence": None if confidence is None else confidence[order[:n_images]],
        "indices": chosen,
        "names": names,
        "title": title,
    }


def gather_numbers(
    X: Any,
    y: Any,
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    select: str = "random",
    n_images: int = 36,
    image_shape: tuple | None = None,
    input_range: tuple | None = (0, 255),
    random_state: Any = None,
) -> dict[str, Any]:
    """Return what a `PredictionGridDisplay` shows of predicted numbers; see `gather_predictions`."""
    _check_selection(select, _OF_NUMBERS, "numbers")
    y = as_numbers(y, "y")
    check_consistent_length(X, y)
    rows = np.arange(len(y))
    if select == "random":
        rows = check_random_state(random_state).permutation(rows)
    if select != "largest_errors":
        rows = rows[:n_images]
    y_pred = as_numbers(predict(rows), "y_pred")
    if select == "largest_errors":
        rows = np.argsort(-np.abs(y_pred - y), kind="stable")[:n_images]
        y_pred = y_pred[rows]
    errors = y_pred - y[rows]
    images = check_images(safe_indexing(X, rows), image_shape=image_shape, input_range=input_range)
    pool = f"{len(y):,} images"
    title = {
        "random": f"{len(rows)} of {pool}, drawn at random",
        "first": f"The first {len(rows)} of {pool}",
        "largest_errors": f"The {len(rows)} largest errors of {pool}",
    }[select]
    return {
        "images": [make_thumbnail(image) for image in images],
        "y_true": y[rows],
        "y_pred": y_pred,
        "errors": errors,
        "indices": rows,
        "title": f"{title}: {write_number(np.abs(errors).mean(), digits=3)} off on average",
    }


def _check_selection(select: str, known: tuple[str, ...], kind: str) -> None:
    if select not in known:
        raise ValueError(f"select must be one of {', '.join(map(repr, known))} for {kind}. Got {select!r}.")


def find_label(label: Any, names: Mapping[Any, str]) -> Any:
    """Return the label that `label` is, or whose name it is."""
    if label in names:
        return label
    for known, name in names.items():
        if name == label:
            return known
    raise ValueError(
        f"label must be one of {list(names)!r} or of their names {list(names.values())!r}. Got {label!r}."
    )

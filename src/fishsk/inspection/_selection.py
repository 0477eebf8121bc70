"""Which images of a data set a grid shows, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from fishsk._compat.sklearn import safe_indexing
from fishsk.features import check_images
from fishsk.inspection._pixels import make_thumbnail
from fishsk.inspection._regression import as_targets, format_number

_SELECTIONS = {
    "classification": ("random", "first", "confident_mistakes", "least_certain"),
    "regression": ("random", "first", "largest_errors"),
}


def gather_grid(
    X: Any,
    y: Any,
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]],
    *,
    names: dict[Any, str] | None,
    select: str = "random",
    label: Any = None,
    n_images: int = 36,
    image_shape: tuple | None = None,
    input_range: tuple | None = (0, 255),
    random_state: Any = None,
) -> dict[str, Any]:
    """Return what a `PredictionGridDisplay` shows, by the names of its parameters.

    `predict` maps positions in `X` to what is predicted and to its probabilities, or None; it is asked for no
    more than `select` and `label` need. `names` maps labels to what is written for them; None of a
    regression. `PredictionGridDisplay.from_predictions` describes the other parameters.
    """
    kind = "regression" if names is None else "classification"
    if select not in _SELECTIONS[kind]:
        known = ", ".join(map(repr, _SELECTIONS[kind]))
        raise ValueError(f"select must be one of {known} for {kind}. Got {select!r}.")
    y = as_targets(y, "y") if names is None else column_or_1d(y)
    check_consistent_length(X, y)
    rows, pool = np.arange(len(y)), f"{len(y):,} images"
    if names is not None and label is not None:
        label = find_label(label, names)
        rows = np.flatnonzero(y == label)
        pool = f"{len(rows):,} images of {names[label]}"
    if not len(rows):
        raise ValueError(f"There must be images to choose from. Got none whose true label is {label!r}.")
    if select == "random":
        rows = check_random_state(random_state).permutation(rows)
    if select in ("random", "first"):
        rows = rows[:n_images]
    y_pred, confidence = predict(rows)
    if names is None:
        y_pred = as_targets(y_pred, "y_pred")
    n_wrong = np.sum(y_pred != y[rows])
    order = _rank(select, y[rows], y_pred, confidence)[:n_images]
    chosen, y_pred = rows[order], y_pred[order]
    images: Sequence = []
    if len(chosen):
        images = check_images(safe_indexing(X, chosen), image_shape=image_shape, input_range=input_range)
    title = {
        "random": f"{len(chosen)} of {pool}, drawn at random",
        "first": f"The first {len(chosen)} of {pool}",
        "confident_mistakes": f"The {len(chosen)} most confident of {n_wrong} mistakes in {pool}",
        "least_certain": f"The {len(chosen)} least certain predictions for {pool}",
        "largest_errors": f"The {len(chosen)} largest errors of {pool}",
    }[select]
    errors = None
    if names is None:
        errors = y_pred - y[chosen]
        title += f": {format_number(np.abs(errors).mean(), digits=3)} off on average"
    elif not len(chosen):
        title = f"No mistakes in {pool}"
    elif select != "confident_mistakes":
        title += f": {np.sum(y_pred != y[chosen])} mistaken"
    return {
        "images": [make_thumbnail(image) for image in images],
        "y_true": y[chosen],
        "y_pred": y_pred,
        "confidence": None if confidence is None else confidence[order],
        "errors": errors,
        "indices": chosen,
        "names": names,
        "title": title,
    }


def _rank(select: str, y: np.ndarray, y_pred: np.ndarray, confidence: np.ndarray | None) -> np.ndarray:
    """Return which of the predicted images are shown, in their order."""
    if select in ("random", "first"):
        return np.arange(len(y))
    if select == "largest_errors":
        return np.argsort(-np.abs(y_pred - y), kind="stable")
    if confidence is None:
        raise ValueError(f"select={select!r} needs probabilities. Pass y_proba, or choose select='random'.")
    if select == "least_certain":
        return np.argsort(confidence, kind="stable")
    order = np.argsort(-confidence, kind="stable")
    return order[(y_pred != y)[order]]


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

"""Which images of a data set a grid shows, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from fishsk._compat.sklearn import safe_indexing
from fishsk.features import check_images, resize_image
from fishsk.inspection._settings import name_classes

_SELECTIONS = ("random", "first", "confident_mistakes", "least_certain")
_LONGEST_SIDE = 256  # pixels: more than a cell of the grid shows, and a photograph takes 30 MB


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
    if select not in _SELECTIONS:
        raise ValueError(f"select must be one of {', '.join(map(repr, _SELECTIONS))}. Got {select!r}.")
    y = column_or_1d(y)
    check_consistent_length(X, y)
    names = name_classes(classes, display_labels)
    found = None if label is None else _find_label(label, names)
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


def _find_label(label: Any, names: Mapping[Any, str]) -> Any:
    """Return the label that `label` is, or whose name it is."""
    if label in names:
        return label
    for known, name in names.items():
        if name == label:
            return known
    raise ValueError(
        f"label must be one of {list(names)!r} or of their names {list(names.values())!r}. Got {label!r}."
    )


def make_thumbnail(image: np.ndarray) -> np.ndarray:
    """Return an image as uint8, and not larger than a grid can show."""
    height, width = image.shape[:2]
    scale = _LONGEST_SIDE / max(height, width)
    if scale < 1:
        image = resize_image(image, (max(1, round(scale * height)), max(1, round(scale * width))))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)

"""What the report says to understand a classifier: why, how sure it should be, where an image stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from fishsk._compat.sklearn import safe_indexing
from fishsk.inspection import (
    AccuracyCoverageDisplay,
    explain_images,
    find_setting,
    gather_coverage,
    lay_out,
    lay_over,
    style_of_class,
)
from fishsk.report._album import ClassAlbum, NumberAlbum
from fishsk.report._figures import draw_figure, encode_image

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


def add_explanations(
    mistakes: list[dict[str, Any]],
    estimator: Any,
    X: Any,
    indices: np.ndarray,
    album: ClassAlbum | NumberAlbum,
    pixels: dict[str, Any],
) -> str | None:
    """Add a heat map to each of some mistakes; return the method, or None where there are no maps.

    Covered images must be in a form that the estimator takes: `X` holds pixels, or the estimator's own
    transformer reads images in any form.
    """
    values = np.asarray(X) if hasattr(X, "__array__") else np.empty(0)
    takes_images = find_setting(estimator.get_params(), "input_range", "none") != "none"
    if not len(indices) or not (takes_images or (values.dtype.kind in "buif" and values.ndim > 1)):
        return None
    asked: dict[str, Any] = {}
    if isinstance(album, ClassAlbum):
        evaluation = album.evaluation
        known = evaluation.known_classes.tolist()
        true = [label if label in known else None for label in evaluation.y_true[indices].tolist()]
        asked = {"target": evaluation.y_pred[indices], "against": np.array(true, dtype=object)}
    found = explain_images(estimator, safe_indexing(X, indices), **asked, **pixels)
    for shown, index, image, heat in zip(mistakes, indices, found.images, found.maps, strict=True):
        shown["heat"] = album.add_picture(f"heat-{index}", encode_image(lay_over(image, heat)))
    return found.method


def gather_coverage_section(album: ClassAlbum) -> dict[str, Any] | None:
    """Return how accurate answers above a probability are, or None without probabilities."""
    if np.isnan(album.evaluation.confidence).any():
        return None
    gathered = gather_coverage(album.evaluation)
    figures = draw_figure(lambda: AccuracyCoverageDisplay(**gathered).plot().figure_)
    return figures | {"marks": gathered["marks"]}


def gather_map(rows: np.ndarray, album: ClassAlbum) -> dict[str, Any]:
    """Return test images as points, where those of like features, `rows`, are neighbors."""
    evaluation = album.evaluation
    n_images = len(evaluation.y_true)
    chosen = np.sort(np.random.default_rng(0).permutation(n_images)[:_N_PLACES])
    places = lay_out(rows[chosen], random_state=0)
    places = _MARGIN + places * (np.array(_MAP) - 2 * _MARGIN)
    points = []
    for index, (x, y) in zip(chosen, places.tolist(), strict=True):
        shown = album.show(index)
        width, height = shown["image"]["width"], shown["image"]["height"]
        scale = _PEEK / max(width, height)
        left, top = (
            min(max(0.0, center - scale * side / 2), extent - scale * side)
            for center, side, extent in ((x, width, _MAP[0]), (y - 0.62 * _PEEK, height, _MAP[1]))
        )
        peek = {"x": f"{left:.1f}", "y": f"{top:.1f}", "scale": f"{scale:.3f}"}
        number = int(np.searchsorted(evaluation.classes, evaluation.y_true[index]))
        points.append(shown | {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": number, "peek": peek})
    styles = [style_of_class(number) for number in range(len(evaluation.classes))]
    return {
        "width": _MAP[0],
        "height": _MAP[1],
        "points": points,
        "n_images": n_images,
        "n_wrong": sum(not point["right"] for point in points),
        "classes": [
            {"name": album.names[label], "color": color, "shape": _SHAPES[marker]}
            for label, (color, marker) in zip(evaluation.classes.tolist(), styles, strict=True)
        ],
    }

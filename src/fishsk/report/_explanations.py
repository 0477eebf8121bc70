"""Heat maps beside the worst predictions of a report."""

from __future__ import annotations

from typing import Any

import numpy as np

from fishsk._compat.sklearn import safe_indexing
from fishsk.inspection import (
    ClassificationEvaluation,
    Evaluation,
    Explanation,
    explain_images,
    find_setting,
    lay_over,
)
from fishsk.report._album import Album
from fishsk.report._figures import encode_image

# Of integrated gradients, a quarter as many as otherwise: the colors are relative to a map's strongest place,
# and the maps find the fish about as well (benchmarks/bench_explanations.py).
_N_STEPS = 4


def explain_worst(
    estimator: Any, X: Any, indices: np.ndarray, evaluation: Evaluation, pixels: dict[str, Any]
) -> Explanation | None:
    """Return what spoke for the worst predictions, or None where there are no maps.

    Covered images must be in a form that the estimator takes: `X` holds pixels, or the estimator's own
    transformer reads images in any form.
    """
    values = np.asarray(X) if hasattr(X, "__array__") else np.empty(0)
    takes_images = find_setting(estimator.get_params(), "input_range", "none") != "none"
    if not len(indices) or not (takes_images or (values.dtype.kind in "buif" and values.ndim > 1)):
        return None
    asked: dict[str, Any] = {}
    if isinstance(evaluation, ClassificationEvaluation):
        known = evaluation.known_classes.tolist()
        true = [label if label in known else None for label in evaluation.y_true[indices].tolist()]
        asked = {"target": evaluation.y_pred[indices], "against": np.array(true, dtype=object)}
    return explain_images(estimator, safe_indexing(X, indices), **asked, **pixels, n_steps=_N_STEPS)


def add_explanations(
    worst: list[dict[str, Any]], indices: np.ndarray, found: Explanation | None, album: Album
) -> str | None:
    """Add a heat map to each of the worst predictions; return the method, or None where there are no maps."""
    if found is None:
        return None
    for shown, index, image, heat in zip(worst, indices, found.images, found.maps, strict=True):
        shown["heat"] = album.add_picture(f"heat-{index}", encode_image(lay_over(image, heat)))
    return found.method

"""The features that a fitted pipeline makes of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize

from fishsk.features import check_images, find_frozen_parts
from fishsk.inspection._settings import find_fitted, find_pixels

_SMALL = (32, 32)  # what stands for features where there are none


def find_features(
    estimator: Any, X: Any, *, image_shape: tuple[int, ...] | None = None, input_range: Any = "auto"
) -> np.ndarray:
    """Return the first rows of numbers that a fitted pipeline, or a search over one, makes of images.

    They are what the first steps give, as soon as it is two-dimensional: the features of a
    `VGG16FeatureTransformer` as they are, before they are scaled; of several networks side by side, each
    scaled to length 1, so that none outweighs the others. Where no step before the classifier gives such
    rows, they are small copies of the images. How these are read is as in
    `PredictionGridDisplay.from_estimator`.
    """
    return split_at_features(estimator, X, image_shape=image_shape, input_range=input_range)[0]


def split_at_features(
    estimator: Any, X: Any, *, image_shape: tuple[int, ...] | None = None, input_range: Any = "auto"
) -> tuple[np.ndarray, Any, Any]:
    """Return what `find_features` does, the steps that come after the features, and what these take.

    ``rest.predict(values)`` is ``estimator.predict(X)``; the rest of what is no pipeline is itself.
    """
    rest, values = find_fitted(estimator), X
    while isinstance(rest, Pipeline) and len(rest) > 1:
        step, rest = rest[0], rest[1:]
        if step in (None, "passthrough"):
            continue
        values = step.transform(values)
        rows = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
        if rows.ndim == 2 and rows.dtype.kind in "buif":
            parts = find_frozen_parts(step)
            if len(parts) > 1:
                ends = np.cumsum([part.n_features_out for part in parts.values()])[:-1]
                rows = np.hstack([normalize(block) for block in np.split(rows, ends, axis=1)])
            return rows, rest, values
    images = check_images(X, **find_pixels(estimator, image_shape, input_range))
    return images.load(range(len(images)), _SMALL).reshape(len(images), -1), rest, values

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
    """Return the first rows of numbers that a fitted pipeline makes of images.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier of images, or a search over one.
    X : array-like or sequence
        Images, as `KerasFeatureTransformer` describes them.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_estimator`.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        What the first steps give, as soon as it is two-dimensional: the features of a
        `VGG16FeatureTransformer` as they are, before they are scaled; of several networks side by
        side, each scaled to length 1, so that none outweighs the others.
        Small copies of the images, where no step before the classifier gives such rows.
    """
    return split_at_features(estimator, X, image_shape=image_shape, input_range=input_range)[0]


def split_at_features(
    estimator: Any, X: Any, *, image_shape: tuple[int, ...] | None = None, input_range: Any = "auto"
) -> tuple[np.ndarray, Any, Any]:
    """Return the features of images, and the rest of a pipeline with what it takes of them.

    Parameters
    ----------
    estimator, X, image_shape, input_range
        As in `find_features`.

    Returns
    -------
    features : ndarray of shape (n_samples, n_features)
        What `find_features` returns.
    rest : estimator
        The steps that come after the features; the estimator itself where it is no pipeline.
    values : array-like
        What `rest` takes: ``rest.predict(values)`` is ``estimator.predict(X)``.
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

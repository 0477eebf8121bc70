"""What an estimator was told and has learned, found inside pipelines and searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted


def find_setting(settings: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return the parameter of an estimator or of the first of its parts that has it, or else `default`."""
    return next((value for key, value in settings.items() if key.split("__")[-1] == name), default)


def find_pixels(estimator: Any, image_shape: Any, input_range: Any) -> dict[str, Any]:
    """Return how a fitted estimator reads images, as `check_images` takes it; what is given wins.

    Raises
    ------
    ValueError
        If `input_range` is a text other than "auto".
    """
    settings = find_fitted(estimator).get_params()
    if image_shape is None:
        image_shape = find_setting(settings, "image_shape", None)
    if isinstance(input_range, str):
        if input_range != "auto":
            raise ValueError(f"input_range must be 'auto', (low, high) or None. Got {input_range!r}.")
        input_range = find_setting(settings, "input_range", (0, 255))
    return {"image_shape": image_shape, "input_range": input_range}


def name_classes(classes: np.ndarray, display_labels: Any) -> dict[Any, str]:
    """Return what to write for each label."""
    labels = np.asarray(classes).tolist()
    names = labels if display_labels is None else list(display_labels)
    if len(names) != len(labels):
        raise ValueError(
            f"display_labels must name each of the {len(labels)} classes {labels!r}. Got {len(names)} names."
        )
    return {label: str(name) for label, name in zip(labels, names, strict=True)}


def check_classifier(estimator: Any) -> None:
    """Raise a ValueError if an estimator is no classifier."""
    if not is_classifier(estimator):
        raise ValueError(f"estimator must be a classifier. Got {estimator!r}.")


def find_fitted(estimator: Any) -> Any:
    """Return what predicts in a fitted estimator: of a search the best estimator, or else itself."""
    return getattr(estimator, "best_estimator_", estimator)


def fitted_head(estimator: Any) -> Any:
    """Return the part of a fitted estimator that keeps the history of its training."""
    head = find_last(estimator)
    head = getattr(head, "regressor_", head) if isinstance(head, TransformedTargetRegressor) else head
    if not hasattr(head, "history_"):
        check_is_fitted(head)
        raise TypeError(
            "estimator must be a fitted Keras head, a pipeline that ends in one, a search over either with "
            f"refit=True, or a list of these. Got {estimator!r}, which keeps no history_."
        )
    return head


def find_last(estimator: Any) -> Any:
    """Return the last step of a fitted estimator, of whatever pipelines and searches are around it."""
    last = find_fitted(estimator)
    while isinstance(last, Pipeline):
        last = last[-1]
    return last


def find_training_mean(estimator: Any) -> float | None:
    """Return the mean of the targets that a fitted regressor learned from, where its scaler has kept it."""
    last = find_last(estimator)
    scaler = getattr(last, "transformer_", None) if isinstance(last, TransformedTargetRegressor) else None
    mean = getattr(scaler, "mean_", None) if isinstance(scaler, StandardScaler) else None
    return float(mean[0]) if mean is not None and len(mean) == 1 else None

"""Heat maps: how much each pixel spoke for a class, for one class and not another, or for a number."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import gen_batches

from fishsk.features import Images, check_images
from fishsk.inspection._classification import as_labels
from fishsk.inspection._estimators import find_fitted, find_last, find_pixels, find_setting
from fishsk.inspection._gradients import (
    N_STEPS,
    find_input_ranges,
    find_keras_steps,
    find_target_scale,
    integrate_gradients,
    load_gradient,
)
from fishsk.inspection._pixels import make_thumbnail, shrink_image, to_uint8
from fishsk.inspection._regression import as_targets

_METHODS = ("auto", "integrated_gradients", "occlusion")
_N_WINDOWS = 6  # along a side
_WINDOW = 0.3  # of a side; benchmarks/bench_explanations.py: finer ones cost more and find the fish no better
_BATCH_BYTES = 2**26  # of covered copies: 36 of a photograph of 12 megapixels would be 1.3 GB
_TINY = 1e-6  # the least probability that counts: trees and neighbors answer 0 and 1


@dataclass(kw_only=True, eq=False, repr=False)
class Explanation:
    """Maps of what in images spoke for a class, or raised a number; `ExplanationDisplay` describes them."""

    images: list[np.ndarray]
    maps: list[np.ndarray]
    targets: np.ndarray
    against: np.ndarray | None = None
    method: str = "integrated_gradients"


class Explainer:
    """Explains what a fitted classifier says of images; what it makes ready for that, it makes once.

    `ExplanationDisplay.from_estimator` describes the parameters.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        method: str = "auto",
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | str | None = "auto",
        n_steps: int = N_STEPS,
    ) -> None:
        if method not in _METHODS:
            raise ValueError(f"method must be one of {', '.join(map(repr, _METHODS))}. Got {method!r}.")
        self.estimator = estimator
        self.fitted = find_fitted(estimator)
        self.steps = None if method == "occlusion" else find_keras_steps(self.fitted)
        if self.steps is None and method == "integrated_gradients":
            raise ValueError(
                "method='integrated_gradients' needs a pipeline of a transformer of frozen features, or a "
                "FeatureUnion of several with the same input_range, optionally a StandardScaler, and a Keras "
                f"head. Got {self.fitted!r}. Pass method='occlusion'."
            )
        self.pixels = find_pixels(estimator, image_shape, input_range)
        self.n_steps = n_steps

    @cached_property
    def _gradient(self) -> Any:
        return load_gradient(self.steps or [], of_regression=is_regressor(self.estimator))

    def explain(self, X: Any, *, target: Any = None, against: Any = None) -> Explanation:
        """Return what in images spoke for a class, or for a larger number."""
        images = check_images(X, **self.pixels)
        others = None
        if is_regressor(self.estimator):
            if target is not None or against is not None:
                raise ValueError(
                    "target and against are classes; of a regressor its one number is explained. Got "
                    f"target={target!r}, against={against!r}."
                )
            targets = as_targets(self.estimator.predict(X), "y_pred")
            scale = np.array([find_target_scale(find_last(self.estimator)) or 1], dtype=np.float32)
            contrasts = [(scale, np.zeros(1, dtype=np.float32))] * len(images)
        else:
            asked = self.estimator.predict(X) if target is None else target
            targets = as_labels(np.broadcast_to(asked, len(images)))
            others = None if against is None else as_labels(np.broadcast_to(against, len(images)))
            contrasts = _find_contrasts(targets, others, as_labels(self.estimator.classes_))
        if self.steps is None:
            maps = self._occlude(X, images, contrasts)
        else:
            (input_range,) = find_input_ranges(self.steps[0])
            maps = [
                integrate_gradients(
                    shrink_image(image), partial(self._gradient, *contrast), input_range, n_steps=self.n_steps
                )
                for image, contrast in zip(images, contrasts, strict=True)
            ]
        return Explanation(
            images=[make_thumbnail(image) for image in images],
            maps=[shrink_image(heat) for heat in maps],
            targets=targets,
            against=others,
            method="occlusion" if self.steps is None else "integrated_gradients",
        )

    def _occlude(
        self, X: object, images: Images, contrasts: list[tuple[np.ndarray, np.ndarray]]
    ) -> list[np.ndarray]:
        """Return maps by occlusion; covered images have the form of `X` where it is an array of pixels.

        They are not kept on disk.
        """
        twin = copy.deepcopy(self.fitted)
        caches = [name for name in twin.get_params() if name.split("__")[-1] == "cache"]
        twin.set_params(**dict.fromkeys(caches))
        values = np.asarray(X) if hasattr(X, "__array__") else np.empty(0)
        has_pixels = values.dtype.kind in "buif" and values.ndim > 1
        maps = []
        for index, (image, contrast) in enumerate(zip(images, contrasts, strict=True)):
            if has_pixels:
                shape = values.shape[1:]
                image = values[index].reshape(*image.shape[:2], -1)
            else:
                image = shrink_image(image)
                image = image if self.pixels["input_range"] is None else to_uint8(image)
                shape = image.shape
            maps.append(occlude(image, partial(_score, twin, shape, *contrast)))
        return maps


def explain_images(
    estimator: Any, X: Any, *, target: Any = None, against: Any = None, **options: Any
) -> Explanation:
    """Return what an `Explainer`, made with `options`, says of images."""
    return Explainer(estimator, **options).explain(X, target=target, against=against)


def _find_contrasts(
    targets: np.ndarray, others: np.ndarray | None, classes: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, for each image, which classes are explained and which they are compared with, as 0 and 1."""
    contrasts = []
    known = classes.tolist()
    against = [None] * len(targets) if others is None else others.tolist()
    for index, (label, other) in enumerate(zip(targets.tolist(), against, strict=True)):
        for name, value in (("target", label), ("against", other)):
            if value is not None and value not in known:
                raise ValueError(f"{name} must be one of the classes {known!r}. Got {value!r}.")
        if other == label:
            raise ValueError(
                f"The class that image {index} is explained for must be another than the one it is compared "
                f"with. Got {label!r} for both. Pass target, or leave the image out."
            )
        these = (classes == label).astype(np.float32)
        contrasts.append((these, 1 - these if other is None else (classes == other).astype(np.float32)))
    return contrasts


def _score(
    estimator: BaseEstimator, shape: tuple[int, ...], these: np.ndarray, those: np.ndarray, images: np.ndarray
) -> np.ndarray:
    """Return how much a classifier prefers some classes to others, or a regressor's number.

    The images have the form that the estimator takes.
    """
    X = images.reshape(len(images), *shape)
    if is_regressor(estimator):
        return as_targets(estimator.predict(X), "y_pred")
    first, second = these > 0, those > 0
    if hasattr(estimator, "predict_proba"):
        proba = estimator.predict_proba(X)
        sums = [np.maximum(proba[:, columns].sum(axis=1), _TINY) for columns in (first, second)]
        return np.log(sums[0]) - np.log(sums[1])
    is_by_pairs = find_setting(estimator.get_params(), "decision_function_shape", "ovr") == "ovo"
    if hasattr(estimator, "decision_function") and not is_by_pairs:
        values = estimator.decision_function(X)
        values = np.column_stack([-values, values]) if values.ndim == 1 else values
    else:
        values = np.asarray(estimator.predict(X))[:, np.newaxis] == estimator.classes_
    return values[:, first].mean(axis=1) - values[:, second].mean(axis=1)


def occlude(image: np.ndarray, score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return by how much a score falls when the surroundings of each pixel are covered.

    Windows of 3/10 of a side, 6 x 6 of them, are painted in the mean color of the image, one at a time [1]_.
    The value of a pixel is the mean over the windows that cover it. `score` maps an array of images to the
    score of each.

    References
    ----------
    .. [1] M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
       https://arxiv.org/abs/1311.2901
    """
    rows, columns = _make_windows(image.shape[0]), _make_windows(image.shape[1])
    windows = [(row, column) for row in rows for column in columns]
    color = image.mean(axis=(0, 1)).astype(image.dtype)
    falls = np.empty(len(windows))
    whole = score(image[np.newaxis])[0]
    for part in gen_batches(len(windows), max(1, _BATCH_BYTES // image.nbytes)):
        covered = np.repeat(image[np.newaxis], len(windows[part]), axis=0)
        for each, (row, column) in zip(covered, windows[part], strict=True):
            each[np.ix_(row, column)] = color
        falls[part] = whole - score(covered)
    heat = rows.T @ falls.reshape(len(rows), len(columns)) @ columns
    return heat / np.outer(rows.sum(axis=0), columns.sum(axis=0))


def _make_windows(side: int) -> np.ndarray:
    """Return which pixels of a side each window covers: bool of shape (n_windows, side)."""
    n_windows = min(_N_WINDOWS, side)
    centers = (np.arange(n_windows)[:, np.newaxis] + 0.5) / n_windows * side
    return np.abs(np.arange(side) + 0.5 - centers) <= max(_WINDOW, 1 / n_windows) * side / 2 + 1e-9

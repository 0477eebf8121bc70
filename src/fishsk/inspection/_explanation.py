"""What in an image carried a prediction: signed maps for a class, for one and not another, for a number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from sklearn.base import is_regressor

from fishsk.features import Images, check_images
from fishsk.inspection._classification import as_labels
from fishsk.inspection._gradients import (
    N_STEPS,
    find_input_ranges,
    find_keras_steps,
    find_target_scale,
    integrate_gradients,
    load_gradient,
)
from fishsk.inspection._occlusion import occlude, without_cache
from fishsk.inspection._pixels import make_thumbnail, shrink_image, to_uint8
from fishsk.inspection._regression import as_targets
from fishsk.inspection._settings import find_fitted, find_last, find_pixels, find_setting

_METHODS = ("auto", "integrated_gradients", "occlusion")
_TINY = 1e-6  # the least probability that counts: trees and neighbors answer 0 and 1


@dataclass(frozen=True)
class Explanation:
    """Maps of what in images spoke for a class, or raised a number.

    Attributes
    ----------
    images : list of ndarray of shape (height, width, 3), uint8
        The images, at most 256 pixels a side.
    maps : list of ndarray of shape (height, width)
        How much each pixel's surroundings speak for `targets`, and where it is below 0 against them; of a
        regressor, by how much they raise the number, in its unit.
    targets : ndarray of shape (n_images,)
        The classes that are explained; of a regressor the numbers that it predicts.
    against : ndarray of shape (n_images,) or None
        The classes that they are compared with; None where it is all others.
    method : {"integrated_gradients", "occlusion"}
        How the maps were made.
    """

    images: list[np.ndarray]
    maps: list[np.ndarray]
    targets: np.ndarray
    against: np.ndarray | None
    method: str


class Explainer:
    """Explains what a fitted classifier says of images; what it makes ready for that, it makes once.

    `ExplanationDisplay.from_estimator` describes the parameters.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        method: str = "auto",
        image_shape: tuple[int, ...] | None = None,
        input_range: Any = "auto",
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
        estimator = self.estimator
        images = check_images(X, **self.pixels)
        others = None
        if is_regressor(estimator):
            if target is not None or against is not None:
                raise ValueError(
                    "target and against are classes; of a regressor its one number is explained. Got "
                    f"target={target!r}, against={against!r}."
                )
            targets = as_targets(estimator.predict(X), "What the estimator predicts")
            scale = np.array([find_target_scale(find_last(estimator)) or 1], dtype=np.float32)
            contrasts = [(scale, np.zeros(1, dtype=np.float32))] * len(images)
        else:
            if target is None:
                targets = as_labels(estimator.predict(X))
            else:
                targets = _spread(target, len(images), "target")
            others = None if against is None else _spread(against, len(images), "against")
            contrasts = _find_contrasts(targets, others, as_labels(estimator.classes_))
        if self.steps is None:
            maps = _occlude(self.fitted, X, images, contrasts, self.pixels["input_range"])
        else:
            maps = self._integrate(images, contrasts)
        return Explanation(
            images=[make_thumbnail(image) for image in images],
            maps=[shrink_image(heat) for heat in maps],
            targets=targets,
            against=others,
            method="occlusion" if self.steps is None else "integrated_gradients",
        )

    def _integrate(self, images: Images, contrasts: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        """Return maps by integrated gradients."""
        steps: Any = self.steps
        (input_range,) = find_input_ranges(steps[0])
        return [
            integrate_gradients(
                shrink_image(image), partial(self._gradient, *contrast), input_range, n_steps=self.n_steps
            )
            for image, contrast in zip(images, contrasts, strict=True)
        ]


def explain_images(
    estimator: Any,
    X: Any,
    *,
    target: Any = None,
    against: Any = None,
    method: str = "auto",
    image_shape: tuple[int, ...] | None = None,
    input_range: Any = "auto",
    n_steps: int = N_STEPS,
) -> Explanation:
    """Return what in images spoke for a class, or raised a number, by a fitted classifier or regressor.

    `ExplanationDisplay.from_estimator` describes the parameters; `n_steps` is of integrated gradients.
    """
    explainer = Explainer(
        estimator, method=method, image_shape=image_shape, input_range=input_range, n_steps=n_steps
    )
    return explainer.explain(X, target=target, against=against)


def _spread(labels: Any, n_images: int, name: str) -> np.ndarray:
    """Return a label for each image."""
    if np.ndim(labels) == 0:
        return as_labels([labels] * n_images)
    if len(labels) != n_images:
        raise ValueError(
            f"{name} must be one class, or one for each of the {n_images} images. Got {len(labels)} of them."
        )
    return as_labels(labels)


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
        these = np.array([each == label for each in known], dtype=np.float32)
        those = 1 - these if other is None else np.array([each == other for each in known], dtype=np.float32)
        contrasts.append((these, those))
    return contrasts


def _occlude(
    estimator: Any,
    X: Any,
    images: Images,
    contrasts: list[tuple[np.ndarray, np.ndarray]],
    input_range: tuple[float, float] | None,
) -> list:
    """Return maps by occlusion; the covered images are in the form of `X` where it is an array of pixels."""
    estimator = without_cache(estimator)
    values = np.asarray(X) if hasattr(X, "__array__") else np.empty(0)
    has_pixels = values.dtype.kind in "buif" and values.ndim > 1
    maps = []
    for index, (image, contrast) in enumerate(zip(images, contrasts, strict=True)):
        if has_pixels:
            shape = values.shape[1:]
            image = values[index].reshape(*image.shape[:2], -1)
        else:
            image = shrink_image(image)
            image = image if input_range is None else to_uint8(image)
            shape = image.shape
        score = partial(_score, estimator, shape, *contrast)
        maps.append(occlude(image, score))
    return maps


def _score(
    estimator: Any, shape: tuple[int, ...], these: np.ndarray, those: np.ndarray, images: np.ndarray
) -> np.ndarray:
    """Return how much a classifier prefers some classes to others, or a regressor's number.

    The images have the form that the estimator takes.
    """
    X = images.reshape(len(images), *shape)
    if is_regressor(estimator):
        return as_targets(estimator.predict(X), "What the estimator predicts")
    first, second = these > 0, those > 0
    if hasattr(estimator, "predict_proba"):
        proba = estimator.predict_proba(X)
        sums = [np.maximum(proba[:, columns].sum(axis=1), _TINY) for columns in (first, second)]
        return np.log(sums[0]) - np.log(sums[1])
    is_by_pairs = find_setting(estimator.get_params(), "decision_function_shape", "ovr") == "ovo"
    if hasattr(estimator, "decision_function") and not is_by_pairs:
        values = estimator.decision_function(X)
        values = np.column_stack([-values, values]) if values.ndim == 1 else values
        return values[:, first].mean(axis=1) - values[:, second].mean(axis=1)
    answers = np.asarray(estimator.predict(X))
    classes = np.asarray(estimator.classes_)
    return np.isin(answers, classes[first]) * 1.0 - np.isin(answers, classes[second])

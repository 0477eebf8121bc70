"""Parts of a fitted estimator: its settings, its frozen steps, and the features that they compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.reading import find_reading
from fishsk.datasets import find_errors
from fishsk.features import FrozenFeatures, check_images, find_frozen_parts

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike


def find_setting(settings: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return the parameter of an estimator or of the first of its parts that has it, or else `default`."""
    return next((value for key, value in settings.items() if key.split("__")[-1] == name), default)


def find_pixels(estimator: Any, image_shape: Any = None, input_range: Any = "auto") -> dict[str, Any]:
    """Return how a fitted estimator reads images, as `check_images` takes it; what is given wins."""
    settings = find_fitted(estimator).get_params()
    if image_shape is None:
        image_shape = find_setting(settings, "image_shape", None)
    if isinstance(input_range, str) and input_range == "auto":
        input_range = find_setting(settings, "input_range", (0, 255))
    return {"image_shape": image_shape, "input_range": input_range}


def name_classes(classes: np.ndarray, display_labels: Iterable[object] | None) -> dict[Any, str]:
    """Return what to write for each label."""
    labels = np.asarray(classes).tolist()
    names = labels if display_labels is None else list(display_labels)
    if len(names) != len(labels):
        raise ValueError(
            f"display_labels must name each of the {len(labels)} classes {labels!r}. Got {len(names)} names."
        )
    return {label: str(name) for label, name in zip(labels, names, strict=True)}


def find_label(label: object, names: Mapping[Any, str]) -> Any:
    """Return the label that `label` is, or whose name it is."""
    if label in names:
        return label
    for known, name in names.items():
        if name == label:
            return known
    raise ValueError(
        f"label must be one of {list(names)!r} or of their names {list(names.values())!r}. Got {label!r}."
    )


def check_classifier(estimator: BaseEstimator) -> None:
    """Raise a ValueError if an estimator is no classifier."""
    if not is_classifier(estimator):
        raise ValueError(f"estimator must be a classifier. Got {estimator!r}.")


def find_fitted(estimator: BaseEstimator) -> Any:
    """Return what predicts in a fitted estimator: of a search the best estimator, or else itself."""
    return getattr(estimator, "best_estimator_", estimator)


def fitted_head(estimator: BaseEstimator) -> Any:
    """Return the part of a fitted estimator that keeps the history of its training."""
    head = find_last(estimator)
    head = getattr(head, "regressor_", head)  # of a TransformedTargetRegressor
    if not hasattr(head, "history_"):
        check_is_fitted(head)
        raise TypeError(
            "estimator must be a fitted Keras head, a pipeline that ends in one, a search over either with "
            f"refit=True, or a list of these. Got {estimator!r}, which keeps no history_."
        )
    return head


def find_last(estimator: BaseEstimator) -> Any:
    """Return the last step of a fitted estimator, of whatever pipelines and searches are around it."""
    last = find_fitted(estimator)
    while isinstance(last, Pipeline):
        last = last[-1]
    return last


def find_features(estimator: BaseEstimator, X: ImagesLike, **pixels: Any) -> np.ndarray:
    """Return the first rows of numbers that a fitted pipeline, or a search over one, makes of images.

    They are what the first steps give, as soon as it is two-dimensional: the features of a
    `VGG16FeatureTransformer` as they are, before they are scaled; of several networks side by side, each
    scaled to length 1, so that none outweighs the others. Where no step before the classifier gives such
    rows, they are small copies of the images. How these are read is told by `image_shape` and `input_range`,
    as in `PredictionGridDisplay.from_estimator`.
    """
    return split_at_features(estimator, X, **pixels)[0]


def split_at_features(estimator: BaseEstimator, X: ImagesLike, **pixels: Any) -> tuple[np.ndarray, Any, Any]:
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
    images = check_images(X, **find_pixels(estimator, **pixels))
    return images.load(range(len(images)), (32, 32)).reshape(len(images), -1), rest, values


def find_transformers(estimator: BaseEstimator) -> list[FrozenFeatures]:
    """Return the transformers of an estimator that take the images as they come, whatever their names are."""
    estimator = find_fitted(estimator)
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        return find_transformers(steps[0]) if steps else []
    return list(find_frozen_parts(estimator).values())


@contextmanager
def go_past_bad(estimators: Sequence[Any], files: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Let the frozen networks of estimators go over files together, past bad ones; yield why these are bad.

    The caller is in the context of `read_once`.
    """
    transformers = [each for estimator in estimators for each in find_transformers(estimator)]
    reading = find_reading()
    assert reading.is_open
    if not transformers:  # whatever reads the files stops at the first that is bad
        errors = zip(files, find_errors([*files]), strict=True)
        reading.errors |= {file: error for file, error in errors if error is not None}
    with reading.share(transformers):
        yield reading.errors


def run_frozen_steps(estimator: BaseEstimator, X: object) -> tuple[Any, Any]:
    """Return what learns in an estimator, to be cloned and fitted, and what that part sees of `X`.

    Of a fitted search it is the best estimator; of a pipeline, the first steps that need no `fit`, such as
    `VGG16FeatureTransformer`, are run here.
    """
    learner = find_fitted(estimator)
    while isinstance(learner, Pipeline) and len(learner) > 1:
        step = learner[0]
        if step not in (None, "passthrough"):
            if not find_frozen_parts(step) and get_tags(step).requires_fit:
                break
            X = step.transform(X)
        learner = learner[1:]
    return learner, X

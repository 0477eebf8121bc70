"""Parts of a step of features: one frozen network, or several side by side in a `FeatureUnion`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion

from fishsk._utils.reading import find_reading, read_once
from fishsk.features._transformer import FrozenFeatures

if TYPE_CHECKING:
    import keras

    from fishsk._utils.typing import ImagesLike


def find_frozen_parts(step: object) -> dict[str, FrozenFeatures]:
    """Return the transformers of frozen features that a step consists of, by their names in it.

    A transformer that is the step itself has the name ``""``. Where the step is anything else, or holds it,
    there are none.
    """
    if isinstance(step, FrozenFeatures):
        return {"": step}
    found: dict[str, FrozenFeatures] = {}
    for name, part in step.transformer_list if isinstance(step, FeatureUnion) else []:
        if isinstance(part, str) and part == "drop":
            continue
        inside = find_frozen_parts(part)
        if not inside:
            return {}
        found |= {f"{name}__{key}" if key else name: each for key, each in inside.items()}
    return found


def describe_parts(step: object) -> dict[str, dict[str, object]]:
    """Return how each part of a step that `find_frozen_parts` knows makes features of an image, for JSON."""
    found = {}
    for name, part in find_frozen_parts(step).items():
        settings = part._settings()
        found[name or "features"] = {
            **settings.to_json(),
            "backbone": part.network_name,
            "origin": settings.backbone.source.origin,
            "license": settings.backbone.source.license,
            "pooling": settings.pooling,
            "views": [view.name.lower() for view in settings.views],
            "input_range": part.input_range and list(part.input_range),
        }
    return found


class FrozenUnion(FeatureUnion):
    """Networks side by side, which go over images together: each file is read, and decoded, once for all."""

    def transform(self, X: ImagesLike, **params: object) -> Any:
        """Return the features of all networks, as a `FeatureUnion` does."""
        with self._together():
            return super().transform(X, **params)

    def fit_transform(self, X: ImagesLike, y: object = None, **params: object) -> Any:
        """Fit the parts, and return their features, as a `FeatureUnion` does."""
        with self._together():
            return super().fit_transform(X, y, **params)

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        found = find_reading()
        with (
            contextlib.nullcontext(found) if found.is_open else read_once() as reading,
            reading.share(list(find_frozen_parts(self).values()), go_on=False),
        ):
            yield


def add_to_keras_model(step: FrozenFeatures | FeatureUnion, images: keras.KerasTensor) -> keras.KerasTensor:
    """Add a step that `find_frozen_parts` knows to a functional Keras model; return its features.

    The images are RGB in the `input_range` of its transformers. Each part of a union is a model of its own
    within the model, of the part's name.
    """
    if isinstance(step, FrozenFeatures):
        return step.to_keras(images)
    import keras

    weights = step.transformer_weights or {}
    rows: list[keras.KerasTensor] = []
    held: set[int] = set()
    for name, part in step.transformer_list:
        if isinstance(part, str):
            continue
        inputs = keras.Input(images.shape[1:], dtype="float32")
        model = keras.Model(inputs, add_to_keras_model(part, inputs), name=name)
        variables = {id(each) for each in model.variables}
        if variables & held:  # Keras would write, and read, the weights of one of them
            twin = keras.models.clone_model(model)
            twin.set_weights(model.get_weights())
            model = twin
        held |= variables
        row = model(images)
        rows.append(row * weights[name] if name in weights else row)
    return keras.ops.concatenate(rows, axis=1)


def join_parts(transformers: Sequence[BaseEstimator]) -> FrozenUnion:
    """Return transformers side by side, each named after its network or kind; equal names are numbered."""
    kinds = [
        each.network_name if isinstance(each, FrozenFeatures) else type(each).__name__
        for each in transformers
    ]
    names = [re.sub(r"[\W_]+", "_", kind.lower()).strip("_") or "part" for kind in kinds]
    numbered = [
        f"{name}_{names[: place + 1].count(name)}" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]
    return FrozenUnion(list(zip(numbered, transformers, strict=True)))

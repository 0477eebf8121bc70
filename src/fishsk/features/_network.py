"""The frozen network of one setting: the width of its features, how it runs, and as layers of Keras."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from fishsk.features._resizing import resize_in_keras
from fishsk.features._views import View

_VERSION = 2  # raised when the same settings come to give other numbers


class Backbone(Protocol):
    """A frozen network, known but not loaded; hashable, and equal to others that give the same numbers."""

    @property
    def name(self) -> str:
        """What it is called, for people."""

    @property
    def origin(self) -> str:
        """Where its weights come from, for people."""

    @property
    def license(self) -> str:
        """Theirs, for people."""

    @property
    def engine(self) -> str:
        """The name of the engine that runs it fastest on a processor."""

    def count_columns(self, layer: str, pooling: str | None, image_size: tuple[int, int]) -> int:
        """Return the number of features of a layer."""

    def to_json(self) -> dict[str, Any]:
        """Return what its features are stored under, in JSON."""

    def load_maps(self, layers: Sequence[str]) -> Any:
        """Return the frozen Keras model from RGB in 0 to 255 to the outputs of layers."""


@dataclass(frozen=True)
class Settings:
    """Everything that changes a number, resolved; `engine` names what runs it, and what else of it does."""

    backbone: Backbone
    layers: tuple[str, ...]
    pooling: str | None
    image_size: tuple[int, int]
    resize: str = "stretch"
    views: tuple[View, ...] = (View.PLAIN,)
    engine: tuple[str, ...] = ("tensorflow",)

    @functools.cached_property
    def columns(self) -> dict[str, int]:
        """The number of features of each layer."""
        return {
            layer: self.backbone.count_columns(layer, self.pooling, self.image_size) for layer in self.layers
        }

    @property
    def n_features(self) -> int:
        """Number of features of an image, and of each of its views."""
        return sum(self.columns.values())

    def average(self, rows_of_views: Iterable[np.ndarray]) -> np.ndarray:
        """Return the mean of the views' rows, given in their order, on which its last bit depends."""
        total = functools.reduce(np.add, rows_of_views)
        return total if len(self.views) == 1 else total / np.float32(len(self.views))

    @property
    def of_plain_image(self) -> Settings:
        """The settings of a single view, by which a network is loaded, which knows nothing of proportions."""
        return replace(self, resize="stretch", views=(View.PLAIN,))

    def to_json(self) -> dict[str, Any]:
        """Return what the rows of single views are stored under."""
        return {
            "version": _VERSION,
            "layers": list(self.layers),
            "pooling": self.pooling,
            "image_size": list(self.image_size),
            "resize": self.resize,
            "engine": list(self.engine),
            **self.backbone.to_json(),
        }


def add_to_keras(images: Any, settings: Settings, input_range: tuple[float, float] | None) -> Any:
    """Return the Keras tensor of the features of one of images, RGB in `input_range`, of any size."""
    import keras

    x = images
    if input_range is not None and tuple(input_range) != (0, 255):
        low, high = input_range
        gain = 255 / (high - low)
        x = keras.layers.Rescaling(gain, -low * gain, dtype="float32", name="to_255")(x)
    x = resize_in_keras(x, settings.image_size, settings.resize)
    maps = settings.backbone.load_maps(settings.layers)
    outputs = zip(settings.layers, keras.tree.flatten(maps.output), strict=True)
    pools = [_make_pool(settings.pooling, len(output.shape), f"pool_{name}") for name, output in outputs]

    def extract(x: Any) -> Any:
        outputs = keras.tree.flatten(maps(x, training=False))
        pooled = [pool(output) for pool, output in zip(pools, outputs, strict=True)]
        return keras.ops.concatenate(pooled, axis=1)

    if settings.views == (View.PLAIN,):
        return extract(x)
    seen = keras.ops.stack([x, keras.ops.flip(x, axis=2)], axis=1)
    rows = extract(keras.ops.reshape(seen, (-1, *settings.image_size, 3)))  # one run for both views
    return keras.ops.mean(keras.ops.reshape(rows, (-1, 2, settings.n_features)), axis=1)


def _make_pool(pooling: str | None, n_axes: int, name: str) -> Any:
    """Return the Keras layer that makes one row of the output of a layer."""
    from keras import layers

    if pooling is None or n_axes == 2:
        return layers.Flatten(dtype="float32", name=name)
    kind = f"Global{'Average' if pooling == 'avg' else 'Max'}Pooling{n_axes - 2}D"
    return getattr(layers, kind)(dtype="float32", name=name)

"""The frozen network of one setting: the width of its features, how it runs, and as layers of Keras."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from fishsk._utils.process import check_not_forked
from fishsk._utils.versions import check_tensorflow
from fishsk.features._applications import Application
from fishsk.features._custom_models import GivenModel, ModelFile
from fishsk.features._description import Description
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._resizing import resize_in_keras
from fishsk.features._vgg16_network import VGG16

if TYPE_CHECKING:
    import keras

    from fishsk.features._onnx_file import OnnxBackbone

PREPROCESSINGS = ("caffe", "tf", "torch", "unit")
_VERSION = 2  # raised when the same settings come to give other numbers


class View(Enum):
    """One way to look at an image; the value tells its rows from those of others."""

    PLAIN = bytes(32)
    MIRROR = hashlib.sha256(b"mirror").digest()

    def look_at(self, images: np.ndarray) -> np.ndarray:
        """Return the view of images, an array (n, height, width, channels)."""
        return np.ascontiguousarray(images[:, :, ::-1]) if self is View.MIRROR else images


Run = Callable[[np.ndarray, View], np.ndarray]  # from a batch of images and a view to rows of features
KerasSource = Application | VGG16 | ModelFile | GivenModel
VIEWS: dict[str | None, tuple[View, ...]] = {None: (View.PLAIN,), "mirror": (View.PLAIN, View.MIRROR)}


@functools.lru_cache(maxsize=2)
def _load(source: KerasSource, description: Description, pooling: str | None) -> keras.Model:
    """Return a Keras model. The last two are kept, so that equal transformers of a process share one."""
    return source.load(description, pooling)


@dataclass(frozen=True)
class KerasBackbone:
    """A network of Keras, and what is known of it at one size of its images.

    A `preprocessing` of None is the network's own. Where the end of an application is asked for,
    `keras_pooling` is how Keras is to pool it: a few networks, such as ConvNeXt, normalize what was pooled.
    """

    source: KerasSource
    description: Description
    preprocessing: str | None
    keras_pooling: str | None

    def to_json(self) -> dict[str, object]:
        """Return what the features are stored under."""
        return {
            "backbone": self.source.name if self.source.is_named else "own",
            "weights": self.source.find_digest(self.description),
            "graph": self.description.graph,
            "preprocessing": self.preprocessing,
            "keras_pooling": self.keras_pooling,
        }

    def write_maps(self, file: LitertFile) -> Iterable[tuple[str, Tensor]]:
        """Write the network to a file of LiteRT, and yield its maps: none where that takes TensorFlow."""
        return self.source.write_maps(file) if self.preprocessing is None else ()

    def load_maps(self, layers: Sequence[str]) -> keras.Model:
        """Return the frozen Keras model from RGB in 0 to 255 to the outputs of layers."""
        check_tensorflow()
        check_not_forked()
        network = _load(self.source, self.description, self.keras_pooling)
        import keras

        if self.keras_pooling is None:  # a Sequential model has no output of its own
            outputs = [network.get_layer(layer).output for layer in layers]
        else:
            outputs = [network.output]
        maps = keras.Model(network.inputs[0], outputs, name="backbone")
        images = keras.Input((*self.description.image_size, 3), dtype="float32")
        model = keras.Model(images, maps(self.preprocess(images), training=False), name="frozen")
        model.trainable = False
        return model

    def preprocess(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Return RGB in 0 to 255 as the network is to see it."""
        import keras

        if self.preprocessing is None:
            return self.source.preprocess(images)
        if self.preprocessing == "unit":
            return keras.layers.Rescaling(1 / 255, dtype="float32", name="preprocess")(images)
        return keras.applications.imagenet_utils.preprocess_input(images, mode=self.preprocessing)


@dataclass(frozen=True)
class Settings:
    """Everything that changes a number, resolved; `engine` names what runs it, and what else of it does."""

    backbone: KerasBackbone | OnnxBackbone
    layers: tuple[str, ...]
    pooling: str | None
    image_size: tuple[int, int]
    resize: str = "stretch"
    views: tuple[View, ...] = (View.PLAIN,)
    engine: tuple[str, ...] = ("tensorflow",)

    @functools.cached_property
    def columns(self) -> dict[str, int]:
        """The number of features of each layer."""
        shapes = dict(self.backbone.description.shapes)
        return {
            layer: math.prod(shapes[layer]) if self.pooling is None else shapes[layer][-1]
            for layer in self.layers
        }

    @property
    def n_features(self) -> int:
        """Number of features of an image, and of each of its views."""
        return sum(self.columns.values())

    def average(self, rows_of_views: Iterable[np.ndarray]) -> np.ndarray:
        """Return the mean of the views' rows, given in their order, on which its last bit depends."""
        return functools.reduce(np.add, rows_of_views) / np.float32(len(self.views))

    def to_json(self) -> dict[str, object]:
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


def add_to_keras(
    images: keras.KerasTensor, settings: Settings, input_range: tuple[float, float] | None
) -> keras.KerasTensor:
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

    def extract(x: keras.KerasTensor) -> keras.KerasTensor:
        outputs = keras.tree.flatten(maps(x, training=False))
        pooled = [pool(output) for pool, output in zip(pools, outputs, strict=True)]
        return keras.ops.concatenate(pooled, axis=1)

    if settings.views == (View.PLAIN,):
        return extract(x)
    seen = keras.ops.stack([x, keras.ops.flip(x, axis=2)], axis=1)
    rows = extract(keras.ops.reshape(seen, (-1, *settings.image_size, 3)))  # one run for both views
    return keras.ops.mean(keras.ops.reshape(rows, (-1, 2, settings.n_features)), axis=1)


def _make_pool(pooling: str | None, n_axes: int, name: str) -> keras.layers.Layer:
    """Return the Keras layer that makes one row of the output of a layer."""
    from keras import layers

    if pooling is None or n_axes == 2:
        return layers.Flatten(dtype="float32", name=name)
    kind = f"Global{'Average' if pooling == 'avg' else 'Max'}Pooling{n_axes - 2}D"
    return getattr(layers, kind)(dtype="float32", name=name)

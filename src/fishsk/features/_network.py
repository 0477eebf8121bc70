"""The frozen network of one setting: the width of its features, how it runs, and as layers of Keras."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fishsk._utils.process import check_not_forked
from fishsk.features._backbone import LAYERS, Preprocessing, Weights, load_backbone

_VERSION = 1  # raised when the same settings come to give other numbers


@dataclass(frozen=True)
class Settings:
    """Everything that changes a number, resolved."""

    weights: Weights
    layers: tuple[str, ...]
    pooling: str | None
    mirror: bool
    image_size: tuple[int, int]
    preprocessing: Preprocessing

    @functools.cached_property
    def columns(self) -> dict[str, int]:
        """The number of features of each layer."""
        return {layer: self._count(layer) for layer in self.layers}

    @property
    def n_features(self) -> int:
        return sum(self.columns.values())

    def _count(self, name: str) -> int:
        layer = LAYERS[name]
        width = self.weights.widths[layer.block]
        if self.pooling is not None:
            return width
        height, length = (side >> layer.n_halvings for side in self.image_size)
        return width * height * length

    def to_json(self) -> dict[str, Any]:
        preprocessing = self.preprocessing
        return {
            "version": _VERSION,
            "weights": self.weights.digest,
            "layers": list(self.layers),
            "pooling": self.pooling,
            "mirror": self.mirror,
            "image_size": list(self.image_size),
            "preprocessing": [list(preprocessing.mean), list(preprocessing.std), preprocessing.bgr],
        }


@functools.lru_cache(maxsize=8)
def load_network(settings: Settings) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from a preprocessed batch to its features, traced once for all batch lengths."""
    backbone = load_backbone(settings.weights)
    import keras
    import tensorflow as tf

    maps = keras.Model(backbone.input, [backbone.get_layer(layer).output for layer in settings.layers])

    def pool(x: Any) -> Any:
        if settings.pooling is None:
            return tf.reshape(x, [tf.shape(x)[0], -1])
        return tf.reduce_mean(x, axis=[1, 2]) if settings.pooling == "avg" else tf.reduce_max(x, axis=[1, 2])

    def features(batch: Any) -> Any:
        outputs = maps(batch, training=False)
        return tf.concat([pool(x) for x in tf.nest.flatten(outputs)], axis=1)

    @tf.function(input_signature=[tf.TensorSpec((None, *settings.image_size, 3), tf.float32)])
    def network(batch: Any) -> Any:
        if settings.mirror:
            return (features(batch) + features(tf.reverse(batch, axis=[2]))) / 2
        return features(batch)

    concrete = network.get_concrete_function()  # calls trace nothing, so TensorFlow has nothing to warn of

    def run(batch: np.ndarray) -> np.ndarray:
        check_not_forked()
        if len(batch) == 1:  # oneDNN gives one image other last bits than the same one among others
            return run(np.repeat(batch, 2, axis=0))[:1]
        return concrete(tf.convert_to_tensor(batch)).numpy()

    return run


def add_to_keras(images: Any, settings: Settings, input_range: tuple[float, float] | None) -> Any:
    """Return the Keras tensor of the features of a Keras tensor of images.

    Parameters
    ----------
    images : keras.KerasTensor of shape (None, None, None, 3), float32
        RGB in `input_range`, of any height and width.
    settings : Settings
        What the features are.
    input_range : (low, high) or None
        What black and white are; None takes values as they are.
    """
    import keras

    backbone = load_backbone(settings.weights)
    layers = keras.layers
    x = images
    if input_range is not None and tuple(input_range) != (0, 255):
        low, high = input_range
        gain = 255 / (high - low)
        x = layers.Rescaling(gain, -low * gain, dtype="float32", name="to_255")(x)
    x = _resize(x, settings.image_size)
    mean, std = np.array(settings.preprocessing.mean), np.array(settings.preprocessing.std)
    x = layers.Rescaling((1 / std).tolist(), (-mean / std).tolist(), dtype="float32", name="preprocess")(x)
    if settings.preprocessing.bgr:
        x = keras.ops.flip(x, axis=3)

    maps = keras.Model(
        backbone.input, [backbone.get_layer(name).output for name in settings.layers], name="vgg16"
    )
    pooling = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, None: layers.Flatten}
    pools = [pooling[settings.pooling](dtype="float32", name=f"pool_{name}") for name in settings.layers]

    def extract(x: Any) -> Any:
        outputs = keras.tree.flatten(maps(x))
        pooled = [pool(output) for pool, output in zip(pools, outputs, strict=True)]
        return keras.ops.concatenate(pooled, axis=1)

    return (extract(x) + extract(keras.ops.flip(x, axis=2))) / 2 if settings.mirror else extract(x)


def _resize(x: Any, size: tuple[int, int]) -> Any:
    """Resize a batch of images as `resize_image` does, by a matrix for the rows and one for the columns.

    Keras's own Resizing has no counterpart of OpenCV's area interpolation: where it shrinks it skips pixels.
    """
    from keras import ops

    ones = ops.ones_like(x[0, :, :, 0])
    ends = [ops.cumsum(ones[:, 0]), ops.cumsum(ones[0, :])]  # lengths are known only when the model runs
    lengths = [ops.max(end) for end in ends]
    shrinks = ops.logical_and(lengths[0] >= size[0], lengths[1] >= size[1])
    rows, columns = (
        _resampling_matrix(end, length, n_out, shrinks)
        for end, length, n_out in zip(ends, lengths, size, strict=True)
    )
    x = ops.transpose(ops.matmul(columns, x), (0, 2, 1, 3))
    return ops.transpose(ops.matmul(rows, x), (0, 2, 1, 3))


def _resampling_matrix(end: Any, n_in: Any, n_out: int, shrinks: Any) -> Any:
    """Return the weight of each input pixel, which ends at `end`, in each of the `n_out` output pixels."""
    from keras import ops

    scale = n_in / n_out
    start = ops.expand_dims(ops.arange(n_out, dtype="float32"), 1)
    covered = ops.minimum((start + 1) * scale, end) - ops.maximum(start * scale, end - 1)
    center = ops.minimum(ops.maximum((start + 0.5) * scale - 0.5, 0.0), n_in - 1)
    return ops.where(shrinks, ops.relu(covered) / scale, ops.relu(1 - ops.abs(center - (end - 1))))

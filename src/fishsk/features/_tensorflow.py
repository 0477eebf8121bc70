"""Frozen networks on TensorFlow: the graph from images to rows of features, and how it runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fishsk._utils.process import check_not_forked
from fishsk.features._network import Settings
from fishsk.features._views import View


def load_tensorflow(
    settings: Settings, folder: str | os.PathLike | None, *, shown: bool
) -> Callable[[np.ndarray, View], np.ndarray]:
    """Return the function from a batch of images and a view to its features, as `load_network` does."""
    maps = settings.backbone.load_maps(settings.layers)
    import tensorflow as tf

    def features(batch: Any) -> Any:
        return pool_maps(maps(batch, training=False), settings.pooling)

    # Traced once for all batch lengths; calls of a concrete function trace nothing.
    graph = tf.function(features).get_concrete_function(describe_images(settings))

    def run(batch: np.ndarray, view: View = View.PLAIN) -> np.ndarray:
        check_not_forked()
        if len(batch) == 1:  # oneDNN gives one image other last bits than the same one among others
            return run(np.repeat(batch, 2, axis=0), view)[:1]
        return graph(tf.convert_to_tensor(view.look_at(batch))).numpy()

    return run


def describe_images(settings: Settings) -> Any:
    """Return the `tf.TensorSpec` of a batch of images, of any length."""
    import tensorflow as tf

    return tf.TensorSpec((None, *settings.image_size, 3), tf.float32)


def pool_maps(maps: Any, pooling: str | None) -> Any:
    """Return the rows of features, a TensorFlow tensor, of what a frozen network gives for its layers."""
    import tensorflow as tf

    def pool(x: Any) -> Any:
        if pooling is None:
            return tf.reshape(x, [tf.shape(x)[0], -1])
        places = list(range(1, len(x.shape) - 1))  # none in a vector, which stays as it is
        return tf.reduce_mean(x, axis=places) if pooling == "avg" else tf.reduce_max(x, axis=places)

    return tf.concat([tf.cast(pool(x), tf.float32) for x in tf.nest.flatten(maps)], axis=1)

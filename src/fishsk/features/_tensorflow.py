"""Frozen networks on TensorFlow: the graph from images to rows of features, and how it runs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fishsk._utils.process import check_not_forked
from fishsk.features._network import Settings, sample_axis
from fishsk.features._views import PLAIN, Samples, View


def load_tensorflow(
    settings: Settings, folder: str | os.PathLike | None, *, shown: bool
) -> Callable[[np.ndarray, View], np.ndarray]:
    """Return the function from a batch of images and a view to its features.

    The two graphs, one of them for all views but the plain one, are traced once for all batch lengths.

    Parameters
    ----------
    settings : Settings
        Those `of_plain_image`.
    folder, shown
        As in `load_network`; nothing is kept here.
    """
    maps = settings.backbone.load_maps(settings.layers)
    import tensorflow as tf

    def features(batch: Any) -> Any:
        return pool_maps(maps(batch, training=False), settings.pooling)

    def features_of_view(batch: Any, rows: Any, columns: Any) -> Any:
        return features(sample_axis(sample_axis(batch, rows, 1), columns, 2))

    images = describe_images(settings)
    axes = [
        Samples(*(tf.TensorSpec((n_pixels,), kind) for kind in (tf.int32, tf.int32, tf.float32)))
        for n_pixels in settings.image_size
    ]

    @functools.cache
    def trace(plain: bool) -> Any:  # calls of a concrete function trace nothing: TensorFlow does not warn
        function, signature = (features, [images]) if plain else (features_of_view, [images, *axes])
        return tf.function(function).get_concrete_function(*signature)

    def run(batch: np.ndarray, view: View = PLAIN) -> np.ndarray:
        check_not_forked()
        if len(batch) == 1:  # oneDNN gives one image other last bits than the same one among others
            return run(np.repeat(batch, 2, axis=0), view)[:1]
        samples = (
            () if view == PLAIN else tf.nest.map_structure(tf.constant, view.samples(settings.image_size))
        )
        return trace(view == PLAIN)(tf.convert_to_tensor(batch), *samples).numpy()

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

"""Frozen networks on TensorFlow, and on LiteRT, the small interpreter of TensorFlow's graphs.

Networks of LiteRT are written once, kept, and run. EfficientNet-Lite and the narrow VGG16 are written here,
other networks of Keras by TensorFlow's converter; their weights are constants in it. A row has the same bits
in every batch, in every order and for any number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from joblib import cpu_count

from fishsk._compat.litert import make_interpreter
from fishsk._utils.files import StrPath
from fishsk._utils.process import check_not_forked
from fishsk._utils.progress import ProgressBar
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._network import KerasBackbone, Run, Settings, View
from fishsk.store import keep


def load_tensorflow(settings: Settings, folder: StrPath | None, *, shown: bool) -> Run:
    """Return the function from a batch of images and a view to its features, as `load_network` does."""
    maps = settings.backbone.load_maps(settings.layers)
    import tensorflow as tf

    # Traced once for all batch lengths; calls of a concrete function trace nothing.
    graph = make_graph(settings, lambda batch: maps(batch, training=False))

    def run(batch: np.ndarray, view: View = View.PLAIN) -> np.ndarray:
        check_not_forked()
        if len(batch) == 1:  # oneDNN gives one image other last bits than the same one among others
            return run(np.repeat(batch, 2, axis=0), view)[:1]
        return graph(tf.convert_to_tensor(view.look_at(batch))).numpy()

    return run


def load_litert(settings: Settings, folder: StrPath | None, *, shown: bool) -> Run:
    """Return the function from a batch of images and a view to its features, as `load_network` does.

    Only a network of Keras that is not in the folder yet needs TensorFlow.
    """
    content = keep(folder, settings.to_json(), lambda: _write(settings) or _convert(settings, shown))
    interpreter = make_interpreter(content, n_threads=cpu_count())
    (images,), (rows,) = interpreter.get_input_details(), interpreter.get_output_details()
    busy = threading.Lock()  # an interpreter holds one batch

    def run(batch: np.ndarray, view: View = View.PLAIN) -> np.ndarray:
        seen = view.look_at(batch)
        with busy:
            interpreter.resize_tensor_input(images["index"], seen.shape)  # nothing where it has this shape
            interpreter.allocate_tensors()
            interpreter.set_tensor(images["index"], seen)
            interpreter.invoke()
            return interpreter.get_tensor(rows["index"])

    return run


def _write(settings: Settings) -> bytes | None:
    """Return the network from images to features, if it can be written without TensorFlow, or else None."""
    file = LitertFile(settings.image_size)
    maps: dict[str, Tensor] = {}
    for layer, x in cast(KerasBackbone, settings.backbone).write_maps(file):
        maps[layer] = x
        if maps.keys() >= set(settings.layers):  # what lies behind them is not written
            return file.to_bytes([file.pool(maps[layer], settings.pooling) for layer in settings.layers])
    return None


def _convert(settings: Settings, shown: bool) -> bytes:
    """Return what TensorFlow's converter makes of a Keras network."""
    maps = settings.backbone.load_maps(settings.layers)
    import tensorflow as tf

    # As constants: of variables, the converter of TensorFlow 2.21 makes a network that gives NaN.
    weights = [np.asarray(variable) for variable in maps.non_trainable_variables]  # all: it is frozen
    title = f"{settings.backbone.source.name} to LiteRT"
    with ProgressBar(title, 1, unit="networks", shown=shown) as bar:
        graph = make_graph(settings, lambda batch: maps.stateless_call([], weights, batch, training=False)[0])
        content = tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module()).convert()
        bar.advance(1)
    return content


def make_graph(settings: Settings, compute_maps: Callable[[Any], Any]) -> Any:
    """Return the concrete function of TensorFlow from images, in batches of any length, to features."""
    import tensorflow as tf

    def pool(x: Any) -> Any:
        if settings.pooling is None:
            return tf.reshape(x, [tf.shape(x)[0], -1])
        places = list(range(1, len(x.shape) - 1))  # none in a vector, which stays as it is
        return (tf.reduce_mean if settings.pooling == "avg" else tf.reduce_max)(x, axis=places)

    def features(batch: Any) -> Any:
        maps = tf.nest.flatten(compute_maps(batch))
        return tf.concat([tf.cast(pool(x), tf.float32) for x in maps], axis=1)

    images = tf.TensorSpec((None, *settings.image_size, 3), tf.float32)
    return tf.function(features).get_concrete_function(images)

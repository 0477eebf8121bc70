"""Frozen networks on LiteRT, the small interpreter of TensorFlow's graphs: written once, kept, and run.

EfficientNet-Lite and VGG16 are written here, other networks of Keras by TensorFlow's converter; their weights
are constants in it. A row has the same bits in every batch, in every order and for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from joblib import cpu_count

from fishsk._compat.litert import make_interpreter
from fishsk._utils.progress import ProgressBar
from fishsk.features._keras_backbone import KerasBackbone
from fishsk.features._litert_file import LitertFile
from fishsk.features._network import Settings
from fishsk.features._tensorflow import describe_images, pool_maps
from fishsk.features._views import View
from fishsk.store import keep


def load_litert(
    settings: Settings, folder: str | os.PathLike | None, *, shown: bool
) -> Callable[[np.ndarray, View], np.ndarray]:
    """Return the function from a batch of images and a view to its features, as `load_network` does.

    Only a network of Keras that is not in the folder yet needs TensorFlow.
    """
    content = keep(folder, settings.to_json(), lambda: _make(settings, shown))
    interpreter = make_interpreter(content, n_threads=cpu_count())
    (images,), (rows,) = interpreter.get_input_details(), interpreter.get_output_details()
    busy = threading.Lock()  # an interpreter holds one batch
    length = 0

    def run(batch: np.ndarray, view: View = View.PLAIN) -> np.ndarray:
        nonlocal length
        seen = view.look_at(batch)
        with busy:
            if len(seen) != length:
                interpreter.resize_tensor_input(images["index"], seen.shape)
                interpreter.allocate_tensors()
                length = len(seen)
            interpreter.set_tensor(images["index"], seen)
            interpreter.invoke()
            return interpreter.get_tensor(rows["index"])

    return run


def _make(settings: Settings, shown: bool) -> bytes:
    """Return the network from images to features, a file of LiteRT."""
    return _write(settings) or _convert(settings, shown)


def _write(settings: Settings) -> bytes | None:
    """Return what can be written without TensorFlow, or else None."""
    file = LitertFile(settings.image_size)
    maps = cast(KerasBackbone, settings.backbone).write_maps(file)
    if not maps.keys() >= set(settings.layers):
        return None
    return file.to_bytes([file.pool(maps[layer], settings.pooling) for layer in settings.layers])


def _convert(settings: Settings, shown: bool) -> bytes:
    """Return what TensorFlow's converter makes of a Keras network."""
    maps = settings.backbone.load_maps(settings.layers)
    import tensorflow as tf

    # As constants: of variables, the converter of TensorFlow 2.21 makes a network that gives NaN.
    weights, state = (
        [np.asarray(variable) for variable in variables]
        for variables in (maps.trainable_variables, maps.non_trainable_variables)
    )

    def features(batch: Any) -> Any:
        outputs, _ = maps.stateless_call(weights, state, batch, training=False)
        return pool_maps(outputs, settings.pooling)

    with ProgressBar(f"{settings.backbone.name} to LiteRT", 1, unit="networks", shown=shown) as bar:
        graph = tf.function(features).get_concrete_function(describe_images(settings))
        content = tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module()).convert()
        bar.advance(1)
    return content

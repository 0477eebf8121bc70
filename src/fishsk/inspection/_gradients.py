"""Integrated gradients [1]_ of pipelines that can be written as one Keras model.

References
----------
.. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
   https://arxiv.org/abs/1703.01365
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fishsk._utils.versions import check_tensorflow
from fishsk.features import add_to_keras_model, find_frozen_parts

# Of the path. With roots of features, whose slope at 0 has no end, 8 to 24 all miss a fifth of what the score
# changes by, in the median.
N_STEPS = 16
_BLUR = 1 / 20  # of the shorter side: single pixels mean nothing to the eye
_BATCH_PIXELS = 4 * 224 * 224  # at a time: what VGG16 keeps for a gradient takes 100 MB an image at this size
_TINY = 1e-30  # what a float32 probability may be without becoming 0


def find_keras_steps(estimator: object) -> list[Any] | None:
    """Return the steps of a pipeline that is differentiable from pixels to what it predicts, or else None.

    Of a regressor whose target is scaled it is the regressor inside: `find_target_scale` tells the factor.
    """
    if not isinstance(estimator, Pipeline):
        return None
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    if len(steps) < 2:
        return None
    first, *between, last = steps
    if isinstance(last, TransformedTargetRegressor):
        if find_target_scale(last) is None:
            return None
        last = last.regressor_
    are_keras = all(part.is_keras for part in find_frozen_parts(first).values())
    if not are_keras or len(find_input_ranges(first)) != 1 or not hasattr(last, "to_keras"):
        return None
    are_known = all(type(step) is StandardScaler or hasattr(step, "to_keras") for step in between)
    return [first, *between, last] if are_known else None


def find_input_ranges(step: object) -> set[tuple[float, float] | None]:
    """Return what black and white are to the transformers of frozen features that a step consists of."""
    ranges = (part.input_range for part in find_frozen_parts(step).values())
    return {None if each is None else (each[0], each[1]) for each in ranges}


def find_target_scale(last: Any) -> float | None:
    """Return the factor from a fitted regressor's own numbers to the target's unit; None if there is none."""
    if not isinstance(last, TransformedTargetRegressor):
        return 1.0
    scaler = last.transformer_
    return float(scaler.scale_[0]) if type(scaler) is StandardScaler and scaler.with_std else None


def load_gradient(
    steps: list[Any], *, of_regression: bool = False
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Return the function from images to the gradient of a contrast of classes, or of a number.

    It takes two vectors that hold 1 for some classes and 0 for others, and a batch of images, float32 in the
    `input_range` of the first of the steps that `find_keras_steps` found. It returns the gradient by the
    pixels of ``log(probability of the first classes) - log(probability of the second)``; of a regressor, that
    of its numbers times the first vector.
    """
    check_tensorflow()
    import keras
    import tensorflow as tf

    images = x = keras.Input((None, None, 3), dtype="float32")
    for step in steps:
        if find_frozen_parts(step):
            x = add_to_keras_model(step, x)
        elif hasattr(step, "to_keras"):
            x = step.to_keras(x)
        else:
            x = x - step.mean_.astype(np.float32) if step.with_mean else x
            x = x / step.scale_.astype(np.float32) if step.with_std else x
    model = keras.Model(images, x)
    vector = tf.TensorSpec((None,), tf.float32)
    signature = [vector, vector, tf.TensorSpec((None, None, None, 3), tf.float32)]

    @tf.function(autograph=False, input_signature=signature)
    def differentiate(these: Any, those: Any, batch: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            predicted = model(batch, training=False)
            sums = [tf.linalg.matvec(predicted, columns) for columns in (these, those)]
            if of_regression:
                contrast = sums[0]
            else:
                contrast = tf.math.log(sums[0] + _TINY) - tf.math.log(sums[1] + _TINY)
        return tape.gradient(contrast, batch)

    def gradient(these: np.ndarray, those: np.ndarray, batch: np.ndarray) -> np.ndarray:
        return differentiate(these, those, batch).numpy()

    return gradient


def integrate_gradients(
    image: np.ndarray,
    gradient: Callable[[np.ndarray], np.ndarray],
    input_range: tuple[float, float] | None,
    *,
    n_steps: int = N_STEPS,
) -> np.ndarray:
    """Return what each pixel adds to a contrast of classes, on the way from the mean color to the image.

    That are sums over the channels, slightly blurred, of shape (height, width). `gradient` maps a batch of
    images in `input_range` to the gradients of the contrast, which is taken at `n_steps` places of the way.
    """
    image = image.astype(np.float32)
    if input_range is not None:
        low, high = input_range
        image = np.float32(low) + image * np.float32((high - low) / 255)
    start = image.mean(axis=(0, 1))
    places, weights = np.polynomial.legendre.leggauss(n_steps)
    shares = ((places + 1) / 2).astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    way = start + (image - start) * shares
    step = max(1, _BATCH_PIXELS // (image.shape[0] * image.shape[1]))
    gradients = np.concatenate([gradient(way[at : at + step]) for at in range(0, n_steps, step)])
    mean = np.tensordot((weights / 2).astype(np.float32), gradients, axes=1)
    heat = ((image - start) * mean).sum(axis=2)
    return cv2.GaussianBlur(heat, (0, 0), max(0.5, _BLUR * min(heat.shape)))

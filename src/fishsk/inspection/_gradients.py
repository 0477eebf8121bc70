"""Integrated gradients [1]_ of pipelines that can be written as one Keras model.

References
----------
.. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
   https://arxiv.org/abs/1703.01365
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

_N_STEPS = 16  # of the path: the map's sum then misses the score's change by less than a tenth, in the median
_BLUR = 1 / 20  # of the shorter side: single pixels mean nothing to the eye
_BATCH_PIXELS = 4 * 224 * 224  # at a time: what VGG16 keeps for a gradient takes 100 MB an image at this size
_TINY = 1e-30  # what a float32 probability may be without becoming 0


def find_keras_steps(estimator: Any) -> list[Any] | None:
    """Return the steps of a pipeline that is differentiable from pixels to what it predicts, or else None.

    Of a regressor whose target is scaled it is the regressor inside: `find_target_scale` tells the factor.
    """
    if not isinstance(estimator, Pipeline):
        return None
    first, *between, last = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    if not between and last is first:
        return None
    if isinstance(last, TransformedTargetRegressor):
        if find_target_scale(last) is None:
            return None
        last = last.regressor_
    if not (hasattr(first, "to_keras") and hasattr(first, "input_range") and hasattr(last, "to_keras")):
        return None
    are_known = all(type(step) is StandardScaler or hasattr(step, "to_keras") for step in between)
    return [first, *between, last] if are_known else None


def find_target_scale(last: Any) -> float | None:
    """Return the factor from a fitted regressor's own numbers to the target's unit; None if there is none."""
    if not isinstance(last, TransformedTargetRegressor):
        return 1.0
    scaler = last.transformer_
    if type(scaler) is StandardScaler:
        return float(scaler.scale_[0]) if scaler.with_std else 1.0
    is_identity = type(scaler) is FunctionTransformer and scaler.func is None and scaler.inverse_func is None
    return 1.0 if is_identity else None


def load_gradient(
    steps: list[Any], *, of_numbers: bool = False
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Return the function from images to the gradient of a contrast of classes, or of a number.

    Parameters
    ----------
    steps : list of estimators
        What `find_keras_steps` found.
    of_numbers : bool, default=False
        Whether the last step is a regressor.

    Returns
    -------
    callable
        Of two arrays of shape (n_images, n_classes) that hold 1 for some classes and 0 for others, and of a
        batch of images, float32 of shape (n_images, height, width, 3) in the `input_range` of the first step,
        it returns the gradient by the pixels of ``log(probability of the first classes) - log(probability of
        the second)``; of a regressor, that of its numbers times the first array.
    """
    import keras
    import tensorflow as tf

    images = x = keras.Input((None, None, 3), dtype="float32")
    for step in steps:
        x = step.to_keras(x) if hasattr(step, "to_keras") else _scale(step, x)
    model = keras.Model(images, x)
    vectors = tf.TensorSpec((None, None), tf.float32)
    signature = [vectors, vectors, tf.TensorSpec((None, None, None, 3), tf.float32)]

    @tf.function(autograph=False, input_signature=signature)
    def differentiate(these: Any, those: Any, batch: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            predicted = model(batch, training=False)
            sums = [tf.reduce_sum(predicted * columns, axis=1) for columns in (these, those)]
            if of_numbers:
                contrast = sums[0]
            else:
                contrast = tf.math.log(sums[0] + _TINY) - tf.math.log(sums[1] + _TINY)
        return tape.gradient(contrast, batch)

    concrete = differentiate.get_concrete_function()

    def gradient(these: np.ndarray, those: np.ndarray, batch: np.ndarray) -> np.ndarray:
        return concrete(*(tf.convert_to_tensor(each, tf.float32) for each in (these, those, batch))).numpy()

    return gradient


def _scale(scaler: StandardScaler, x: Any) -> Any:
    if scaler.with_mean:
        x = x - scaler.mean_.astype(np.float32)
    return x / scaler.scale_.astype(np.float32) if scaler.with_std else x


def integrate_gradients(
    images: Sequence[np.ndarray],
    contrasts: Sequence[tuple[np.ndarray, np.ndarray]],
    gradient: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    input_range: tuple[float, float] | None,
) -> list[np.ndarray]:
    """Return what each pixel adds to a contrast of classes, on the way from the mean color to the image.

    Parameters
    ----------
    images : sequence of ndarray of shape (height, width, 3)
        RGB in 0 to 255, or values as they are where `input_range` is None.
    contrasts : sequence of (ndarray, ndarray)
        The two vectors of each image that `gradient` takes.
    gradient : callable
        What `load_gradient` returned.
    input_range : (low, high) or None
        What `gradient` takes for black and white.

    Returns
    -------
    list of ndarray of shape (height, width)
        Sums over the channels, slightly blurred.
    """
    places, weights = np.polynomial.legendre.leggauss(_N_STEPS)
    shares = ((places + 1) / 2).astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    weights = (weights / 2).astype(np.float32)
    maps = []
    for numbers in _group(images):
        chosen = np.stack([images[number] for number in numbers]).astype(np.float32)
        if input_range is not None:
            low, high = input_range
            chosen = np.float32(low) + chosen * np.float32((high - low) / 255)
        starts = chosen.mean(axis=(1, 2), keepdims=True)
        ways = (starts[:, np.newaxis] + (chosen - starts)[:, np.newaxis] * shares).reshape(
            -1, *chosen[0].shape
        )
        vectors = [
            np.repeat(each, _N_STEPS, axis=0) for each in zip(*(contrasts[n] for n in numbers), strict=True)
        ]
        step = max(1, _BATCH_PIXELS // (chosen.shape[1] * chosen.shape[2]))
        gradients = np.concatenate(
            [
                gradient(*(each[at : at + step] for each in (*vectors, ways)))
                for at in range(0, len(ways), step)
            ]
        )
        means = np.einsum(
            "s,ns...->n...", weights, gradients.reshape(len(numbers), _N_STEPS, *chosen[0].shape)
        )
        heats = ((chosen - starts) * means).sum(axis=3)
        deviation = max(0.5, _BLUR * min(heats[0].shape))
        maps += [cv2.GaussianBlur(heat, (0, 0), deviation) for heat in heats]
    return maps


def _group(images: Sequence[np.ndarray]) -> Iterator[list[int]]:
    """Yield the numbers of successive images of one shape, whose ways fit into a batch; one at least."""
    numbers: list[int] = []
    for number, image in enumerate(images):
        most = max(1, _BATCH_PIXELS // (_N_STEPS * image.shape[0] * image.shape[1]))
        if numbers and (len(numbers) >= most or image.shape != images[numbers[0]].shape):
            yield numbers
            numbers = []
        numbers.append(number)
    if numbers:
        yield numbers

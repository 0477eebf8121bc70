"""Resize images to the size of a network: by OpenCV, within the memory of a few, and the same in Keras."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from keras import KerasTensor

    Length: TypeAlias = int | KerasTensor  # in pixels

RESIZES = ("stretch", "crop", "pad")
_MANY = 2**26  # values; as floats they take 256 MiB


class _Side(NamedTuple):
    """Which pixels along a side of an image become which along that of the result."""

    start: Length
    n_in: Length
    place: Length
    n_out: Length


def resize_image(image: np.ndarray, size: tuple[int, int], resize: str = "stretch") -> np.ndarray:
    """Return an image as float32 of another size, (height, width): bilinear, or by area where it shrinks.

    `resize` is as in `KerasFeatureTransformer`.
    """
    image = np.asarray(image)
    if resize == "stretch":
        return _stretch(image, size)
    rows, columns = _fit(image.shape[:2], size, resize)
    part = image[rows.start : rows.start + rows.n_in, columns.start : columns.start + columns.n_in]
    content = _stretch(part, (rows.n_out, columns.n_out))
    if content.shape[:2] == size:
        return content
    result = np.empty((*size, *image.shape[2:]), dtype=np.float32)
    result[:] = content.mean(axis=(0, 1), dtype=np.float64)
    result[rows.place : rows.place + rows.n_out, columns.place : columns.place + columns.n_out] = content
    return result


def _stretch(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image.astype(np.float32)
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    resize = functools.partial(
        cv2.resize, dsize=(size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    if image.ndim == 3 and image.size > _MANY:  # one by one: half as fast, a third of the memory
        channels = (cv2.extractChannel(image, place) for place in range(image.shape[2]))
        return np.stack([resize(channel.astype(np.float32)) for channel in channels], axis=2)
    return resize(image.astype(np.float32, copy=False))


def _fit(
    lengths: tuple[Length, Length],
    size: tuple[int, int],
    resize: str,
    least: Callable[[Length, Length], Length] = min,
    most: Callable[[Length, Length], Length] = max,
) -> tuple[_Side, _Side]:
    """Return which rows and which columns of an image become which of the result.

    The lengths, (height, width) of the image, may be integer tensors, with `least` and `most`, the smaller
    and the larger of two numbers, of their kind.
    """
    sides = []
    for length, other, side, other_side in zip(lengths, lengths[::-1], size, size[::-1], strict=True):
        if resize == "crop":
            n_in = least(length, most(_divide(other * side, other_side), 1))
            sides.append(_Side((length - n_in) // 2, n_in, 0, side))
        else:
            n_out = least(side, most(_divide(length * other_side, other), 1))
            sides.append(_Side(0, length, (side - n_out) // 2, n_out))
    return sides[0], sides[1]


def _divide(dividend: Length, divisor: Length) -> Length:
    """Return the nearest integer; of two that are as near the larger one."""
    return (2 * dividend + divisor) // (2 * divisor)


def resize_in_keras(x: KerasTensor, size: tuple[int, int], resize: str) -> KerasTensor:
    """Return what `resize_image` does to each image of a batch, by a matrix for rows and one for columns.

    Keras's own Resizing has no counterpart of OpenCV's area interpolation: where it shrinks it skips pixels.
    The size of the images is known only when the model runs.
    """
    from keras import ops

    ones = ops.ones_like(x[0, :, :, 0])
    ends = [ops.cumsum(ones[:, 0]), ops.cumsum(ones[0, :])]
    lengths = [ops.max(end) for end in ends]
    if resize == "stretch":
        sides = [_Side(0, length, 0, side) for length, side in zip(lengths, size, strict=True)]
    else:
        height, width = (ops.cast(length, "int32") for length in lengths)
        of_integers = _fit((height, width), size, resize, ops.minimum, ops.maximum)
        sides = [_Side(*(ops.cast(number, "float32") for number in side)) for side in of_integers]
    shrinks = ops.logical_and(*(side.n_in >= side.n_out for side in sides))
    rows, columns = (
        _make_matrix(end - side.start, side, n_out, shrinks)
        for end, side, n_out in zip(ends, sides, size, strict=True)
    )
    x = ops.transpose(ops.matmul(columns, x), (0, 2, 1, 3))
    x = ops.transpose(ops.matmul(rows, x), (0, 2, 1, 3))
    if resize != "pad":
        return x
    is_content = _cover(sides[0], size[0]) * ops.transpose(_cover(sides[1], size[1]))
    mean = ops.sum(x, axis=(1, 2), keepdims=True) / (sides[0].n_out * sides[1].n_out)
    return x + mean * (1 - ops.expand_dims(is_content, -1))


def _make_matrix(end: KerasTensor, side: _Side, n_out: int, shrinks: KerasTensor) -> KerasTensor:
    """Return the weight of each input pixel, which ends at `end`, in each of the `n_out` output pixels.

    Until the division everything is an integer, which float32 holds exactly below 2**24.
    """
    from keras import ops

    length, size = side.n_in, side.n_out
    start = ops.expand_dims(ops.arange(n_out, dtype="float32"), 1) - side.place
    covered = ops.minimum((start + 1) * length, end * size) - ops.maximum(start * length, (end - 1) * size)
    center = ops.minimum(ops.maximum((2 * start + 1) * length - size, 0.0), 2 * size * (length - 1))
    away = ops.abs(center - 2 * size * (end - 1))
    matrix = ops.where(shrinks, ops.relu(covered) / length, ops.relu(2 * size - away) / (2 * size))
    return matrix * _cover(side, n_out)


def _cover(side: _Side, n_out: int) -> KerasTensor:
    """Return 1 for output pixels that show something of the image, 0 for others, as a column."""
    from keras import ops

    start = ops.expand_dims(ops.arange(n_out, dtype="float32"), 1) - side.place
    return ops.cast(ops.logical_and(start >= 0, start < side.n_out), "float32")

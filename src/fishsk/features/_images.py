"""Turn anything that users call images into checked RGB images, which are read lazily."""

from __future__ import annotations

import contextlib
import math
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, BinaryIO, TypeGuard

import numpy as np
from PIL import Image
from sklearn.utils import check_array

from fishsk.features._decoding import convert_pil
from fishsk.features._sequence import CONTENT, Images, is_path, to_rgb

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike

_TEXT = "OSTU"  # kinds of NumPy's dtypes that can hold paths
_CHANNELS = (1, 3, 4)  # gray, RGB, RGB and alpha
_LONGEST_REPR = 200  # letters of a value in an error
_NO_PATH = re.compile(r"data:|[A-Za-z][\w+.-]+://|.{32768}", re.DOTALL)  # addresses, the text of a file


def check_images(
    X: ImagesLike,
    *,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | None = (0, 255),
) -> Images:
    """Return `X`, images as `KerasFeatureTransformer` describes them, as a checked sequence of RGB images.

    Each is read when it is asked for. `image_shape` is (height, width) or (height, width, channels) of the
    images of a 2-D `X`, one entry of which may be -1. An `input_range` of None takes values as they are.

    ValueError if something in `X` is no image, or a value is not finite or not in `input_range`; TypeError if
    `X` is a generator or the like, which has no order or can be read only once.
    """
    input_range = _check_range(input_range)
    if _is_image(X):
        raise ValueError(f"X must hold several images. Got a single one, {_show(X)}. Pass [X].")
    if not isinstance(X, list | tuple | np.ndarray):
        X = _check_table(X, image_shape) if hasattr(X, "__array__") else _check_container(X)
    if isinstance(X, np.ndarray) and X.dtype.kind in _TEXT and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    if _is_sequence_of_items(X):
        return Images([_check_item(item, index, input_range) for index, item in enumerate(X)])
    return Images(_check_pixels(_check_layout(X, image_shape), input_range), input_range)


def _check_range(input_range: object) -> tuple[float, float] | None:
    if input_range is None:
        return None
    bounds = tuple(input_range) if isinstance(input_range, tuple | list | np.ndarray) else ()
    are_numbers = len(bounds) == 2 and all(isinstance(bound, Real) for bound in bounds)
    if not are_numbers or not -math.inf < bounds[0] < bounds[1] < math.inf:
        raise ValueError(
            f"input_range must be (low, high), finite and with low < high, or None. Got {input_range!r}."
        )
    return bounds[0], bounds[1]


def _is_content(item: object) -> bool:
    """Tell a file's bytes, or a stream of them, from everything else; other bytes are a path."""
    if isinstance(item, bytes):
        return CONTENT.match(item) is not None
    return isinstance(item, bytearray | memoryview) or callable(getattr(item, "read", None))


def _is_image(item: object) -> bool:
    """Tell one image, or the path of one, from what holds several."""
    return is_path(item) or _is_content(item) or isinstance(item, Image.Image)


def _is_sequence_of_items(X: object) -> TypeGuard[Sequence[object]]:
    """Tell sequences of paths or images from everything that is one array of numbers."""
    if isinstance(X, np.ndarray):
        return X.dtype.kind in _TEXT and X.ndim == 1
    return isinstance(X, list | tuple) and any(
        item is None or _is_image(item) or isinstance(item, np.ndarray | Mapping) or _holds_image(item)
        for item in X
    )


def _holds_image(item: object) -> TypeGuard[Sequence[object]]:
    """Tell a row such as (image, label), which data sets for training loops yield."""
    return isinstance(item, list | tuple) and any(map(_is_image, item))


def _check_container(X: ImagesLike) -> ImagesLike:
    """Return a sequence as a list, and say of what is none what to pass instead."""
    if isinstance(X, Mapping):
        raise TypeError(
            f"X must be an array or a sequence of images. Got a {type(X).__name__} with the keys "
            f"{', '.join(map(repr, list(X)[:5]))}. Pass one of its columns, or list(X.values()) if these are "
            "the images."
        )
    if isinstance(X, Sequence):
        return list(X)
    if (hasattr(X, "__iter__") or hasattr(X, "__getitem__")) and not hasattr(X, "toarray"):
        raise TypeError(  # generators, sets, tf.data.Dataset, torch's DataLoader, Keras's PyDataset
            "X must be an array or a sequence of images, which has an order and can be read more than once. "
            f"Got a {type(X).__name__}. Pass list(X) if it yields images or their paths, or "
            "np.concatenate([images for images, labels in X]) if it yields batches of both."
        )
    return X


def _check_table(X: ImagesLike, image_shape: tuple[int, ...] | None) -> np.ndarray:
    """Return the array in a Series, an Index, a one-column table or the like of any library."""
    is_table = hasattr(X, "columns") or hasattr(X, "column")
    values = np.asarray(X)
    if is_table and image_shape is None and values.ndim == 2 and values.shape[1] != 1:
        raise ValueError(
            f"A DataFrame of images must have one column of paths or images. Got {values.shape[1]} columns. "
            "Select one with X['column'] or a ColumnTransformer, or pass image_shape if a row holds pixels."
        )
    return values


def _check_item(
    item: Any, index: int, input_range: tuple[float, float] | None
) -> str | os.PathLike | bytes | np.ndarray:
    """Return a path as a path, a file's content as bytes, and anything else as an RGB array."""
    if is_path(item):
        path = os.fsdecode(item) if isinstance(item, bytes) else item
        if isinstance(path, str) and _NO_PATH.match(path):
            raise ValueError(
                f"Image {index} of X must be a path or an image. Got text of {len(path):,} letters, "
                f"{path[:40]!r}. Pass bytes: what an address leads to, or base64.b64decode(text)."
            )
        return path
    try:
        if _is_content(item):
            return _read_content(item)
        if isinstance(item, Image.Image):
            return convert_pil(item)
        if hasattr(item, "__array__") and not isinstance(item, np.ndarray | np.generic):  # a tensor
            item = np.asarray(item)
        if isinstance(item, np.ndarray) and item.dtype.kind in "buif" and item.ndim in (2, 3):
            batch = item[np.newaxis] if item.ndim == 3 else item[np.newaxis, ..., np.newaxis]
            return to_rgb(_check_pixels(_check_channels(batch), input_range)[0], input_range)
    except (OSError, ValueError) as error:
        raise ValueError(f"Image {index} of X is corrupt or cannot be used: {error}") from error
    raise ValueError(
        "A list or an object array must hold paths, files' bytes, PIL images or arrays (height, width[, 3]). "
        f"Item {index} is {_show(item)}. {_advise(item)}"
    )


def _read_content(item: bytes | bytearray | memoryview | BinaryIO) -> bytes:
    """Return the bytes of a file, or of a stream from its start, wherever it was read to before."""
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if getattr(item, "seekable", bool)():
        item.seek(0)
    content = item.read()
    if not isinstance(content, bytes):
        raise ValueError(f'its read() gave {type(content).__name__}. Open the file in binary mode, "rb"')
    return content


def _show(item: object) -> str:
    if isinstance(item, np.ndarray):
        return f"an array of shape {item.shape} and dtype {item.dtype}"
    text = repr(item)
    return text if len(text) <= _LONGEST_REPR else f"{text[:_LONGEST_REPR]}..."


def _advise(item: object) -> str:
    """Say what to do about an item that is no image."""
    if isinstance(item, Mapping) and (found := [key for key, value in item.items() if _is_image(value)]):
        return f"Pass [row[{found[0]!r}] for row in X]."
    if _holds_image(item):
        place = next(place for place, value in enumerate(item) if _is_image(value))
        return f"Pass [row[{place}] for row in X]."
    return "Leave out what is no image."


def _check_layout(given: ImagesLike, image_shape: tuple[int, ...] | None) -> np.ndarray:
    """Return images as an array (n_samples, height, width, channels) of unchecked values."""
    if type(given) is np.ndarray and given.dtype == np.uint8 and given.ndim > 2 and given.size:
        X = given  # nothing to check, which takes a fifth of the time that a known image takes
    else:
        X = check_array(
            given, allow_nd=True, ensure_2d=image_shape is not None, ensure_all_finite=False, input_name="X"
        )
    if X.ndim == 2 and image_shape is not None:
        n_features = X.shape[1]
        with contextlib.suppress(TypeError, ValueError):  # of what is no shape, or does not fit
            X = X.reshape(len(X), *image_shape)
        if X.ndim not in (3, 4):
            raise ValueError(
                "image_shape must be (height, width) or (height, width, channels), integers of at least 1, "
                f"one of which may be -1, that fit the {n_features} features of X. Got {image_shape!r}."
            )
    elif X.ndim == 3 and X.shape[2] in _CHANNELS[1:]:
        raise ValueError(
            f"X must hold several images, (n_samples, height, width, 3). Got shape {X.shape}, which looks "
            "like a single image. Pass X[np.newaxis]."
        )
    if X.ndim == 3:
        X = X[..., np.newaxis]
    if X.ndim != 4:
        raise ValueError(
            f"X must hold images, (n_samples, height, width[, 3]). Got shape {X.shape}. Pass image_shape="
            "(height, width[, channels]) if each row is a flattened image, X[np.newaxis] if X is one image."
        )
    return _check_channels(X)


def _check_channels(X: np.ndarray) -> np.ndarray:
    if 0 in X.shape:
        raise ValueError(f"X must hold images of at least one pixel. Got shape {X.shape}.")
    if X.shape[3] in _CHANNELS:
        return X
    if X.shape[1] in _CHANNELS:
        raise ValueError(
            "X must hold channels last, (n_samples, height, width, 3). "
            f"Got shape {X.shape}. Pass np.moveaxis(X, 1, -1)."
        )
    raise ValueError(
        f"X must hold images of 1 (gray), 3 (RGB) or 4 (RGB and alpha) channels. Got shape {X.shape}."
    )


def _check_pixels(X: np.ndarray, input_range: tuple[float, float] | None) -> np.ndarray:
    """Check that the values are finite and in range."""
    if X.dtype == np.uint8 or X.dtype == bool:
        if X.dtype == np.uint8 and input_range and all(image.max() <= 1 for image in X) and X.any():
            _warn_of_dark("The images are bytes", "Multiply them by 255 if 1 is white.")
        return X
    low, high = X.min(axis=(1, 2, 3)), X.max(axis=(1, 2, 3))  # NaN passes through both
    bad = ~(np.isfinite(low) & np.isfinite(high))
    if bad.any():
        raise ValueError(
            "Pixels must be finite. Input X contains NaN or infinity, first in image "
            f"{int(bad.argmax())}. Repair it or leave it out."
        )
    if input_range is None:
        return X
    bad = (low < input_range[0]) | (high > input_range[1])
    if bad.any():
        index = int(bad.argmax())
        raise ValueError(
            f"Pixels that are not uint8 must lie in input_range={tuple(input_range)!r}. Image {index} has "
            f"values from {low[index]} to {high[index]} ({X.dtype}). "
            f"Pass input_range=(0, {255 if high[index] <= 255 else 65535}) if these are black and white."
        )
    dark = (high > 0) & (high <= 1)
    if dark.any() and input_range == (0, 255):
        which = f"Some images, first image {dark.argmax()}, are" if high.max() > 1 else "The images are"
        kind = "floats" if X.dtype.kind == "f" else "integers"
        _warn_of_dark(f"{which} {kind}", "Pass input_range=(0, 1) if 1 is white, in all of them.")
    return X


def _warn_of_dark(which: str, advice: str) -> None:
    text = f"{which} of at most 1 and are taken as almost black, in input_range=(0, 255). {advice}"
    warnings.warn(text, UserWarning, stacklevel=3)

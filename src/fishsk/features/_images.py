"""Turn anything that users call images into checked RGB images, read lazily and resized with OpenCV."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import math
import os
import warnings
from collections.abc import Iterator, MappingView, Sequence, Set
from numbers import Real
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from sklearn.utils import check_array

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# EPS and the like are left out on purpose: Pillow hands them to external programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 89_478_485  # Pillow's own limit, a quarter of a gibibyte of RGB
_JPEG = b"\xff\xd8\xff"
_TEXT = "OSTU"  # kinds of NumPy's dtypes that can hold paths
_CHANNELS = (1, 3, 4)  # gray, RGB, RGB and alpha
_CHUNK = 256  # images that are checked at a time, so that checks need no memory to speak of
_LARGE = 2**16  # bytes; hashing fewer takes less time than handing them to a thread


def read_image(path: str | os.PathLike | BinaryIO) -> np.ndarray:
    """Return the image in a file as RGB, uint8 of shape (height, width, 3).

    Its orientation tag is obeyed, what is transparent is laid on white, and of an animation the first frame
    is read.

    Parameters
    ----------
    path : str, path-like or binary file
        A BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file of 8 bits a channel.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        Red, green, blue, each in 0 to 255.

    Raises
    ------
    ValueError
        If the file is empty, truncated, corrupt, of another format, of more than 8 bits a channel, or
        declares more than `MAX_PIXELS` pixels (found in its header, before anything is decoded).
    OSError
        If the file cannot be opened.
    """
    if isinstance(path, str | os.PathLike):
        return _decode(_read_bytes(path), path)
    return _decode(path.read(), getattr(path, "name", "image"))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return `image` as float32 of ``size = (height, width)``: bilinear, or by area where it shrinks."""
    image = np.asarray(image, dtype=np.float32)
    if image.shape[:2] == size:
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (size[1], size[0]), interpolation=interpolation)


def check_images(X: Any, *, image_shape: tuple | None = None, input_range: tuple | None = (0, 255)) -> Images:
    """Return `X` as a checked sequence of RGB images.

    Parameters
    ----------
    X : array-like or sequence
        Images, as `VGG16FeatureTransformer` describes them.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the images of a 2-D `X`; one entry may be -1.
    input_range : tuple of (low, high) or None, default=(0, 255)
        What black and white are in an array that is not uint8; None takes values as they are.

    Returns
    -------
    Images
        The same images, each read when it is asked for.

    Raises
    ------
    ValueError
        If something in `X` is no image, or a value is not finite or not in `input_range`.
    TypeError
        If `X` is a generator or the like, which has no order or can be read only once.
    """
    input_range = _check_range(input_range)
    _check_shape(image_shape)
    if isinstance(X, Iterator | MappingView | Set):
        raise TypeError(
            "X must be an array or a sequence, which has an order and can be read more than once. Got "
            f"{X!r}. Pass list(X)."
        )
    if _is_path(X) or isinstance(X, Image.Image):
        raise ValueError(f"X must hold several images. Got a single one, {X!r}. Pass [X].")
    if not isinstance(X, list | tuple | np.ndarray) and hasattr(X, "__array__"):
        X = _check_table(X, image_shape)
    if isinstance(X, np.ndarray) and X.dtype.kind in _TEXT and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    if _is_sequence_of_items(X):
        return Images([_check_item(item, index, input_range) for index, item in enumerate(X)])
    return Images(_check_pixels(_check_layout(X, image_shape), input_range), input_range)


class Images(Sequence):
    """A sequence of RGB images, each uint8 or float32 in 0 to 255 of shape (height, width, 3).

    Parameters
    ----------
    items : ndarray of shape (n_samples, height, width, 1, 3 or 4), or list
        Checked pixels; or a list of paths and of RGB arrays.
    input_range : tuple of (low, high), default=None
        What is mapped onto 0 to 255 where `items` is an array that is not uint8.
    """

    def __init__(self, items: np.ndarray | list, input_range: tuple | None = None) -> None:
        self.items = items
        self.input_range = input_range

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        item = self.items[index]
        if isinstance(item, np.ndarray):
            return _to_rgb(item, self.input_range)
        return read_image(item)

    def digest(self, index: int) -> bytes:
        """Return 32 bytes that name the content of an image: its pixels, or the bytes of its file."""
        item = self.items[index]
        if isinstance(item, np.ndarray):
            image = _to_rgb(item, self.input_range)
            content = _digest_of_form(image.dtype, image.shape).copy()
            content.update(np.ascontiguousarray(image).data)
            return content.digest()
        return _digest_of_file(_read_bytes(item))

    def load(self, indices: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Return some of the images, resized: float32 of shape (len(indices), *size, 3) in 0 to 255."""
        return self.load_hashed(indices, size)[0]

    def load_hashed(
        self, indices: Sequence[int], size: tuple[int, int]
    ) -> tuple[np.ndarray, list[bytes | None]]:
        """Return some of the images, resized, and the digests of the files that they were decoded from.

        Returns
        -------
        batch : ndarray of shape (len(indices), *size, 3), float32
            Red, green, blue, each in 0 to 255.
        digests : list of bytes or None
            What `digest` says of just the bytes that were decoded, since a file may be replaced at any time;
            None for an image in memory.
        """
        batch = np.empty((len(indices), *size, 3), dtype=np.float32)
        digests: list[bytes | None] = []
        for row, index in enumerate(indices):
            item = self.items[index]
            if isinstance(item, np.ndarray):
                image, digest = self[index], None
            else:
                content = _read_bytes(item)
                image, digest = _decode(content, item), _digest_of_file(content)
            batch[row] = resize_image(image, size)
            digests.append(digest)
        return batch, digests

    def file_size(self, index: int) -> int:
        """Return the bytes of an image's file, 0 for an image in memory or a file that cannot be found."""
        item = self.items[index]
        with contextlib.suppress(OSError):  # `load_hashed` says what is wrong with it
            return os.path.getsize(item) if _is_path(item) else 0
        return 0

    @property
    def are_large(self) -> bool:
        """Whether there are files or large arrays among the images, which take a while to be hashed."""
        if isinstance(self.items, np.ndarray):
            return self.items[0].nbytes >= _LARGE
        return any(_is_path(item) or item.nbytes >= _LARGE for item in self.items)


def _check_range(input_range: Any) -> tuple | None:
    if input_range is None:
        return None
    bounds = tuple(input_range) if isinstance(input_range, tuple | list | np.ndarray) else ()
    are_numbers = len(bounds) == 2 and all(isinstance(bound, Real) for bound in bounds)
    if not are_numbers or not -math.inf < bounds[0] < bounds[1] < math.inf:
        raise ValueError(
            f"input_range must be (low, high), finite and with low < high, or None. Got {input_range!r}."
        )
    return bounds


def _check_shape(image_shape: Any) -> None:
    if image_shape is None:
        return
    sides = tuple(image_shape) if isinstance(image_shape, tuple | list | np.ndarray) else ()
    are_sides = all(isinstance(side, int | np.integer) and (side == -1 or side >= 1) for side in sides)
    if not are_sides or not 2 <= len(sides) <= 3 or sides.count(-1) > 1:
        raise ValueError(
            "image_shape must be (height, width) or (height, width, channels), integers of at least 1, one "
            f"of which may be -1. Got {image_shape!r}."
        )


def _is_path(item: Any) -> bool:
    return isinstance(item, str | bytes | os.PathLike)


def _is_sequence_of_items(X: Any) -> bool:
    """Tell sequences of paths or images from everything that is one array of numbers."""
    if isinstance(X, np.ndarray):
        return X.dtype.kind in _TEXT and X.ndim == 1
    if not isinstance(X, list | tuple) or not X:
        return False
    return any(item is None or _is_path(item) or isinstance(item, Image.Image | np.ndarray) for item in X)


def _check_table(X: Any, image_shape: tuple | None) -> Any:
    """Return the array in a Series, an Index, a one-column table or the like of any library."""
    is_table = len(getattr(X, "shape", ())) == 2 and (hasattr(X, "columns") or hasattr(X, "column"))
    values = np.asarray(X)
    if not is_table or image_shape is not None:
        return values
    if values.shape[1] != 1:
        raise ValueError(
            f"A DataFrame of images must have one column of paths or images. Got {values.shape[1]} columns. "
            "Select one with X['column'] or a ColumnTransformer, or pass image_shape if a row holds pixels."
        )
    return values[:, 0]


def _check_item(item: Any, index: int, input_range: tuple | None) -> str | os.PathLike | np.ndarray:
    """Return a path as a path, and anything else as an RGB array."""
    if _is_path(item):
        return os.fsdecode(item) if isinstance(item, bytes) else item
    if isinstance(item, Image.Image):
        try:
            return _pil_to_rgb(item)
        except Exception as error:  # Pillow reads a file behind it only now
            raise ValueError(f"Image {index} of X is corrupt or cannot be used: {error}") from error
    if isinstance(item, np.ndarray) and item.dtype.kind in "buif" and item.ndim in (2, 3):
        batch = item[np.newaxis] if item.ndim == 3 else item[np.newaxis, ..., np.newaxis]
        try:
            pixels = _check_pixels(_check_channels(batch), input_range)
        except ValueError as error:
            raise ValueError(f"Image {index} of X: {error}") from None
        return _to_rgb(pixels[0], input_range)
    got = (
        f"an array of shape {item.shape} and dtype {item.dtype}"
        if isinstance(item, np.ndarray)
        else repr(item)
    )
    raise ValueError(
        "A list or an object array must hold paths, PIL images, or arrays (height, width[, 3]). "
        f"Item {index} is {got}. Leave out what is no image."
    )


def _check_layout(X: Any, image_shape: tuple | None) -> np.ndarray:
    """Return `X` as an array (n_samples, height, width, channels) of unchecked values."""
    if not (type(X) is np.ndarray and X.dtype == np.uint8 and X.ndim > 2 and X.size):  # nothing to check
        X = check_array(
            X, allow_nd=True, ensure_2d=image_shape is not None, ensure_all_finite=False, input_name="X"
        )
    if X.ndim == 2 and image_shape is not None:
        shape = tuple(image_shape)
        try:
            X = X.reshape(len(X), *shape)
        except ValueError:
            raise ValueError(
                f"image_shape must fit the {X.shape[1]} features of X. Got image_shape={image_shape!r}."
            ) from None
        return _check_channels(X if len(shape) == 3 else X[..., np.newaxis])
    if X.ndim == 2:
        raise ValueError(
            f"X must hold images, (n_samples, height, width[, 3]). Got shape {X.shape}. Pass image_shape="
            "(height, width[, channels]) if each row is a flattened image, X[np.newaxis] if X is one image."
        )
    if X.ndim == 3 and X.shape[2] in _CHANNELS[1:]:
        raise ValueError(
            f"X must hold several images, (n_samples, height, width, 3). Got shape {X.shape}, which looks "
            "like a single image. Pass X[np.newaxis]."
        )
    if X.ndim == 3:
        return _check_channels(X[..., np.newaxis])
    if X.ndim != 4:
        raise ValueError(f"X must hold images, (n_samples, height, width[, 3]). Got shape {X.shape}.")
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


def _check_pixels(X: np.ndarray, input_range: tuple | None) -> np.ndarray:
    """Check that the values are finite and in range, a chunk at a time."""
    if X.dtype == np.uint8 or X.dtype == bool:
        return X
    highest = -np.inf
    for start in range(0, len(X), _CHUNK):
        chunk = X[start : start + _CHUNK].reshape(len(X[start : start + _CHUNK]), -1)
        low, high = chunk.min(axis=1), chunk.max(axis=1)  # NaN passes through min and max
        bad = ~(np.isfinite(low) & np.isfinite(high))
        if bad.any():
            raise ValueError(
                "Pixels must be finite. Input X contains NaN or infinity, first in image "
                f"{start + int(bad.argmax())}. Repair it or leave it out."
            )
        highest = max(highest, high.max())
        if input_range is None:
            continue
        bad = (low < input_range[0]) | (high > input_range[1])
        if bad.any():
            index = int(bad.argmax())
            raise ValueError(
                f"Pixels that are not uint8 must lie in input_range={tuple(input_range)!r}. Image "
                f"{start + index} has values from {low[index]} to {high[index]} ({X.dtype}). "
                f"Pass input_range=(0, {_likely_white(X.dtype, high[index])}) if these are black and white."
            )
    if input_range == (0, 255) and X.dtype.kind == "f" and 0 < highest <= 1:
        warnings.warn(
            "The images are floats of at most 1 and are taken as almost black, in input_range=(0, 255). "
            "Pass input_range=(0, 1) if 1 is white.",
            UserWarning,
            stacklevel=2,
        )
    return X


def _likely_white(dtype: np.dtype, high: float) -> int:
    if dtype.kind in "ui":
        return int(np.iinfo(dtype).max) if dtype.itemsize == 2 else int(high)
    return 255 if high <= 255 else 65535


def _to_rgb(image: np.ndarray, input_range: tuple | None) -> np.ndarray:
    """Return one checked image (height, width, 1, 3 or 4) as RGB, uint8 or float32 in 0 to 255."""
    if image.dtype != np.uint8:
        low, high = (0, 255) if input_range is None else input_range
        if image.dtype == bool and input_range is not None:
            low, high = 0, 1
        image = image.astype(np.float32)
        if (low, high) != (0, 255):
            image = (image - np.float32(low)) * np.float32(255 / (high - low))
    if image.shape[2] == 4:
        return _lay_on_white(image)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _lay_on_white(image: np.ndarray) -> np.ndarray:
    """Return RGB and alpha, in 0 to 255, as RGB before a white ground, of the same dtype."""
    alpha = image[..., 3:].astype(np.float32) / 255
    laid = image[..., :3] * alpha + 255 * (1 - alpha)
    return np.rint(laid).astype(np.uint8) if image.dtype == np.uint8 else laid


@functools.lru_cache(maxsize=64)
def _digest_of_form(dtype: np.dtype, shape: tuple[int, ...]) -> Any:
    """Return the digest of an image's form, to be copied and go on with its pixels."""
    return hashlib.sha256(f"{dtype.str}{shape}".encode())


def _read_bytes(path: str | os.PathLike) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _digest_of_file(content: bytes) -> bytes:
    """Return the SHA-256 of a file's bytes, and of how its transparency is read where it has some."""
    digest = hashlib.sha256(content)
    if not content.startswith(_JPEG):  # which has none
        with contextlib.suppress(Exception):  # `_decode` says what is wrong with it
            if Image.open(io.BytesIO(content), formats=_FORMATS).has_transparency_data:
                digest.update(b"on white")
    return digest.digest()


def _decode(content: bytes, path: str | os.PathLike) -> np.ndarray:
    name = os.fspath(path)
    if not content:
        raise ValueError(f"{name!r} is empty: an image file was expected.")
    try:
        # The bomb warning becomes the ValueError below, from the size that the header declares.
        image: Image.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
        n_pixels = image.width * image.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{name!r} is too large to be decoded: {error}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name!r} is no readable image ({', '.join(_FORMATS)}).") from None
    except Exception as error:  # Pillow's decoders raise almost anything on hostile bytes
        raise ValueError(f"{name!r} is no readable image ({', '.join(_FORMATS)}): {error}") from error
    if n_pixels > MAX_PIXELS:
        raise ValueError(
            f"{name!r} declares {image.width} x {image.height} pixels, more than {MAX_PIXELS}. "
            "Scale it down before it is used."
        )
    try:
        return _pil_to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:
        raise ValueError(f"{name!r} is corrupt or cannot be used: {error}") from error


def _pil_to_rgb(image: Image.Image) -> np.ndarray:
    if 0 in image.size:
        raise ValueError(f"it must have at least one pixel. Its size is {image.width} x {image.height}.")
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its mode {image.mode!r} has more than 8 bits a channel. Convert it to 8 bits.")
    if image.has_transparency_data:
        return _lay_on_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))

"""Decode image files, and what Pillow has opened, to RGB, within one budget of pixels for all threads."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
from PIL import Image, ImageFile, ImageOps

from fishsk._utils.files import expand
from fishsk._utils.reading import find_reading
from fishsk.features._boxes import split_box

# What Pillow reads by itself, and the endings of such files. EPS and the like are left out on purpose: Pillow
# hands them to external programs. MPO files, of some telephones, are JPEG files with further images behind.
_SUFFIXES = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"),
    "PNG": (".apng", ".png"),
    "PPM": (".pbm", ".pgm", ".pnm", ".ppm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
if find_spec("PIL._avif") is not None:  # since Pillow 11.3, where it was built with libavif
    _SUFFIXES["AVIF"] = (".avif", ".avifs")
_FORMATS = tuple(_SUFFIXES)
IMAGE_SUFFIXES = tuple(sorted(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes))
MAX_PIXELS = 89_478_485  # Pillow's own limit, a quarter of a gibibyte of RGB
_JPEG = b"\xff\xd8\xff"
_ORIENTATION = 0x0112  # the EXIF tag
_STRIP = 2**20  # pixels that are converted at a time
# The C library gives blocks of more than 32 MiB back to the system at once; of smaller ones, such as Pillow's
# own 16 MiB, each thread would keep as many as its largest image took. It changes nothing for images of less.
Image.core.set_block_size(2**26)


class PixelBudget:
    """Let threads work on images that together have at most so many pixels, or on one larger image.

    Images take 7 to 15 bytes a pixel while they are decoded and resized: so the memory of reading is bounded,
    whatever the number of threads. While any is held, Pillow takes a truncated file for an error, also where
    another package has set ``ImageFile.LOAD_TRUNCATED_IMAGES``: nobody wants features of half an image.
    """

    def __init__(self, n_pixels: int) -> None:
        self._n_pixels = n_pixels
        self._reset()
        if hasattr(os, "register_at_fork"):  # a child has none of the threads that would give pixels back
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._n_held = 0
        self._takes_truncated = False
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextlib.contextmanager
    def hold(self, n_pixels: int) -> Iterator[None]:
        """Wait until there is room for an image, and keep it until the caller is done."""
        if getattr(self._own, "holds", False):  # a thread that waited for itself would wait forever
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._n_held or self._n_held + n_pixels <= self._n_pixels)
            if not self._n_held:
                self._takes_truncated = ImageFile.LOAD_TRUNCATED_IMAGES
                ImageFile.LOAD_TRUNCATED_IMAGES = False
            self._n_held += n_pixels
        self._own.holds = True
        try:
            yield
        finally:
            self._own.holds = False
            with self._changed:
                self._n_held -= n_pixels
                if not self._n_held:
                    ImageFile.LOAD_TRUNCATED_IMAGES = self._takes_truncated
                self._changed.notify_all()


_BUDGET = PixelBudget(2**26)  # less than a gigabyte: tools/measure_memory.py


def read_bytes(path: str | os.PathLike) -> bytes:
    """Return the content of a file, or of that which a box is in."""
    with open(expand(split_box(path)[0]), "rb") as file:
        return file.read()


def read_sides(path: str | os.PathLike) -> tuple[int, int]:
    """Return the width and height that a file's header declares, or those of a box in it.

    What was read is kept for whoever decodes it.

    OSError if it is no image, or cannot be opened.
    """
    file, box = split_box(path)
    content = find_reading().contents[os.fspath(file)] = read_bytes(file)
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        return image.size if box is None else box.find_sides(*image.size)


def digest_file(content: bytes) -> bytes:
    """Return the SHA-256 of a file's bytes, and of how its transparency is read where it has some."""
    digest = hashlib.sha256(content)
    if not content.startswith(_JPEG):  # which has none
        with contextlib.suppress(Exception):  # `decode` says what is wrong with it
            if Image.open(io.BytesIO(content), formats=_FORMATS).has_transparency_data:
                digest.update(b"on white")
    return digest.digest()


def read_orientation(content: bytes | None) -> int:
    """Return the EXIF orientation of a file that can be decoded; 1 is upright, in memory, or has none."""
    with contextlib.suppress(Exception):  # it was decoded before: the rest is metadata
        return int(Image.open(io.BytesIO(content or b""), formats=_FORMATS).getexif().get(_ORIENTATION, 1))
    return 1


@contextlib.contextmanager
def decode(content: bytes, name: str) -> Iterator[np.ndarray]:
    """Yield the pixels of a file, and hold its share of the budget of pixels until the caller is done.

    ValueError as of `read_image`, in which the file is called `name`.
    """
    image = _open(content, name)
    with _BUDGET.hold(image.width * image.height):
        try:
            ImageOps.exif_transpose(image, in_place=True)
            pixels = _to_pixels(image)
        except Exception as error:
            raise ValueError(f"{name!r} is corrupt or cannot be used: {_explain(error)}") from error
        del image
        yield pixels


def convert_pil(image: Image.Image) -> np.ndarray:
    """Return what Pillow has opened as RGB, just as the file that it was opened from is read.

    ValueError if it is closed, or what `read_image` raises for its file.
    """
    try:
        with _BUDGET.hold(image.width * image.height):
            return _to_pixels(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow reads a file behind it only now
        reason = _explain(error)
        if isinstance(error, AssertionError) or "closed" in reason:  # Pillow's own words, or none
            reason = "it is closed. Pass its path, or call its load() before it is closed"
        raise ValueError(reason) from error


def lay_on_white(image: np.ndarray) -> np.ndarray:
    """Return RGB and alpha, in 0 to 255, as RGB before a white ground, of the same dtype."""
    alpha = image[..., 3:].astype(np.float32) / 255
    laid = image[..., :3] * alpha + 255 * (1 - alpha)
    return np.rint(laid).astype(np.uint8) if image.dtype == np.uint8 else laid


def _open(content: bytes, name: str) -> Image.Image:
    """Return an image of which no more than the header was read, which is checked."""
    if not content:
        raise ValueError(f"{name!r} is empty: an image file was expected.")
    try:
        # The bomb warning becomes the ValueError below, from the size that the header declares.
        image: Image.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{name!r} is too large to be decoded: {error}") from None
    except Exception as error:  # Pillow's decoders raise almost anything on hostile bytes
        raise ValueError(f"{name!r} is no readable image ({', '.join(_FORMATS)}).") from error
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(
            f"{name!r} declares {image.width} x {image.height} pixels, more than {MAX_PIXELS}. "
            "Scale it down before it is used."
        )
    return image


def _to_pixels(image: Image.Image) -> np.ndarray:
    if 0 in image.size:
        raise ValueError(f"it must have at least one pixel. Its size is {image.width} x {image.height}.")
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"its mode {image.mode!r} has more than 8 bits a channel. Convert it to 8 bits.")
    if image.width * image.height <= _STRIP:
        return _convert(image)
    pixels = np.empty((image.height, image.width, 3), dtype=np.uint8)
    n_rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, n_rows):  # Pillow holds several copies of what it converts
        bottom = min(top + n_rows, image.height)
        pixels[top:bottom] = _convert(image.crop((0, top, image.width, bottom)))
    return pixels


def _convert(image: Image.Image) -> np.ndarray:
    if image.has_transparency_data:
        return lay_on_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _explain(error: Exception) -> str:
    return str(error) or type(error).__name__

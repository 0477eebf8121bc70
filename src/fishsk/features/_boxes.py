"""Boxes in images: paths that end in a media fragment [1]_, such as ``photo.jpg#xywh=10,20,300,200``.

References
----------
.. [1] W3C, "Media Fragments URI 1.0", https://www.w3.org/TR/media-frags/#naming-space
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import NamedTuple, TypeVar

import numpy as np

_Path = TypeVar("_Path")
_NUMBER = r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)"
_FRAGMENT = re.compile(rf"#xywh=(percent:|pixel:)?{','.join([_NUMBER] * 4)}\Z")
_BEYOND = 1.0  # pixels by which detectors round past the edge


class Box(NamedTuple):
    """A box in an image, upright as its orientation tag says: pixels, or percent of its sides."""

    x: float
    y: float
    width: float
    height: float
    is_percent: bool

    def crop(self, image: np.ndarray, name: str) -> np.ndarray:
        """Return the part of an image; ValueError if the box lies outside of it."""
        height, width = image.shape[:2]
        left, top, right, bottom = self._find_edges(width, height)
        if min(left, top) < -_BEYOND or right > width + _BEYOND or bottom > height + _BEYOND:
            raise ValueError(
                f"{name!r}: the box must lie in the image, {width} x {height} pixels. It reaches from "
                f"({left:g}, {top:g}) to ({right:g}, {bottom:g})."
            )
        rows, columns = _to_slice(top, bottom, height), _to_slice(left, right, width)
        return np.ascontiguousarray(image[rows, columns])

    def find_sides(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height of the part, in pixels."""
        left, top, right, bottom = self._find_edges(width, height)
        return max(1, round(right - left)), max(1, round(bottom - top))

    def sign(self, digest: bytes) -> bytes:
        """Return the digest of this part of the file whose digest is given."""
        return hashlib.sha256(digest + repr(tuple(self)).encode()).digest()

    def _find_edges(self, width: int, height: int) -> tuple[float, float, float, float]:
        across, down = (width / 100, height / 100) if self.is_percent else (1.0, 1.0)
        right, bottom = self.x + self.width, self.y + self.height
        return self.x * across, self.y * down, right * across, bottom * down


def _to_slice(start: float, stop: float, n_pixels: int) -> slice:
    """Return the pixels between two edges, at least one."""
    first = min(max(0, round(start)), n_pixels - 1)
    return slice(first, max(first + 1, min(round(stop), n_pixels)))


def split_box(path: _Path) -> tuple[_Path | str, Box | None]:
    """Return the file of a path, and the box that it ends in; a path that is no text has none."""
    found = _FRAGMENT.search(path) if isinstance(path, str) else None
    if found is None:
        return path, None
    unit, *numbers = found.groups()
    x, y, width, height = map(float, numbers)
    return found.string[: found.start()], Box(x, y, width, height, unit == "percent:")


def join_box(path: str, x: float, y: float, width: float, height: float) -> str:
    """Return the path of a box in an image file, which every transformer takes as an image.

    Parameters
    ----------
    path : str
        The file.
    x, y : float
        The left and the upper edge, from those of the image when it stands upright, as its orientation tag
        says: pixels, or fractions of its width and height.
    width, height : float
        The sides, above 0. Where both `x` + `width` and `y` + `height` are at most 1, the numbers are
        fractions: in pixels such a box would be a single one.

    Returns
    -------
    str
        The path and a media fragment, ``#xywh=...``, in pixels or percent.

    Raises
    ------
    ValueError
        If a number is not finite, or a side is not above 0.

    See Also
    --------
    fishsk.datasets.load_image_table : Boxes from the columns of a table.

    Examples
    --------
    >>> from fishsk.datasets import join_box
    >>> join_box("reef.jpg", 10, 20, 300, 200)
    'reef.jpg#xywh=10,20,300,200'
    >>> join_box("reef.jpg", 0.25, 0.25, 0.5, 0.5)
    'reef.jpg#xywh=percent:25,25,50,50'
    """
    numbers = (x, y, width, height)
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"A box must be four finite numbers, x, y, width and height. Got {numbers}.")
    if min(width, height) <= 0:
        raise ValueError(f"The width and height of a box must be above 0. Got {width:g} x {height:g}.")
    is_fraction = x + width <= 1 and y + height <= 1
    unit, scale = ("percent:", 100) if is_fraction else ("", 1)
    return f"{path}#xywh={unit}{','.join(f'{scale * number:.10g}' for number in numbers)}"

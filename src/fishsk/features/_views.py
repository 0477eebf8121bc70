"""Views of an image: its shifted, zoomed and mirrored copies, and the named sets of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class View:
    """One way to look at an image, in shares of its sides, so that it means the same at any size.

    Attributes
    ----------
    shift : (down, right)
        How far what is in the image moves, from -0.5 to 0.5, rounded to whole pixels; what becomes free at
        the border is filled by reflection.
    zoom : float in (0, 1]
        Share of the sides of the central part that fills the view, bilinearly.
    mirror : bool
        Whether left and right are exchanged.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    mirror: bool = False

    @property
    def tag(self) -> bytes:
        """32 bytes that tell the rows of this view from those of others; those of the plain image are 0."""
        if self == PLAIN:
            return bytes(32)
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).digest()

    def samples(self, size: tuple[int, int]) -> tuple[Samples, Samples]:
        """Return which rows and which columns of an image of `size` those of the view are mixed from."""
        rows, columns = (
            _sample(n_pixels, shift, self.zoom) for n_pixels, shift in zip(size, self.shift, strict=True)
        )
        return rows, Samples(*(part[::-1] for part in columns)) if self.mirror else columns

    def look_at(self, images: np.ndarray) -> np.ndarray:
        """Return the view of images, an array (n, height, width, channels)."""
        if self == PLAIN:
            return images
        for axis, (low, high, share) in enumerate(self.samples(images.shape[1:3]), 1):
            seen = images.take(low, axis)
            if share.any():
                seen += (images.take(high, axis) - seen) * share.reshape((-1, 1, 1) if axis == 1 else (-1, 1))
            images = seen
        return images


class Samples(NamedTuple):
    """Each pixel of an axis is the mean of the pixels `low` and `high`, the share of `high` being `share`."""

    low: np.ndarray
    high: np.ndarray
    share: np.ndarray


PLAIN = View()
_MIRRORED = View(mirror=True)
_SHIFT = 3 / 32
_SHIFTED = [View(shift) for shift in ((-_SHIFT, 0.0), (_SHIFT, 0.0), (0.0, -_SHIFT), (0.0, _SHIFT))]
_CORNER = 2 / 32
_ZOOMED = [View(zoom=28 / 32), View(zoom=24 / 32)]


def _with_mirrored(views: Sequence[View]) -> tuple[View, ...]:
    return tuple(View(view.shift, view.zoom, mirror) for view in views for mirror in (False, True))


VIEW_SETS = {
    "mirror": (PLAIN, _MIRRORED),
    "mirror+corners": (
        PLAIN,
        _MIRRORED,
        View((-_CORNER, -_CORNER)),
        View((_CORNER, -_CORNER), mirror=True),
    ),
    "shifts": _with_mirrored([PLAIN, *_SHIFTED]),
    "shifts+zooms": _with_mirrored([PLAIN, *_SHIFTED, *_ZOOMED]),
}


def resolve_views(views: str | Sequence[Mapping[str, Any]] | None) -> tuple[View, ...]:
    """Return the views that a parameter of a transformer asks for.

    Raises
    ------
    ValueError
        If there are no views, one comes twice, or a number is out of range.
    """
    if views is None:
        return (PLAIN,)
    if isinstance(views, str):
        return VIEW_SETS[views]
    resolved = tuple(map(_as_view, views))
    if not resolved or len(set(resolved)) < len(resolved):
        raise ValueError(f"views must hold at least one view, and none twice. Got {views!r}.")
    return resolved


def _as_view(given: Any) -> View:
    """Return the view that a dict describes."""
    valid = isinstance(given, Mapping) and given.keys() <= {"shift", "zoom", "mirror"}
    if valid:
        shift, zoom, mirror = given.get("shift", (0, 0)), given.get("zoom", 1), given.get("mirror", False)
        valid = (
            isinstance(shift, Sequence)
            and len(shift) == 2
            and all(isinstance(share, int | float) and -0.5 <= share <= 0.5 for share in shift)
            and isinstance(zoom, int | float)
            and 0 < zoom <= 1
            and isinstance(mirror, bool | np.bool_)
        )
    if not valid:
        raise ValueError(
            "A view must be a dict such as {'shift': (0.1, 0), 'zoom': 0.9, 'mirror': True}: shares of the "
            f"image from -0.5 to 0.5 (down, right), a share in (0, 1], a bool. Got {given!r}."
        )
    return View((float(shift[0]), float(shift[1])), float(zoom), bool(mirror))


def _sample(n_pixels: int, shift: float, zoom: float) -> Samples:
    """Return the samples of one axis."""
    center = (np.arange(n_pixels) + 0.5 - n_pixels / 2) * zoom + n_pixels / 2 - 0.5 - round(shift * n_pixels)
    last = n_pixels - 1
    center = last - np.abs(last - np.abs(center))  # reflected at the middle of the outermost pixels
    low = np.floor(center).astype(np.int32)
    return Samples(low, np.minimum(low + 1, last).astype(np.int32), (center - low).astype(np.float32))

"""Views of an image: itself, and its mirror image."""

from __future__ import annotations

import hashlib
from enum import Enum

import numpy as np


class View(Enum):
    """One way to look at an image; the value tells its rows from those of others."""

    PLAIN = bytes(32)
    MIRROR = hashlib.sha256(b"mirror").digest()

    def look_at(self, images: np.ndarray) -> np.ndarray:
        """Return the view of images, an array (n, height, width, channels)."""
        return np.ascontiguousarray(images[:, :, ::-1]) if self is View.MIRROR else images


VIEWS: dict[str | None, tuple[View, ...]] = {None: (View.PLAIN,), "mirror": (View.PLAIN, View.MIRROR)}

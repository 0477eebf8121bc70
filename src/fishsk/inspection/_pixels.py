"""Images as displays show them: small copies, and copies with a map laid over them."""

from __future__ import annotations

import cv2
import numpy as np

from fishsk.features import resize_image

LONGEST_SIDE = 256  # pixels: more than a cell of a grid shows, and a photograph takes 30 MB
_FOR, _AGAINST = (213, 94, 0), (0, 114, 178)  # Wong's orange and blue, as in `fishsk._utils.axes`
_OPACITY = 0.85
_GRAY = 0.6  # contrast of what lies below


def shrink_image(image: np.ndarray, longest_side: int = LONGEST_SIDE) -> np.ndarray:
    """Return an image, made smaller if a side has more pixels than `longest_side`."""
    scale = longest_side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(scale * side)) for side in image.shape[:2])
    return resize_image(image, (height, width))


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Return values in 0 to 255 as uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def make_thumbnail(image: np.ndarray, longest_side: int = LONGEST_SIDE) -> np.ndarray:
    """Return an image as uint8, and not larger than a grid, or a page, can show."""
    return to_uint8(shrink_image(image, longest_side))


def lay_over(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return an image in gray, with what speaks for a class in orange and what speaks against it in blue.

    The color is the stronger, the larger a value of `heat` is beside the map's largest.
    """
    largest = np.abs(heat).max()
    strength = heat / largest if largest > 0 else np.zeros_like(heat)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., np.newaxis] * _GRAY + 255 * (1 - _GRAY) / 2
    color = np.where(strength[..., np.newaxis] > 0, _FOR, _AGAINST)
    opacity = _OPACITY * np.abs(strength)[..., np.newaxis]
    return to_uint8(gray * (1 - opacity) + color * opacity)

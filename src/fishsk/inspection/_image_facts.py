"""What is measured of each image of a data set in one pass: size, light, sharpness, content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from fishsk.features import Images, read_orientation, resize_image

SMALL = (32, 32)  # what images are compared at
_LONGEST_SIDE = 256  # pixels at which sharpness is measured, so that large photographs are not all blurred


@dataclass(frozen=True)
class ImageFacts:
    """Measurements of images, an entry for each; those of images that cannot be read are 0.

    Attributes
    ----------
    error : ndarray of str
        Why an image cannot be read; empty where it can.
    height, width : ndarray of int
        Its size in pixels, once its orientation tag is obeyed.
    orientation : ndarray of int
        The EXIF tag of its file; 1 is upright, or has none.
    brightness, contrast : ndarray
        Mean and standard deviation of its gray values, 0 to 255.
    sharpness : ndarray
        The variance of the Laplacian of its gray values over their variance, at 256 pixels at most.
    digest : ndarray of str
        The SHA-256 of its pixels and its size.
    small : ndarray of shape (n_images, 32, 32, 3), uint8
        A small copy.
    """

    error: np.ndarray
    height: np.ndarray
    width: np.ndarray
    orientation: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    sharpness: np.ndarray
    digest: np.ndarray
    small: np.ndarray


def measure_images(images: Images, advance: Callable[[int], None] = lambda done: None) -> ImageFacts:
    """Return the measurements of images; `advance` is told of each that is done."""

    def measure(index: int) -> dict[str, Any]:
        try:
            content = images.read(index)
            with images.hold(index, content) as image:
                return _measure(image) | {"orientation": read_orientation(content)}
        except (OSError, ValueError) as error:
            return {"error": " ".join(str(error).split())}
        finally:
            advance(1)

    with ThreadPoolExecutor() as pool:  # decoders work outside the interpreter lock
        rows = list(pool.map(measure, range(len(images))))
    blank: dict[str, Any] = {
        "error": "",
        "height": 0,
        "width": 0,
        "orientation": 1,
        "brightness": 0.0,
        "contrast": 0.0,
        "sharpness": 0.0,
        "digest": "",
        "small": np.zeros((*SMALL, 3), dtype=np.uint8),
    }
    return ImageFacts(
        **{each.name: np.array([(blank | row)[each.name] for row in rows]) for each in fields(ImageFacts)}
    )


def concatenate_facts(*parts: ImageFacts) -> ImageFacts:
    """Return the measurements of several sets of images one after the other."""
    return ImageFacts(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(ImageFacts)
        }
    )


def _measure(image: np.ndarray) -> dict[str, Any]:
    pixels = image if image.dtype == np.uint8 else np.clip(np.rint(image), 0, 255).astype(np.uint8)
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    mean, deviation = cv2.meanStdDev(gray)  # NumPy's would make a copy in float64
    content = hashlib.sha256(f"{height} x {width}".encode())
    content.update(np.ascontiguousarray(pixels).data)
    scale = min(1, _LONGEST_SIDE / max(height, width))
    shrunk = resize_image(gray, (max(1, round(scale * height)), max(1, round(scale * width))))
    variance = float(shrunk.var())
    edges = cv2.Laplacian(shrunk, cv2.CV_32F) if min(shrunk.shape) > 2 else np.zeros(1)
    return {
        "height": height,
        "width": width,
        "brightness": float(mean.item()),
        "contrast": float(deviation.item()),
        "sharpness": float(edges.var()) / variance if variance else 0.0,
        "digest": content.hexdigest(),
        "small": np.clip(np.rint(resize_image(pixels, SMALL)), 0, 255).astype(np.uint8),
    }


def find_middle(values: np.ndarray) -> tuple[float, float]:
    """Return the median, and the standard deviation that the median deviation from it stands for."""
    middle = float(np.median(values))
    return middle, max(0.1, 1.4826 * float(np.median(np.abs(values - middle))))

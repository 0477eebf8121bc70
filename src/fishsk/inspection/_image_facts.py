"""Measurements of each image of a data set, in one pass: size, light, sharpness, content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from fishsk.features import Images, read_orientation, resize_image
from fishsk.inspection._pixels import shrink_image, to_uint8

SMALL = (32, 32)  # what images are compared at


@dataclass(frozen=True)
class ImageFacts:
    """Measurements of images, an entry for each; those of images that cannot be read are 0."""

    error: np.ndarray  # why an image cannot be read; empty where it can
    height: np.ndarray  # pixels, once the orientation tag is obeyed
    width: np.ndarray
    orientation: np.ndarray  # the EXIF tag of the file; 1 is upright, or has none
    brightness: np.ndarray  # mean of the gray values, 0 to 255
    contrast: np.ndarray  # standard deviation of the gray values
    sharpness: np.ndarray  # variance of the gray values' Laplacian over theirs, at 256 pixels at most
    digest: np.ndarray  # SHA-256 of the pixels and their size
    small: np.ndarray  # copies, uint8 of shape (n_images, 32, 32, 3)


def measure_images(*sets: Images, advance: Callable[[int], None] = lambda done: None) -> ImageFacts:
    """Return the measurements of sets of images, one after the other; `advance` is told of each image."""

    def measure(images: Images, index: int) -> dict[str, Any]:
        try:
            content = images.read(index)
            with images.hold(index, content) as image:
                return _measure(image) | {"orientation": read_orientation(content)}
        except (OSError, ValueError) as error:
            return {"error": " ".join(str(error).split())}
        finally:
            advance(1)

    places = [(images, index) for images in sets for index in range(len(images))]
    with ThreadPoolExecutor() as pool:  # decoders work outside the interpreter lock
        rows = list(pool.map(measure, *zip(*places, strict=True)))
    blank: dict[str, Any] = {"error": "", "digest": "", "height": 0, "width": 0, "orientation": 1}
    blank |= dict.fromkeys(("brightness", "contrast", "sharpness"), 0.0)
    blank["small"] = np.zeros((*SMALL, 3), dtype=np.uint8)
    return ImageFacts(
        **{each.name: np.array([(blank | row)[each.name] for row in rows]) for each in fields(ImageFacts)}
    )


def _measure(image: np.ndarray) -> dict[str, Any]:
    pixels = image if image.dtype == np.uint8 else to_uint8(image)
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    mean, deviation = cv2.meanStdDev(gray)  # NumPy's would make a copy in float64
    content = hashlib.sha256(f"{height} x {width}".encode())
    content.update(np.ascontiguousarray(pixels).data)
    # At one size, so that large photographs are not all blurred.
    shrunk = shrink_image(gray).astype(np.float32, copy=False)
    variance = float(shrunk.var())
    edges = cv2.Laplacian(shrunk, cv2.CV_32F) if min(shrunk.shape) > 2 else np.zeros(1)
    return {
        "height": height,
        "width": width,
        "brightness": float(mean.item()),
        "contrast": float(deviation.item()),
        "sharpness": float(edges.var()) / variance if variance else 0.0,
        "digest": content.hexdigest(),
        "small": to_uint8(resize_image(pixels, SMALL)),
    }

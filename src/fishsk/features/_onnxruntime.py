"""Frozen networks on onnxruntime: each image alone and on one thread, several of them at a time.

So a row has the same bits in every batch, in every order and for any number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np
from joblib import cpu_count

from fishsk.features._description import UNKNOWN_LICENSE, Description
from fishsk.features._network import Settings
from fishsk.features._onnx_file import OnnxFile
from fishsk.features._views import View

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class OnnxBackbone:
    """A network of a file at one size of its images, as `Settings` wants a backbone.

    `mean` is subtracted of RGB in 0 to 255, and what that gives is divided by `std`.
    """

    source: OnnxFile
    description: Description
    mean: Triple
    std: Triple

    engine = "onnxruntime"
    license = UNKNOWN_LICENSE

    @property
    def name(self) -> str:
        """What it is called."""
        return self.source.name

    @property
    def origin(self) -> str:
        """Where its weights come from."""
        return f"those in {self.source.path}"

    def count_columns(self, layer: str, pooling: str | None, image_size: tuple[int, int]) -> int:
        """Return the number of features of a layer."""
        return self.description.count_columns(layer, pooling)

    def to_json(self) -> dict[str, Any]:
        """Return what the features are stored under."""
        return {"backbone": "onnx", "weights": self.source.digest, "mean": [*self.mean], "std": [*self.std]}

    def load_maps(self, layers: Any) -> NoReturn:
        """Refuse to be a Keras model."""
        raise ValueError(
            f"{self.name!r} is an ONNX network, which cannot become a part of a Keras model. Take a network "
            "of Keras for what needs one."
        )


def load_onnxruntime(
    settings: Settings, folder: str | os.PathLike | None, *, shown: bool
) -> Callable[[np.ndarray, View], np.ndarray]:
    """Return the function from a batch of images and a view to its features, as `load_network` does."""
    backbone = cast(OnnxBackbone, settings.backbone)
    session, image = backbone.source.load(settings.image_size, settings.layers)
    mean, std = (np.array(each, dtype=np.float32) for each in (backbone.mean, backbone.std))
    order = (0, 3, 1, 2) if image.axis == 1 else (0, 1, 2, 3)
    dtype = np.float16 if image.is_half else np.float32
    first = set(backbone.description.channels_first)

    def make_row(pixels: np.ndarray) -> np.ndarray:
        seen = ((pixels[np.newaxis] - mean) / std).transpose(order)
        found = session.run(settings.layers, {image.name: np.ascontiguousarray(seen, dtype=dtype)})
        maps = [
            np.moveaxis(output[0], 0, -1) if layer in first else output[0]
            for layer, output in zip(settings.layers, found, strict=True)
        ]
        return np.concatenate([_pool(np.asarray(each, np.float32), settings.pooling) for each in maps])

    def run(batch: np.ndarray, view: View = View.PLAIN) -> np.ndarray:
        with ThreadPoolExecutor(cpu_count()) as threads:
            rows = backbone.source.attempt(lambda: list(threads.map(make_row, view.look_at(batch))))
        return np.stack(rows)

    return run


def _pool(output: np.ndarray, pooling: str | None) -> np.ndarray:
    """Return the features of one image, of an output whose last axis are the channels."""
    if pooling is None or output.ndim == 1:
        return output.ravel()
    places = output.reshape(-1, output.shape[-1])
    if pooling == "first":
        return places[0]
    return places.mean(axis=0) if pooling == "avg" else places.max(axis=0)

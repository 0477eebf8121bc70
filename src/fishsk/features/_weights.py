"""Which VGG16 weights there are, where each comes from, how files are read. A new set is one more entry."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from fishsk._utils.downloads import download
from fishsk._utils.files import expand
from fishsk.features._recipes import BACKBONES, VGG16_CIFAR95, VGG16_IMAGENET, VGG16_UNTRAINED
from fishsk.features._vgg16_network import CAFFE, CONVOLUTIONS, FULL_WIDTHS, LAYERS, Preprocessing, Weights

_FORMAT = "fishsk-vgg16-1"
_SUFFIXES = (".h5", ".safetensors")

_IMAGENET_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
_IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"

_CIFAR95_FILE = Path(__file__).parent / "weights" / "cifar95.safetensors"
_CIFAR95_SHA256 = "09fd7879a15955c90904493d1ad05ecc780c5cf3661fe279b49da364998a1d83"


def _describe_imagenet() -> Weights:
    return Weights(
        digest=f"md5:{_IMAGENET_MD5}",
        image_size=(224, 224),
        widths=FULL_WIDTHS,
        preprocessing=CAFFE,
        description="imagenet, as Keras ships them (59 MB, downloaded once)",
        recipe=VGG16_IMAGENET,
        read=lambda: _read_file(_fetch_vgg16()),
        license="CC BY, of the authors of VGG16",
    )


@functools.cache
def _describe_cifar95() -> Weights:
    found = _describe_safetensors(
        _CIFAR95_FILE,
        _CIFAR95_SHA256,
        "cifar95, shipped with fishsk: trained on the 95 classes of CIFAR-100 that are not fish",
        _read_cifar95,
    )
    license = "BSD-3-Clause, as fishsk; CIFAR-100, on which they were trained, has no license of its own"
    return replace(found, license=license)


def _describe_untrained() -> Weights:
    return Weights(
        digest=hashlib.sha256(b"VGG16, He normal, RandomState(0), version 1").hexdigest(),
        image_size=(224, 224),
        widths=FULL_WIDTHS,
        preprocessing=CAFFE,
        description="none trained: VGG16 drawn from a fixed seed",
        recipe=VGG16_UNTRAINED,
        read=lambda: _draw_arrays(FULL_WIDTHS),
        license="none: they are random numbers",
    )


_KNOWN: dict[str | None, Callable[[], Weights]] = {
    "imagenet": _describe_imagenet,
    "cifar95": _describe_cifar95,
    None: _describe_untrained,
}
WEIGHTS = tuple(name for name in _KNOWN if name is not None)


def resolve_weights(weights: str | os.PathLike | None) -> Weights:
    """Return what is known of some weights, as `VGG16FeatureTransformer` takes them, without loading them.

    ValueError if they are neither a known name nor a file that holds VGG16 weights.
    """
    if weights is None or weights in WEIGHTS:
        return _KNOWN[weights]()
    path = expand(weights)
    if path.suffix not in _SUFFIXES or not path.is_file():
        raise ValueError(
            f"weights must be {', '.join(map(repr, WEIGHTS))}, None, or the path of an .h5 or .safetensors "
            f"file. Got {weights!r}{', which is no file' if path.suffix in _SUFFIXES else ''}."
        )
    digest = hash_file(path)
    description = f"{path.name}, read from {os.fspath(weights)}"
    if path.suffix == ".safetensors":
        return _describe_safetensors(path, digest, description, lambda: _read_file(path))
    return Weights(
        digest=digest,
        image_size=(224, 224),
        widths=FULL_WIDTHS,
        preprocessing=CAFFE,
        description=description,
        recipe=VGG16_IMAGENET,
        read=lambda: _read_file(path),
        path=path,
    )


def _read_file(path: Path) -> dict[str, list[np.ndarray]]:
    """Return kernel and bias of each convolution by its name."""
    try:
        return _read_h5(path) if path.suffix == ".h5" else _read_safetensors(path)
    except Exception as error:  # h5py and safetensors raise kinds of their own on corrupt bytes
        raise ValueError(f"{str(path)!r} holds no readable VGG16 weights: {error}") from error


def _read_cifar95() -> dict[str, list[np.ndarray]]:
    if (got := _sha256(_CIFAR95_FILE)) != _CIFAR95_SHA256:
        raise ValueError(
            f"{str(_CIFAR95_FILE)!r} is not the file that fishsk ships: its SHA-256 must be "
            f"{_CIFAR95_SHA256}. Got {got}. Install fishsk again."
        )
    return _read_file(_CIFAR95_FILE)


def _draw_arrays(widths: tuple[int, ...]) -> dict[str, list[np.ndarray]]:
    """Draw He normal kernels; RandomState's stream is frozen by NumPy's policy (NEP 19)."""
    random_state = np.random.RandomState(0)
    arrays = {}
    n_in = 3
    for name in CONVOLUTIONS:
        n_out = widths[LAYERS[name].block]
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


def _describe_safetensors(
    path: Path, digest: str, description: str, read: Callable[[], dict[str, list[np.ndarray]]]
) -> Weights:
    """Read how the weights want their images from the header of their file."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 1_000_000)))["__metadata__"]
        if header["format"] != _FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {_FORMAT!r}")
        size = int(header["image_size"])
        return Weights(
            digest=digest,
            image_size=(size, size),
            widths=tuple(int(width) for width in json.loads(header["widths"])),
            preprocessing=Preprocessing(_three_floats(header["mean"]), _three_floats(header["std"])),
            description=description,
            recipe=VGG16_CIFAR95,
            read=read,
            path=path,
        )
    except (KeyError, ValueError, TypeError, struct.error) as error:
        raise ValueError(
            f"{str(path)!r} is corrupt or was not made by fishsk's tools/pretrain: {error!r}."
        ) from error


def _three_floats(text: str) -> tuple[float, float, float]:
    red, green, blue = map(float, json.loads(text))
    return red, green, blue


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again only when its time or size has changed."""
    stat = path.stat()
    return _remembered_sha256(path.resolve(), stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=16)
def _remembered_sha256(path: Path, mtime_ns: int, size: int) -> str:
    """Hash a file once, until its time or size changes."""
    return _sha256(path)


def _fetch_vgg16() -> Path:
    """Return Keras's own copy of VGG16's ImageNet weights."""
    name = _IMAGENET_URL.rpartition("/")[2]
    return fetch_imagenet(
        name,
        _IMAGENET_URL,
        f"md5:{_IMAGENET_MD5}",
        network="VGG16",
        instead="weights='cifar95', which ships with fishsk, or ",
    )


def fetch_imagenet(
    name: str,
    url: str,
    known_hash: str | None,
    *,
    network: str,
    instead: str = "",
) -> Path:
    """Return the file of ImageNet weights in Keras's own folder, downloaded where it is not there yet."""
    folder = expand(os.environ.get("KERAS_HOME") or "~/.keras") / "models"
    try:
        return download(url, folder, name=name, known_hash=known_hash)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
        raise OSError(
            f"The ImageNet weights of {network} could not be downloaded from {url} ({error}). To work "
            f"offline, pass {instead}a backbone that needs no download, {' or '.join(map(repr, BACKBONES))}; "
            f"or put the file at {str(folder / name)!r}."
        ) from error

"""Networks that have a name, Keras's and EfficientNet-Lite: how they are described, built and get weights."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fishsk._utils.files import expand
from fishsk._utils.versions import check_tensorflow
from fishsk.features._description import (
    DEFAULT_SIZE,
    Description,
    Source,
    build_apart,
    describe_model,
    name_nearest,
    recall,
)
from fishsk.features._efficientnet_lite import (
    BUILDERS,
    LITES,
    find_weights,
    load_weights,
    preprocess_input,
    write_maps,
)
from fishsk.features._efficientnet_lite import describe as describe_lite
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._vgg16_network import VGG16
from fishsk.features._weights import fetch_imagenet, hash_file, resolve_weights

_DRAW_VERSION = 1  # raised when the same network comes to be drawn with other numbers
# The first letters of the names of networks that TensorFlow runs. It was faster in a first run of
# benchmarks/bench_backbones.py, and to convert the deepest of them takes more than 10 GB of memory.
_FASTER_BY_TENSORFLOW = (
    "DenseNet",
    "EfficientNetB",
    "EfficientNetV2",
    "Inception",
    "MobileNetV2",
    "NASNet",
    "ResNet",
    "VGG",
    "Xception",
)


@functools.cache
def list_applications() -> dict[str, Callable[..., Any]]:
    """Return the functions that build a network for images, by their names. It loads Keras."""
    from keras import applications

    functions = inspect.getmembers(applications, inspect.isfunction)
    of_keras = {
        name: build for name, build in functions if "include_top" in inspect.signature(build).parameters
    }
    return of_keras | BUILDERS


def find_application(name: str) -> Callable[..., Any]:
    """Return the function that builds a network; ValueError names those whose names are nearest."""
    known = list_applications()
    if name not in known:
        raise ValueError(
            f"backbone must be one of {', '.join(LITES)}, a name of keras.applications, the path of a .keras "
            f"file, or a keras.Model. Got {name!r}. {name_nearest(name, known)}"
        )
    return known[name]


@dataclass(frozen=True)
class Application(Source):
    """A network of keras.applications, or of EfficientNet-Lite, with some weights.

    Attributes
    ----------
    name : str
        Of the function that builds it.
    imagenet : bool
        Whether its numbers are those that are published. Without a file, they are drawn from a fixed seed.
    file : Path or None
        The user's own file of weights.
    file_digest : str or None
        Of its content, or of that of the published file of EfficientNet-Lite.
    """

    name: str
    imagenet: bool = False
    file: Path | None = field(default=None, compare=False)
    file_digest: str | None = None
    is_named = True

    @property
    def origin(self) -> str:
        """Where its weights come from."""
        if self.file is not None:
            return f"read from {self.file}"
        if not self.imagenet:
            return "none trained: drawn from a fixed seed"
        if self.name in LITES:
            return f"imagenet, by Google, in the package {LITES[self.name].package}"
        return "imagenet, as Keras ships them (downloaded once)"

    @property
    def license(self) -> str:
        if self.file is not None or not self.imagenet:
            return super().license if self.file else "none: they are random numbers"
        of_keras = "that of their authors, whom keras.io/api/applications names"
        return "Apache-2.0" if self.name in LITES else of_keras

    @property
    def engine(self) -> str:
        # benchmarks/bench_backbones.py compares them.
        return "tensorflow" if self.name.startswith(_FASTER_BY_TENSORFLOW) else "litert"

    def describe(
        self, image_size: tuple[int, int] | None, notes: str | os.PathLike[str] | None
    ) -> Description:
        """Return what is known of the network, without Keras where the cache folder `notes` says it.

        An `image_size` of None is that which Keras has built the network for; ValueError if Keras does not
        build it at another one.
        """
        if self.name in LITES:
            return describe_lite(self.name, image_size)
        subject: Any = {"application": self.name, "imagenet": self.imagenet}
        return recall(notes, image_size, lambda: _describe(self.name, self.imagenet, image_size), **subject)

    def digest(self, description: Description) -> str:
        """Return what changes whenever a number in the weights does."""
        if self.file_digest is not None:
            return self.file_digest
        if not self.imagenet:
            return f"drawn:{_DRAW_VERSION}"
        if description.download is None:
            raise ValueError(f"Keras has no ImageNet weights of {self.name}. Pass weights=None, or a file.")
        _, url, known_hash = description.download
        return known_hash or f"url:{url}"

    def load(self, description: Description, pooling: str | None) -> Any:
        """Return the frozen Keras model; on Keras's own `pooling` the very end of some networks depends."""
        return _load(self, description, pooling)

    def write_maps(self, file: LitertFile) -> dict[str, Tensor]:
        lite = LITES.get(self.name)
        if lite is None or self.file_digest != lite.sha256:
            return {}
        return write_maps(file, lite, self.file or find_weights(self.name), sha256=lite.sha256)

    def preprocess(self, images: Any) -> Any:
        if self.name in LITES:
            return preprocess_input(images)
        return sys.modules[find_application(self.name).__module__].preprocess_input(images)


def _build(
    name: str, image_size: tuple[int, int], weights: str | None = None, pooling: str | None = None
) -> Any:
    """Call Keras's function."""
    build = find_application(name)
    with warnings.catch_warnings():
        # "Weights for input shape (224, 224) will be loaded": MobileNet has others for four sizes alone.
        warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square", UserWarning)
        try:
            return build(weights=weights, include_top=False, input_shape=(*image_size, 3), pooling=pooling)
        except (ValueError, TypeError) as error:
            if weights is not None:  # the size was good enough for the description
                raise
            raise ValueError(
                f"image_size must be one that Keras builds {name} for. Got {image_size}: {error}"
            ) from error


@functools.lru_cache(maxsize=64)
def _describe(name: str, imagenet: bool, image_size: tuple[int, int] | None) -> Description:
    check_tensorflow()
    import keras

    from fishsk._compat.keras import find_download

    size = image_size or build_apart(lambda: _find_size(name))

    def describe() -> Description:
        with keras.StatelessScope(initialize_variables=False):  # shapes alone: no weight is made
            model = _build(name, size)
            last = next(layer.name for layer in reversed(model.layers) if layer.output is model.output)
            color = Application(name).preprocess(np.array([[[[0, 100, 255]]]], dtype=np.float32))
            description = describe_model(model, size, last=last, more=f"{color.tolist()}")
            download = find_download(lambda: _build(name, size, "imagenet")) if imagenet else None
        return replace(description, download=download and (*download,))

    return build_apart(describe)


def _find_size(name: str) -> tuple[int, int]:
    """Return the size of images that Keras has built a network for, whole, with its classes."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        shape = find_application(name)(weights=None).input_shape
    return DEFAULT_SIZE if None in shape[1:3] else (shape[1], shape[2])


@functools.lru_cache(maxsize=2)
def _load(application: Application, description: Description, pooling: str | None) -> Any:
    """Return the frozen model. The last two are kept, so that equal transformers of a process share one."""
    from fishsk._compat.keras import build_from

    name, size, file = application.name, description.image_size, application.file
    if application.imagenet and description.download is not None:
        file = fetch_imagenet(*description.download, network=name)
    elif application.imagenet:
        file = find_weights(name)

    def build() -> Any:
        if file is None:
            model = _build(name, size, pooling=pooling)
            _draw(model)
            return model
        if name in LITES and application.file_digest == LITES[name].sha256:
            model = _build(name, size, pooling=pooling)
            load_weights(model, file, sha256=LITES[name].sha256)
            return model
        try:
            if application.file is None:
                return build_from(lambda: _build(name, size, "imagenet", pooling), str(file))
            model = _build(name, size, pooling=pooling)
            model.load_weights(file)
        except Exception as error:  # h5py raises kinds of its own on corrupt bytes, and Keras many
            raise ValueError(
                f"{str(file)!r} must hold weights of {name} without its top, as Keras loads them: {error}"
            ) from error
        return model

    model = build_apart(build)
    model.trainable = False
    return model


def _draw(model: Any) -> None:
    """Draw He normal kernels; RandomState's stream is frozen by NumPy's policy (NEP 19)."""
    random_state = np.random.RandomState(0)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            n_in = np.prod(shape[:2] if shape[-1] == 1 else shape[:-1])  # of a depthwise kernel, or any other
            variable.assign((random_state.standard_normal(shape) * np.sqrt(2 / n_in)).astype(np.float32))


def check_application(backbone: str, weights: str | os.PathLike | None) -> Application | VGG16:
    """Return the network that two parameters ask for; ValueError if there are no such weights."""
    if backbone == VGG16.name:
        return VGG16(resolve_weights(weights))
    if weights is not None and weights != "imagenet" and not expand(weights).is_file():
        hint = " 'cifar95' is of VGG16." if weights == "cifar95" else ""
        raise ValueError(
            f"weights of {backbone} must be 'imagenet', None, or the path of a file that can be loaded "
            f"into it. Got {weights!r}, which is no file.{hint}"
        )
    if weights is None:
        return Application(backbone)
    if weights == "imagenet":
        digest = LITES[backbone].sha256 if backbone in LITES else None
        return Application(backbone, imagenet=True, file_digest=digest)
    return Application(backbone, file=expand(weights), file_digest=hash_file(expand(weights)))

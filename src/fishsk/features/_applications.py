"""Networks that have a name, Keras's and EfficientNet-Lite: how they are described, built and get weights."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fishsk._utils.files import StrPath, expand
from fishsk._utils.versions import check_tensorflow
from fishsk.features import _efficientnet_lite
from fishsk.features._description import (
    DEFAULT_SIZE,
    UNKNOWN_LICENSE,
    Description,
    Size,
    Source,
    build_apart,
    describe_model,
    name_nearest,
    recall,
)
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.features._vgg16_network import VGG16, resolve_weights
from fishsk.features._weights import draw_kernel, fetch_imagenet, hash_file

if TYPE_CHECKING:
    import keras

_DRAW_VERSION = 1  # raised when the same network comes to be drawn with other numbers
# The first letters of the names of networks that LiteRT runs: it was faster than TensorFlow in every round of
# benchmarks/bench_backbones.py. To convert larger ones takes TensorFlow many gigabytes of memory.
_FASTER_BY_LITERT = (
    "ConvNeXtTiny",
    "DenseNet",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetLite",
    "EfficientNetV2B",
    "MobileNet",
)


@functools.cache
def list_applications() -> dict[str, Callable[..., keras.Model]]:
    """Return the functions that build a network for images, by their names. It loads Keras."""
    from keras import applications

    functions = inspect.getmembers(applications, inspect.isfunction)
    of_keras = {
        name: build for name, build in functions if "include_top" in inspect.signature(build).parameters
    }
    return of_keras | _efficientnet_lite.BUILDERS


def find_application(name: str) -> Callable[..., keras.Model]:
    """Return the function that builds a network; ValueError names those whose names are nearest."""
    known = list_applications()
    if name not in known:
        raise ValueError(
            f"backbone must be one of {', '.join(_efficientnet_lite.LITES)}, a name of keras.applications, "
            f"the path of a .keras file, or a keras.Model. Got {name!r}. {name_nearest(name, known)}"
        )
    return known[name]


@dataclass(frozen=True)
class Application(Source):
    """A network of keras.applications, or EfficientNet-Lite: published, from a file, or drawn by a seed."""

    name: str  # of the function that builds it
    imagenet: bool = False  # whether its numbers are those that are published
    file: Path | None = field(default=None, compare=False)  # the user's own
    digest: str | None = None  # of this file, or of the published one of EfficientNet-Lite
    is_named = True

    @property
    def lite(self) -> _efficientnet_lite.Lite | None:
        """The EfficientNet-Lite that it is."""
        return _efficientnet_lite.LITES.get(self.name)

    @property
    def origin(self) -> str:
        """Where its weights come from."""
        if self.file is not None:
            return f"read from {self.file}"
        if not self.imagenet:
            return "none trained: drawn from a fixed seed"
        if self.lite is not None:
            return f"imagenet, by Google, in the package {self.lite.package}"
        return "imagenet, as Keras ships them (downloaded once)"

    @property
    def license(self) -> str:
        if self.file is not None:
            return UNKNOWN_LICENSE
        if not self.imagenet:
            return "none: they are random numbers"
        return "Apache-2.0" if self.lite else "that of their authors, whom keras.io/api/applications names"

    @property
    def engine(self) -> str:
        return "litert" if self.name.startswith(_FASTER_BY_LITERT) else "tensorflow"

    def describe(self, image_size: Size | None, notes: StrPath | None) -> Description:
        """Return what is known of the network, without Keras where the cache folder `notes` says it.

        An `image_size` of None is that which Keras has built the network for; ValueError if Keras does not
        build it at another one.
        """
        if self.lite is not None:
            return _efficientnet_lite.describe(self.name, image_size)
        describe = functools.partial(_describe, self.name, self.imagenet, image_size)
        return recall(notes, image_size, describe, application=self.name, imagenet=self.imagenet)

    def find_digest(self, description: Description) -> str:
        if self.digest is not None:
            return self.digest
        if not self.imagenet:
            return f"drawn:{_DRAW_VERSION}"
        if description.download is None:
            raise ValueError(f"Keras has no ImageNet weights of {self.name}. Pass weights=None, or a file.")
        _, url, known_hash = description.download
        return known_hash or f"url:{url}"

    def load(self, description: Description, pooling: str | None) -> keras.Model:
        """Return the Keras model; on Keras's own `pooling` the very end of some networks depends."""
        from fishsk._compat.keras import getting_files_by

        name, size, download = self.name, description.image_size, description.download
        file = None if download is None else fetch_imagenet(*download, network=name)

        def build() -> keras.Model:
            if file is not None:
                with getting_files_by(lambda *_, **__: str(file)):
                    return _build(name, size, "imagenet", pooling)
            model = _build(name, size, pooling=pooling)
            if self.imagenet:
                _efficientnet_lite.load_weights(model, name)
            elif self.file is not None:
                model.load_weights(self.file)
            else:
                random_state = np.random.RandomState(0)
                for variable in model.weights:
                    if len(variable.shape) > 1:
                        variable.assign(draw_kernel(random_state, tuple(variable.shape)))
            return model

        try:
            return build_apart(build)
        except Exception as error:  # h5py raises kinds of its own on corrupt bytes, and Keras many
            if self.file is None:
                raise
            raise ValueError(
                f"{str(self.file)!r} must hold weights of {name} without its top, as Keras loads them: "
                f"{error}"
            ) from error

    def write_maps(self, file: LitertFile) -> Iterable[tuple[str, Tensor]]:
        if self.lite is None or not self.imagenet:
            return ()
        return _efficientnet_lite.write_maps(file, self.name)

    def preprocess(self, images: np.ndarray | keras.KerasTensor) -> np.ndarray | keras.KerasTensor:
        if self.lite is not None:
            return _efficientnet_lite.preprocess_input(images)
        return sys.modules[find_application(self.name).__module__].preprocess_input(images)


def _build(name: str, size: Size, weights: str | None = None, pooling: str | None = None) -> keras.Model:
    """Call Keras's function."""
    build = find_application(name)
    with warnings.catch_warnings():
        # "Weights for input shape (224, 224) will be loaded": MobileNet has others for four sizes alone.
        warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square", UserWarning)
        try:
            return build(weights=weights, include_top=False, input_shape=(*size, 3), pooling=pooling)
        except (ValueError, TypeError) as error:
            if weights is not None:  # the size was good enough for the description
                raise
            raise ValueError(
                f"image_size must be one that Keras builds {name} for. Got {size}: {error}"
            ) from error


@functools.lru_cache(maxsize=64)
def _describe(name: str, imagenet: bool, image_size: Size | None) -> Description:
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
        return replace(description, download=download)

    return build_apart(describe)


def _find_size(name: str) -> Size:
    """Return the size of images that Keras has built a network for, whole, with its classes."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        shape = find_application(name)(weights=None).input_shape
    return DEFAULT_SIZE if None in shape[1:3] else (shape[1], shape[2])


def check_application(backbone: str, weights: StrPath | None) -> Application | VGG16:
    """Return the network that two parameters ask for; ValueError if there are no such weights."""
    if backbone == VGG16.name:
        return resolve_weights(weights)
    if weights is None:
        return Application(backbone)
    if weights == "imagenet":
        lite = _efficientnet_lite.LITES.get(backbone)
        return Application(backbone, imagenet=True, digest=lite.sha256 if lite else None)
    file = expand(weights)
    if not file.is_file():
        hint = " 'cifar95' is of VGG16." if weights == "cifar95" else ""
        raise ValueError(
            f"weights of {backbone} must be 'imagenet', None, or the path of a file that can be loaded "
            f"into it. Got {weights!r}, which is no file.{hint}"
        )
    return Application(backbone, file=file, digest=hash_file(file))

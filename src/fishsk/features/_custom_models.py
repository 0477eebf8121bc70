"""Networks of the user's own: a .keras file, none of which is executed, or a model of this process."""

from __future__ import annotations

import functools
import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fishsk._utils.files import StrPath, expand
from fishsk._utils.process import check_not_forked
from fishsk._utils.versions import check_tensorflow
from fishsk.features._description import (
    Description,
    FileSource,
    Size,
    Source,
    build_apart,
    choose_size,
    describe_model,
    recall,
)
from fishsk.features._weights import hash_file

if TYPE_CHECKING:
    import keras

_MAX_CONFIG_BYTES = 2**26


@dataclass(frozen=True)
class ModelFile(FileSource):
    """A network in a file that ``keras.Model.save`` wrote."""

    def describe(self, image_size: Size | None, notes: StrPath | None) -> Description:
        return recall(
            notes, image_size, lambda: _describe(_load_file(self), self.name, image_size), file=self.digest
        )

    def load(self, description: Description, pooling: str | None) -> keras.Model:
        return _load_file(self)


@dataclass(frozen=True)
class GivenModel(Source):
    """A network of this process, which is copied before it is used, so that it never changes."""

    model: keras.Model = field(compare=False)
    digest: str
    origin: ClassVar[str] = "the model's own"

    @property
    def name(self) -> str:
        return self.model.name

    def describe(self, image_size: Size | None, notes: StrPath | None) -> Description:
        return _describe(self.model, self.name, image_size)

    def load(self, description: Description, pooling: str | None) -> keras.Model:
        import keras

        model = build_apart(lambda: keras.models.clone_model(self.model))
        model.set_weights(self.model.get_weights())
        return model


def as_model_file(path: StrPath) -> ModelFile:
    """Return the network of a file; ValueError if it is no .keras file that is there."""
    path = expand(path)
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(
            "backbone must be a name of keras.applications, the path of a .keras file, or a keras.Model. Got "
            f"{str(path)!r}, which is no {'file' if path.suffix == '.keras' else '.keras file'}."
        )
    return ModelFile(path, hash_file(path))


def as_given_model(model: keras.Model) -> GivenModel:
    """Return a network of this process, known by its graph and by all of its numbers.

    TypeError or ValueError if it is no functional or sequential Keras model of one image.
    """
    _check_model(model, getattr(model, "name", repr(model)))
    digest = hashlib.sha256(model.to_json().encode())
    for array in model.get_weights():
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return GivenModel(model, digest.hexdigest())


def _describe(model: keras.Model, name: str, image_size: Size | None) -> Description:
    return describe_model(model, choose_size(model.input_shape[1:3], image_size, name))


def _check_model(model: object, name: str) -> None:
    """Refuse what is no network from one image to something."""
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(
            "backbone must be a name of keras.applications, the path of a .keras file, or a keras.Model. "
            f"Got {model!r}."
        )
    shapes = [tuple(each.shape) for each in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3:
        raise ValueError(
            f"The network {name!r} must be a functional or sequential Keras model of one input of shape "
            f"(None, height, width, 3). Its inputs are {shapes}."
        )


@functools.lru_cache(maxsize=2)
def _load_file(source: ModelFile) -> keras.Model:
    """Return the model of a file, once it is known to need no code."""
    check_tensorflow()
    check_not_forked()
    path = str(source.path)
    import keras

    from fishsk._compat.keras import find_unsafe

    found = sorted(set(find_unsafe(_read_config(source.path))))
    if found:
        raise ValueError(
            f"{path!r} must be a .keras file that needs no code and no other file. It holds "
            f"{', '.join(found)}, and was not loaded. Save the network without it, of Keras's own layers; "
            "or, if you trust the file, load it yourself and pass the keras.Model: "
            "backbone=keras.saving.load_model(...)."
        )
    try:
        model = build_apart(lambda: keras.saving.load_model(path, compile=False, safe_mode=True))
    except Exception as error:  # zipfile and h5py raise kinds of their own on corrupt bytes, Keras many
        raise ValueError(f"{path!r} cannot be loaded by Keras as a network: {error}") from error
    _check_model(model, source.name)
    return model


def _read_config(path: Path) -> object:
    """Return what a .keras file says of the network, as JSON holds it."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
            content = file.read(_MAX_CONFIG_BYTES + 1)
        if len(content) > _MAX_CONFIG_BYTES:
            raise ValueError(f"its config.json is larger than {_MAX_CONFIG_BYTES} bytes")
        return json.loads(content)
    except (OSError, LookupError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise ValueError(f"{str(path)!r} is no .keras file that Keras can load: {error}") from error

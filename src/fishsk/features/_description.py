"""Facts of a network without its weights, and how to build one of Keras the same in every process."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fishsk._utils.files import StrPath
from fishsk._utils.versions import find_version
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.store import keep

if TYPE_CHECKING:
    import keras
    import numpy as np

Size = tuple[int, int]  # height and width
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Description:
    """A network at one size of its images, without its weights.

    `shapes` are its layers with one output, in the order in which they are computed, and the shapes of these
    outputs, without the axis of the samples and with the channels last.
    """

    image_size: Size
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    last: str  # the layer that is used where none is asked for
    graph: str  # digest of what is computed, which another release of Keras might change
    download: tuple[str, str, str | None] | None = None  # name, URL and hash of Keras's own weights
    channels_first: tuple[str, ...] = ()  # the layers whose maps it computes so

    def choose_layers(self, given: str | Sequence[str] | None, network: str) -> tuple[str, ...]:
        """Return the names of layers that a parameter asks for; ValueError if one is twice, or unknown."""
        layers = [self.last] if given is None else [given] if isinstance(given, str) else list(given)
        if not layers or len(set(layers)) < len(layers):
            raise ValueError(f"layers must be different names of layers, at least one. Got {given!r}.")
        known = dict(self.shapes)
        for layer in layers:
            if layer not in known:
                raise ValueError(
                    f"layers must be names of layers of {network}. Got {layer!r}. "
                    f"{name_nearest(layer, known)} list_layers() gives all."
                )
        return tuple(layers)


def _freeze(value: object) -> Any:
    """Return JSON's lists as tuples."""
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


DEFAULT_SIZE = (224, 224)  # of networks that take images of any size
UNKNOWN_LICENSE = "that of whoever made the file"
_NOTE_VERSION = 2  # raised when descriptions come to hold something else


class Source:
    """Where a network comes from: known, not loaded; `Application` says what the methods do."""

    # Whether its name, with the digest of the weights, tells what it computes.
    is_named: ClassVar[bool] = False
    digest: str | None  # of its weights

    @property
    def license(self) -> str:
        """That of its weights, as NOTICE and docs/license.rst tell it."""
        return UNKNOWN_LICENSE

    @property
    def engine(self) -> str:
        """The name of the engine that runs it fastest on a processor."""
        return "tensorflow"

    def find_digest(self, description: Description) -> str:
        """Return what changes whenever a number in the weights does."""
        assert self.digest is not None
        return self.digest

    def preprocess(self, images: np.ndarray | keras.KerasTensor) -> np.ndarray | keras.KerasTensor:
        """Return RGB in 0 to 255, an array or a Keras tensor, as the network was trained to see it."""
        return images  # what is to be done, a custom network does itself

    def write_maps(self, file: LitertFile) -> Iterable[tuple[str, Tensor]]:
        """Write the network to a file of LiteRT, and yield its maps: none where that takes TensorFlow."""
        return ()


@dataclass(frozen=True)
class FileSource(Source):
    """A network in a file of the user's."""

    path: Path = field(compare=False)
    digest: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def origin(self) -> str:
        """Where its weights come from."""
        return f"those in {self.path}"


def recall(
    notes: StrPath | None,
    image_size: Size | None,
    describe: Callable[[], Description],
    *,
    by: str = "keras",
    **subject: object,
) -> Description:
    """Return what the cache folder says of a network, or else what is found by a package, and kept there."""
    subject |= {"version": _NOTE_VERSION, by: find_version(by), "image_size": image_size and list(image_size)}
    content = keep(notes, subject, lambda: json.dumps(asdict(describe())).encode(), kind="description")
    return Description(**{name: _freeze(value) for name, value in json.loads(content).items()})


def choose_size(sides: Sequence[int | None], image_size: Size | None, name: str) -> Size:
    """Return the size of images for a network that was built for some `sides`, None where any will do."""
    height, width = (built or wanted for built, wanted in zip(sides, image_size or DEFAULT_SIZE, strict=True))
    if image_size not in (None, (height, width)):
        raise ValueError(
            f"image_size must be {(height, width)}, which {name!r} was built for, or None. Got {image_size}."
        )
    return height, width


def name_nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names what a text may have been meant to be."""
    lower = {each.lower(): each for each in known}
    nearest = [lower[each] for each in difflib.get_close_matches(str(name).lower(), lower, n=5, cutoff=0.5)]
    if nearest:
        return f"The nearest names are {', '.join(nearest)}."
    return f"There are {', '.join([*known][:60])}."


def build_apart(build: Callable[[], _Result]) -> _Result:
    """Call a function in a thread of its own.

    Keras counts the names of unnamed layers, and keeps its dtype policy, for each thread: here they are as in
    a new process, so that "conv2d_93" means the same layer whatever was built before.
    """
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(build).result()


def describe_model(
    model: keras.Model, image_size: Size, *, last: str | None = None, more: str = ""
) -> Description:
    """Return the description of a functional Keras model of images, whose weights are not looked at.

    `last` is the layer to use where none is asked for; None is the last one whose output is a map. `more` is
    what is computed besides, as text.
    """
    import keras

    outputs = {}
    for layer in model.layers:
        with contextlib.suppress(AttributeError, ValueError):  # of a layer that is used twice
            if not isinstance(layer, keras.layers.InputLayer) and hasattr(layer.output, "shape"):
                outputs[layer.name] = layer.output
    shapes = {name: tuple(output.shape[1:]) for name, output in outputs.items()}
    if any(None in shape for shape in shapes.values()):
        images = keras.KerasTensor((None, *image_size, 3))
        called = keras.Model(model.input, outputs).compute_output_spec(images)
        shapes = {name: tuple(called[name].shape[1:]) for name in outputs}
    if last is None:
        maps = [name for name, shape in shapes.items() if len(shape) == 3]
        last = (maps or list(shapes))[-1]
    graph = hashlib.sha256(f"{model.to_json()}{more}".encode()).hexdigest()
    return Description(image_size, tuple(shapes.items()), last, graph)

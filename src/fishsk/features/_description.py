"""What is known of a network without its weights, and how to build one of Keras the same in every process."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

import numpy as np

from fishsk._utils.versions import find_version
from fishsk.features._litert_file import LitertFile, Tensor
from fishsk.store import keep

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Description:
    """A network at one size of its images, without its weights.

    Attributes
    ----------
    image_size : (height, width)
        What it takes.
    shapes : tuple of (name, shape)
        Its layers with one output, in the order in which they are computed, and the shapes of these outputs,
        without the axis of the samples.
    last : str
        The layer that is used where none is asked for.
    graph : str
        Digest of what is computed, which another release of Keras might change.
    download : (file name, URL, hash or None) or None
        Keras's own weights for it.
    channels_first : tuple of str
        The layers whose maps it computes with the channels first; in `shapes` they are last.
    """

    image_size: tuple[int, int]
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    last: str
    graph: str
    download: tuple[str, str, str | None] | None = None
    channels_first: tuple[str, ...] = ()

    def check_layers(self, layers: Sequence[str], network: str) -> None:
        """Refuse, by a ValueError that names the nearest, names that no layer of the network has."""
        known = dict(self.shapes)
        for layer in layers:
            if layer not in known:
                raise ValueError(
                    f"layers must be names of layers of {network}. Got {layer!r}. "
                    f"{name_nearest(layer, known)} list_layers() gives all."
                )

    def count_columns(self, layer: str, pooling: str | None) -> int:
        """Return the number of features of a layer."""
        shape = dict(self.shapes)[layer]
        return int(np.prod(shape)) if pooling is None else shape[-1]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_json` was called on."""
        return cls(**{name: _freeze(value) for name, value in document.items()})


def _freeze(value: Any) -> Any:
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


DEFAULT_SIZE = (224, 224)  # of networks that take images of any size
UNKNOWN_LICENSE = "that of whoever made the file"
_NOTE_VERSION = 2  # raised when descriptions come to hold something else


class Source:
    """Where a Keras network comes from: known, not loaded; `Application` says what the methods do."""

    is_named = False  # whether its name, with the digest of the weights, tells what it computes

    @property
    def license(self) -> str:
        """That of its weights, as NOTICE and docs/license.rst tell it."""
        return UNKNOWN_LICENSE

    @property
    def engine(self) -> str:
        """The name of the engine that runs it fastest on a processor."""
        return "tensorflow"

    def preprocess(self, images: Any) -> Any:
        """Return RGB in 0 to 255, an array or a Keras tensor, as the network was trained to see it."""
        return images  # what is to be done, a custom network does itself

    def write_maps(self, file: LitertFile) -> dict[str, Tensor]:
        """Write the network to a file of LiteRT, and return its maps: none where that takes TensorFlow."""
        return {}


def recall(
    notes: str | os.PathLike[str] | None,
    image_size: tuple[int, int] | None,
    describe: Callable[[], Description],
    *,
    by: str = "keras",
    **subject: Any,
) -> Description:
    """Return what the cache folder says of a network, or else what is found by a package, and kept there."""
    subject |= {"version": _NOTE_VERSION, by: find_version(by), "image_size": image_size and list(image_size)}
    content = keep(notes, subject, lambda: json.dumps(describe().to_json()).encode(), kind="description")
    return Description.from_json(json.loads(content))


def name_nearest(name: str, known: Any) -> str:
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
    model: Any, image_size: tuple[int, int], *, last: str | None = None, more: str = ""
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

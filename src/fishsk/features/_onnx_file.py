"""A network in an ONNX file: found to be data alone, described, cut to what is asked of it, and run.

onnxruntime sees each image alone and on one thread, several of them at a time. So a row has the same bits in
every batch, in every order and for any number of threads.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn, cast

import numpy as np
from joblib import cpu_count

from fishsk._utils.files import StrPath, expand
from fishsk.features._description import Description, FileSource, Size, choose_size, recall
from fishsk.features._network import Run, Settings, View
from fishsk.features._weights import hash_file

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto
    from onnxruntime import InferenceSession

Triple = tuple[float, float, float]

_MAX_SIDE = 4096
# Operators that are defined for channels first alone, whatever came before.
_CHANNELS_FIRST = {
    *("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool"),
    *("GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LRN", "MaxPool", "SpaceToDepth"),
}
_MIXING = {"Einsum", "Reshape"}  # which may leave an axis in any place


class ImageInput(NamedTuple):
    """Input of a network: its name, the axis of the channels, float32 or float16, height and width."""

    name: str
    axis: int
    dtype: np.dtype
    sides: tuple[int | None, int | None]

    def find_shape(self, image_size: Size) -> tuple[int, ...]:
        """Return the shape of one image."""
        return (1, 3, *image_size) if self.axis == 1 else (1, *image_size, 3)


@dataclass(frozen=True)
class OnnxFile(FileSource):
    """A network in an ONNX file, known by all of its bytes."""

    engine: ClassVar[str] = "onnxruntime"

    def describe(self, image_size: Size | None, notes: StrPath | None) -> Description:
        """Return what is known of the network, which is run once, unless a note on disk says it."""
        return recall(
            notes, image_size, lambda: _describe(self, image_size), by="onnxruntime", file=self.digest
        )

    def load(self, image_size: Size, outputs: Sequence[str]) -> tuple[InferenceSession, ImageInput]:
        """Return the session from one image to some values of the network, and what it takes."""
        model, image = _fix(self, image_size)
        needed, kept = set(outputs), []
        for node in reversed(model.graph.node):  # which come in the order in which they are computed
            if needed.intersection(node.output):
                needed.update(_list_inputs(node))
                kept.append(node)
        onnx = load_module("onnx")
        del model.graph.node[:], model.graph.output[:]
        model.graph.node.extend(reversed(kept))
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        return self.start(model), image

    def start(self, model: ModelProto, *, optimize: bool = True) -> InferenceSession:
        """Return a session on one thread: no row depends on how many there are, and a process may fork.

        It knows onnxruntime's operators alone: those of others would have to be registered here.
        """
        runtime = load_module("onnxruntime")
        runtime.disable_telemetry_events()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4
        if not optimize:
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        content = model.SerializeToString()
        with self.naming_errors():
            return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    @contextlib.contextmanager
    def naming_errors(self) -> Iterator[None]:
        """Name the file in errors of onnxruntime, which raises kinds of its own."""
        try:
            yield
        except Exception as error:
            raise ValueError(f"{str(self.path)!r} cannot be run by onnxruntime: {error}") from error


@dataclass(frozen=True)
class OnnxBackbone:
    """A network of a file at one size of its images, as `Settings` wants a backbone.

    `mean` is subtracted of RGB in 0 to 255, and what that gives is divided by `std`.
    """

    source: OnnxFile
    description: Description
    mean: Triple
    std: Triple

    def to_json(self) -> dict[str, object]:
        """Return what the features are stored under."""
        return {"backbone": "onnx", "weights": self.source.digest, "mean": [*self.mean], "std": [*self.std]}

    def load_maps(self, layers: Sequence[str]) -> NoReturn:
        """Refuse to be a Keras model."""
        raise ValueError(
            f"{self.source.name!r} is an ONNX network, which cannot become a part of a Keras model. Take a "
            "network of Keras for what needs one."
        )


def load_onnxruntime(settings: Settings, folder: StrPath | None, *, shown: bool) -> Run:
    """Return the function from a batch of images and a view to its features, as `load_network` does."""
    backbone = cast(OnnxBackbone, settings.backbone)
    session, image = backbone.source.load(settings.image_size, settings.layers)
    mean, std = (np.array(each, dtype=np.float32) for each in (backbone.mean, backbone.std))
    order = (0, 3, 1, 2) if image.axis == 1 else (0, 1, 2, 3)
    first = set(backbone.description.channels_first)

    def make_row(pixels: np.ndarray) -> np.ndarray:
        seen = ((pixels[np.newaxis] - mean) / std).transpose(order)
        found = session.run(settings.layers, {image.name: np.ascontiguousarray(seen, dtype=image.dtype)})
        maps = [
            np.moveaxis(output[0], 0, -1) if layer in first else output[0]
            for layer, output in zip(settings.layers, found, strict=True)
        ]
        return np.concatenate([_pool(np.asarray(each, np.float32), settings.pooling) for each in maps])

    def run(batch: np.ndarray, view: View = View.PLAIN) -> np.ndarray:
        with ThreadPoolExecutor(cpu_count()) as threads, backbone.source.naming_errors():
            return np.stack([*threads.map(make_row, view.look_at(batch))])

    return run


def _pool(output: np.ndarray, pooling: str | None) -> np.ndarray:
    """Return the features of one image, of an output whose last axis are the channels."""
    if pooling is None or output.ndim == 1:
        return output.ravel()
    places = output.reshape(-1, output.shape[-1])
    if pooling == "first":
        return places[0]
    return places.mean(axis=0) if pooling == "avg" else places.max(axis=0)


def as_onnx_file(path: StrPath) -> OnnxFile:
    """Return the network of a file; ValueError if it is no .onnx file that is there."""
    path = expand(path)
    if path.suffix.lower() != ".onnx" or not path.is_file():
        raise ValueError(f"path must be that of an .onnx file that is there. Got {str(path)!r}.")
    return OnnxFile(path, hash_file(path))


def load_module(name: str) -> ModuleType:
    """Return the module "onnx" or "onnxruntime"; ImportError says what to install."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f'A network in an .onnx file needs {name}: pip install "fishsk[onnx]"') from error


@functools.lru_cache(maxsize=2)
def _read(source: OnnxFile) -> ModelProto:
    """Return the model in a file, once it is known to need no other file."""
    onnx, name = load_module("onnx"), str(source.path)
    content = source.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != source.digest:
        raise ValueError(f"{name!r} has changed while it was read. Try again.")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf raises kinds of its own
        raise ValueError(f"{name!r} holds no network in ONNX's format: {error}") from error
    outside = [each.name for each in _find_tensors(model) if each.external_data or each.data_location]
    if outside:
        raise ValueError(
            f"{name!r} must hold all of its weights. {len(outside)} of them, such as {outside[0]!r}, are in "
            "other files, which are not read. Write one file: "
            "onnx.save(onnx.load('network.onnx'), 'one.onnx', save_as_external_data=False)"
        )
    return model


def _find_tensors(message: Any) -> Iterator[TensorProto]:
    """Yield the tensors that a message of protobuf holds, however deep."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for kind, value in message.ListFields():
        if kind.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield from _find_tensors(each)


def _list_inputs(node: NodeProto) -> Iterator[str]:
    """Yield what a node needs, also for the graphs inside of it."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            yield from (output.name for output in graph.output)
            for inner in graph.node:
                yield from _list_inputs(inner)


def _find_image(source: OnnxFile) -> ImageInput:
    """Return what a network takes; ValueError if that is not one image of three channels."""
    onnx, graph = load_module("onnx"), _read(source).graph
    constants = {each.name for each in graph.initializer}
    inputs = {each.name: each.type.tensor_type for each in graph.input if each.name not in constants}
    shapes = [[max(dim.dim_value, 0) or None for dim in each.shape.dim] for each in inputs.values()]
    kinds = [each.elem_type for each in inputs.values()]
    shape = shapes[0] if len(shapes) == 1 else []
    axes = [axis for axis in (1, 3) if len(shape) == 4 and shape[axis] == 3]
    known = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    if len(axes) != 1 or shape[0] not in (None, 1) or kinds[0] not in known:
        got = {
            name: (onnx.TensorProto.DataType.Name(kind), shape)
            for name, kind, shape in zip(inputs, kinds, shapes, strict=True)
        }
        raise ValueError(
            f"{str(source.path)!r} must be a network of one input, a batch of images, of any length or "
            "of one, in float32 or float16, of shape (None, 3, height, width) or (None, height, width, 3), "
            f"where only 3 must be fixed. Its inputs are {got}. Export it so."
        )
    height, width = (side for place, side in enumerate(shape) if place not in (0, axes[0]))
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kinds[0])
    return ImageInput(next(iter(inputs)), axes[0], dtype, (height, width))


def _fix(source: OnnxFile, image_size: Size) -> tuple[ModelProto, ImageInput]:
    """Return a copy of the model that takes one image of a size, and what it takes."""
    image = _find_image(source)
    model = load_module("onnx").ModelProto()
    model.CopyFrom(_read(source))
    (given,) = (each for each in model.graph.input if each.name == image.name)
    for dim, side in zip(given.type.tensor_type.shape.dim, image.find_shape(image_size), strict=True):
        dim.dim_value = side
    return model, image


def _describe(source: OnnxFile, image_size: Size | None) -> Description:
    size = choose_size(_find_image(source).sides, image_size, source.name)
    if max(size) > _MAX_SIDE:
        raise ValueError(
            f"{source.name!r} must take images of at most {_MAX_SIDE} pixels a side. Got {size}."
        )
    onnx = load_module("onnx")
    model, image = _fix(source, size)
    names = [name for node in model.graph.node for name in node.output if name and node.op_type != "Constant"]
    outputs = [each.name for each in model.graph.output]
    probes = [f"fishsk/{place}" for place in range(len(names))]
    del model.graph.output[:]
    model.graph.node.extend(
        onnx.helper.make_node("Shape", [name], [probe]) for name, probe in zip(names, probes, strict=True)
    )
    model.graph.output.extend(onnx.ValueInfoProto(name=probe) for probe in probes)
    session = source.start(model, optimize=False)
    black = np.zeros(image.find_shape(size), dtype=image.dtype)
    with source.naming_errors():
        found = session.run(probes, {image.name: black})
    shapes = {
        name: tuple(shape.tolist())
        for name, shape in zip(names, found, strict=True)
        if shape.size in (2, 3, 4) and shape[0] == 1
    }
    if outputs[0] not in shapes:
        raise ValueError(
            f"The first output of {source.name!r} must be one row, sequence or map for each image. Name "
            f"another one in layers. {outputs[0]!r} is none."
        )
    first = _find_channels_first(model, shapes, image)
    last = {name: (*shape[2:], shape[1]) if name in first else shape[1:] for name, shape in shapes.items()}
    return Description(size, tuple(last.items()), outputs[0], graph="", channels_first=tuple(sorted(first)))


def _find_channels_first(
    model: ModelProto, shapes: dict[str, tuple[int, ...]], image: ImageInput
) -> set[str]:
    """Return the maps whose channels come first.

    Some operators are defined so, transposing moves the channels, and most others leave them where they are.
    After the rest it is the axis whose neighbors are as long as each other; if that is none, the first, too.
    """
    axes: dict[str, int] = {image.name: image.axis}
    for node in model.graph.node:
        known = next((axes[name] for name in node.input if name in axes), None)
        for name in node.output:
            shape = shapes.get(name, ())
            if len(shape) != 4:
                continue
            if node.op_type in _CHANNELS_FIRST:
                axes[name] = 1
            elif node.op_type == "Transpose" and known is not None:
                moved = [*node.attribute[0].ints] if node.attribute else [3, 2, 1, 0]
                axes[name] = moved.index(known)
            elif known is None or node.op_type in _MIXING:
                axes[name] = 3 if shape[1] == shape[2] != shape[3] else 1
            else:
                axes[name] = known
    return {name for name, axis in axes.items() if axis == 1 and name in shapes}

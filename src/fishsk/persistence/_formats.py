"""The formats of exported models: how each is written, and run by its own runtime."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import make_pipeline

from fishsk._compat.litert import make_interpreter
from fishsk._compat.openvino import kept_signal_stack, load_module
from fishsk._compat.skl2onnx import convert_sklearn
from fishsk._compat.tensorflow import freeze, silent_tensorflow
from fishsk.persistence._network import build_keras

if TYPE_CHECKING:
    import onnx
    import tensorflow as tf

_OPSETS = {"": 17, "ai.onnx.ml": 3}  # those of onnxruntime 1.12 and later
_IR_VERSION = 8


class Export(NamedTuple):
    """The steps that Keras can hold, those after them, and what the file says of itself, for JSON."""

    steps: Sequence[BaseEstimator]
    rest: Sequence[BaseEstimator]
    notes: dict[str, Any]


class Format(NamedTuple):
    """How models of one format are written, and run on batches of images: an array for each output."""

    packages: tuple[str, ...]  # the modules that it needs; hyphens make them what pip installs
    write: Callable[[Export, Path], None]
    run: Callable[[Path, Sequence[np.ndarray]], list[list[np.ndarray]]]
    holds_any: bool = False  # also estimators that Keras cannot


def _write_keras(export: Export, path: Path) -> None:
    build_keras(export.steps).save(path)
    _append_notes(path, export.notes)


def _run_keras(path: Path, batches: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    import keras

    model = keras.saving.load_model(path)
    return [keras.tree.flatten(keras.tree.map_structure(np.asarray, model(batch))) for batch in batches]


def _write_litert(export: Export, path: Path) -> None:
    import tensorflow as tf

    frozen, names = freeze(_make_function(export)), export.notes["outputs"]
    named = tf.function(lambda images: dict(zip(names, tf.nest.flatten(frozen(images)), strict=True)))
    graph = named.get_concrete_function(frozen.inputs[0])
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module()).convert())
    _append_notes(path, export.notes)


def _run_litert(path: Path, batches: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    interpreter = make_interpreter(path.read_bytes(), n_threads=1)
    run = interpreter.get_signature_runner()
    answers = [run(images=batch) for batch in batches]
    return [[found[name] for name in sorted(found)] for found in answers]


def _write_onnx(export: Export, path: Path) -> None:
    import onnx
    import tf2onnx

    frozen = freeze(_make_function(export))
    outputs = [output.name for output in frozen.outputs]
    names = ["features"] if export.rest else export.notes["outputs"]
    with silent_tensorflow():  # tf2onnx calls what TensorFlow deprecates
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=["images:0"],
            output_names=outputs,
            opset=_OPSETS[""],
            tensors_to_rename=dict(zip(["images:0", *outputs], ["images", *names], strict=True)),
        )
    if export.rest:
        head = _convert_estimators(export, frozen.outputs[0].shape[1])
        for part in (model, head):
            part.ir_version = _IR_VERSION
            del part.opset_import[:]
            part.opset_import.extend(itertools.starmap(onnx.helper.make_opsetid, _OPSETS.items()))
        features = [("features", head.graph.input[0].name)]
        model = onnx.compose.merge_models(model, head, io_map=features, outputs=export.notes["outputs"])
    onnx.helper.set_model_props(model, {"fishsk": json.dumps(export.notes)})
    onnx.save(model, path)


def _convert_estimators(export: Export, n_features: int) -> onnx.ModelProto:
    """Return scikit-learn's steps as an ONNX model, whose last output is what is asked of them."""
    import onnx
    from skl2onnx.common.data_types import FloatTensorType

    head = make_pipeline(*export.rest)
    outputs, options = [(name, None) for name in export.notes["outputs"]], {}
    if is_classifier(head):
        outputs.insert(0, ("label", None))
        options = {"zipmap": False} | ({} if hasattr(head, "predict_proba") else {"raw_scores": True})
    model = convert_sklearn(
        head,
        initial_types=[("features", FloatTensorType([None, n_features]))],
        final_types=outputs,
        options={id(export.rest[-1]): options} if options else None,
        target_opset=_OPSETS,
    )
    return onnx.compose.add_prefix(model, "head/", rename_outputs=False)


def _run_onnx(path: Path, batches: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [session.run(None, {"images": batch}) for batch in batches]


def _write_openvino(export: Export, path: Path) -> None:
    openvino = load_module("openvino")
    model = openvino.convert_model(_make_function(export).get_concrete_function())
    for output, name in zip(model.outputs, export.notes["outputs"], strict=True):
        output.get_tensor().set_names({name})
    model.set_rt_info(json.dumps(export.notes), ["fishsk"])
    openvino.save_model(model, path, compress_to_fp16=False)


@kept_signal_stack()
def _run_openvino(path: Path, batches: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    openvino = load_module("openvino")
    run = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [list(run(batch).values()) for batch in batches]


def _make_function(export: Export) -> tf.types.experimental.PolymorphicFunction:
    """Return the function of TensorFlow from images to named answers, or to features for what comes after."""
    import tensorflow as tf

    model = build_keras(export.steps)
    names = ["features"] if export.rest else export.notes["outputs"]
    images = tf.TensorSpec((None, None, None, 3), export.notes["input"]["dtype"], name="images")

    @tf.function(input_signature=[images])
    def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = tf.nest.flatten(model(tf.cast(images, tf.float32), training=False))
        return dict(zip(names, outputs, strict=True))

    return answer


def _append_notes(path: Path, notes: dict[str, Any]) -> None:
    """Add a member to the zip archive that the file is, or append one, as TensorFlow Lite's metadata are."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("fishsk.json", json.dumps(notes, indent=1))


FORMATS = {
    ".keras": Format((), _write_keras, _run_keras),
    ".onnx": Format(("onnx", "onnxruntime", "skl2onnx", "tf2onnx"), _write_onnx, _run_onnx, holds_any=True),
    ".tflite": Format(("ai_edge_litert",), _write_litert, _run_litert),
    ".xml": Format(("openvino",), _write_openvino, _run_openvino),
}

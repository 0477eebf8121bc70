"""Exported models: each runs in its own runtime, without fishsk, and answers as the pipeline does."""

import json
import subprocess
import sys

import cv2
import keras
import numpy as np
import onnxruntime
import pytest
from onnx_networks import write_convolutions
from quick import make_quick_pipeline, write_safetensors
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import fishsk
from fishsk import (
    KerasHeadClassifier,
    VGG16FeatureTransformer,
    export_model,
    make_fish_pipeline,
)
from fishsk.datasets import make_fish_images
from fishsk.persistence import _export

# Each reads images.npz, answers with the model alone, and prints what the file says of itself.
RUNTIMES = {
    ".keras": """
import keras
import zipfile
model = keras.saving.load_model("model.keras")
answer = lambda images: model.predict(images, verbose=0)
print(zipfile.ZipFile("model.keras").read("fishsk.json").decode())
""",
    ".tflite": """
import zipfile
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter("model.tflite")
run = interpreter.get_signature_runner()
answer = lambda images: run(images=images)["probabilities"]
print(zipfile.ZipFile("model.tflite").read("fishsk.json").decode())
""",
    ".onnx": """
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
answer = lambda images: session.run(["probabilities"], {"images": images})[0]
print(session.get_modelmeta().custom_metadata_map["fishsk"])
""",
    ".xml": """
import openvino
model = openvino.Core().read_model("model.xml")
run = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
answer = lambda images: run({"images": images})["probabilities"]
print(model.get_rt_info(["fishsk"]).value)
""",
}
NO_TENSORFLOW = ["tensorflow", "keras"]
BLOCKED = {".keras": [], ".tflite": NO_TENSORFLOW, ".onnx": NO_TENSORFLOW, ".xml": NO_TENSORFLOW}
PROGRAM = """
import sys
sys.modules |= dict.fromkeys(["fishsk", "sklearn", "scikeras", "cv2", *{blocked}])
import numpy as np
{runtime}
with np.load("images.npz") as images:
    np.savez("answers.npz", **{{key: answer(images[key]) for key in images}})
"""
SIZES = [(20, 77), (90, 64)]


@pytest.fixture(scope="module")
def fish():
    X, y = make_fish_images(60, random_state=0)
    return X, np.array(["bass", "cod", "eel", "ray", "tuna"])[y]


@pytest.fixture(scope="module")
def fitted(fish):
    return make_quick_pipeline(features__resize="pad", features__views="mirror").fit(*fish)


def run_alone(folder, suffix, batches):
    """Return what a runtime answers on batches without fishsk, and what the file says of itself."""
    np.savez(folder / "images.npz", **batches)
    program = PROGRAM.format(runtime=RUNTIMES[suffix], blocked=BLOCKED[suffix])
    command = [sys.executable, "-W", "ignore", "-c", program]
    found = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    with np.load(folder / "answers.npz") as answers:
        return dict(answers), json.loads(found.stdout)


@pytest.mark.parametrize("suffix", RUNTIMES)
def test_a_file_answers_in_its_own_runtime_and_says_what_it_is(fitted, fish, tmp_path, suffix):
    assert export_model(fitted, tmp_path / f"model{suffix}") < 1e-4
    batches = {
        f"{height} x {width}": np.array([cv2.resize(image, (width, height)) for image in fish[0][:9]])
        for height, width in SIZES
    }
    answers, notes = run_alone(tmp_path, suffix, batches)
    for size, batch in batches.items():
        expected = fitted.predict_proba(batch)
        assert expected.std(axis=0).max() > 0.01
        np.testing.assert_allclose(answers[size], expected, rtol=0, atol=1e-5, err_msg=size)
    assert notes["classes"] == ["bass", "cod", "eel", "ray", "tuna"]
    assert (notes["fishsk"], notes["outputs"]) == (fishsk.__version__, ["probabilities"])
    assert notes["input"]["dtype"] == "uint8"
    network = notes["networks"]["features"]
    assert (network["backbone"], network["image_size"], network["resize"]) == ("VGG16", [32, 32], "pad")


def make_logits_network(meta):
    """Return a network that answers with a logit for the second of two classes."""
    network = keras.Sequential([keras.Input((meta["n_features_in_"],)), keras.layers.Dense(1)])
    network.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True), optimizer="adam")
    return network


HEADS = {
    "logistic": LogisticRegression(C=0.01),
    "ridge": Ridge(),
    "scaled ridge": TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    "one unit": KerasHeadClassifier(hidden_units=0, loss="binary_crossentropy", epochs=3, random_state=0),
    "logits": KerasHeadClassifier(model=make_logits_network, epochs=3, random_state=0),
}


def fit_head(name, fish):
    """Return a pipeline with a head that learns five classes, two of them, or numbers."""
    X, y = fish
    targets = {"logistic": y, "ridge": 3.0 * (y == "eel"), "scaled ridge": 3.0 * (y == "eel")}
    task = "regression" if "ridge" in name else "classification"
    params = {
        "features__image_size": 32,
        "features__layers": ["block2_pool"],
        "features__input_range": (0, 1),
    }
    pipeline = make_fish_pipeline(head=HEADS[name], weights=None, task=task, **params)
    return pipeline.fit(X / 255, targets.get(name, y == "eel"))


@pytest.mark.parametrize("name", HEADS)
def test_heads_other_than_the_built_in_one_are_held(fish, tmp_path, name):
    pipeline = fit_head(name, fish)
    assert export_model(pipeline, tmp_path / "model.keras") < 1e-5
    model = keras.saving.load_model(tmp_path / "model.keras")
    answers = getattr(pipeline, "predict" if "ridge" in name else "predict_proba")
    X = fish[0][:20] / np.float32(255)
    found = model.predict(X, verbose=0)
    np.testing.assert_allclose(found.reshape(answers(X).shape), answers(X), rtol=0, atol=1e-4)


@pytest.mark.parametrize("suffix", [".keras", ".onnx"])
@pytest.mark.parametrize("whiten", [True, False])
def test_a_keras_head_behind_pca_is_held(fish, vgg16, tmp_path, suffix, whiten):
    head = KerasHeadClassifier(hidden_units=0, epochs=3, random_state=0)
    steps = [StandardScaler(), PCA(5, whiten=whiten, random_state=0), head]
    pipeline = make_pipeline(vgg16, *steps).fit(*fish)
    assert pipeline.predict_proba(fish[0]).std(axis=0).max() > 0.01
    assert export_model(pipeline, tmp_path / f"model{suffix}") < 1e-4


def test_a_pipeline_on_an_onnx_network_is_refused_with_the_reason(fish, tmp_path):
    network = write_convolutions(tmp_path / "network.onnx")
    pipeline = make_fish_pipeline(backbone=network, head=LogisticRegression()).fit(*fish)
    with pytest.raises(ValueError, match="its network is a file for others already"):
        export_model(pipeline, tmp_path / "model.onnx")


ESTIMATORS = {
    "support vectors": SVC(),
    "calibrated": CalibratedClassifierCV(SVC(), ensemble=False),
    "forest": RandomForestClassifier(20, random_state=0),
    "boosted trees": HistGradientBoostingClassifier(max_iter=5),
    "principal components": make_pipeline(PCA(5, random_state=0), LogisticRegression()),
    "two classes": SVC(),
    "numbers": HistGradientBoostingRegressor(max_iter=5),
}


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory):
    return VGG16FeatureTransformer(
        weights=str(write_safetensors(tmp_path_factory.mktemp("w") / "w.safetensors"))
    )


@pytest.mark.parametrize("name", ESTIMATORS)
def test_onnx_holds_estimators_of_scikit_learn(fish, vgg16, tmp_path, name):
    X, y = fish
    targets = {"two classes": y == "eel", "numbers": 3.0 * (y == "eel")}.get(name, y)
    pipeline = make_pipeline(vgg16, StandardScaler(), ESTIMATORS[name]).fit(X, targets)
    assert export_model(pipeline, tmp_path / "model.onnx") < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (output,) = session.get_outputs()
    methods = {"numbers": "predict", "scores": "decision_function", "probabilities": "predict_proba"}
    expected = getattr(pipeline, methods[output.name])(X)
    (found,) = session.run(None, {"images": X})
    if name == "two classes":
        np.testing.assert_allclose(found[:, 0], -found[:, 1])
        found = found[:, 1]
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=1e-4)
    assert (output.name == "scores") == (type(pipeline[-1]) is SVC)


def test_a_head_that_no_format_holds_is_refused_with_those_that_it_can(fish, tmp_path):
    pipeline = make_fish_pipeline(head=SVC(), weights=None, features__image_size=32).fit(*fish)
    with pytest.raises(
        ValueError, match=r"heads that \.keras files can hold are KerasHead.*LogisticRegression"
    ):
        export_model(pipeline, tmp_path / "model.keras")


def test_a_model_that_answers_otherwise_is_not_written(fitted, tmp_path, monkeypatch):
    (tmp_path / "model.keras").write_bytes(b"old")
    write = _export.FORMATS[".keras"].write

    def write_otherwise(export, path):
        head = fitted["head"]
        monkeypatch.setattr(head, "temperature_", 1.1)
        write(export, path)

    monkeypatch.setitem(_export.FORMATS, ".keras", _export.FORMATS[".keras"]._replace(write=write_otherwise))
    with pytest.raises(ValueError, match=r"is not written: .* within 0\.0001 .*largest difference was"):
        export_model(fitted, tmp_path / "model.keras")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_what_a_converter_raises_is_one_error(fitted, tmp_path, monkeypatch):
    form = _export.FORMATS[".tflite"]
    monkeypatch.setitem(_export.FORMATS, ".tflite", form._replace(write=lambda export, path: 1 / 0))
    with pytest.raises(ValueError, match=r"cannot be written as a \.tflite file: division by zero"):
        export_model(fitted, tmp_path / "model.tflite")


def test_a_package_that_is_missing_is_named_with_what_installs_it(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(_export, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install ai-edge-litert"):
        export_model(fitted, tmp_path / "model.tflite")

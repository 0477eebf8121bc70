"""fishsk-predict: the same package without TensorFlow, Keras and scikeras, in an environment of its own."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from onnx_networks import write_convolutions
from PIL import Image
from sklearn.linear_model import LogisticRegression

from fishsk import make_fish_pipeline, save_pipeline
from fishsk.datasets import FISH_NAMES, make_fish_images
from fishsk.features import BACKBONES

ROOT = Path(__file__).parents[1]
SMALL = ROOT / "packaging" / "predict"
LEFT_OUT = {"keras", "scikeras", "tensorflow"}


def read_project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_it_needs_what_fishsk_needs_without_three():
    whole, small = read_project(ROOT), read_project(SMALL)
    kept = [each for each in whole["dependencies"] if each.partition(">")[0] not in LEFT_OUT]
    assert small["dependencies"] == kept
    assert len(kept) == len(whole["dependencies"]) - len(LEFT_OUT)
    assert small["requires-python"] == whole["requires-python"]
    for extra, needed in small["optional-dependencies"].items():
        assert set(needed) <= set(whole["optional-dependencies"][extra])  # what exports is of the whole one


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return the interpreter of an environment into which pip has installed fishsk-predict alone."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{SMALL}[onnx]"], check=True)
    return python


@pytest.fixture(scope="module")
def fish(tmp_path_factory):
    """Return drawn fish, their labels, and a folder of one folder for each class."""
    X, y = make_fish_images(60, random_state=0)
    folder = tmp_path_factory.mktemp("photos")
    for index, (image, label) in enumerate(zip(X, y, strict=True)):
        path = folder / FISH_NAMES[label] / f"{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return X, np.array(FISH_NAMES)[y], folder


def run(python, *arguments):
    """Run a program in the environment, with nothing of this one."""
    hidden = ("PYTHONPATH", "PYTHONHOME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [python, *arguments], env=environment, cwd=SMALL, capture_output=True, text=True, check=False
    )


PREDICT = """
import sys, importlib.util
import numpy as np
from fishsk import load_pipeline
for name in ("tensorflow", "keras", "scikeras"):
    assert importlib.util.find_spec(name) is None
model, images, output = sys.argv[1:]
np.save(output, load_pipeline(model).predict_proba(np.load(images)))
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["recipe", "ONNX network"])
def test_a_saved_pipeline_predicts_without_tensorflow(python, fish, kind, tmp_path):
    X, y, folder = fish
    if kind == "recipe":
        pipeline = make_fish_pipeline(backbone=BACKBONES, random_state=0, head__epochs=5)
    else:
        network = write_convolutions(tmp_path / "network.onnx")
        pipeline = make_fish_pipeline(
            backbone=[network, "vgg16.cifar95"], head=LogisticRegression(), features__network__layers="block2"
        )
    pipeline.fit(X, y)
    save_pipeline(pipeline, tmp_path / "fish.fishsk")
    np.save(tmp_path / "X.npy", X)
    done = run(python, "-c", PREDICT, tmp_path / "fish.fishsk", tmp_path / "X.npy", tmp_path / "proba.npy")
    assert done.returncode == 0, done.stderr
    proba = pipeline.predict_proba(X)
    np.testing.assert_allclose(np.load(tmp_path / "proba.npy"), proba, rtol=0, atol=1e-5)

    done = run(python, "-m", "fishsk", "predict", tmp_path / "fish.fishsk", folder, "--output", "-", "--json")
    assert done.returncode == 0, done.stderr
    files = sorted(folder.rglob("*.png"))
    answers = {each["path"]: each["predicted"] for each in json.loads(done.stdout)["predictions"]}
    expected = dict(zip(map(str, files), pipeline.predict([*map(str, files)]), strict=True))
    assert answers == expected


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "program",
    [
        ("-m", "fishsk", "fit", "{photos}"),
        ("-m", "fishsk", "demo"),
        ("-c", "from fishsk import KerasHeadClassifier"),
        ("-c", "from fishsk import make_fish_pipeline; make_fish_pipeline()"),
        ("-c", "from fishsk import KerasFeatureTransformer as T; T(backbone='ResNet50').list_layers()"),
        (
            "-c",
            "import numpy as np; from fishsk import KerasFeatureTransformer as T;"
            "T(weights=None, cache=None).transform(np.zeros((1, 32, 32, 3), np.uint8))",
        ),
    ],
    ids=["fit", "demo", "head", "pipeline", "network of Keras", "drawn network"],
)
def test_what_needs_tensorflow_says_what_to_install(python, fish, program):
    done = run(python, *(part.format(photos=fish[2]) for part in program))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("python -m pip install fishsk")
    assert "This needs tensorflow, keras, scikeras." in done.stderr

"""Commands that only answer load neither TensorFlow nor Keras."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from quick import forget_networks

from fishsk.cli import main

PROGRAM = """
import json, sys
from pathlib import Path
from fishsk import load_pipeline
from fishsk.cli import main
from fishsk.serve import Answers

model, train, folder, image = sys.argv[1:]
heavy = {}

def look(name, status=0):
    heavy[name] = [status, *sorted({"tensorflow", "keras", "scikeras"} & set(sys.modules))]

def run(name, *arguments):
    look(name, main([name, *arguments]))

run("predict", model, image, "--output", "answers.csv")
run("evaluate", model, folder, "--output", "figures")
run("compare", model, model, folder)
run("similar", image, folder, "--model", model)
run("next", folder, "--model", model, "--train", train, "--output", "next.html")
run("sort", folder, "--model", model, "--output", "sorted")
look("drift", main(["drift", model, folder, "--train", train]) in (0, 3) and "done")
look("similar without a model", main(["similar", image, folder]))
pipeline = load_pipeline(model)
pipeline.predict_proba([image])
look("predict_proba")
Answers(pipeline, train=[*Path(train).rglob("*.png")]).predict(Path(image).read_bytes())
look("serve")
print(json.dumps(heavy), file=sys.stderr)
"""


@pytest.fixture
def new(tmp_path):
    """Return a folder of class folders of images that nothing has seen."""
    for index in range(12):
        path = tmp_path / "new" / ("ray", "shark")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).integers(256, size=(40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return tmp_path / "new"


def test_answers_of_new_images_load_neither_tensorflow_nor_keras(model, photos, new, tmp_path):
    forget_networks()
    output = ["--output", str(tmp_path / "a.csv")]
    assert main(["predict", str(model), str(photos), *output]) == 0  # keeps the network converted
    # The recipe's smaller network alone, as all of these tests.
    program = f"import fishsk.features as f; f.BACKBONES = f.BACKBONES[1:]\n{PROGRAM}"
    run = subprocess.run(
        [sys.executable, "-c", program, str(model), str(photos), str(new), str(new / "ray" / "0.png")],
        env=os.environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = json.loads(run.stderr.splitlines()[-1])
    names = ("predict", "evaluate", "compare", "similar", "next", "sort", "similar without a model")
    assert heavy == {"drift": ["done"]} | {name: [0] for name in (*names, "predict_proba", "serve")}


def test_help_loads_nothing_that_takes_long():
    program = (
        "import sys; from fishsk.cli._main import build_parser; build_parser().format_help();"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"numpy", "sklearn", "scipy", "pandas", "PIL", "cv2", "rich", "matplotlib", "tensorflow", "keras"}
    assert "argparse" in run.stdout.split()
    assert not heavy & set(run.stdout.split())

"""Run exported models in fresh environments that hold their own runtime alone, and compare the answers.

``python tools/check_exports.py photos/`` trains the default recipe on a folder of one folder for each class
(``--train`` images of each), exports it to .keras, .tflite, .onnx and .xml, and makes an environment for each
of Keras and TensorFlow, LiteRT, ONNX Runtime and OpenVINO, with numpy and pillow and without fishsk. There
the next ``--test`` images of each class are answered one by one, each in its own size. Prints the largest
difference from the pipeline's probabilities, and exits with 1 if one is above 1e-4, or a class is another.
uv, where it is found, makes the environments in seconds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fishsk import export_model, make_fish_pipeline
from fishsk.datasets import load_image_folder
from fishsk.features import BACKBONES

MOST = 1e-4
START = """
import json, sys
import numpy as np
from PIL import Image, ImageOps
from importlib.metadata import distributions

model, paths, output = sys.argv[1:]
photographs = [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in json.loads(paths)]
batches = [np.asarray(photograph)[np.newaxis] for photograph in photographs]
"""
END = """
np.save(output, np.concatenate(answers))
names = sorted({each.metadata["Name"].lower() for each in distributions()})
assert not {"fishsk", "fishsk-predict", "scikit-learn"} & set(names)
print(json.dumps(names))
"""
RUNTIMES = {
    ".keras": (
        ["keras", "tensorflow"],
        "import keras; run = keras.saving.load_model(model)\n"
        "answers = [np.asarray(run(batch)) for batch in batches]",
    ),
    ".tflite": (
        ["ai-edge-litert"],
        "from ai_edge_litert.interpreter import Interpreter\n"
        "run = Interpreter(model).get_signature_runner()\n"
        "answers = [run(images=batch)['probabilities'] for batch in batches]",
    ),
    ".onnx": (
        ["onnxruntime"],
        "import onnxruntime; session = onnxruntime.InferenceSession(model)\n"
        "answers = [session.run(['probabilities'], {'images': batch})[0] for batch in batches]",
    ),
    ".xml": (
        ["openvino"],
        "import openvino\n"
        "run = openvino.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})\n"
        "answers = [run({'images': batch})['probabilities'] for batch in batches]",
    ),
}


def main():
    """Return 1 if a model answers otherwise than the pipeline."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", help="a folder of one folder for each class")
    parser.add_argument("--train", type=int, default=24, help="images of each class (default: %(default)s)")
    parser.add_argument("--test", type=int, default=8, help="images of each class (default: %(default)s)")
    parser.add_argument("--formats", nargs="+", choices=RUNTIMES, default=list(RUNTIMES), metavar="SUFFIX")
    arguments = parser.parse_args()
    data = load_image_folder(arguments.photos)
    places = [np.flatnonzero(data.target == label) for label in range(len(data.target_names))]
    end = arguments.train + arguments.test
    train = np.concatenate([each[: arguments.train] for each in places])
    test = [str(data.images[at]) for each in places for at in each[arguments.train : end]]
    pipeline = make_fish_pipeline(backbone=BACKBONES, random_state=0)
    pipeline.fit([data.images[at] for at in train], data.target[train])
    expected = np.concatenate([pipeline.predict_proba([path]) for path in test])
    print(f"{len(train)} images to train on, {len(test)} to compare on, of {len(places)} classes")
    worst = 0.0
    for suffix in arguments.formats:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            checked = export_model(pipeline, Path(folder, f"model{suffix}"))
            exported = time.perf_counter() - start
            found, names = run_alone(suffix, Path(folder), [os.path.abspath(path) for path in test])
        difference = float(np.abs(found - expected).max())
        n_other = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
        worst = max(worst, difference, float(n_other))
        print(
            f"{suffix:8} largest difference {difference:.1e}, other classes {n_other} of {len(test)}; on the "
            f"32 images of export_model {checked:.1e} ({exported:.0f} s); {len(names)} packages: "
            f"{', '.join(names)}"
        )
    return int(not worst <= MOST)


def run_alone(suffix, folder, paths):
    """Return what a model answers in an environment of its own, and the packages in this."""
    packages, program = RUNTIMES[suffix]
    install(folder / "environment", [*packages, "numpy", "pillow"])
    python = folder / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    output = folder / "answers.npy"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [python, "-c", START + program + END, folder / f"model{suffix}", json.dumps(paths), output]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return np.load(output), json.loads(done.stdout.splitlines()[-1])


def install(folder, packages):
    """Make an environment that holds some packages and what they need."""
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", folder, *packages], check=True)
        return
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)


if __name__ == "__main__":
    sys.exit(main())

"""Commands that only answer load neither TensorFlow nor Keras."""

import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image

from fishsk.cli import main
from fishsk.features._engine import forget_networks

PROGRAM = """
import sys
from fishsk.cli import main
status = main(sys.argv[1:])
print({"tensorflow", "keras", "scikeras"} & set(sys.modules), file=sys.stderr)
raise SystemExit(status)
"""


def test_predict_on_new_images_loads_neither_tensorflow_nor_keras(model, tmp_path):
    for index in range(2):
        noise = np.random.default_rng(index).integers(256, size=(40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{index}.png")
    first, second = (
        ["predict", str(model), str(tmp_path / f"{index}.png"), "--output", "-", "--json"]
        for index in range(2)
    )
    forget_networks()
    assert main(first) == 0  # keeps the network converted
    command = [sys.executable, "-c", PROGRAM, *second]
    run = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=True)
    assert len(json.loads(run.stdout)["predictions"]) == 1
    assert run.stderr.endswith("set()\n")

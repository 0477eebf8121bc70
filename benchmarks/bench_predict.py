"""`python -m fishsk predict` in a fresh process: a new photograph, known ones, and with TensorFlow.

A model of the default recipe is trained in this process. Each side then is a command in an interpreter of its
own, as a user starts it. "CPU seconds" are those of user and system, which hardly depend on what else the
machine does.
"""

import os
import resource
import subprocess
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, compare
from PIL import Image

from fishsk.cli import main as run_command
from fishsk.datasets import FISH_NAMES, make_fish_images
from fishsk.persistence import load_pipeline

_SIZE = (768, 1024)  # of a photograph
_N_CALLS = 200  # of the head, for one row
_MAIN = "import sys; from fishsk.cli import main; sys.exit(main(sys.argv[1:]))"
_AS_USUAL = ("-m", "fishsk")
_TENSORFLOW_FIRST = ("-c", f"import tensorflow; {_MAIN}")
_ON_TENSORFLOW = ("-c", f"import fishsk.features._engine as e; e.find_version = lambda name: None; {_MAIN}")


def main():
    """Train a model, and time the commands that use it."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    n_train, n_known = (20, 3) if bench.quick else (100, 100)
    with TemporaryDirectory() as folder:
        os.environ["FISHSK_CACHE"] = str(Path(folder, "cache"))  # this process's, and that of all sides
        model = train(Path(folder), n_train)
        known = save_photographs(Path(folder, "known"), n_known)
        numbers = count(10**6)

        def predict_new(program):
            """Predict a photograph that nothing has seen, so that its features are of no other run."""
            path = save_photograph(Path(folder, "new.jpg"), seed=next(numbers))
            return run(program, "predict", model, path, "--output", "-")

        sides = {
            "a new photograph": partial(predict_new, _AS_USUAL),
            "the same, TensorFlow imported first": partial(predict_new, _TENSORFLOW_FIRST),
            "the same, its networks on TensorFlow": partial(predict_new, _ON_TENSORFLOW),
            f"{n_known} known photographs": partial(
                run, _AS_USUAL, "predict", model, known, "--output", Path(folder, "answers.csv")
            ),
            "--help": partial(run, _AS_USUAL, "--help"),
        }
        rows = [
            row | {"fastest": min(row["runs"]), "slowest": max(row["runs"])}
            for row in compare(sides, bench.repeats)
        ]
        bench.table("`python -m fishsk`, fresh processes, the default recipe", rows)
        bench.table("One row of features in a process that lasts", time_head(model, known))
    bench.write()


def train(folder, n_images):
    """Return the file of a model of the default recipe, after its networks were converted."""
    X, y = make_fish_images(n_images, random_state=0)
    for index, (image, label) in enumerate(zip(X, y, strict=True)):
        path = folder / "train" / FISH_NAMES[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((96, 96)).save(path)  # larger ones are seen at the network's own size
    model = folder / "model.fishsk"
    if run_command(["fit", str(folder / "train"), "--model", str(model)]):
        raise RuntimeError("The model could not be trained.")
    return model


def save_photographs(folder, n_images):
    """Return a folder of photographs."""
    for seed in range(n_images):
        save_photograph(folder / f"{seed}.jpg", seed)
    return folder


def save_photograph(path, seed, size=_SIZE):
    """Write a JPEG of smooth color under grain, of some (height, width)."""
    rng = np.random.default_rng(seed)
    colors = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(colors.resize(size[::-1], Image.Resampling.BICUBIC), dtype=np.int16)
    grain = rng.integers(-12, 13, (*size, 1), dtype=np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def run(program, *arguments):
    """Return the seconds of a command in a fresh interpreter, of the clock and of the processor."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, *program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr)
    work = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seconds": seconds, "CPU_seconds": work}


def time_head(model, folder):
    """Return the milliseconds of one row: of the head alone, after the scaler, and of a known photograph."""
    pipeline = load_pipeline(model)
    path = str(next(folder.iterdir()))
    row = pipeline["features"].transform([path])
    calls = {
        f"head.predict_proba, {row.shape[1]:,} columns": partial(pipeline["head"].predict_proba, row),
        "scaler and head": partial(pipeline[1:].predict_proba, row),
        "pipeline.predict_proba, a known file": partial(pipeline.predict_proba, [path]),
    }
    found = []
    for name, call in calls.items():
        seconds = []
        for _ in range(_N_CALLS):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        low, middle, high = np.percentile(seconds, [5, 50, 95]) * 1000
        found.append({"what": name, "milliseconds": middle, "5_of_100_below": low, "95_of_100_below": high})
    return found


if __name__ == "__main__":
    main()

"""From 10,000 to 100,000 images in a folder: fit, predict, and fit again; seconds per image, and memory.

Drawn fish of 96 x 96 pixels lie as JPEG files in one folder per class. Each command runs in a fresh process,
as a user types it, with an empty cache folder for each number of images. The network is MobileNetV3Small with
drawn weights: how long it takes does not depend on them. The head trains for three epochs.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from _common import Benchmark
from PIL import Image

from fishsk.datasets import make_fish_images

NETWORK = ("--backbone", "MobileNetV3Small", "--weights", "none")
EPOCHS = ("--set", "head__epochs=3")
SIZE = 96  # pixels
N_DRAWN = 5000  # images drawn at once


def main():
    """Run the commands with each number of images."""
    bench = Benchmark(__file__, __doc__, repeats=1, add_arguments=add_arguments)
    rows = []
    for n_images in (60, 120) if bench.quick else bench.options.images:
        with TemporaryDirectory() as folder:
            draw(Path(folder, "photos"), n_images)
            for command, fact in run_all(Path(folder)):
                rows.append({"command": command, "images": n_images} | fact)
    bench.table(f"Folders of JPEG files of {SIZE} x {SIZE} pixels", rows)
    bench.note(
        '"CPU" are the milliseconds of processors for each image, which hardly depend on what else a machine '
        'does; "memory" is the most that the process had at one time, its libraries included. One row of '
        "features takes 2.3 KB, so that those of 100,000 images, which a fit must hold, take 230 MB."
    )
    bench.write()


def add_arguments(parser):
    """Add the options of this program."""
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 30_000, 100_000], help="images")


def draw(folder, n_images):
    """Write drawn fish, one folder for each kind."""
    for start in range(0, n_images, N_DRAWN):
        X, y = make_fish_images(min(N_DRAWN, n_images - start), image_size=SIZE, random_state=start)
        for index, (image, label) in enumerate(zip(X, y, strict=True), start):
            path = folder / f"kind{label}" / f"{index:06}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def run_all(folder):
    """Yield each command and what it took."""
    photos, model = os.fspath(folder / "photos"), os.fspath(folder / "model.fishsk")
    fit = ["fit", photos, *NETWORK, *EPOCHS, "--model", model]
    predict = ["predict", model, photos, "--output", os.fspath(folder / "predictions.csv")]
    n_images = sum(len(files) for _, _, files in os.walk(photos))
    for name, command in {
        "fit, nothing known": fit,
        "predict to CSV, all known": predict,
        "fit with another penalty, all known": [*fit, "--set", "head__l2=0.01"],
    }.items():
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "fishsk", *command],
            env=os.environ | {"FISHSK_CACHE": os.fspath(folder / "cache")},
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"{command} has ended with {os.waitstatus_to_exitcode(status)}.")
        seconds = time.perf_counter() - start
        cpu = usage.ru_utime + usage.ru_stime
        yield (
            name,
            {
                "seconds": seconds,
                "ms_an_image": 1000 * seconds / n_images,
                "CPU_ms_an_image": 1000 * cpu / n_images,
                "memory_MB": usage.ru_maxrss / 1024,
            },
        )


if __name__ == "__main__":
    main()

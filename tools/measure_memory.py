"""Measure the memory that reading large photographs takes, and print a table.

Four photographs of 80 megapixels are drawn as JPEG files, and read in a fresh process for each reader and
number of cores. The figures are the most memory that the process ever had, and that less what it had after
its imports. With ``--source`` the readers of another checkout are measured, such as those before a change::

    python tools/measure_memory.py
    python tools/measure_memory.py --source ../before/src
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (10_328, 7_760)  # width, height
READERS = {
    "load_image_folder": "load_image_folder(FOLDER)",
    "check": "measure_images(check_images(PATHS))",
    "transform": "list(ThreadPoolExecutor(N_READERS).map(lambda i: IMAGES.load([i], (224, 224)), range(4)))",
}
PROGRAM = """
import glob, resource, sys
from concurrent.futures import ThreadPoolExecutor
from fishsk.datasets import load_image_folder
from fishsk.features import check_images
from fishsk.features._extraction import N_READERS
from fishsk.inspection._image_facts import measure_images
FOLDER = sys.argv[1]
PATHS = sorted(glob.glob(FOLDER + "/*/*.jpg"))
IMAGES = check_images(PATHS)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{reader}
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Draw the photographs, and measure each reader with each number of cores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default=str(Path(__file__).parents[1] / "src"), help="a folder of fishsk")
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 16], help="cores (default: 2 16)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder, "ray"))
        print(f"four photographs of {SIZE[0] * SIZE[1] / 1e6:.0f} megapixels, MiB at most\n")
        print(f"{'reader':20}{'cores':>7}{'in all':>9}{'for reading':>13}")
        for name, reader in READERS.items():
            for cores in arguments.cores:
                before, most = measure(reader, folder, cores, arguments.source)
                print(f"{name:20}{cores:7}{most:9,.0f}{most - before:13,.0f}")


def draw(folder: Path) -> None:
    """Write four photographs of noise that is smooth, so that they are quickly decoded."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (97, 129, 3), dtype=np.uint8)
    photograph = Image.fromarray(noise).resize(SIZE)
    for number, orientation in enumerate((1, 6, 3, 1)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        photograph.save(folder / f"{number}.jpg", exif=exif)


def measure(reader: str, folder: str, cores: int, source: str) -> tuple[float, float]:
    """Return the MiB that a fresh process had before it read the photographs, and at most."""
    # joblib asks for the first, and Python 3.13 for the second, before they count cores.
    environment = os.environ | {
        "PYTHONPATH": source,
        "LOKY_MAX_CPU_COUNT": str(cores),
        "PYTHON_CPU_COUNT": str(cores),
    }
    program = PROGRAM.format(reader=reader)
    run = [sys.executable, "-W", "ignore", "-c", program, folder]
    words = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.split()
    return tuple(int(word) / 1024 for word in words)


if __name__ == "__main__":
    main()

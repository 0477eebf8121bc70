"""Extraction from a folder of JPEG files by two Dask worker processes of one thread each, against one.

As `python -m fishsk features --workers` works: chunks of paths go to the workers, which read, decode and run
the network, and features come back. Each worker is told by the environment to use one thread: TensorFlow,
LiteRT, OpenCV and the readers of files take every core otherwise, whatever Dask says. Every worker has worked
before, so that loading the network is not counted.
"""

import tempfile
from functools import partial
from pathlib import Path

import cv2
import dask
from _common import Benchmark, compare, load_fish, per_second
from _folds import PHOTOGRAPHS
from distributed import Client, LocalCluster

from fishsk import make_fish_pipeline
from fishsk.cli._cluster import compute, limit_threads
from fishsk.cli.commands.features import extract


def main():
    """Compare clusters of one and of two workers, which take turns."""
    bench = Benchmark(__file__, __doc__, repeats=7)
    n_small, n_large = (40, 8) if bench.quick else (2000, 256)
    with (
        dask.config.set(limit_threads(1)),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as one,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as two,
        Client(one, set_as_default=False) as client_of_one,
        Client(two, set_as_default=False) as client_of_two,
        tempfile.TemporaryDirectory() as folder,
    ):
        clients = {"one worker": client_of_one, "two workers": client_of_two}
        step = make_fish_pipeline(weights="cifar95", features__cache=None)["features"]
        paths, source = write_fish(n_small, folder)
        title = f"{len(paths)} JPEG files of {source}, cifar95 at 32 x 32"
        compare_clusters(bench, clients, step, paths, max(1, len(paths) // 40), title)
        step = make_fish_pipeline(backbone="EfficientNetLite0", features__cache=None)["features"]
        paths, source = find_photographs(n_large, folder)
        title = f"{len(paths)} JPEG files of {source}, EfficientNetLite0 at 224 x 224"
        compare_clusters(bench, clients, step, paths, 8, title)
    bench.write()


def write_fish(n_images, folder):
    """Write fish as JPEG files, and return their paths and where they are from."""
    images, _, source = load_fish(n_images)
    paths = [str(Path(folder, f"{index}.jpg")) for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(path, image[:, :, ::-1])
    return paths, source


def find_photographs(n_images, folder):
    """Return photographs of clothing where they lie, or else fish enlarged to the size of photographs."""
    if PHOTOGRAPHS.exists():
        return [str(path) for path in sorted(PHOTOGRAPHS.glob("*/*/*.jpg"))[:n_images]], "clothing"
    paths, source = write_fish(n_images, folder)
    for path in paths:
        cv2.imwrite(path, cv2.resize(cv2.imread(path), (400, 400)))
    return paths, f"{source}, enlarged"


def compare_clusters(bench, clients, step, paths, n_chunk, title):
    """Let the clusters extract the same files in turn."""
    chunks = [paths[start : start + n_chunk] for start in range(0, len(paths), n_chunk)]
    sides = {name: partial(run, client, step, chunks) for name, client in clients.items()}
    rows = compare(sides, bench.repeats, warm_up=True)
    bench.table(f"{title}, in chunks of {n_chunk}", per_second(rows, len(paths)))


def run(client, step, chunks):
    """Extract the features of all chunks, and fetch them."""
    for _ in compute(client, extract, chunks, step):
        pass


if __name__ == "__main__":
    main()

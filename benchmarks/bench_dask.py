"""Extraction by two Dask worker processes of one thread each, against one.

TensorFlow takes every core that it sees, whatever Dask says: each worker is told by the environment to
use one. The images are where the workers are, as if they had read them, and every worker has extracted
before, so that neither sending images nor loading TensorFlow is counted.
"""

from functools import partial

import dask
import dask.array as da
from _common import Benchmark, compare, load_fish, per_second
from distributed import Client, LocalCluster

from fishsk import VGG16FeatureTransformer, make_fish_pipeline

_ONE_THREAD = {
    f"distributed.nanny.pre-spawn-environ.{name}": "1"
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
}


def main():
    """Compare clusters of one and of two workers, which take turns."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    small, large = ((80, 10), (8, 2)) if bench.quick else ((2500, 125), (40, 5))
    with (
        dask.config.set(_ONE_THREAD),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as one,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as two,
        Client(one, set_as_default=False) as client_of_one,
        Client(two, set_as_default=False) as client_of_two,
    ):
        clients = {"one worker": client_of_one, "two workers": client_of_two}
        vgg16 = make_fish_pipeline(weights="cifar95", features__cache=None)["features"]
        compare_clusters(bench, clients, vgg16, *small, "cifar95 at 32 x 32, default recipe")
        vgg16 = VGG16FeatureTransformer(weights=None, image_size=224, cache=None)
        compare_clusters(bench, clients, vgg16, *large, "the full VGG16 at 224 x 224")
    bench.write()


def compare_clusters(bench, clients, vgg16, n_images, n_block, what):
    """Let the clusters extract the same images in turn."""
    images, _, source = load_fish(n_images)
    X = da.from_array(images, chunks=(n_block, 32, 32, 3))
    sides = {name: partial(extract, client, vgg16, client.persist(X)) for name, client in clients.items()}
    rows = compare(sides, bench.repeats, warm_up=True)
    title = f"{len(images)} of {source} in blocks of {n_block}, {what}"
    bench.table(title, per_second(rows, len(images)))


def extract(client, vgg16, X):
    """Compute all features where the workers are, and fetch their sum alone."""
    client.compute(vgg16.transform(X).sum()).result()


if __name__ == "__main__":
    main()

"""Extraction by two Dask worker processes of one thread each, against one.

TensorFlow takes every core that it sees, whatever Dask says: each worker is told by the environment to
use one. All workers have run one block before, so that loading TensorFlow is not counted.
"""

from functools import partial

import dask
import dask.array as da
from _common import Benchmark, compare, load_fish, per_second
from distributed import Client, LocalCluster

from fishsk import make_fish_pipeline

_ONE_THREAD = {
    f"distributed.nanny.pre-spawn-environ.{name}": "1"
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
}


def main():
    """Compare clusters of one and of two workers, which take turns."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    n_images, n_block = (80, 10) if bench.quick else (3000, 150)
    images, _, source = load_fish(n_images)
    X = da.from_array(images, chunks=(n_block, 32, 32, 3))
    lazy = make_fish_pipeline(weights="cifar95", features__cache=None)["features"].transform(X)
    with (
        dask.config.set(_ONE_THREAD),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as one,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as two,
        Client(one, set_as_default=False) as client_of_one,
        Client(two, set_as_default=False) as client_of_two,
    ):
        sides = {
            "one worker": partial(extract, client_of_one, lazy),
            "two workers": partial(extract, client_of_two, lazy),
        }
        rows = compare(sides, bench.repeats, warm_up=True)
    bench.table(
        f"{len(images)} of {source} in blocks of {n_block}, default recipe", per_second(rows, n_images)
    )
    bench.write()


def extract(client, lazy):
    """Compute all features where the workers are, and fetch their sum alone."""
    client.compute(lazy.sum()).result()


if __name__ == "__main__":
    main()

"""A Dask cluster for commands: one of this machine's processes, or one that runs already."""

from __future__ import annotations

import argparse
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from distributed import Client, Future
    from sklearn.base import BaseEstimator

    _Found: TypeAlias = tuple[np.ndarray, dict[str, str]]  # features, and why files cannot be read

_AHEAD = 2  # chunks that each worker has before it, so that none waits
_PATIENCE = 20  # seconds, for a scheduler to answer and for a worker to join

# What libraries take for the number of threads of a process, whatever Dask says: TensorFlow, OpenCV, and
# joblib, which LiteRT, onnxruntime and the readers of files follow.
_THREADS = (
    "LOKY_MAX_CPU_COUNT",
    "OPENCV_FOR_THREADS_NUM",
    "OMP_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def limit_threads(n_threads: int) -> dict[str, str]:
    """Return the settings of Dask by which each worker that a cluster starts uses so many threads."""
    return {f"distributed.nanny.pre-spawn-environ.{name}": str(n_threads) for name in _THREADS}


@contextmanager
def open_cluster(arguments: argparse.Namespace) -> Iterator[Client | None]:
    """Yield a client of the cluster that options ask for, or None."""
    if arguments.workers is None and arguments.scheduler is None:
        yield None
        return
    if arguments.workers is not None and arguments.workers < 1:
        raise ValueError(f"--workers must be at least 1. Got {arguments.workers}.")
    if find_spec("distributed") is None:
        raise ImportError('A cluster needs Dask. Run: python -m pip install "fishsk[dask]"')
    import dask
    from distributed import Client
    from joblib import cpu_count

    if arguments.scheduler is not None:
        with Client(arguments.scheduler, set_as_default=False, timeout=_PATIENCE) as client:
            client.wait_for_workers(1, timeout=_PATIENCE)
            yield client
        return
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of each process that ends
    settings = limit_threads(max(1, cpu_count() // arguments.workers))
    cluster = {"n_workers": arguments.workers, "threads_per_worker": 1, "dashboard_address": None}
    with dask.config.set(settings), Client(set_as_default=False, **cluster) as client:
        yield client


def compute(
    client: Client | None, work: Callable[..., _Found], chunks: Iterable[list[str]], step: BaseEstimator
) -> Iterator[_Found]:
    """Yield what `work` makes of each chunk of files, in order; on a cluster a few are in work at a time.

    It takes a chunk, and `step`, which is sent once. Without a client it works in this process.
    """
    if client is None:
        yield from (work(chunk, step) for chunk in chunks)
        return
    sent = client.scatter(step, broadcast=True, hash=False)
    n_ahead = _AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    futures: deque[Future] = deque()
    for chunk in chunks:
        futures.append(client.submit(work, chunk, sent, pure=False))
        if len(futures) >= n_ahead:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()

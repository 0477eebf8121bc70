"""Heads fitted in threads: how many networks a process builds, and the memory that they leave.

Fits of one architecture wait for its one network. 96 fits of three architectures, each in a fresh process.
"""

from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
from _common import Benchmark, in_fresh_process, memory_mb

from fishsk import KerasHeadClassifier
from fishsk.head import _trainer


def main():
    """Fit in one thread and in four."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    n_fits = 6 if bench.quick else 96
    rows = [
        {"threads": n_threads, "run": run, **in_fresh_process(fit_in_threads, n_threads, n_fits)}
        for run in range(1, bench.repeats + 1)
        for n_threads in (1, 4)
    ]
    bench.table(f"{n_fits} fits of 200 rows of 512 features, 64, 128 or 256 hidden units", rows)
    bench.write()


def fit_in_threads(n_threads, n_fits):
    """Return how many networks were built, and the MB of this process at the end."""
    rng = np.random.default_rng(0)
    X, y = rng.random((200, 512), dtype=np.float32), np.arange(200) % 5
    heads = [KerasHeadClassifier(hidden_units=64 << fit % 3, epochs=1) for fit in range(n_fits)]
    with (
        mock.patch.object(_trainer, "Trainer", wraps=_trainer.Trainer) as network,
        ThreadPoolExecutor(n_threads) as pool,
    ):
        list(pool.map(lambda head: head.fit(X, y), heads))
    return {"networks_built": network.call_count, "MB": memory_mb("VmRSS")}


if __name__ == "__main__":
    main()

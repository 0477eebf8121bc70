"""A grid search of 5 folds x 8 candidates: with the feature store, Pipeline(memory=...), or neither.

All are compared with the least that can be done: one extraction, then the same search over the head alone.
Images are counted where they enter the network.
"""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from _common import Benchmark, compare, load_fish, timed
from sklearn.model_selection import GridSearchCV

from fishsk import make_fish_pipeline
from fishsk.features import _extraction

_N_FOLDS = 5
_GRID = {"head__dropout": [0.2, 0.5], "head__learning_rate": [1e-4, 3e-4, 1e-3, 3e-3]}


def main():
    """Compare the four searches."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    X, y, source = load_fish(100 if bench.quick else None, subset="train")
    run = partial(search, X, y, epochs=1 if bench.quick else 20)
    sides = {
        "one extraction, then the head": partial(run, extract_first=True),
        "feature store": partial(run, store=True),
        "Pipeline(memory=...)": partial(run, memory=True),
        "neither": run,
    }
    search(X[:100], y[:100], epochs=1)  # builds the networks, which a process keeps
    rows = compare(sides, bench.repeats)
    bench.table(
        f"{_N_FOLDS} folds x 8 candidates and a refit on {len(X)} of {source}, cifar95 at 32 x 32", rows
    )
    bench.write()


def search(X, y, *, epochs, extract_first=False, store=False, memory=False):
    """Search in one of the four ways, and return what it cost and found."""
    n_distinct = len({image.tobytes() for image in X})
    with TemporaryDirectory() as folder, count_images() as counts:
        pipeline = make_fish_pipeline(weights="cifar95", random_state=0, head__epochs=epochs)
        pipeline.set_params(features__cache=folder if store else None, memory=folder if memory else None)
        extracting = 0.0
        if extract_first:
            X, extracting = timed(pipeline["features"].transform, X)
            pipeline = pipeline[1:]
        grid, searching = timed(GridSearchCV(pipeline, _GRID, cv=_N_FOLDS).fit, X, y)
        n_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {
        "seconds": extracting + searching,
        "passes_an_image": sum(counts) / n_distinct,
        "MB_on_disk": n_bytes / 1e6,
        "best_score": grid.best_score_,
    }


@contextmanager
def count_images():
    """Give a list that receives the length of every batch which enters a network."""
    counts = []
    load_network = _extraction.load_network

    def load_counting_network(settings, folder, *, shown):
        run = load_network(settings, folder, shown=shown)

        def counting(batch, view):
            counts.append(len(batch))
            return run(batch, view)

        return counting

    with mock.patch.object(_extraction, "load_network", load_counting_network):
        yield counts


if __name__ == "__main__":
    main()

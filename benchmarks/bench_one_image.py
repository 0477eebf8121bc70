"""One image at a time: known and new images against the network alone.

The cache holds 600,000 rows. The network alone is fishsk's own, on one image that was resized and
preprocessed beforehand, without cache, checks or hashing. Two sides do what `transform` does not: they open
the store for each image, or wait for each new row until it is forced to disk.
"""

import hashlib
import itertools
import time
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, compare

from fishsk import VGG16FeatureTransformer
from fishsk.features._engine import load_network
from fishsk.features._images import check_images
from fishsk.store import FeatureStore, open_store

SIDE = 32
ROWS_A_WRITE = 50_000


def main():
    """Compare the milliseconds of one image."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    n_rows, n_images = (2000, 10) if bench.quick else (600_000, 300)
    known = draw_images(0, n_images)
    numbers = itertools.count(1)
    with TemporaryDirectory() as folder:
        vgg16 = VGG16FeatureTransformer(weights="cifar95", cache=folder)
        uncached = VGG16FeatureTransformer(weights="cifar95", cache=None)
        settings = vgg16._settings()
        store = folder, settings.to_json(), settings.n_features
        fill(store, n_rows)
        expected = vgg16.transform(known)
        run = load_network(settings, None, shown=False)
        prepared = [check_images(known[[i]]).load([0], (SIDE, SIDE)) for i in range(n_images)]
        keys = check_images(known)

        def extract_and_force(image):
            row = uncached.transform(image)
            open_store(*store).write([check_images(image).digest(0)], row)

        def open_and_read(index):
            _, found = FeatureStore(*store).read([keys.digest(index)])
            assert found.all()

        def new():
            return [image[np.newaxis] for image in draw_images(next(numbers), n_images)]

        sides = {
            "the network alone": lambda: one_by_one(run, prepared),
            "new, cache=None": lambda: one_by_one(uncached.transform, new()),
            "new": lambda: one_by_one(vgg16.transform, new()),
            "new, forced to disk at once": lambda: one_by_one(extract_and_force, new()),
            "known": lambda: one_by_one(vgg16.transform, [known[[i]] for i in range(n_images)]),
            "known, the store opened anew": lambda: one_by_one(open_and_read, range(n_images)),
        }
        rows = compare(sides, bench.repeats, warm_up=True)
        assert np.array_equal(vgg16.transform(known), expected)
    bench.table(f"One image of {SIDE} x {SIDE}, cifar95, {n_rows:,} rows of {store[2]} in the cache", rows)
    alone, uncached_new, new_row, _, known_row, _ = rows
    bench.note(
        f"A known image takes {known_row['median_ms']:.2f} ms. New ones take {ratio(new_row, alone):.2f} "
        "times the network's own time, with the writes that some of them wait for "
        f"({new_row['median_ms'] / alone['median_ms']:.2f} times, the median image), and "
        f"{ratio(uncached_new, alone):.2f} times without a cache."
    )
    bench.write()


def ratio(row, reference):
    """Return how many times as long as another a side took: the median over the rounds."""
    return np.median(np.divide(row["runs"], reference["runs"]))


def draw_images(seed, n_images):
    """Return noise, other noise for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (n_images, SIDE, SIDE, 3), dtype=np.uint8)


def fill(store, n_rows):
    """Fill the cache, as extractions do."""
    for first in range(0, n_rows, ROWS_A_WRITE):
        numbers = range(first, min(n_rows, first + ROWS_A_WRITE))
        keys = [hashlib.sha256(b"%d" % number).digest() for number in numbers]
        FeatureStore(*store).write(keys, np.zeros((len(keys), store[2]), dtype=np.float32))


def one_by_one(function, items):
    """Return the time of all calls, and the median milliseconds of one."""
    times = []
    for item in items:
        start = time.perf_counter()
        function(item)
        times.append(time.perf_counter() - start)
    return {"seconds": sum(times), "median_ms": float(np.median(times)) * 1e3}


if __name__ == "__main__":
    main()

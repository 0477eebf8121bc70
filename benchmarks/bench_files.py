"""Photographs from disk: images a second with one reader and with all, new and known; where the time goes.

The photographs are drawn: 12 megapixels of smooth color under grain, as JPEG of quality 90, in a temporary
folder. Before each run they are dropped from the page cache, where the system lets a program do that. The
network is cifar95 at 32 x 32, so small that reading is what takes the time.
"""

import contextlib
import io
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np
from _common import Benchmark, compare, in_fresh_process, memory_mb, per_second, timed
from PIL import Image

from fishsk import VGG16FeatureTransformer
from fishsk.features import Images, _extraction, read_image, resize_image

_SIZE = (32, 32)


def main():
    """Draw photographs, compare readers, and divide the time of one."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    n_images, size = (6, (300, 400)) if bench.quick else (60, (3000, 4000))
    readers = _extraction.N_READERS
    with TemporaryDirectory() as folder:
        paths = [draw_photograph(Path(folder, f"{seed}.jpg"), size, seed) for seed in range(n_images)]
        megabytes = sum(os.path.getsize(path) for path in paths) / 1e6
        what = f"{n_images} drawn JPEGs of {size[1]} x {size[0]}, {megabytes / n_images:.1f} MB each, cifar95"
        compare_readers(bench, paths, readers, what)
        divide_time(bench, paths)
        rows = [in_fresh_process(extract_and_weigh, paths, n) for n in dict.fromkeys((1, readers))]
        bench.table(f"Peak memory in MB of a whole process, no cache: {what}", rows)
    bench.write()


def draw_photograph(path, size, seed):
    """Write a JPEG of smooth color under grain, with about as many bytes as a camera's."""
    rng = np.random.default_rng(seed)
    colors = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(colors.resize(size[::-1], Image.Resampling.BICUBIC), dtype=np.int16)
    grain = rng.integers(-12, 13, (*size, 1), dtype=np.int16)
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(path, quality=90)
    return str(path)


def compare_readers(bench, paths, readers, what):
    """Compare one reader with one for each core, on new photographs and on known ones."""
    counts = dict.fromkeys((1, readers))
    with TemporaryDirectory() as cache:
        extract(paths, readers, cache)
        for state, folder in (("New", None), ("Known", cache)):
            sides = {f"readers: {n}": partial(extract_from_disk, paths, n, folder) for n in counts}
            rows = per_second(compare(sides, bench.repeats), len(paths))
            bench.table(f"{state}: {what}", rows)


def extract_from_disk(paths, readers, cache):
    """Extract the features of files that the page cache has forgotten, into `cache` or a new one."""
    forget(paths)
    with contextlib.ExitStack() as stack:
        folder = cache or stack.enter_context(TemporaryDirectory())
        seconds = timed(extract, paths, readers, folder)[1]
    return {"seconds": seconds}


def extract(paths, readers, cache):
    """Extract features with so many threads that read."""
    with mock.patch.object(_extraction, "N_READERS", readers):
        return VGG16FeatureTransformer(weights="cifar95", cache=cache).transform(paths)


def forget(paths):
    """Drop files from the page cache, where a program can ask for that."""
    for path in paths if hasattr(os, "posix_fadvise") else ():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def divide_time(bench, paths):
    """Time each step of reading an image, in one thread, and what Pillow's smaller decoding would save."""
    sample = paths[:10]
    images = Images(sample)
    decoded = [read_image(path) for path in sample[:3]]
    decode = time_each(read_image, sample)
    steps = {
        "read and hash": time_each(images.digest, range(len(sample))),
        "decode": decode,
        "resize": time_each(partial(resize_image, size=_SIZE), decoded),
        "decode by draft, not in use": time_each(decode_draft, sample),
    }
    rows = [{"step": step, "milliseconds": 1000 * seconds} for step, seconds in steps.items()]
    bench.table("One image in one thread, the median", rows)
    gain = decode / steps["decode by draft, not in use"]
    bench.note(
        f"Pillow's draft mode, which decodes a JPEG at up to an eighth of its sides, is {gain:.1f} times as "
        "fast. It is not in use, for it changes the pixels, and so the features of images that are known."
    )


def time_each(function, items):
    """Return the median seconds of a call."""
    return float(np.median([timed(function, item)[1] for item in items]))


def decode_draft(path):
    """Return a JPEG, decoded at the smallest scale that is no smaller than what the network needs."""
    image = Image.open(io.BytesIO(Path(path).read_bytes()))
    image.draft("RGB", _SIZE)
    return np.asarray(image)


def extract_and_weigh(paths, readers):
    """Extract features, and return this process's peak memory."""
    extract(paths, readers, None)
    return {"readers": readers, "peak": memory_mb()}


if __name__ == "__main__":
    main()

"""Kill real extractions with SIGKILL at random moments, and compare what the last rerun ends with.

Run ``python tools/kill_extractions.py --kills 24``. Each round starts a process that extracts features of
drawn images with VGG16 (``weights=None``, 32 x 32) into one cache, and kills it at a random moment. The last
process is left alone: its features must be, bit for bit, those of an extraction that nothing disturbed.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORKER = """
import sys
import numpy as np
from sklearn.base import clone
from fishsk.features import _extraction
from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images

_extraction.WRITE_EVERY = 0.05
cache, out, n_images = sys.argv[1], sys.argv[2], int(sys.argv[3])
X, _ = make_fish_images(n_images, random_state=0)
vgg16 = VGG16FeatureTransformer(
    weights=None, image_size=32, layers=["block3_pool", "block5_pool"], batch_size=8, cache=cache or None
)
clone(vgg16).set_params(cache=None).transform(X[:1])  # loads the network, whatever is in the cache
print("ready", flush=True)
np.save(out, vgg16.transform(X))
"""


def start(cache, out, n_images):
    """Start a worker, and return it once TensorFlow is loaded and the first image is through."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(cache), str(out), str(n_images)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert worker.stdout.readline().strip() == b"ready", "the worker died before it was ready"
    return worker


def count_rows(cache):
    """Return the number of rows in the cache."""
    from fishsk.store import cache_info

    return cache_info(Path(cache))["n_rows"]


def main(argv=None):
    """Run the experiment and return the exit status: 0 where the features are equal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    delays = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        cache, out, undisturbed = (Path(folder, name) for name in ("cache", "out.npy", "undisturbed.npy"))
        begin = time.perf_counter()
        assert start("", undisturbed, arguments.images).wait() == 0
        for kill in range(arguments.kills):
            worker = start(cache, out, arguments.images)
            time.sleep(delays.uniform(0, 1))
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
            print(f"kill {kill + 1}: {count_rows(cache)} of {arguments.images} rows stored", flush=True)
        assert start(cache, out, arguments.images).wait() == 0
        equal = np.array_equal(np.load(out), np.load(undisturbed))
    seconds = time.perf_counter() - begin
    print(f"{arguments.kills} kills in {seconds:.0f} s: features {'equal' if equal else 'DIFFER'}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())

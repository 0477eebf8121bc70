"""
Scaling out on Dask
===================

A dask array of images goes in, a dask array of features comes out. Nothing is computed before it is asked
for, and then only the blocks that are needed: on this machine or on a cluster, with the same lines. Dask is
an extra: ``python -m pip install ".[dask]"``.
"""

# %%
# A thousand images in five blocks
# --------------------------------
# In earnest the blocks would be read where they are needed, as with ``dask.array.from_zarr``.

import logging

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

from fishsk import make_fish_pipeline
from fishsk.datasets import make_fish_images

images, y = make_fish_images(1000, random_state=23)
X = da.from_array(images, chunks=(200, 32, 32, 3))
X

# %%
# A counter of the images that are run through the network
# --------------------------------------------------------


class Counter(logging.Handler):
    """Add up the images that were run through VGG16."""

    run = 0

    def emit(self, record):
        """Take the number from a log line."""
        self.run += record.args[1]


counter = Counter()
logger = logging.getLogger("fishsk.features._vgg16")
logger.addHandler(counter)
logger.setLevel(logging.INFO)
dask.config.set(scheduler="synchronous")  # on a cluster: dask.distributed.Client(...)
steps = {}

# %%
# Ask for little, then for all
# ----------------------------

vgg16 = make_fish_pipeline(weights="cifar95")["features"]
features = vgg16.transform(X)
steps["transform(X)"] = counter.run

features[:10].compute()
steps["10 rows"] = counter.run

standard = (features - features.mean(axis=0)) / features.std(axis=0)
steps["mean, std (lazy)"] = counter.run

rows = standard.compute()
steps["compute all"] = counter.run

standard.compute()
steps["compute again"] = counter.run
print(rows.shape, rows.dtype)

# %%
# The result is that of one process
# ---------------------------------

np.testing.assert_array_equal(features.compute(), vgg16.transform(images))

figure, ax = plt.subplots(figsize=(8, 3.4), layout="constrained")
bars = ax.bar(list(steps), list(steps.values()), color="C0")
ax.bar_label(bars)
ax.set(ylabel="images run through VGG16", title="In all, after each step", ylim=(0, 1150))

# %%
# **Conclusion.** Building the graph costs nothing, ten rows cost one block, and the second computation
# reads the cache. The features can be larger than memory: write them with ``features.to_zarr``, and train
# the head on a sample.

logger.removeHandler(counter)

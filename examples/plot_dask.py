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
# In practice the blocks would be read where they are needed, as with ``dask.array.from_zarr``.

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

from fishsk import VGG16FeatureTransformer, make_fish_pipeline
from fishsk.datasets import make_fish_images

images, y = make_fish_images(1000, random_state=23)
X = da.from_array(images, chunks=(200, 32, 32, 3))
X

# %%
# Ask for little, then for all
# ----------------------------
# After each step we note how many images have been run through the network.

dask.config.set(scheduler="synchronous")  # on a cluster: dask.distributed.Client(...)
vgg16 = make_fish_pipeline(weights="cifar95")["features"]
steps = {}

with VGG16FeatureTransformer.count_images() as count:
    features = vgg16.transform(X)
    steps["transform(X)"] = count.n_extracted

    features[:10].compute()
    steps["10 rows"] = count.n_extracted

    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    steps["mean, std (lazy)"] = count.n_extracted

    rows = standard.compute()
    steps["compute all"] = count.n_extracted

    standard.compute()
    steps["compute again"] = count.n_extracted
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

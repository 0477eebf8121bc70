"""
Image search by similarity
==========================

Show an image, get the ones most like it. No training at all: the features are the index.
"""

# %%
# The index
# ---------
# Neighbors in cosine distance. Averaged maps do not mind where in the image a fish is, ``mirror`` not
# which way it looks, and the scaler makes the columns comparable.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images

names = ["aquarium fish", "flatfish", "ray", "shark", "trout"]
X, y = make_fish_images(1000, random_state=17)
collection, queries = np.arange(5, 1000), np.arange(5)

stages = ["block3_pool", "block4_pool", "block5_pool"]
vgg16 = VGG16FeatureTransformer(weights="cifar95", layers=stages, pooling="avg", views="mirror")
describe = make_pipeline(vgg16, StandardScaler())
features = describe.fit(X[collection]).transform(X)
index = NearestNeighbors(n_neighbors=5, metric="cosine").fit(features[collection])
distances, found = index.kneighbors(features[queries])

# %%
# The five nearest
# ----------------
# A frame marks the neighbors of another kind than the query.

figure, axes = plt.subplots(5, 6, figsize=(8, 7), layout="constrained")
for row, query in zip(axes, queries, strict=True):
    row[0].imshow(X[query])
    row[0].set_title(f"query: {names[y[query]]}", fontsize=9)
    for ax, neighbor, distance in zip(row[1:], collection[found[query]], distances[query], strict=True):
        ax.imshow(X[neighbor])
        ax.set_title(f"{names[y[neighbor]]} {distance:.2f}", fontsize=9)
        if y[neighbor] != y[query]:
            ax.spines[:].set(color="C1", linewidth=3)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# Is it better than comparing pixels?
# -----------------------------------
# The share of the five neighbors that are of the query's kind, over the whole collection.


def precision_at_5(features):
    """Return how often one of the five nearest others is of the same kind."""
    nearest = NearestNeighbors(n_neighbors=5, metric="cosine").fit(features).kneighbors(return_distance=False)
    return (y[collection][nearest] == y[collection][:, np.newaxis]).mean()


pixels = X[collection].reshape(len(collection), -1) / 255.0
print(f"VGG16 features {precision_at_5(features[collection]):.3f}")
print(f"pixels         {precision_at_5(pixels - pixels.mean(axis=0)):.3f}")
print("guessing       0.200")

# %%
# **Conclusion.** The features of a frozen network find images of similar content, where pixels find images of
# similar background. An index of a million rows is a job for an approximate method; the features stay the
# same.

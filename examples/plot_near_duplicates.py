"""
Finding near-duplicates
=======================

A test image that is also a training image, a little brighter or shifted by a pixel, makes a test score
too good. Their pixels differ, their features hardly do.
"""

# %%
# A leaky test set
# ----------------
# We hide 20 copies of training images among 200 test images: brightened, shifted, compressed as JPEG, or
# with noise.

import cv2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import NearestNeighbors

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images

rng = np.random.default_rng(0)
X, _ = make_fish_images(1200, random_state=19)
X_train, X_test = X[:1000], X[1000:].copy()


def alter(image, way):
    """Return a copy of an image that differs in every pixel and shows the same."""
    if way == "brighter":
        return np.clip(image * 1.15 + 8, 0, 255).astype(np.uint8)
    if way == "shifted":
        return np.roll(image, (1, -1), axis=(0, 1))
    if way == "JPEG":
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)
    return np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


ways = ["brighter", "shifted", "JPEG", "noisy"]
hidden = rng.choice(len(X_test), 20, replace=False)
originals = rng.choice(len(X_train), 20, replace=False)
for number, (place, original) in enumerate(zip(hidden, originals, strict=True)):
    X_test[place] = alter(X_train[original], ways[number % 4])

# %%
# The nearest training image of each test image
# ---------------------------------------------
# A copy stands out when it is much nearer to its nearest training image than to the second nearest. We
# look at the 20 test images for which this ratio of distances is smallest.

stages = ["block3_pool", "block4_pool", "block5_pool"]
vgg16 = VGG16FeatureTransformer(weights="cifar95", layers=stages, pooling=None)
index = NearestNeighbors(n_neighbors=2, metric="cosine").fit(vgg16.transform(X_train))
distances, nearest = index.kneighbors(vgg16.transform(X_test))
ratio = distances[:, 0] / distances[:, 1]
suspects = np.argsort(ratio)[:20]
n_right = np.isin(suspects, hidden).sum()
print(f"{n_right} of the {len(suspects)} most suspicious test images are among the 20 that were hidden")

# %%
# The ten most suspicious ones above, the training images that they are taken for below.

figure, axes = plt.subplots(2, 10, figsize=(11, 2.8), layout="constrained")
for column, suspect in zip(axes.T, suspects, strict=False):
    way = ways[list(hidden).index(suspect) % 4] if suspect in hidden else "no copy"
    column[0].imshow(X_test[suspect])
    column[0].set_title(f"{way}, {ratio[suspect]:.2f}", fontsize=9)
    column[1].imshow(X_train[nearest[suspect, 0]])
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("test")
axes[1, 0].set_ylabel("training")

# %%
# **Conclusion.** Sort test images by the ratio of their two nearest distances, and look at the first ones
# before you believe a test score. Remove what is a copy, or put it on the training side.

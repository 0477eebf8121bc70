"""
A map of the images
===================

A map of the features puts images that look alike side by side, so that an image that does not belong stands
out.
"""

# %%
# Images, labels, and an error
# ----------------------------
# Drawn fish of five kinds. Five of the test labels are wrong, as labels are.

import numpy as np

from fishsk import FeatureMapDisplay, make_fish_pipeline
from fishsk.datasets import make_fish_images

names = ["aquarium_fish", "flatfish", "ray", "shark", "trout"]
X, y = make_fish_images(800, random_state=0)
X_test, y_test = make_fish_images(300, random_state=1)
swapped = np.random.default_rng(0).choice(len(y_test), 5, replace=False)
y_test[swapped] = (y_test[swapped] + 2) % 5
pipeline = make_fish_pipeline(weights="cifar95", random_state=0).fit(X, y)

# %%
# The map
# -------
# t-SNE [1]_ lays out the features of the test images. Color and shape are the label, a ring is around each
# image that the classifier took for another class, and some images are shown above their points.

display = FeatureMapDisplay.from_estimator(
    pipeline, X_test, y_test, n_thumbnails=20, display_labels=names, random_state=0
)
title = display.ax_.set_title("Test images by their features, mistakes in rings")
mistaken = np.flatnonzero(display.y_true != display.y_pred)
print(f"{len(mistaken)} mistakes, {np.isin(swapped, mistaken).sum()} of the 5 wrong labels among them")

# %%
# **Conclusion.** Rings in the middle of another class's cluster are the first images to look at: they look
# like that class, or are labeled wrong. Rings between clusters are hard images. Clusters of one class that
# lie apart, as fish on sand and fish in water do, say what else the photographs differ in.
#
# .. [1] L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE", Journal of Machine Learning
#    Research 9 (2008), https://jmlr.org/papers/v9/vandermaaten08a.html

"""
1. A first model
================

In this lesson you train a classifier of images, test it, and find out whether it has learned anything.
"""

# %%
# Images and labels
# -----------------
# ``X`` is an array of color images with values from 0 to 255: (number, height, width, 3). ``y`` holds one
# label for each image. Here photographs are drawn, so that the page runs anywhere. The next lesson reads
# files.

import matplotlib.pyplot as plt
import numpy as np

from fishsk.datasets import make_fish_images

X, y = make_fish_images(300, image_size=48, random_state=0)
y = np.array(["aquarium_fish", "flatfish", "ray", "shark", "trout"])[y]
print(X.shape, X.dtype, np.unique(y, return_counts=True)[1])

# %%
# Put some images aside
# ---------------------
# The test images must play no part in training or in any choice: they stand for the images that you will
# see later. ``stratify=y`` gives both parts the same share of each class.

from sklearn.model_selection import train_test_split

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=200, stratify=y, random_state=0)

# %%
# The pipeline
# ------------
# It has three steps. ``features`` turns each image into a row of numbers. Two networks do this that were
# trained on other images and never change: they are *frozen*. ``scale`` brings the columns to one scale.
# ``head`` is a small network, and the only part that learns. Click on a step in the diagram to see its
# parameters.

from fishsk import make_fish_pipeline

pipeline = make_fish_pipeline(
    backbone=["EfficientNetLite0", "vgg16.cifar95"],
    features__efficientnetlite0__image_size=96,
    random_state=0,
)
pipeline

# %%
# EfficientNet-Lite0 has seen the photographs of ImageNet, and pip has installed its weights.
# ``vgg16.cifar95`` is small and ships with fishsk. ``random_state=0`` makes the result the same each time.
# Images of 48 pixels need not be enlarged to the 224 that the network was trained at; lesson 2
# shows how to choose a size.

pipeline.fit(X_train, y_train)
print(f"accuracy on the training images: {pipeline.score(X_train, y_train):.3f}")
print(f"accuracy on the test images:     {pipeline.score(X_test, y_test):.3f}")

# %%
# The first number is nearly 1, and says little: a network can learn a hundred images by heart. Only the
# second tells how the model does on images that it has not seen.
#
# Compared with what?
# -------------------
# Two baselines. One always answers with the most frequent class. The other is a linear model on the raw
# pixels, without a frozen network.

from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

pixels = make_pipeline(
    FunctionTransformer(lambda images: images.reshape(len(images), -1)),
    StandardScaler(),
    RidgeClassifier(alpha=1e4),
)
models = {
    "most frequent class": DummyClassifier(),
    "linear model on pixels": pixels.fit(X_train, y_train),
    "frozen features and head": pipeline,
}
models["most frequent class"].fit(X_train, y_train)
scores = {name: model.score(X_test, y_test) for name, model in models.items()}

# %%
# The figure
# ----------
# The lines are 95 % intervals: 200 test images tell an accuracy to within a few points.

accuracy = np.array(list(scores.values()))
error = 1.96 * np.sqrt(accuracy * (1 - accuracy) / len(y_test))
figure, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
ax.barh(list(scores), accuracy, xerr=error, color=["0.8", "C1", "C0"], capsize=4)
ax.set(xlabel="accuracy on the test images", xlim=(0, 1), title="What the frozen features are worth")
ax.invert_yaxis()

# %%
# **What you have learned.** Keep test images apart, compare with something simple, and give an interval with
# a score. The next lesson does the same with files of photographs.

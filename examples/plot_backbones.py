"""
Which backbone?
===============

The backbone can be any network of Keras. Which one serves our images? Cross-validation on the images
decides, beside the time that each network takes.
"""

# %%
# Candidates
# ----------
# pip has installed the weights of EfficientNet-Lite0, which has seen the photographs of ImageNet, and of
# ``vgg16.cifar95``. The weights of the last two candidates are drawn from a seed, since this page is built
# without a download. With an Internet connection, leave out ``weights=None``: Keras's ImageNet weights are
# then downloaded once.

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score

from fishsk import make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(200, image_size=48, random_state=11)
lite = "EfficientNetLite0"
drawn = {"weights": None, "features__image_size": 64}
candidates = {
    "EfficientNet-Lite0": {"backbone": lite, "features__image_size": 96},
    "VGG16, cifar95": {"backbone": "vgg16.cifar95"},
    "both, side by side": {
        "backbone": [lite, "vgg16.cifar95"],
        "features__efficientnetlite0__image_size": 96,
    },
    "MobileNetV3Small, drawn": {"backbone": "MobileNetV3Small", **drawn},
    "ResNet50V2, drawn": {"backbone": "ResNet50V2", **drawn},
}

# %%
# One pass for each
# -----------------
# The first image loads the network, which we do not count. ``cache=None`` keeps nothing, so that each
# candidate is timed by itself. A frozen network learns nothing from the training part of a fold, so one pass
# serves all folds.

scores, seconds = {}, {}
for name, params in candidates.items():
    pipeline = make_fish_pipeline(head=RidgeClassifier(alpha=300), features__cache=None, **params)
    pipeline["features"].transform(X[:1])
    start = time.perf_counter()
    features = pipeline["features"].transform(X)
    seconds[name] = time.perf_counter() - start
    scores[name] = cross_val_score(pipeline[1:], features, y, cv=5)

# %%
# The figure
# ----------

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, folds in scores.items():
    milliseconds = 1000 * seconds[name] / len(X)
    ax.errorbar(milliseconds, folds.mean(), folds.std() / np.sqrt(5), fmt="o", capsize=3, label=name)
ax.axhline(0.2, color="0.5", linestyle=":", label="guessing")
ax.set(xlabel="milliseconds an image, once", ylabel="accuracy, 5 folds", xlim=(0, None), ylim=(0, 1))
ax.set_title("What each backbone gives, and what it takes")
figure.legend(loc="outside right upper")

# %%
# **Conclusion.** The one loop above is all that a comparison takes. The networks that have learned from
# photographs are far ahead of those that have not: weights matter more than names. Two that have seen
# different things know more together. ``python -m fishsk tune photos/ --backbone ...`` searches head and
# network together; :doc:`/user_guide/backbones` says where to start.

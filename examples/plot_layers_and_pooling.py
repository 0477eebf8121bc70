"""
Which layers, which pooling?
============================

The last layer is not always the best one. We compare VGG16's five blocks, with their maps averaged,
reduced to their maximum, or flattened, on the images that we want to classify.
"""

# %%
# One pass for each setting
# -------------------------
# ``layers`` takes Keras's names. The judge is a ridge classifier: quick, and without a seed.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images

X, y = make_fish_images(300, random_state=11)
blocks = [f"block{number}_pool" for number in range(1, 6)]
choices = {name: [name] for name in blocks} | {"blocks 3 to 5": blocks[2:]}

scores = {}
for pooling in ("avg", "max", None):
    for name, layers in choices.items():
        classifier = make_pipeline(
            VGG16FeatureTransformer(weights="cifar95", layers=layers, pooling=pooling),
            StandardScaler(),
            RidgeClassifier(alpha=300),
        )
        scores[pooling, name] = cross_val_score(classifier, X, y, cv=5)

# %%
# The figure
# ----------
# Dots are the five folds, bars their means.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for offset, color, pooling in ((-0.27, "C0", "avg"), (0, "C1", "max"), (0.27, "C2", None)):
    folds = np.array([scores[pooling, name] for name in choices])
    places = np.arange(len(choices)) + offset
    ax.bar(places, folds.mean(axis=1), 0.25, color=color, alpha=0.6, label=f"pooling={pooling!r}")
    ax.plot(np.repeat(places, 5), folds.ravel(), ".", color="0.2", ms=4)
ax.axhline(0.2, color="0.5", linestyle=":", label="guessing")
ax.set(xticks=range(len(choices)), xticklabels=choices, ylabel="accuracy, 5 folds", ylim=(0, 1.1))
ax.set_title("Accuracy by layer and pooling")
ax.legend(loc="upper left", ncols=4)

best = max(scores, key=lambda key: scores[key].mean())
print(f"best: {best[1]}, {best[0]}: {scores[best].mean():.3f}")

# %%
# **Conclusion.** Early blocks know edges and colors, late ones parts of the photographs that they were
# trained on; in between, and side by side, they serve these drawings best. Flattened maps also tell
# *where* something is, for many more columns. Choose by cross-validation on training images; the cache
# makes it one pass for each setting. The three bars of block5_pool are equal: at 32 x 32 pixels its map has a
# single place, so that mean, maximum and the map itself are the same numbers.

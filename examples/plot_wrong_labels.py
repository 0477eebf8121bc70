"""
Finding wrong labels
====================

Somebody labels 800 images, and is wrong about some. A classifier that has learned from them, mistakes
included, can still tell which labels to look at first.
"""

# %%
# Labels with mistakes
# --------------------
# We draw fish, whose kinds are known, and give 5 % of them the name of another kind.

import numpy as np

from fishsk.datasets import make_fish_images

names = np.array(["aquarium_fish", "flatfish", "ray", "shark", "trout"])
X, y = make_fish_images(800, random_state=3)
rng = np.random.default_rng(0)
swapped = rng.choice(len(y), 40, replace=False)
labels = y.copy()
labels[swapped] = (y[swapped] + rng.integers(1, 5, len(swapped))) % 5

# %%
# Which labels are likely wrong
# -----------------------------
# :func:`~fishsk.find_label_issues` trains in folds, so that each image is judged by a classifier that has not
# seen it. The first column is the image's number in ``X``.

from fishsk import find_label_issues, make_fish_pipeline

pipeline = make_fish_pipeline(weights="cifar95", random_state=0)
issues = find_label_issues(pipeline, X, names[labels])
print(issues.head())

# %%
# Of the first 40 images, how many did we swap? And how many of the swapped ones are in the frame at all?
# Drawn at random, 5 % of the images would be swapped ones.

precision = np.isin(issues.index[:40], swapped).mean()
recall = np.isin(swapped, issues.index).mean()
print(f"{precision:.0%} of the first 40 images are swapped ones")
print(f"{recall:.0%} of the swapped ones are among the {len(issues)} that were found")

# %%
# Look at them
# ------------
# "true" is the label that was given, "pred" the one that is likely right.

from fishsk import PredictionGridDisplay

display = PredictionGridDisplay.from_predictions(
    X[issues.index], issues["given_label"], issues["likely_label"], select="first", n_rows=3
)

# %%
# **Conclusion.** Ten minutes of looking at the first rows fix most of what was wrong. The rest of the list
# are fish that the classifier itself finds hard, and those are worth a look too.

"""
Several tags on an image
========================

A photograph may show a ray and a shark. With a table of 0 and 1 as ``y``, a column for each tag, the head
answers with the probability of each tag by itself, and the tags above ``threshold``.
"""

# %%
# Images with two fish
# --------------------
# Two drawn fish stand side by side. The tags of an image are the kinds of both.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict

from fishsk import make_fish_pipeline
from fishsk.datasets import make_fish_images

NAMES = ["aquarium_fish", "flatfish", "ray", "shark", "trout"]
fish, kinds = make_fish_images(600, random_state=11)
X = np.concatenate([fish[:300], fish[300:]], axis=2)
tags = np.zeros((300, 5), int)
for half in (kinds[:300], kinds[300:]):
    tags[np.arange(300), half] = 1
print(X.shape, tags[:3].tolist())

# %%
# Fit and predict
# ---------------
# Nothing else changes: the pipeline sees what the targets are.

pipeline = make_fish_pipeline(weights="cifar95", random_state=0, features__image_size=64)
proba = cross_val_predict(pipeline, X, tags, cv=3, method="predict_proba")
for name, score in zip(NAMES, f1_score(tags, proba > 0.5, average=None), strict=True):
    print(f"F1 of {name}: {score:.2f}")

# %%
# The threshold
# -------------
# Lower, and more tags are found, and more of them wrong. It is a parameter of the head: it needs no new fit.

thresholds = np.linspace(0.05, 0.95, 19)
scores = [f1_score(tags, proba > threshold, average="micro") for threshold in thresholds]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.imshow(X[0])
left.set_axis_off()
left.set_title(", ".join(f"{NAMES[tag]} {proba[0, tag]:.2f}" for tag in np.argsort(-proba[0])[:2]))
right.plot(thresholds, scores, "o-")
right.set(xlabel="threshold", ylabel="F1 of all tags", title="What the threshold does")

# %%
# **Conclusion.** Tags need a table as ``y``, and no other program. Choose ``threshold`` by what a missed and
# what a wrong tag cost.

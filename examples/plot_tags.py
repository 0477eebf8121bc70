"""
Several tags on an image
========================

A photograph may show a ray and a shark. A table holds any number of tags of an image, separated by
semicolons; the head answers with the probability of each tag by itself, and gives those above a threshold.
"""

# %%
# A table of images with two fish
# -------------------------------
# Two drawn fish stand side by side, or a single one before an empty half. The tags of an image are the kinds.

import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from fishsk import make_fish_pipeline
from fishsk.datasets import load_image_table, make_fish_images

NAMES = ["aquarium_fish", "flatfish", "ray", "shark", "trout"]
folder = Path(tempfile.mkdtemp())
fish, kinds = make_fish_images(600, random_state=11)
with open(folder / "photos.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["path", "tags"])
    for index in range(300):
        tags = {NAMES[kinds[index]], NAMES[kinds[300 + index]]}
        pixels = np.concatenate([fish[index], fish[300 + index]], axis=1)
        if index % 5 == 0:
            tags, pixels[:, 32:] = {NAMES[kinds[index]]}, pixels[:, :32].mean(axis=(0, 1))
        Image.fromarray(pixels).save(folder / f"{index}.png")
        table.writerow([f"{index}.png", ";".join(sorted(tags))])
data = load_image_table(folder / "photos.csv", target="tags")
print(data.DESCR)

# %%
# Fit
# ---
# ``threshold="f1"`` chooses for each tag the threshold of its highest F1 score, in folds of training images.

X, y, X_test, y_test = data.images[:200], data.target[:200], data.images[200:], data.target[200:]
params = {"head__tags": data.target_names, "head__threshold": "f1"}
pipeline = make_fish_pipeline(weights="cifar95", random_state=0, features__image_size=64, **params)
pipeline.fit(X, y)
print(dict(zip(data.target_names, pipeline["head"].thresholds_.round(2).tolist(), strict=True)))

# %%
# Each tag by itself
# ------------------
# Precision against recall over all thresholds, on images that did not train. Scores and displays of
# scikit-learn take tags as they are.

from sklearn.metrics import PrecisionRecallDisplay, classification_report, f1_score

predicted, proba = pipeline.predict(X_test), pipeline.predict_proba(X_test)
print(classification_report(y_test, predicted, target_names=data.target_names, zero_division=0))
_, axes = plt.subplots(figsize=(5.4, 4.8), layout="constrained")
for name, has, probability in zip(data.target_names, y_test.T, proba.T, strict=True):
    PrecisionRecallDisplay.from_predictions(has, probability, name=name, ax=axes)
_ = axes.set_title("Precision and recall of each tag")

# %%
# What a threshold does
# ---------------------
# Lower, and more tags are found, and more of them wrong.

thresholds = np.linspace(0.05, 0.95, 19)
scores = [f1_score(y_test, proba > threshold, average="macro") for threshold in thresholds]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.imshow(plt.imread(X_test[1]))
left.set_axis_off()
shown = zip(proba[1], data.target_names, strict=True)
left.set_title(", ".join(f"{name} {share:.2f}" for share, name in sorted(shown)[:-3:-1]))
right.plot(thresholds, scores, "o-", label="the same for all tags")
right.axhline(f1_score(y_test, predicted, average="macro"), color="C1", label="each tag its own")
right.set(xlabel="threshold", ylabel="mean F1", title="What the threshold does")
_ = right.legend()

# %%
# **Conclusion.** Tags need one column more in a table, and no other program: the same on the command line is
# ``python -m fishsk fit photos.csv --target tags``. Choose thresholds by what a missed and a wrong tag cost.

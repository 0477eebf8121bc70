"""
Boxes in images
===============

A camera trap sees much water and a small fish. What a detector found, x, y, width and height in a table, is
cropped before the network looks at it. The features are then written as a Parquet file, for other programs:
``python -m pip install pandas pyarrow``.
"""

# %%
# Small fish in large images
# --------------------------

import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image
from sklearn.model_selection import cross_val_score

from fishsk import make_fish_pipeline
from fishsk.datasets import load_image_table, make_fish_images
from fishsk.features import read_image, split_box

folder = Path(tempfile.mkdtemp())
fish, kinds = make_fish_images(160, random_state=3)
rng = np.random.default_rng(3)
with open(folder / "boxes.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["path", "kind", "x", "y", "width", "height"])
    for index in range(80):  # two fish in each image: two rows
        water = rng.normal((40, 110, 140), 12, size=(160, 240, 3))
        scene = Image.fromarray(np.clip(water, 0, 255).astype(np.uint8))
        for number, left in ((index, 0), (80 + index, 120)):
            x, y = left + int(rng.integers(88)), int(rng.integers(128))
            scene.paste(Image.fromarray(fish[number]), (x, y))
            table.writerow([f"{index}.png", f"kind {kinds[number]}", x, y, 32, 32])
        scene.save(folder / f"{index}.png")
boxes = load_image_table(folder / "boxes.csv", target="kind")
print(boxes.images[0].rpartition("/")[2], boxes.n_boxes)

# %%
# With the boxes and without
# --------------------------
# ``box_columns=None`` ignores the boxes: then both fish of an image are the same image, with two labels.

import warnings

with warnings.catch_warnings(action="ignore", category=UserWarning):  # contradictions, as it says
    whole = load_image_table(folder / "boxes.csv", target="kind", box_columns=None)
pipeline = make_fish_pipeline(weights="cifar95", random_state=0)
scores = {
    name: float(cross_val_score(pipeline, data.images, data.target, cv=3).mean())
    for name, data in (("whole images", whole), ("boxes", boxes))
}
print({name: round(score, 2) for name, score in scores.items()})

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
path, box = split_box(boxes.images[0])
left.imshow(read_image(path))
left.add_patch(Rectangle((box.x, box.y), box.width, box.height, fill=False, color="C3"))
left.set(title="the image and a box", xticks=[], yticks=[])
middle.imshow(read_image(boxes.images[0]))
middle.set(title="what the network sees", xticks=[], yticks=[])
bars = right.bar(list(scores), list(scores.values()))
right.bar_label(bars, fmt="%.2f")
_ = right.set(title="Accuracy in three folds", ylim=(0, 1))

# %%
# The features for other programs
# -------------------------------
# In a terminal: ``python -m fishsk features boxes.csv --target kind --output features.parquet``.

import pandas as pd

from fishsk.__main__ import main

target = str(folder / "features.parquet")
main(["features", str(folder / "boxes.csv"), "--target", "kind", "--weights", "cifar95", "--output", target])
frame = pd.read_parquet(target)
print(frame.shape, np.stack(frame["features"]).shape)

# %%
# **Conclusion.** Four columns of a table are all that boxes need, and wherever paths go, boxes go: into
# searches, reports and files of features.

"""
2. Your photographs
===================

In this lesson you train on a folder of image files, and find out at which size the network should see them.
"""

# %%
# One folder per class
# --------------------
# The names of the folders are the labels. This cell draws such a folder, so that the page runs anywhere;
# leave it out and use your own.

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from fishsk.datasets import make_fish_images

scratch = tempfile.TemporaryDirectory()
photos = Path(scratch.name, "photos")
images, kinds = make_fish_images(400, image_size=64, random_state=1)
names = ["aquarium_fish", "flatfish", "ray", "shark", "trout"]
for number, (image, kind) in enumerate(zip(images, kinds, strict=True)):
    file = photos / names[kind] / f"{number:03}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file, quality=90)
for folder in sorted(photos.iterdir()):
    print(f"photos/{folder.name}/  {len(list(folder.iterdir()))} files")

# %%
# Read the folder
# ---------------
# ``images`` is an array of paths, not of pixels. A file is read when its features are computed, so that
# a folder may be larger than memory. Files that are broken raise one error that lists them all;
# ``on_error="skip"`` leaves them out.

from sklearn.model_selection import train_test_split

from fishsk.datasets import load_image_folder

data = load_image_folder(photos)
paths = data.images
y = np.asarray(data.target_names)[data.target]
paths_train, paths_test, y_train, y_test = train_test_split(
    paths, y, test_size=0.25, stratify=y, random_state=0
)
print(Path(paths_train[0]).relative_to(scratch.name), y_train[0])

# %%
# If several photographs show the same fish, or come from one film, all of them belong on one side of the
# split. :doc:`/how_to/groups` shows how.
#
# Which size?
# -----------
# Two frozen networks look at each image. EfficientNet-Lite0 has seen the photographs of ImageNet at 224 x 224
# pixels, and takes images of any size from 32 x 32 up. More pixels show more detail and cost more time: twice
# the width is four times the work. Which size serves is decided by cross-validation on the *training* images.
# The other one, ``vgg16.cifar95``, is small, and stays at the 32 x 32 that it was trained at.

import time

import matplotlib.pyplot as plt
from sklearn.model_selection import cross_val_score

from fishsk import make_fish_pipeline

backbones = ["EfficientNetLite0", "vgg16.cifar95"]
sizes, results = [64, 96, 128], []
for size in sizes:
    pipeline = make_fish_pipeline(
        backbone=backbones,
        features__efficientnetlite0__image_size=size,
        head__hidden_units=64,
        random_state=0,
    )
    pipeline["features"].transform(paths_train[:1])  # the networks are built before the clock starts
    start = time.perf_counter()
    pipeline["features"].transform(paths_train)
    seconds = time.perf_counter() - start
    scores = cross_val_score(pipeline, paths_train, y_train, cv=3)
    results.append((scores, seconds))
    print(f"{size} x {size}: {scores.mean():.3f} +- {scores.std():.3f}, features in {seconds:.1f} s")

# %%
# These images have 64 x 64 pixels. To enlarge them adds no detail, but weights know things at the size that
# they were trained at. The features of each size were computed once. The three folds read them from the
# disk: see :doc:`/user_guide/caching`.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.boxplot([scores for scores, _ in results], tick_labels=[f"{size} x {size}" for size in sizes])
left.set(ylabel="accuracy of each fold", title="Accuracy by image size")
right.bar([f"{size} x {size}" for size in sizes], [seconds for _, seconds in results], color="C1")
right.set(ylabel="seconds for the features", title="Work by image size")

# %%
# Test once
# ---------
# The size is chosen. Now, and only now, the test images are read.

best = sizes[int(np.argmax([scores.mean() for scores, _ in results]))]
pipeline = make_fish_pipeline(
    backbone=backbones, features__efficientnetlite0__image_size=best, random_state=0
)
pipeline.fit(paths_train, y_train)
print(f"{best} x {best}: accuracy {pipeline.score(paths_test, y_test):.3f} on {len(y_test)} test images")

scratch.cleanup()

# %%
# **What you have learned.** A folder of files takes the place of an array. Settings are chosen by
# cross-validation on the training images, and the test images are used once, at the end.
#
# Photographs need no choice to begin with: without an ``image_size`` each network takes the size that it was
# trained at. :doc:`/user_guide/backbones` names other networks.

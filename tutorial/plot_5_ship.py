"""
5. Ship it
==========

In this lesson you save the model, load it elsewhere, and answer requests one image at a time.
"""

# %%
# Fit on everything
# -----------------
# The test has been done, in the lessons before. The model that goes out may learn from all images.

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fishsk import export_model, load_pipeline, make_fish_pipeline, save_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(300, image_size=48, random_state=8)
y = np.array(["aquarium_fish", "flatfish", "ray", "shark", "trout"])[y]
pipeline = make_fish_pipeline(
    backbone=["EfficientNetLite0", "vgg16.cifar95"],
    features__efficientnetlite0__image_size=96,
    random_state=0,
).fit(X, y)

# %%
# Save it
# -------
# A ``.fishsk`` file holds numbers and names, and no code: loading it cannot run anything, unlike a pickle.

folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "fish.fishsk")
save_pipeline(pipeline, path)
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")

# %%
# Load it, on another machine
# ---------------------------
# The same version of fishsk gives the same bits.

loaded = load_pipeline(path)
new_images, _ = make_fish_images(200, image_size=48, random_state=9)
assert (loaded.predict_proba(new_images) == pipeline.predict_proba(new_images)).all()

# %%
# Answer, or ask a person
# -----------------------
# A service should not guess. It answers where the probability is high, and passes the rest on. The figure
# shows how many images that leaves, for each threshold.

confidence = loaded.predict_proba(new_images).max(axis=1)
thresholds = np.linspace(0.2, 0.99, 80)
figure, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
ax.plot(thresholds, [(confidence >= threshold).mean() for threshold in thresholds])
ax.set(
    xlabel="smallest probability that is answered",
    ylabel="share of images answered",
    title="The price of a higher threshold",
    ylim=(0, 1.05),
)


def answer(image, threshold=0.8):
    """Return a class and its probability, or None where a person should look."""
    proba = loaded.predict_proba(image[np.newaxis])[0]
    best = proba.argmax()
    return (str(loaded.classes_[best]), float(proba[best])) if proba[best] >= threshold else None


for image in new_images[:4]:
    print(answer(image))

# %%
# How long does one answer take?
# ------------------------------
# The first call loads the network. The second number is for images that are new, the third for one that has
# been seen before, whose features are in the cache.

seconds = []
for image in (new_images[10], *new_images[11:31]):
    fresh = image.copy()
    fresh[0, 0] ^= 1  # not one of those above
    start = time.perf_counter()
    answer(fresh)
    seconds.append(time.perf_counter() - start)
start = time.perf_counter()
answer(fresh)
known = time.perf_counter() - start
print(
    f"first {1e3 * seconds[0]:.0f} ms, new {1e3 * np.median(seconds[1:]):.0f} ms, known {1e3 * known:.1f} ms"
)

# %%
# Without fishsk
# --------------
# ``export_model`` writes one model, from pixels to probabilities, for a phone (LiteRT) or for Keras. It is
# run and compared with the pipeline before it gets its name.

exported = Path(folder.name, "fish.tflite")
export_model(pipeline, exported)
print(f"{exported.name}: {exported.stat().st_size / 1e6:.1f} MB")
folder.cleanup()

# %%
# **What you have learned.** ``save_pipeline`` to keep and to pass on, a threshold so that the model may say
# nothing, ``export_model`` for other programs (:doc:`/how_to/export`). :doc:`/how_to/service` makes a web
# service of it.

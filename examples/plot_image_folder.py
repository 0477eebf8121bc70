"""
Your own image folder
=====================

Photographs lie in one folder per class. Some of the files are broken, as files are. We train on the paths,
test, and look at the mistakes, with the file names at hand.
"""

# %%
# A folder
# --------
# This one is made for the story: PNG files in ``photos/<class>/``, and one that was cut off while it was
# copied. In your own code, leave this cell out.

import tempfile
from pathlib import Path

from PIL import Image

from fishsk.datasets import make_fish_images

scratch = tempfile.TemporaryDirectory()
photos = Path(scratch.name, "photos")
images, kinds = make_fish_images(400, image_size=64, random_state=1)
for number, (image, kind) in enumerate(zip(images, kinds, strict=True)):
    file = photos / ["aquarium_fish", "flatfish", "ray", "shark", "trout"][kind] / f"{number:03}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file)
broken = photos / "ray" / "broken.png"
broken.write_bytes(file.read_bytes()[:500])

# %%
# Load it
# -------
# :func:`~fishsk.datasets.load_image_folder` looks at every file once. By default it raises one error that
# lists all bad files; ``on_error="skip"`` leaves them out, from images and labels alike, and warns.

import warnings

import numpy as np

from fishsk.datasets import load_image_folder

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    data = load_image_folder(photos, on_error="skip")
print(str(caught[0].message).replace(scratch.name, ""))
print(data.DESCR.replace(scratch.name, ""))

# %%
# Train and test on paths
# -----------------------
# ``data.images`` holds paths. They are split like any array, and read when the features are computed.
# Two frozen networks stand side by side: one that has seen ImageNet, and a small one that ships with fishsk.
# Nothing is downloaded. Photographs are seen at 224 x 224 pixels; these of 64 x 64 need less.

from sklearn.model_selection import train_test_split

from fishsk import make_fish_pipeline

y = np.asarray(data.target_names)[data.target]
paths_train, paths_test, y_train, y_test = train_test_split(
    data.images, y, test_size=0.25, stratify=y, random_state=0
)
pipeline = make_fish_pipeline(
    backbone=["EfficientNetLite0", "vgg16.cifar95"],
    features__efficientnetlite0__image_size=160,
    random_state=0,
)
pipeline.fit(paths_train, y_train)
print(f"accuracy on {len(paths_test)} test images: {pipeline.score(paths_test, y_test):.3f}")

# %%
# The least certain answers
# -------------------------
# These are the images to look at first: the model has something to learn from them, or their label is wrong.

from fishsk import PredictionGridDisplay

display = PredictionGridDisplay.from_estimator(
    pipeline, paths_test, y_test, select="least_certain", n_rows=2, n_cols=5
)
for index in display.indices[:3]:
    print(Path(paths_test[index]).relative_to(photos))

# %%
# **Conclusion.** A folder of photographs needs one line to load, and a broken file costs a warning
# instead of a run. The same from a shell: ``python -m fishsk fit photos/ --model fish.fishsk``.

scratch.cleanup()

"""
A first pipeline
================

Five kinds of fish, drawn as photographs of 48 x 48 pixels. We train a classifier on 100 of them, test it
on 300 others, and look at what it got wrong.
"""

# %%
# The images
# ----------
# :func:`~fishsk.datasets.make_fish_images` draws as many fish as we like. With real photographs the lines
# below stay the same: an array of images, or a list of paths, and an array of labels.

import numpy as np
from sklearn.model_selection import train_test_split

from fishsk.datasets import make_fish_images

X, y = make_fish_images(400, image_size=48, random_state=0)
y = np.array(["aquarium_fish", "flatfish", "ray", "shark", "trout"])[y]
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=100, stratify=y, random_state=0)
print(X_train.shape, X_test.shape)

# %%
# The pipeline
# ------------
# ``make_fish_pipeline`` returns a scikit-learn ``Pipeline``: features of two frozen networks side by side, a
# scaler, and a head, the only part that is trained. Both networks come with pip: EfficientNet-Lite0 has seen
# the photographs of ImageNet, and ``vgg16.cifar95`` ships inside the package. Images of 48 pixels need not be
# enlarged to 224.

from fishsk import make_fish_pipeline

pipeline = make_fish_pipeline(
    backbone=["EfficientNetLite0", "vgg16.cifar95"],
    features__efficientnetlite0__image_size=96,
    random_state=0,
)
pipeline.fit(X_train, y_train)

# %%
# The test
# --------
# It is a classifier like any other, so scikit-learn's metrics apply.

from sklearn.metrics import classification_report

print(classification_report(y_test, pipeline.predict(X_test), digits=3))

# %%
# The figure shows ten of the test images, with the probability of the predicted class. Crosses and heavy
# frames mark the wrong ones.

from fishsk import PredictionGridDisplay

display = PredictionGridDisplay.from_estimator(pipeline, X_test, y_test, n_rows=2, n_cols=5, random_state=1)

# %%
# **Conclusion.** A dozen lines and twenty images of each kind make a classifier; guessing would be right once
# in five times. The remaining mistakes are fish behind plants, fish seen from an odd side, and kinds of
# similar outline.

"""
4. Understand it
================

In this lesson you find out what the model gets wrong, how sure it is, and whether it trained too long.
"""

# %%
# A model to look at
# ------------------

import numpy as np
from sklearn.model_selection import train_test_split

from fishsk import make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(520, image_size=48, random_state=5)
y = np.array(["aquarium_fish", "flatfish", "ray", "shark", "trout"])[y]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=400, stratify=y, random_state=0)
pipeline = make_fish_pipeline(
    backbone=["EfficientNetLite0", "vgg16.cifar95"],
    features__efficientnetlite0__image_size=96,
    head__validation_fraction=0.1,
    random_state=0,
)
pipeline.fit(X_train, y_train)
print(f"accuracy on {len(y_test)} test images: {pipeline.score(X_test, y_test):.3f}")

# %%
# Which classes are confused?
# ---------------------------
# Rows are true classes, columns are predictions. Numbers away from the diagonal are mistakes.

from sklearn.metrics import ConfusionMatrixDisplay

display = ConfusionMatrixDisplay.from_estimator(pipeline, X_test, y_test, cmap="Blues", colorbar=False)
display.ax_.set_title("Test images by true and predicted class")
display.ax_.tick_params("x", rotation=20)
display.figure_.tight_layout()

# %%
# What do the mistakes look like?
# -------------------------------
# The most confident mistakes come first. Look at each and ask: could *you* tell? Is the label right?

from fishsk import PredictionGridDisplay

display = PredictionGridDisplay.from_estimator(
    pipeline, X_test, y_test, select="confident_mistakes", n_rows=2, n_cols=5
)

# %%
# Does 0.9 mean 90 %?
# -------------------
# Where the line is below the diagonal, the model claims more than it keeps: its probabilities are too high.
# :doc:`/how_to/thresholds` fixes that, and shows how to let the model say "I don't know".

import matplotlib.pyplot as plt
from sklearn.calibration import CalibrationDisplay

proba = pipeline.predict_proba(X_test)
right = pipeline.predict(X_test) == y_test
figure, ax = plt.subplots(figsize=(5, 4.4), layout="constrained")
CalibrationDisplay.from_predictions(right, proba.max(axis=1), n_bins=5, strategy="quantile", ax=ax)
ax.set(xlabel="probability of the predicted class", ylabel="share of right answers", title="Calibration")

# %%
# Did it train too long?
# ----------------------
# The circle marks the epoch with the lowest validation loss. Where the validation loss rises while the
# training loss falls, the head learns its training images by heart. The recipe's head trains on all images;
# above, ``head__validation_fraction=0.1`` held a tenth of them out, so that there is something to compare.

from fishsk import TrainingCurveDisplay

display = TrainingCurveDisplay.from_estimator(pipeline)
display.figure_.suptitle("The head's training, epoch by epoch")
history = pipeline["head"].history_
for words, name in {"training": "accuracy", "validation": "val_accuracy"}.items():
    print(f"accuracy in the last epoch, {words}: {history[name][-1]:.2f}")

# %%
# The gap between the two accuracies is normal for a head on frozen features: it can fit its training images
# perfectly, and what counts is where the validation accuracy levels off.
#
# All of it in one file
# ---------------------
# ``write_report`` puts these views, near-duplicates and more into one HTML page that you can send.

import tempfile
from pathlib import Path

from fishsk import write_report

with tempfile.TemporaryDirectory() as folder:
    report = write_report(
        pipeline, X_test, y_test, Path(folder, "report.html"), X_train=X_train, y_train=y_train
    )
    print(f"{report.name}: {report.stat().st_size / 1e6:.1f} MB")

# %%
# **What you have learned.** A score is a beginning. The confusion matrix tells which classes to work on, the
# confident mistakes find wrong labels, and calibration tells what a probability is worth.

"""
Reading the training curve
==========================

When does training go on too long? We train the same head twice on few images, a fifth of which have a
wrong label: once without any restraint, once with dropout and early stopping, and read the two curves
side by side.
"""

# %%
# The features are computed once, so that the two fits differ in the head alone. The labels are wrong
# wherever they come from, in training, validation and test alike.

import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from fishsk import KerasHeadClassifier, make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(900, random_state=3)
rng = np.random.default_rng(0)
y = np.where(rng.random(len(y)) < 0.2, (y + rng.integers(1, 5, len(y))) % 5, y)
X = make_fish_pipeline(weights="cifar95")["features"].transform(X)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=600, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

# %%
# Two heads
# ---------
# Both validate on 120 of the *training* images. The first trains for 30 epochs at one learning rate. The
# second leaves out half of the hidden units in each step, halves the learning rate on plateaus, and stops
# when the validation loss has not fallen for five epochs; its weights are then those of the best epoch.

params = {"learning_rate": 5e-5, "epochs": 30, "validation_fraction": 0.2, "random_state": 0}
free = KerasHeadClassifier(dropout=0.0, lr_factor=1.0, **params).fit(X_train, y_train)
restrained = KerasHeadClassifier(early_stopping=True, **params).fit(X_train, y_train)

for name, head in {"free": free, "restrained": restrained}.items():
    print(f"{name:11} {head.n_iter_} epochs, the lowest validation loss in epoch {head.best_epoch_ + 1}")
    print(f"{'':11} test accuracy {head.score(X_test, y_test):.3f}, ", end="")
    print(f"test log loss {log_loss(y_test, head.predict_proba(X_test)):.3f}")

# %%
# The curves
# ----------
# The circle marks the lowest validation loss. The shade begins where overfitting did: from there the
# validation loss stays above its minimum while the training loss still falls. The steps below are the
# learning rate, halved whenever the validation loss has not fallen for three epochs.

import matplotlib.pyplot as plt

from fishsk import TrainingCurveDisplay

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
figure.suptitle("The same head without restraint (left), with dropout and early stopping (right)")
for ax, head in ((left, free), (right, restrained)):
    TrainingCurveDisplay.from_estimator(head, ax=ax)

# %%
# **Conclusion.** A training loss that goes to zero says nothing. Past the minimum of the validation loss
# the head learns wrong labels by heart: its probabilities get worse with each epoch, also where its
# accuracy hardly moves, so read both panels. ``early_stopping=True`` ends the run and goes back to the
# minimum.

"""
When not to trust an answer
===========================

A classifier answers one of its classes whatever it is shown. Two warnings: a low probability, and an image
unlike anything it was trained on.
"""

# %%
# A classifier of fish
# --------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from fishsk import AccuracyCoverageDisplay, find_unfamiliar, make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(700, random_state=0)
X_test, y_test = make_fish_images(300, random_state=1)
pipeline = make_fish_pipeline(weights="cifar95", random_state=0).fit(X, y)

# %%
# No answer below a probability
# -----------------------------
# If it answers only where the class is probable, it answers fewer images, and more of these rightly. The
# rest is for a person. On the command line: ``predict --min-probability 0.8``.
#
# Images unlike anything in training
# ----------------------------------
# Handwritten digits are no fish, and yet many get a class of high probability. The distance to the nearest
# training images [1]_ tells them apart; the threshold comes from the training images, such that 5 % of
# images like them are farther. On the command line: ``predict --train photos/``.

digits = np.kron(load_digits().images[:300] * (255 / 16), np.ones((4, 4)))
fish = find_unfamiliar(pipeline, X_test, X, false_alarms=0.05)
strange = find_unfamiliar(pipeline, digits, X, false_alarms=0.05)
print(
    f"flagged: {fish.is_unfamiliar.mean():.1%} of the fish, {strange.is_unfamiliar.mean():.1%} of the digits"
)
print(f"digits with a probability above 0.8: {(pipeline.predict_proba(digits).max(axis=1) > 0.8).mean():.0%}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
AccuracyCoverageDisplay.from_estimator(pipeline, X_test, y_test, ax=left)
bins = np.linspace(0, max(fish.distance.max(), strange.distance.max()), 50)
right.hist(
    [fish.distance, strange.distance], bins, label=["fish", "digits"], histtype="stepfilled", alpha=0.7
)
right.axvline(fish.threshold, color="k", linestyle=":", label="threshold")
right.set(xlabel="distance to the nearest training images", ylabel="images")
left.set_title("Fewer answers, more of them right")
right.set_title("Digits are farther from the training fish")
_ = right.legend()

# %%
# **Conclusion.** The two warnings are about different images: the probability is low between two classes
# that the classifier knows, and says nothing of what is none of them. Use both.
#
# .. [1] Y. Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022,
#    https://arxiv.org/abs/2204.06507

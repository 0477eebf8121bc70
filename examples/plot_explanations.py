"""
Why this class, and not that one?
=================================

Which part of an image spoke for its class? Heat maps tell, for one class, or for one class and not another.
"""

# %%
# A classifier
# ------------
# Drawn fish of five kinds, and the pipeline that makes classes of them.

import numpy as np

from fishsk import ExplanationDisplay, make_fish_pipeline
from fishsk.datasets import make_fish_images

names = ["aquarium_fish", "flatfish", "ray", "shark", "trout"]
X, y = make_fish_images(1000, random_state=0)
X_test, y_test = make_fish_images(100, random_state=1)
pipeline = make_fish_pipeline(weights="cifar95", random_state=0).fit(X, y)
y_pred = pipeline.predict(X_test)
print(f"accuracy: {(y_pred == y_test).mean():.2f}")

# %%
# Why trout and not shark?
# ------------------------
# Both are long fish, seen from the side. ``target`` and ``against`` name the two classes; without them,
# the predicted class is compared with all others. Orange is what speaks for the trout, blue what speaks
# for the shark. The head is a Keras network, so the maps are integrated gradients [1]_.

trout = np.flatnonzero(y_test == 4)[:6]
shark = np.flatnonzero(y_test == 3)[:6]
shown = np.concatenate([trout, shark])
display = ExplanationDisplay.from_estimator(
    pipeline, X_test[shown], target=4, against=3, display_labels=names
)
_ = display.figure_.suptitle("Trout, then sharks: orange speaks for trout, blue for shark")

# %%
# What a map adds up to
# ---------------------
# The sum of a map is about what the image changed in the log-odds of the two classes, beside a plain image
# of its mean color: above 0 for most trout, below 0 for most sharks.

sums = np.array([heat.sum() for heat in display.maps])
print("trout:", sums[:6].round(1))
print("shark:", sums[6:].round(1))

# %%
# **Conclusion.** Look at the maps of a handful of images, right ones and wrong ones, before a model is
# used: one that looks at the water, the hand that holds the fish, or a watermark is found at a glance. A
# map shows where the evidence is, not whether it is sound. Any other classifier behind the transformer,
# such as an ``SVC``, is explained by covering parts of the image.
#
# .. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
#    https://arxiv.org/abs/1703.01365

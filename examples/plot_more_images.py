"""
Would more images help?
=======================

Labeling takes time. Before the next thousand images, ask the ones there are what a thousand more would bring.
"""

# %%
# The curve and its forecast
# --------------------------
# We have 400 drawn fish. :class:`~fishsk.LearningForecastDisplay` trains on growing parts of them, tests on
# others, and fits a power law to the errors. The features are computed once, so that only classifiers are
# trained.

from sklearn.svm import SVC

from fishsk import LearningForecastDisplay, make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(1200, random_state=5)
pipeline = make_fish_pipeline(head=SVC(C=3), weights="cifar95")
display = LearningForecastDisplay.from_estimator(pipeline, X[:400], y[:400], random_state=0)
title = display.ax_.set_title("What 400 images promise")

# %%
# In numbers: the accuracy to expect, and what more images would add, each with its 95 % interval.

for n_more in (400, 1200):
    gain, low, high = display.predict_gain(n_more)
    print(f"{n_more:,} more images: {100 * gain:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})")

# %%
# Was it right?
# -------------
# Here we can draw what was missing. Trained on four fifths of 1,200 images, the classifier reaches:

from sklearn.model_selection import cross_val_score

measured = cross_val_score(pipeline, X, y, cv=5).mean()
accuracy, low, high = display.predict(960)
print(f"measured {measured:.3f}, predicted from 400 images {accuracy:.3f} ({low:.3f} to {high:.3f})")
star = display.plot().ax_.plot(960, measured, "k*", markersize=12)
title = display.ax_.set_title("What 400 images promised, and what was measured")

# %%
# **Conclusion.** The star is what was measured later. A curve that still rises at its right end is worth more
# images; where it is flat, a better model, better labels or larger pictures bring more.

"""
3. Tune it
==========

In this lesson you search for better settings, and learn how far to trust what a search finds.
"""

# %%
# Where do we stand?
# ------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import cross_val_score, train_test_split

from fishsk import OptunaSearchCV, make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(300, image_size=48, random_state=2)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=200, stratify=y, random_state=0)
pipeline = make_fish_pipeline(
    backbone=["EfficientNetLite0", "vgg16.cifar95"],
    features__efficientnetlite0__image_size=96,
    random_state=0,
)
before = cross_val_score(pipeline, X_train, y_train, cv=3)
print(f"untuned: {before.mean():.3f} +- {before.std():.3f}")

# %%
# The spread of the folds is worth a look before any search: an improvement that is smaller than the spread
# may be chance.
#
# The search
# ----------
# Parameters of a step are named ``step__parameter``. A list holds choices; Optuna's distributions are
# ranges. After each fold, candidates that are far behind are given up.

from optuna.distributions import FloatDistribution

space = {
    "head__learning_rate": FloatDistribution(3e-4, 1e-2, log=True),
    "head__l2": FloatDistribution(0.1, 10.0, log=True),
    "head__batch_size": [2, 4, 8],
}
search = OptunaSearchCV(pipeline, space, n_trials=12, cv=3, random_state=0)
search.fit(X_train, y_train)
print({name: round(value, 4) for name, value in search.best_params_.items()})
print(f"best cross-validated accuracy: {search.best_score_:.3f}")

# %%
# A search is a classifier, too: ``predict`` and ``score`` use the best candidate, fitted to all training
# images.
#
# The winner's curse
# ------------------
# The best of twelve scores is too good: among candidates that are equal, the one with luck wins. The test
# images, which the search has not seen, tell more.

untuned = pipeline.fit(X_train, y_train).score(X_test, y_test)
tuned = search.score(X_test, y_test)
print(f"test accuracy, untuned {untuned:.3f}, tuned {tuned:.3f}")

results = search.cv_results_
done = np.array(results["trial_state"]) == "COMPLETE"
figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
ax.plot(
    np.array(results["trial_number"])[done] + 1, results["mean_test_score"][done], "o", label="a candidate"
)
ax.axhline(before.mean(), color="0.5", linestyle="--", label="untuned, cross-validated")
ax.axhline(tuned, color="C1", label="the best candidate on test images")
ax.set(xlabel="trial", ylabel="accuracy", title="Candidates that ran to their end")
ax.legend(loc="lower right")

# %%
# The line of the test images lies above the candidates, and that is no contradiction: the tested model has
# learned from all training images, a candidate from two thirds of them. So compare test with test: what the
# search has gained is the difference between tuned and untuned. On 200 test images it is known to some five
# points, so that a small one may be chance, whatever the best score says.
#
# Are more images better than better settings?
# --------------------------------------------
# A learning curve tells. If the curve still rises at its right end, label more images before you tune on.

from sklearn.model_selection import LearningCurveDisplay

display = LearningCurveDisplay.from_estimator(
    search.best_estimator_, X_train, y_train, train_sizes=[20, 35, 50, 66], cv=3, score_type="test"
)
display.ax_.set_title("Accuracy by the number of training images")

# %%
# **What you have learned.** Search on the training images, judge on the test images, and ask whether more
# images would do more. :doc:`/user_guide/tuning` tells how to resume a search and how to share it among
# machines.

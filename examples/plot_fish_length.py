"""
How long is the fish? Numbers instead of classes
================================================

Often a photograph should give a number: an age, a weight, a count. The features stay the same, and a
regressor learns from them. Here it learns the length of drawn fish, which is known to the pixel.
"""

# %%
# Fish whose length is known
# --------------------------
# ``target="length"`` gives lengths instead of kinds: from the snout to the root of the tail, in pixels.

import matplotlib.pyplot as plt
from sklearn.metrics import PredictionErrorDisplay, mean_absolute_error

from fishsk import PredictionGridDisplay, make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(1000, target="length", random_state=0)
X_train, X_test, y_train, y_test = X[:800], X[800:], y[:800], y[800:]
print(f"{y.min():.1f} to {y.max():.1f} pixels, {y.mean():.1f} on average")

# %%
# A regressor
# -----------
# ``task="regression"`` puts a :class:`~fishsk.KerasHeadRegressor` behind the features, in scikit-learn's
# ``TransformedTargetRegressor``, which standardizes the lengths and gives them back in pixels. ``head=``
# takes any other regressor. Each fish goes through the network once for both.

from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

pipelines = {
    "Keras head": make_fish_pipeline(task="regression", weights="cifar95", random_state=0),
    "SVR": make_fish_pipeline(
        head=TransformedTargetRegressor(SVR(C=3), transformer=StandardScaler()), weights="cifar95"
    ),
}
for name, pipeline in pipelines.items():
    pipeline.fit(X_train, y_train)
    error = mean_absolute_error(y_test, pipeline.predict(X_test))
    print(f"{name}: {error:.2f} pixels off on average, R2 {pipeline.score(X_test, y_test):.2f}")
print(f"Always the mean: {mean_absolute_error(y_test, [y_train.mean()] * len(y_test)):.2f} pixels off")

# %%
# Predicted against true
# ----------------------
# The same display of scikit-learn serves as for any regressor. On the left, short fish lie to the right of
# the line and long ones to its left: a model that is not sure stays near the mean. On the right, the
# residuals.

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
titles = {
    "actual_vs_predicted": "True against predicted lengths",
    "residual_vs_predicted": "What is left over",
}
for ax, (kind, title) in zip(axes, titles.items(), strict=True):
    display = PredictionErrorDisplay.from_estimator(
        pipelines["Keras head"], X_test, y_test, kind=kind, ax=ax, scatter_kwargs={"alpha": 0.5}
    )
    ax.set_title(title)

# %%
# The largest errors
# ------------------
# The images to look at first. A triangle that points up marks a length that is too high.

grid = PredictionGridDisplay.from_estimator(
    pipelines["Keras head"], X_test, y_test, select="largest_errors", n_rows=2, n_cols=6
)

# %%
# **Conclusion.** A number needs ``task="regression"`` or a regressor as ``head=``, and nothing else changes:
# cross-validation, searches, displays and files work as for classes. Compare it with the mean, and look at
# the largest errors.

"""
One head against scikit-learn's classifiers
===========================================

The features are an array, so any classifier takes them. Is the Keras head worth its time?
"""

# %%
# All on the same features
# ------------------------

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from fishsk import KerasHeadClassifier, make_fish_pipeline
from fishsk.datasets import make_fish_images

images, y = make_fish_images(300, random_state=13)
X = make_fish_pipeline(weights="cifar95")["features"].transform(images)

classifiers = {
    "KerasHeadClassifier": KerasHeadClassifier(random_state=0),
    "LogisticRegression": LogisticRegression(C=0.003, tol=1e-3),
    "SVC": SVC(C=3),
    "MLPClassifier": MLPClassifier(100, early_stopping=True, random_state=0),
    "ExtraTreesClassifier": ExtraTreesClassifier(100, random_state=0),
    "KNeighborsClassifier": KNeighborsClassifier(7, metric="cosine"),
}

# %%
# Cross-validation
# ----------------
# Seconds are of this page's own build: read them as ratios. The linear algebra gets one thread, since
# problems as small as these gain nothing from more.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
scores, seconds = {}, {}
for name, classifier in classifiers.items():
    start = time.perf_counter()
    with threadpool_limits(1):
        scores[name] = cross_val_score(make_pipeline(StandardScaler(), classifier), X, y, cv=folds)
    seconds[name] = time.perf_counter() - start
    print(f"{name:21} {scores[name].mean():.3f} +- {scores[name].std():.3f}  {seconds[name]:5.1f} s")

# %%

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
names = sorted(scores, key=lambda name: scores[name].mean())
places = np.arange(len(names))
ax.barh(places, [scores[name].mean() for name in names], color="C0", alpha=0.5)
for place, name in zip(places, names, strict=True):
    ax.plot(scores[name], [place] * 5, ".", color="0.2")
    ax.text(0.02, place, f"{name}, {seconds[name]:.1f} s", va="center")
ax.set_title("Accuracy of each classifier on the same features")
ax.set(yticks=[], xlabel="accuracy (bar: mean, dots: 5 folds)", xlim=(0, 1))

# %%
# **Conclusion.** On good features the linear model, the support vector machine and the head differ by
# less than their folds do. Take the simplest that serves; what the head has and they have not is
# a training curve with validation, Keras's callbacks, and its export, with the backbone, as one Keras model.

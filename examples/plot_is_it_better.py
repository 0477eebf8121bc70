"""
Is the new model better?
========================

Two accuracies differ by a few points. Is that more than chance, and which images paid for it?
"""

# %%
# Two models, one set of test images
# ----------------------------------
# Both are an ``SVC``. The old one sees the features of each image alone, the new one the mean over it and
# its mirror image. They meet the same 600 test images.

from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from fishsk import compare_pipelines, make_fish_pipeline
from fishsk.datasets import FISH_NAMES, make_fish_images

X, y = make_fish_images(1200, random_state=3)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
old = make_fish_pipeline(head=SVC(C=3), weights="cifar95", features__views=None).fit(X, y)
new = make_fish_pipeline(head=SVC(C=3), weights="cifar95").fit(X, y)
comparison = compare_pipelines(old, new, X_test, y_test)
print(comparison)

# %%
# Paired, not side by side
# ------------------------
# Images that both models got right, or both wrong, say nothing about which is better.
# :func:`~fishsk.compare_pipelines` looks at the others: its interval is a bootstrap over images, each drawn
# with both of its answers, and McNemar's test asks how often so uneven a split comes by chance. So it can
# tell two models apart whose own intervals overlap.

low, high = comparison.interval
print(f"{100 * comparison.difference:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})")
print(f"{comparison.n_fixed} images fixed, {comparison.n_broken} broken, p = {comparison.p_value:.2g}")

# %%
# By class
# --------

import matplotlib.pyplot as plt
import numpy as np

found = [comparison.per_class[label] for label in comparison.classes.tolist()]
points = 100 * np.array([each.difference for each in found])
ends = 100 * np.array([each.interval for each in found]).T
figure, axes = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
axes.errorbar(points, np.arange(len(points)), xerr=np.abs(ends - points), fmt="o", capsize=4)
axes.axvline(0, color="gray", linewidth=1)
axes.set(title="What the new model gains in each class", xlabel="Points (95 % interval)")
ticks = axes.set_yticks(np.arange(len(points)), [FISH_NAMES[label] for label in comparison.classes])

# %%
# **Conclusion.** An interval that does not meet the line is a class on which the new model is better; of
# many classes some will do so by chance. ``comparison.fixed`` and ``comparison.broken`` are the images to
# look at, and ``python -m fishsk compare old.fishsk new.fishsk photos/`` writes a page with them.

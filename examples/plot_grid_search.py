"""
A grid search that never runs VGG16 twice
=========================================

Eight candidates in five folds, and a refit: 41 fits and 40 scorings ask for features, most of them of
images that have been seen before. We count how many are really run through the network.
"""

# %%

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from fishsk import VGG16FeatureTransformer, make_fish_pipeline
from fishsk.datasets import make_fish_images

# %%
# The search
# ----------
# An ordinary ``GridSearchCV`` over the whole pipeline, images in, no features prepared.

X, y = make_fish_images(300, random_state=5)
pipeline = make_fish_pipeline(weights="cifar95", random_state=0, head__hidden_units=64, head__epochs=8)
rates, batch_sizes = [3e-4, 1e-3, 3e-3, 1e-2], [32, 128]
grid = GridSearchCV(pipeline, {"head__learning_rate": rates, "head__batch_size": batch_sizes}, cv=5)
with VGG16FeatureTransformer.count_images() as count:
    grid.fit(X, y)
asked = count.n_extracted + count.n_known
print(f"{grid.best_params_}, cross-validated accuracy {grid.best_score_:.3f}")
print(f"{asked:,} images were asked for, {count.n_extracted} were run through VGG16")

# %%
# The figure
# ----------

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
scores = np.reshape(grid.cv_results_["mean_test_score"], (len(batch_sizes), len(rates)))
picture = left.imshow(scores, cmap="viridis")
left.set(
    xticks=range(len(rates)),
    xticklabels=rates,
    xlabel="learning rate",
    yticks=range(len(batch_sizes)),
    yticklabels=batch_sizes,
    ylabel="batch size",
    title="Cross-validated accuracy",
)
for (row, column), score in np.ndenumerate(scores):
    dark = score < (scores.min() + scores.max()) / 2
    left.text(column, row, f"{score:.3f}", ha="center", va="center", color="white" if dark else "black")
bars = right.barh(["asked for", "run through VGG16"], [asked, count.n_extracted], color=["C0", "C1"])
right.bar_label(bars, fmt="{:,.0f}", padding=4)
right.set(title="Images", xlim=(0, 1.25 * asked), xticks=[0, 4_000, 8_000, 12_000])
right.invert_yaxis()

# %%
# **Conclusion.** One pass for each image, whatever the number of candidates and folds: rows are kept by the
# content of the image, so a fold's images are known from the other folds. A new setting of the
# *features*, such as ``features__pooling``, would cost one more pass.

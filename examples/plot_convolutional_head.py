"""
A convolutional head
====================

Pooling discards where in the image something was seen. A small convolutional network on the maps of
``block4`` keeps it: a custom network, built by a function, whose parameters are set as scikit-learn's are.
"""

# %%
# The network
# -----------
# ``model=`` takes the function. It is asked for a network when the shape of the data is known, which is in
# ``meta``. Its own parameter ``filters`` is set and searched as ``head__model__filters``.

import keras
import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV

from fishsk import KerasHeadClassifier, VGG16FeatureTransformer, make_fish_pipeline
from fishsk.datasets import make_fish_images


def build(meta, filters=32):
    """Return a convolution over the maps, which stand in each row one after the other."""
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Reshape((2, 2, -1)),
            keras.layers.Conv2D(filters, 2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


# %%
# Pooled features, and maps
# -------------------------
# The pooled features go to the built-in network, the maps to the convolution. The features of each layer are
# computed once, whatever is searched.

X, y = make_fish_images(300, random_state=5)
features = {"weights": "cifar95", "features__layers": ["block4_pool"], "features__views": None}
pooled = make_fish_pipeline(
    head=KerasHeadClassifier(epochs=15, random_state=0), features__pooling="avg", **features
)
maps = make_fish_pipeline(
    head=KerasHeadClassifier(build, epochs=15, random_state=0), features__pooling=None, **features
)
with VGG16FeatureTransformer.count_images() as count:
    searches = {
        "pooled,\nbuilt-in": GridSearchCV(pooled, {"head__hidden_units": [64, 512]}, cv=3).fit(X, y),
        "maps,\nconvolution": GridSearchCV(maps, {"head__model__filters": [16, 64]}, cv=3).fit(X, y),
    }
print(f"{count.n_extracted} images were run through VGG16")
for name, search in searches.items():
    print(name.replace("\n", " "), search.best_params_, f"{search.best_score_:.3f}")

# %%
# The figure
# ----------

figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
for place, search in enumerate(searches.values()):
    folds = [search.cv_results_[f"split{fold}_test_score"] for fold in range(3)]
    ax.plot([place] * 6, [score for fold in folds for score in fold], "o", alpha=0.6)
ax.set(xticks=[0, 1], xticklabels=list(searches), xlim=(-0.5, 1.5), ylabel="accuracy of each fold")
title = ax.set_title("What maps add to pooled features")

# %%
# **Conclusion.** A custom network is a parameter like any other: it is cloned, searched, cross-validated
# and saved. Whether the place of a feature helps is for the folds to say.

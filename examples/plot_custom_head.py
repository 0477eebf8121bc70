"""
Custom heads
============

What learns from the features can be any classifier that speaks scikit-learn. Three of them take the place
of the built-in network here: a kernel machine, a forest, and a custom network in plain scikeras. Each
image still goes through VGG16 once.
"""

# %%
# Four heads
# ----------
# ``head=`` takes an unfitted classifier; its parameters are searched and set under ``head__``.

import keras
import matplotlib.pyplot as plt
from scikeras.wrappers import KerasClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from fishsk import VGG16FeatureTransformer, make_fish_pipeline
from fishsk.datasets import make_fish_images


def build_network(meta):
    """Return a linear softmax layer on the features."""
    layers = [keras.Input((meta["n_features_in_"],)), keras.layers.Dense(meta["n_classes_"], "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


heads = {
    "KerasHeadClassifier": None,
    "SVC": SVC(C=3),
    "RandomForest\nClassifier": RandomForestClassifier(100, max_features=40),
    "scikeras\nKerasClassifier": KerasClassifier(build_network, epochs=10, verbose=0, random_state=0),
}

# %%
# Cross-validation
# ----------------
# scikit-learn 1.9 does not see a classifier in plain scikeras, and would not stratify for it: the splits are
# named here, the same for all.

X, y = make_fish_images(250, random_state=3)
splits = StratifiedKFold(3, shuffle=True, random_state=0)
scores = {}
with VGG16FeatureTransformer.count_images() as count:
    for name, head in heads.items():
        pipeline = make_fish_pipeline(head=head, weights="cifar95", random_state=0)
        scores[name] = cross_val_score(pipeline, X, y, cv=splits, scoring="accuracy")
print(f"{count.n_extracted} images were run through VGG16, {count.n_known} times their features were known")

# %%
# The figure
# ----------

figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
ax.boxplot(list(scores.values()), tick_labels=list(scores))
ax.set(ylabel="accuracy of each fold", title="Four heads on the same features")

# %%
# **Conclusion.** Features cost one pass, heads are cheap to try. Choose by the folds, not by the name.

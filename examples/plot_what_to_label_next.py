"""
What to label next
==================

Labels are expensive, images are not. A model that has learned from a few can say which others would teach it
most.
"""

# %%
# A few labels, many images
# -------------------------
# Of 1,200 drawn fish, 60 are labeled. ``suggest_labels`` returns a table of the best to label next: those of
# which the model is unsure, that differ from each other and from what is labeled. On the command line:
# ``next unlabeled/ --model fish.fishsk --train photos/``, which writes a page to label them on.
# It needs pandas (``pip install pandas``); the command does not.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from fishsk import make_fish_pipeline, suggest_labels
from fishsk.datasets import make_fish_images

X, y = make_fish_images(1500, random_state=2)
names = np.array(["aquarium_fish", "flatfish", "ray", "shark", "trout"])[y]
pool, test = np.arange(1200), np.arange(1200, 1500)
head = LogisticRegression(C=0.003, max_iter=300)
pipeline = make_fish_pipeline(weights="cifar95", head=head).fit(X[:60], names[:60])
suggested = suggest_labels(pipeline, X[60:1200], n=8, X_train=X[:60])
print(suggested[["reason", "score"]].to_string())

# %%
# Is it worth it?
# ---------------
# Here the labels are known, so that we can play: 60 more labels a round, by suggestion and at random. The
# features are computed once, so that a round takes a moment.


def play(choose):
    """Return the accuracy after each round of labels that `choose` asks for."""
    known, scores = pool[:60], {}
    while len(known) <= 300:
        pipeline.fit(X[known], names[known])
        scores[len(known)] = pipeline.score(X[test], names[test])
        left = np.setdiff1d(pool, known)
        known = np.r_[known, left[choose(left, known)]]
    return scores


def by_suggestion(left, known):
    """Return which of the images that are left to label next."""
    return suggest_labels(pipeline, X[left], n=60, X_train=X[known]).index


rng = np.random.default_rng(0)
by_chance = [play(lambda left, known: rng.choice(len(left), 60, replace=False)) for _ in range(5)]
helped = play(by_suggestion)

figure, ax = plt.subplots(layout="constrained")
for scores in by_chance:
    ax.plot(
        list(scores),
        list(scores.values()),
        color="0.7",
        label="at random" if scores is by_chance[0] else None,
    )
ax.plot(list(helped), list(helped.values()), "o-", label="suggested")
ax.set(xlabel="labels", ylabel="accuracy on 300 other images", title="The same accuracy with fewer labels")
_ = ax.legend()

# %%
# **Conclusion.** The labels that a model asks for teach it more than as many others. Keep a test set that was
# drawn at random: on images that were chosen for being hard, an accuracy says little.

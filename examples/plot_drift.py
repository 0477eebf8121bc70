"""
Have the images drifted?
========================

A model answers whatever it is shown. Two tests on its features tell, without labels, whether new images still
look like the training images.
"""

# %%
# The same aquarium, and one in fog
# ---------------------------------
# ``compare_images`` compares new images with those of training. On the command line:
# ``drift fish.fishsk new_photos/ --train photos/``, which writes a page, and exits with 3 if they have.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from fishsk import compare_images, make_fish_pipeline
from fishsk.datasets import make_fish_images

X, y = make_fish_images(400, random_state=0)
head = LogisticRegression(C=0.003, max_iter=300)
pipeline = make_fish_pipeline(weights="cifar95", head=head).fit(X, y)


def add_fog(images, share):
    """Return images in which a share of the light is fog."""
    return np.rint(images * (1 - share) + 200 * share).astype(np.uint8)


new, y_new = make_fish_images(100, random_state=1)
print("as before:", compare_images(X, new, pipeline))
print("in fog:   ", compare_images(X, add_fog(new, 0.5), pipeline))

# %%
# Does it warn in time?
# ---------------------
# The fog comes up slowly. The p value falls before the accuracy has fallen far, which nobody would know
# without labels.

shares = np.linspace(0, 0.6, 7)
found = [compare_images(X, add_fog(new, share), pipeline) for share in shares]
accuracy = [pipeline.score(add_fog(new, share), y_new) for share in shares]

figure, (top, bottom) = plt.subplots(2, sharex=True, figsize=(6.4, 5), layout="constrained")
top.semilogy(shares, [drift.p_value for drift in found], "o-")
top.axhline(0.05, color="k", linestyle=":", label="0.05")
top.set(ylabel="p value", title="The test warns without labels")
top.legend()
bottom.plot(shares, accuracy, "o-", label="accuracy")
bottom.plot(shares, [drift.share_unfamiliar for drift in found], "s-", label="share unlike training")
bottom.set(xlabel="share of fog", ylim=(0, 1))
_ = bottom.legend()

# %%
# **Conclusion.** A small p value says that the new images are others, not that the model is wrong about them:
# label some of them, and look.

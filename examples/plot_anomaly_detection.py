"""
Anomaly detection for visual inspection
=======================================

A camera looks at metal plates. There are photographs of good ones only, since defects are rare and all of
them different. A plate that is unlike every good one is suspect.
"""

# %%
# The plates
# ----------
# Brushed metal, drawn. Test plates may have a scratch, a dent or a stain.

import cv2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from fishsk import VGG16FeatureTransformer

rng = np.random.default_rng(0)


def draw_plate(kind="good"):
    """Return a plate of 64 x 64 pixels, gray values 0 to 255."""
    grain = cv2.GaussianBlur(rng.normal(0, 40, (64, 64)), (0, 0), sigmaX=6, sigmaY=0.6)
    light = np.linspace(0, rng.normal(0, 25), 64)
    plate = 150 + rng.normal(0, 8) + grain + light + rng.normal(0, 4, (64, 64))
    x, y = (int(value) for value in rng.integers(14, 50, 2))
    if kind == "scratch":
        dx, dy = (int(value) for value in rng.integers(6, 14, 2))
        plate = cv2.line(plate, (x, y), (x + dx, y + dy + 6), float(plate.mean() + 45), 1)
    elif kind == "dent":
        spot = cv2.circle(np.zeros((64, 64)), (x, y), 3, 1.0, -1)
        plate = plate + 60 * (cv2.GaussianBlur(np.roll(spot, -2, 0) - np.roll(spot, 2, 0), (0, 0), 1))
    elif kind == "stain":
        blob = cv2.ellipse(np.zeros((64, 64)), (x, y), (7, 4), float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        plate = plate - 35 * cv2.GaussianBlur(blob, (0, 0), 1.5)
    return np.clip(plate, 0, 255).astype(np.uint8)


good = np.array([draw_plate() for _ in range(300)])
kinds = np.array(["good"] * 100 + ["scratch"] * 20 + ["dent"] * 20 + ["stain"] * 20)
test = np.array([draw_plate(kind) for kind in kinds])

# %%
# Distance from the good ones, place by place
# -------------------------------------------
# ``pooling=None`` keeps a layer's map: at 64 x 64 pixels, block 4 describes 8 x 8 places by 160 numbers
# each. A place is suspect that is far from every place of every good plate, and a plate is as suspect as
# its three worst places [1]_. The gray plates go in as they are.

vgg16 = VGG16FeatureTransformer(weights="cifar95", image_size=64, layers="block4_conv3", pooling=None)


def describe(plates):
    """Return the features of each of the 8 x 8 places of each plate."""
    return vgg16.transform(plates).reshape(len(plates), 64, -1)


places = describe(good)
index = NearestNeighbors(n_neighbors=1).fit(places[::3].reshape(-1, places.shape[2]))
distances, _ = index.kneighbors(describe(test).reshape(-1, places.shape[2]))
maps = distances.reshape(len(test), 8, 8)
scores = np.sort(distances.reshape(len(test), 64), axis=1)[:, -3:].mean(axis=1)

print(f"area under the ROC curve: {roc_auc_score(kinds != 'good', scores):.3f}")
for kind in ("scratch", "dent", "stain"):
    chosen = np.isin(kinds, ["good", kind])
    print(f"{kind:8} {roc_auc_score(kinds[chosen] == kind, scores[chosen]):.3f}")

# %%
# The figure
# ----------
# Below, two plates of each kind with the distance of their places: the darker, the less like anything
# good.

figure = plt.figure(figsize=(9, 5.5), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(1.2, 1))
ax = above.subplots()
labels = ["good", "scratch", "dent", "stain"]
bins = np.linspace(scores.min(), scores.max(), 40)
ax.hist(
    [scores[kinds == kind] for kind in labels],
    bins,
    stacked=True,
    label=labels,
    color=["0.7", "C0", "C1", "C2"],
)
ax.set(xlabel="distance of a plate's three worst places from the good plates", ylabel="plates")
ax.legend()
shown = [plate for kind in labels for plate in np.flatnonzero(kinds == kind)[:2]]
for (plate_ax, map_ax), plate in zip(below.subplots(2, 8).T, shown, strict=True):
    plate_ax.imshow(test[plate], cmap="gray", vmin=0, vmax=255)
    plate_ax.set_title(kinds[plate], fontsize=9)
    map_ax.imshow(maps[plate], cmap="magma_r", vmin=scores.min() / 2, vmax=np.quantile(scores, 0.9))
    plate_ax.set_axis_off()
    map_ax.set_axis_off()

# %%
# **Conclusion.** A frozen network and a nearest-neighbor search make an inspection station without a
# single photograph of a defect. Where a plate is scratched or dented, the maps show the place. Faint, wide
# stains are hardly found, and their maps stay blank. Try which layer sees your defects, with the few
# defective parts that you have.
#
# .. [1] K. Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022,
#    https://arxiv.org/abs/2106.08265

"""The recipe: which networks serve best where nothing else is asked for, and which settings serve each.

Cross-validation on training images alone chose it, of fish of 32 x 32 pixels and of photographs of clothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Parameters of the steps of a pipeline that cross-validation showed best for a network."""

    features: Mapping[str, Any] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)


# Side by side: one has seen ImageNet, the other is small. Neither needs a download.
BACKBONES = ("EfficientNetLite0", "vgg16.cifar95")

# EfficientNet-Lite sees images whose longer side is at most the first number at the size of the second.
SMALL_SIDE, SIZE_FOR_SMALL = 64, 160

# On thousands of columns hidden units gain nothing, and take several times as long. The penalty keeps
# probabilities calibrated with few images and with many; rows held out for that cost half a point. Batches
# shrink with the number of images: one step an epoch, as 50 images in a batch make, learns too little.
_LINEAR_HEAD = {
    "hidden_units": 0,
    "dropout": 0.0,
    "l2": "scale",
    "batch_size": "auto",
    "validation_fraction": 0,
}

VGG16_IMAGENET = Recipe(features={"layers": ["block4_pool", "block5_pool"]})
VGG16_CIFAR95 = Recipe(
    features={"layers": ["block3_pool", "block4_pool", "block5_pool"], "pooling": None, "views": "mirror"},
    head=_LINEAR_HEAD,
)
VGG16_UNTRAINED = Recipe(features={"layers": ["block1_pool", "block2_pool", "block3_pool"]})


def _take_late_blocks(first: int, last: int) -> Recipe:
    """Return the recipe of EfficientNet-Lite: what its last blocks expand, and its last map."""
    layers = [f"block{number}_expand_relu" for number in range(first, last + 1)]
    return Recipe(features={"layers": [*layers, "top_relu"]}, head=_LINEAR_HEAD)


# From the first block of the fifth stage on.
_OTHERS = {
    "EfficientNetLite0": _take_late_blocks(8, 15),
    "EfficientNetLite1": _take_late_blocks(11, 20),
    "EfficientNetLite2": _take_late_blocks(11, 20),
}


def find_recipe(backbone: object) -> Recipe:
    """Return what serves a network of `KerasFeatureTransformer` best; nothing is known of most."""
    return _OTHERS.get(backbone, Recipe()) if isinstance(backbone, str) else Recipe()

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


# Side by side: one has seen ImageNet, the other costs next to nothing. Neither needs a download.
BACKBONES = ("EfficientNetLite0", "vgg16.cifar95")

# EfficientNet-Lite sees images whose longer side is at most the first number at the size of the second.
SMALL_SIDE, SIZE_FOR_SMALL = 64, 128

VGG16_IMAGENET = Recipe(features={"layers": ["block4_pool", "block5_pool"]})
VGG16_CIFAR95 = Recipe(
    features={
        "layers": ["block3_pool", "block4_pool", "block5_pool"],
        "pooling": None,
        "power": 0.5,
        "views": "mirror+corners",
    },
    head={"l2": 1e-3},
)
VGG16_UNTRAINED = Recipe(features={"layers": ["block1_pool", "block2_pool", "block3_pool"]})

_LITE0 = Recipe(features={"layers": ["block10_expand_relu", "block13_expand_relu", "top_relu"]})
# The same places among more blocks: the last block of the fifth stage, the last but one of the sixth.
_LITE1 = Recipe(features={"layers": ["block14_expand_relu", "block18_expand_relu", "top_relu"]})
_OTHERS = {"EfficientNetLite0": _LITE0, "EfficientNetLite1": _LITE1, "EfficientNetLite2": _LITE1}


def find_recipe(backbone: Any) -> Recipe:
    """Return what serves a network of `KerasFeatureTransformer` best; nothing is known of most."""
    return _OTHERS.get(backbone, Recipe()) if isinstance(backbone, str) else Recipe()

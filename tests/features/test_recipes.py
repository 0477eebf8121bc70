"""The recipe: settings of networks that make_fish_pipeline takes where none are given."""

import pytest

from fishsk import KerasFeatureTransformer, make_fish_pipeline
from fishsk.features import BACKBONES, find_frozen_parts, find_recipe


@pytest.mark.parametrize("name", ["EfficientNetLite0", "EfficientNetLite1", "EfficientNetLite2"])
def test_a_network_of_the_recipe_gets_its_layers_alone_and_beside_others(name):
    layers = find_recipe(name).features["layers"]
    drawn = KerasFeatureTransformer(backbone=name, weights=None, image_size=32)
    assert set(layers) <= drawn.list_layers().keys()
    assert make_fish_pipeline(backbone=name)["features"].layers == layers
    beside = make_fish_pipeline(backbone=[name, "vgg16.cifar95"])["features"]
    assert beside[name.lower()].layers == layers


def test_several_networks_get_the_head_of_the_first():
    head = find_recipe("EfficientNetLite0").head
    made = make_fish_pipeline(backbone=list(BACKBONES))["head"].get_params()
    assert head
    assert head.items() <= made.items()


def test_a_layer_that_is_asked_for_wins_over_the_recipe():
    pipeline = make_fish_pipeline(backbone="EfficientNetLite0", features__layers="top_relu")
    assert pipeline["features"].layers == "top_relu"


def test_without_a_word_it_is_vgg16_with_imagenets_weights():
    features = make_fish_pipeline()["features"]
    assert (features.network_name, features.weights) == ("VGG16", "imagenet")


def test_the_recipes_networks_are_known_by_name():
    parts = find_frozen_parts(make_fish_pipeline(backbone=list(BACKBONES))["features"])
    assert list(parts) == ["efficientnetlite0", "vgg16"]

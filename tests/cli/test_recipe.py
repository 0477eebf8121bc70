"""What commands do where nothing else is asked for: the recipe's networks."""

import numpy as np
import pytest
from PIL import Image

from fishsk import features, load_pipeline
from fishsk.cli import main
from fishsk.cli._main import build_parser
from fishsk.cli._networks import make_pipeline
from fishsk.features import SIZE_FOR_SMALL, find_frozen_parts
from fishsk.features._recipes import BACKBONES


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    """Use the recipe's networks, instead of what this folder's other tests use."""
    monkeypatch.setattr(features, "BACKBONES", BACKBONES)


def parse(*options):
    return build_parser().parse_args(["fit", "photos", *options])


def list_networks(*options, images=()):
    features = make_pipeline(parse(*options), images)["features"]
    return {part.network_name: part for part in find_frozen_parts(features).values()}


def test_fit_uses_the_recipe_and_says_so_first(photos, tmp_path, capsys):
    model = str(tmp_path / "model.fishsk")
    assert main(["fit", str(photos), "--model", model, "--set", "head__epochs=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "Network:     EfficientNetLite0, 160 x 160 pixels, weights: imagenet, by Google"
    )
    assert lines[1].startswith("             VGG16, 32 x 32 pixels, weights: cifar95, shipped with fishsk")
    assert list(load_pipeline(model)["features"].named_transformers) == ["efficientnetlite0", "vgg16"]


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        (["--backbone", "vgg16"], "cifar95"),
        (["--weights", "cifar95"], "cifar95"),
        (["--weights", "none"], None),
        (["--recipe", "report"], "cifar95"),
    ],
)
def test_the_old_way_is_vgg16_alone(options, weights):
    networks = list_networks(*options)
    assert list(networks) == ["VGG16"]
    assert networks["VGG16"].weights == weights


def test_small_images_are_enlarged_and_photographs_keep_the_networks_own_size(tmp_path):
    for side in (32, 96):
        Image.new("RGB", (side, 20)).save(tmp_path / f"{side}.png")
    small, large = ([str(tmp_path / f"{side}.png")] for side in (32, 96))
    assert list_networks(images=small)["EfficientNetLite0"].image_size == SIZE_FOR_SMALL
    assert list_networks(images=small)["VGG16"].image_size is None
    assert list_networks(images=large)["EfficientNetLite0"].image_size is None
    assert (
        list_networks(images=np.zeros((3, 32, 32, 3), np.uint8))["EfficientNetLite0"].image_size
        == SIZE_FOR_SMALL
    )


def test_a_size_that_is_asked_for_stays(tmp_path):
    Image.new("RGB", (32, 20)).save(tmp_path / "a.png")
    pipeline = make_pipeline(parse(), [str(tmp_path / "a.png")], features__image_size=96)
    assert [part.image_size for part in find_frozen_parts(pipeline["features"]).values()] == [96, 96]


def test_the_help_names_the_recipes_networks(capsys):
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"(default: {' and '.join(BACKBONES)}, side by side)" in shown


def test_no_weights_of_the_recipe_are_downloaded(monkeypatch):
    monkeypatch.setattr("fishsk.features._weights.download", None)
    for transformer in list_networks().values():
        transformer.set_params(cache=None).transform(np.zeros((1, 32, 32, 3), np.uint8))

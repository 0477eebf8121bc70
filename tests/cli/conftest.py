"""A folder of images and a model, as the commands take them."""

import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.datasets import FISH_NAMES, make_fish_images
from fishsk.features import BACKBONES


@pytest.fixture(scope="package")
def photos(tmp_path_factory):
    """Return a folder of one folder per class, as a user has it."""
    folder = tmp_path_factory.mktemp("my photos")
    X, y = make_fish_images(60, random_state=0)
    for index, (image, label) in enumerate(zip(X, y, strict=True)):
        path = folder / FISH_NAMES[label] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture(scope="package")
def model(photos, tmp_path_factory):
    """Return the file of a model that ``fit`` has saved."""
    path = tmp_path_factory.mktemp("model") / "fish.fishsk"
    command = ["fit", str(photos), "--backbone", "vgg16", "--model", str(path), "--set", "head__epochs=2"]
    assert main(command) == 0
    return path


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    """Let commands that are told no network use the smaller one of the recipe, which takes a moment."""
    monkeypatch.setattr("fishsk.features.BACKBONES", BACKBONES[1:])


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Let every download fail at once."""
    monkeypatch.setattr("fishsk.datasets._cifar100._BASE_URL", "http://127.0.0.1:9/")

"""Paths that begin with ``~`` are paths in the user's home, wherever the package takes one."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from quick import make_quick_pipeline

import fishsk
from fishsk import KerasFeatureTransformer, VGG16FeatureTransformer, load_pipeline, save_pipeline
from fishsk.datasets import load_image_folder, load_image_table, make_fish_images
from fishsk.features import check_images, read_image, resolve_weights
from fishsk.search._study import open_storage
from fishsk.store import FeatureStore, cache_info, clear_cache, default_folder, verify_cache

PACKAGE = Path(fishsk.__file__).parent


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a home with two photographs of two classes and a table of them, seen from another folder."""
    home = tmp_path / "home"
    for name in ("ray", "shark"):
        (home / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(home / "photos" / name / "1.png")
    (home / "photos.csv").write_text("path,n\n~/photos/ray/1.png,1\nphotos/shark/1.png,2\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    yield home
    assert not list(elsewhere.iterdir())  # no folder named ~


def test_fault_71_images_folders_and_tables_lie_in_the_home(home):
    assert read_image("~/photos/ray/1.png").shape == (9, 9, 3)
    images = check_images(["~/photos/ray/1.png", Path("~/photos/shark/1.png")])
    assert images.load([0, 1], (4, 4)).shape == (2, 4, 4, 3)
    assert images.digest(0) == images.digest(1)
    assert images.file_size(1) > 0
    assert len(load_image_folder("~/photos").images) == 2
    assert len(load_image_table("~/photos.csv", target="n").images) == 2


@pytest.mark.parametrize("wrap", [str, Path])
def test_fault_71_caches_lie_in_the_home(home, monkeypatch, wrap):
    X = np.zeros((1, 9, 9, 3), np.uint8)
    VGG16FeatureTransformer(weights="cifar95", cache=wrap("~/features")).transform(X)
    assert cache_info(wrap("~/features"))["n_rows"] == verify_cache(wrap("~/features"))["n_rows"] == 1
    assert FeatureStore(wrap("~/features"), {}, 2)._root == home / "features"
    assert clear_cache(wrap("~/features")) > 0
    monkeypatch.setenv("FISHSK_CACHE", "~/cache")
    assert default_folder() == home / "cache"


def test_fault_71_models_weights_networks_and_studies_lie_in_the_home(home, monkeypatch):
    X, y = make_fish_images(20, random_state=0)
    pipeline = make_quick_pipeline(head__epochs=1).fit(X, y)
    save_pipeline(pipeline, "~/m.fishsk")
    np.testing.assert_array_equal(load_pipeline("~/m.fishsk").predict(X), pipeline.predict(X))
    source = PACKAGE / "features" / "weights" / "cifar95.safetensors"
    (home / "w.safetensors").write_bytes(source.read_bytes())
    assert resolve_weights("~/w.safetensors").digest == resolve_weights(str(source)).digest
    network = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3, name="last")])
    network.save(home / "n.keras")
    features = KerasFeatureTransformer(backbone="~/n.keras", layers="last", cache=None).transform(X)
    assert features.shape == (20, 2)
    with open_storage("~/study.db"):
        assert (home / "study.db").is_file()

"""Views of an image: what they show, how their features are averaged, and that none is run twice."""

import numpy as np
import pytest
from sklearn.base import clone

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images
from fishsk.features import _extraction
from fishsk.features._network import View


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(10, random_state=0)[0]


@pytest.fixture
def vgg16():
    return VGG16FeatureTransformer(weights=None, image_size=32, layers=["block1_pool"], cache=None)


@pytest.fixture
def runs(monkeypatch):
    """Record each run of the network: how many images, in which view."""
    recorded = []
    load = _extraction.load_network

    def load_recorded(settings, folder, *, shown):
        network = load(settings, folder, shown=shown)

        def run(batch, view):
            recorded.append((len(batch), view))
            return network(batch, view)

        return run

    monkeypatch.setattr(_extraction, "load_network", load_recorded)
    return recorded


def test_a_mirror_exchanges_left_and_right_and_the_mean_is_of_both(fish, vgg16):
    each = [clone(vgg16).transform(images) for images in (fish, np.ascontiguousarray(fish[:, :, ::-1]))]
    mean = vgg16.set_params(views="mirror").transform(fish)
    np.testing.assert_array_equal(mean, np.float32(sum(each) / np.float32(2)))


def test_only_the_view_that_is_new_is_run(fish, vgg16, runs):
    vgg16.set_params(cache="auto").transform(fish[:4])
    vgg16.set_params(views="mirror").transform(fish)
    assert sorted(runs, key=str) == [(10, View.MIRROR), (4, View.PLAIN), (6, View.PLAIN)]


def test_stored_views_give_the_same_bits(fish, vgg16, runs):
    vgg16.set_params(views="mirror")
    fresh = vgg16.transform(fish)
    vgg16.set_params(cache="auto").transform(fish[:3])
    np.testing.assert_array_equal(vgg16.transform(fish), fresh)
    runs.clear()
    np.testing.assert_array_equal(vgg16.transform(fish[::-1])[::-1], fresh)
    assert not runs


def test_a_file_that_changed_gives_no_view_of_another_image(fish, vgg16, tmp_path, monkeypatch):
    from PIL import Image

    path = tmp_path / "fish.png"
    Image.fromarray(fish[0]).save(path)
    vgg16.set_params(cache="auto").transform([str(path)])
    read = _extraction._read

    def read_and_replace(*args):
        keys = read(*args)
        Image.fromarray(fish[1]).save(path)
        return keys

    expected = clone(vgg16).set_params(cache=None, views="mirror").transform(fish[:2])
    vgg16.set_params(views="mirror")
    with monkeypatch.context() as patch:
        patch.setattr(_extraction, "_read", read_and_replace)
        np.testing.assert_array_equal(vgg16.transform([str(path)]), expected[:1])
    np.testing.assert_array_equal(vgg16.transform([str(path)]), expected[1:])

"""Views of an image: what they show, how their features are combined, and that none is run twice."""

import numpy as np
import pytest
from sklearn.base import clone

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images
from fishsk.features import _extraction
from fishsk.features._views import VIEW_SETS, View, resolve_views

SHIFT = {"shift": (0.125, -0.25)}  # of 32 pixels: 4 down, 8 to the left
ZOOM = {"zoom": 0.5}
MIRROR = {"mirror": True}


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


def sample(image, view):
    """Return what a view shows of an image, (height, width, 3), mixed in NumPy."""
    for axis, samples in enumerate(view.samples(image.shape[:2])):
        low, high = (np.take(image, index, axis=axis) for index in (samples.low, samples.high))
        share = samples.share.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        image = low + (high - low) * share
    return image


def move(images, down, right):
    """Return images whose content has moved, the border reflected, by NumPy's own padding."""
    padded = np.pad(images, ((0, 0), (down, 0), (0, right), (0, 0)), mode="reflect")
    return padded[:, : images.shape[1], right:]


def test_a_shift_moves_whole_pixels_and_reflects_the_border(fish, vgg16):
    moved = clone(vgg16).transform(move(fish, 4, 8))
    np.testing.assert_array_equal(vgg16.set_params(views=[SHIFT]).transform(fish), moved)


def test_a_mirror_exchanges_left_and_right(fish, vgg16):
    mirrored = clone(vgg16).transform(np.ascontiguousarray(fish[:, :, ::-1]))
    np.testing.assert_array_equal(vgg16.set_params(views=[MIRROR]).transform(fish), mirrored)


def test_a_zoom_shows_the_center_bilinearly():
    ramp = np.repeat(np.arange(8.0)[:, np.newaxis, np.newaxis], 3, axis=2) * np.ones((1, 8, 1))
    seen = sample(ramp, View(zoom=0.5))
    np.testing.assert_allclose(seen[:, 0, 0], [1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25])


def test_corners_are_the_image_moved_to_one_and_its_mirror_image_to_another(fish, vgg16):
    padded = np.pad(fish, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    moved = [
        np.ascontiguousarray(padded[:, down : down + 32, right : right + 32][:, :, ::step])
        for down, right, step in ((2, 2, 1), (2, 2, -1), (4, 4, 1), (0, 4, -1))
    ]
    expected = np.mean([clone(vgg16).transform(images) for images in moved], axis=0)
    vgg16.set_params(views="mirror+corners")
    np.testing.assert_allclose(vgg16.transform(fish), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [32, 224])
def test_shares_mean_the_same_at_every_size(size):
    image = np.zeros((size, size, 3))
    image[size // 2 :] = 1
    seen = sample(image, View(shift=(0.25, 0)))
    assert seen[: size * 3 // 4].max() == 0
    assert seen[size * 3 // 4 :].min() == 1


def test_a_mean_of_views_is_the_mean_of_each(fish, vgg16):
    each = [clone(vgg16).set_params(views=[view]).transform(fish) for view in ({}, SHIFT, ZOOM)]
    mean = vgg16.set_params(views=[{}, SHIFT, ZOOM]).transform(fish)
    np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-6, atol=1e-5)


def test_a_larger_set_runs_only_the_views_that_are_new(fish, vgg16, runs):
    vgg16.set_params(cache="auto", views="mirror").transform(fish)
    vgg16.set_params(views="shifts").transform(fish)
    vgg16.set_params(views="shifts+zooms").transform(fish)
    assert sorted(runs, key=repr) == sorted(((10, view) for view in VIEW_SETS["shifts+zooms"]), key=repr)


def test_a_view_that_some_images_have_is_run_for_the_others_alone(fish, vgg16, runs):
    vgg16.set_params(cache="auto", views=[ZOOM]).transform(fish[:4])
    fresh = clone(vgg16).set_params(cache=None, views=[{}, ZOOM]).transform(fish)
    runs.clear()
    np.testing.assert_array_equal(vgg16.set_params(views=[{}, ZOOM]).transform(fish), fresh)
    assert sorted(n_images for n_images, _ in runs) == [6, 10]


def test_stored_views_give_the_same_bits(fish, vgg16, runs):
    vgg16.set_params(views="shifts")
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
    vgg16.set_params(cache="auto", views=[{}]).transform([str(path)])
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


def test_no_set_holds_a_view_twice():
    for views in VIEW_SETS.values():
        assert len({view.tag for view in views}) == len(views)


@pytest.mark.parametrize(
    "views",
    [[], [{}, {}], [{"turn": 90}], [{"zoom": 0}], [{"zoom": 1.5}], [{"shift": (0.6, 0)}], [{"shift": 0.1}]],
)
def test_views_that_cannot_be_are_refused(views):
    with pytest.raises(ValueError, match="view"):
        resolve_views(views)

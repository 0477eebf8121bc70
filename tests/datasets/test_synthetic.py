"""Drawn fish: shapes, seeds, and how hard they are."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from fishsk.datasets import _scenes, _synthetic, make_fish_images


def test_images_are_uint8_and_kinds_balanced_in_random_order():
    X, y = make_fish_images(23, random_state=0)
    assert X.shape == (23, 32, 32, 3)
    assert X.dtype == np.uint8
    assert y.dtype == np.int64
    assert sorted(np.bincount(y).tolist()) == [4, 4, 5, 5, 5]
    assert y.tolist() not in (sorted(y), [i % 5 for i in range(23)])


def test_a_seed_gives_the_same_bits_and_another_seed_others():
    X, y = make_fish_images(20, random_state=1)
    again, labels = make_fish_images(20, random_state=np.random.RandomState(1))
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(y, labels)
    assert not np.array_equal(X, make_fish_images(20, random_state=2)[0])


def test_without_a_seed_every_call_draws_others():
    assert not np.array_equal(make_fish_images(5)[0], make_fish_images(5)[0])


@pytest.mark.parametrize(
    ("image_size", "shape"),
    [(16, (16, 16)), ((20, 45), (20, 45)), (np.int64(40), (40, 40)), (224, (224, 224))],
)
def test_images_have_the_size_asked_for(image_size, shape):
    X, _ = make_fish_images(5, image_size=image_size, random_state=0)
    assert X.shape == (5, *shape, 3)
    assert np.all(X.std(axis=(1, 2, 3)) > 5)


def test_noise_is_added_in_gray_levels():
    clean = make_fish_images(30, noise=0, random_state=0)[0][0].astype(float)
    noisy = make_fish_images(30, noise=12, random_state=0)[0][0].astype(float)
    unclipped = (clean > 40) & (clean < 215)
    assert (noisy - clean)[unclipped].std() == pytest.approx(12, rel=0.15)


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("scene", range(5))
def test_every_kind_shows_in_every_scene(kind, scene):
    rng = np.random.RandomState(0)
    canvas = _scenes.SCENES[scene](96, 96, rng)
    before = canvas.copy()
    _synthetic._add_fish(canvas, _synthetic._KINDS[kind], _synthetic._Pose(96, 96, False, rng), rng)
    assert 0.08 < np.any(canvas != before, axis=2).mean() < 0.7


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an int of at least 1. Got 0"),
        ({"n_samples": 2.5}, "Got 2.5"),
        ({"image_size": 32.0}, "Got 32.0"),
        ({"image_size": 15}, "at least 16 each. Got 15"),
        ({"image_size": (32, 32, 3)}, r"\(height, width\).*Got \(32, 32, 3\)"),
        ({"noise": -1}, "noise must be .*Got -1"),
        ({"noise": np.nan}, "noise must be .*Got nan"),
        (
            {"target": "weight"},
            "target must be .*Got .weight.",
        ),
    ],
)
def test_parameters_out_of_range_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        make_fish_images(**params)


def edges(X):
    """Return histograms of the directions of edges in 4 x 4 cells of each image, and the cells' colors."""
    down, across = np.gradient(X.astype(np.float32), axis=(1, 2))
    strength = np.hypot(down, across)
    channel = strength.argmax(axis=3, keepdims=True)
    strength, down, across = (np.take_along_axis(a, channel, axis=3) for a in (strength, down, across))
    direction = (np.arctan2(down, across) % np.pi * (9 / np.pi)).astype(int) % 9
    bins = strength * np.eye(9)[direction[..., 0]]
    histograms, colors = (a.reshape(-1, 4, 8, 4, 8, a.shape[3]).sum(axis=(2, 4)) for a in (bins, X))
    features = [a.reshape(len(X), -1) for a in (histograms, colors)]
    return np.hstack([np.sqrt(features[0] / np.linalg.norm(features[0], axis=1, keepdims=True)), features[1]])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_raw_pixels_stay_below_80_percent_and_edges_tell_more():
    X, y = make_fish_images(800, random_state=0)
    score = {}
    for name, features, C in (("pixels", X.reshape(len(X), -1), 1e-3), ("edges", edges(X), 1e-2)):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=20))
        features = features.astype(np.float32)
        with threadpool_limits(1):  # its threads wait for each other, long on a busy machine
            score[name] = model.fit(features[:600], y[:600]).score(features[600:], y[600:])
    assert 0.3 < score["pixels"] < 0.7
    assert score["edges"] > score["pixels"] + 0.05


def test_lengths_come_with_the_same_images():
    X, _ = make_fish_images(40, random_state=0)
    same, lengths = make_fish_images(40, target="length", random_state=0)
    np.testing.assert_array_equal(X, same)
    assert lengths.dtype == np.float64
    assert ((lengths > 12) & (lengths < 29)).all()


@pytest.mark.parametrize("kind", range(5))
def test_a_length_is_the_extent_of_the_drawn_body_along_the_fish(kind):
    body, rng = _synthetic._KINDS[kind].body, np.random.RandomState(kind)
    pose = _synthetic._Pose(200, 300, True, rng)
    nose, tail = (pose([(x, 0)])[0] for x in (body[:, 0].max(), body[:, 0].min()))
    straight = nose - pose([(0.2, 0)])[0]  # what lies before the bend
    along = pose(body) @ (straight / np.linalg.norm(straight))
    assert pose.length(body) == pytest.approx(np.ptp(along))
    assert np.linalg.norm(nose - tail) == pytest.approx(pose.length(body), rel=0.2)


def test_lengths_are_in_pixels_of_the_image():
    small, large = (
        make_fish_images(1, image_size=size, target="length", random_state=0)[1][0] for size in (48, 96)
    )
    assert large == pytest.approx(2 * small)

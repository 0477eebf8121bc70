"""Images laid out by their features, and how the map is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fishsk import FeatureMapDisplay
from fishsk.inspection import lay_out, style_of_class
from fishsk.inspection._feature_map import spread_out


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def clusters(rng):
    """Return images of three classes, each with a bright row of its own, and their names."""
    y = np.arange(60) % 3
    X = rng.integers(0, 60, (60, 9, 9), dtype=np.uint8)
    for image, label in zip(X, y, strict=True):
        image[3 * label : 3 * label + 3] += 180
    return X, np.array(["flatfish", "ray", "shark"])[y]


@pytest.fixture
def estimator(clusters):
    X, y = clusters
    flatten = FunctionTransformer(lambda X: X.reshape(len(X), -1).astype(float))
    return make_pipeline(flatten, StandardScaler(), LogisticRegression()).fit(X, y)


def test_images_of_like_features_are_neighbors(clusters):
    X, y = clusters
    places = lay_out(X.reshape(60, -1), random_state=0)
    assert places.min(axis=0).tolist() == [0, 0]
    assert places.max(axis=0).tolist() == [1, 1]
    distances = np.linalg.norm(places[:, None] - places, axis=2) + np.eye(60) * 9
    assert (y[distances.argmin(axis=1)] == y).all()


def test_the_same_seed_gives_the_same_map(clusters):
    features = clusters[0].reshape(60, -1)
    np.testing.assert_array_equal(lay_out(features, random_state=0), lay_out(features, random_state=0))


@pytest.mark.parametrize("n_images", [1, 2, 3, 9, 10, 12])
def test_few_images_have_places_too(n_images, rng):
    places = lay_out(rng.normal(size=(n_images, 5)), random_state=0)
    assert places.shape == (n_images, 2)
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == n_images


def test_another_method_is_refused(rng):
    with pytest.raises(ValueError, match="'tsne', 'umap'"):
        lay_out(rng.normal(size=(20, 5)), method="pca")


def test_umap_is_an_extra(rng, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ImportError, match=r"fishsk\[umap\]"):
        lay_out(rng.normal(size=(20, 5)), method="umap")


@pytest.mark.filterwarnings("ignore")
def test_umap_lays_out_where_it_is_installed(clusters):
    pytest.importorskip("umap", reason="needs umap-learn (pip install umap-learn)")
    X, y = clusters
    places = lay_out(X.reshape(60, -1), method="umap", random_state=0)
    distances = np.linalg.norm(places[:, None] - places, axis=2) + np.eye(60) * 9
    assert (y[distances.argmin(axis=1)] == y).mean() > 0.9


def test_points_have_the_color_of_their_class_and_mistakes_a_ring(clusters, estimator):
    X, y = clusters
    y = y.copy()
    y[:3] = "shark", "flatfish", "ray"  # instead of flatfish, ray, shark
    display = FeatureMapDisplay.from_estimator(estimator, X, y, display_labels=["Butt", "Rochen", "Hai"])
    assert {label: len(points.get_offsets()) for label, points in display.points_.items()} == {
        "flatfish": 20,
        "ray": 20,
        "shark": 20,
    }
    np.testing.assert_allclose(display.rings_.get_offsets(), display.places[:3])
    colors = [to_hex(points.get_facecolor()[0]) for points in display.points_.values()]
    assert colors == [style_of_class(number)[0].lower() for number in range(3)]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["Butt", "Rochen", "Hai", "3 mistaken"]


def test_of_many_images_some_are_drawn(clusters, estimator):
    display = FeatureMapDisplay.from_estimator(estimator, *clusters, n_images=25, random_state=0)
    assert len(display.places) == len(set(display.indices.tolist())) == 25
    np.testing.assert_array_equal(display.y_true, clusters[1][display.indices])


def test_thumbnails_stand_where_there_is_room(clusters, estimator):
    ax = plt.figure().add_subplot()
    display = FeatureMapDisplay.from_estimator(estimator, *clusters, n_thumbnails=6, random_state=0, ax=ax)
    assert len(display.ax_.artists) == 6
    corners = np.array([[0, 0], [0.01, 0], [0, 1], [1, 1], [1, 0.01], [0.5, 0.5]])
    assert sorted(spread_out(corners, 4))[:2] == [0, 2]
    assert spread_out(corners, 0) == []
    assert len(spread_out(corners, 99)) == 6


def test_no_two_of_many_classes_share_color_and_shape():
    assert len({style_of_class(number) for number in range(49)}) == 49


def test_what_is_no_classifier_has_no_map(clusters):
    with pytest.raises(ValueError, match="must be a classifier"):
        FeatureMapDisplay.from_estimator(StandardScaler().fit([[0.0]]), *clusters)

"""The images most like one: which they are, and what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from fishsk import SimilarImagesDisplay, VGG16FeatureTransformer
from fishsk.datasets import make_fish_images


@pytest.fixture(autouse=True)
def _own_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(60, random_state=0)


@pytest.fixture
def vgg16():
    return VGG16FeatureTransformer(weights=None, image_size=32, layers=["block1_pool"], views="mirror")


def test_a_mirror_image_is_nearest_and_distances_rise(fish, vgg16):
    X, y = fish
    display = SimilarImagesDisplay.from_estimator(vgg16, X[5][:, ::-1], X, labels=y, n_images=7)
    assert display.indices[0] == 5
    assert display.distances[0] == pytest.approx(0, abs=1e-4)
    assert np.all(np.diff(display.distances) >= 0)
    assert display.labels == [str(label) for label in y[display.indices]]
    np.testing.assert_array_equal(display.images[0], X[5])


def test_the_querys_own_file_is_left_out_and_its_copy_is_not(fish, vgg16, tmp_path):
    paths = [str(tmp_path / f"{index}.png") for index in range(10)]
    for path, image in zip(paths, fish[0], strict=False):
        Image.fromarray(image).save(path)
    Image.fromarray(fish[0][3]).save(tmp_path / "8.png")
    display = SimilarImagesDisplay.from_estimator(vgg16, tmp_path / "." / "3.png", paths)
    assert sorted(display.indices) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert display.indices[0] == 8


def test_the_features_of_a_classifier_are_used(fish, vgg16):
    X, y = fish
    pipeline = make_pipeline(vgg16, StandardScaler(), SVC()).fit(X, y)
    assert SimilarImagesDisplay.from_estimator(pipeline, X[5], X, n_images=3).indices[0] == 5


def test_the_grid_shows_the_query_first_and_all_that_were_found(fish, vgg16):
    display = SimilarImagesDisplay.from_estimator(vgg16, fish[0][5], fish[0], n_images=8, n_cols=4)
    assert display.axes_.shape == (3, 4)
    titles = [ax.get_title() for ax in display.axes_.flat]
    assert titles[0] == "query"
    assert titles[1].startswith("distance 0.00")
    assert not any(titles[9:])


def test_a_small_collection_is_shown_whole(fish, vgg16):
    display = SimilarImagesDisplay.from_estimator(vgg16, fish[0][0], fish[0][1:4], n_images=12)
    assert sorted(display.indices) == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_images": 0}, "n_images must be at least 1"), ({"labels": [1, 2]}, "inconsistent")],
)
def test_what_cannot_be_shown_is_refused(fish, vgg16, options, message):
    with pytest.raises(ValueError, match=message):
        SimilarImagesDisplay.from_estimator(vgg16, fish[0][0], fish[0], **options)


def test_something_without_features_is_refused(fish):
    with pytest.raises(AttributeError, match="no attribute 'transform'"):
        SimilarImagesDisplay.from_estimator(SVC(), fish[0][0], fish[0])
    flat = FunctionTransformer(lambda X: np.reshape(X, (len(X), -1)))
    assert SimilarImagesDisplay.from_estimator(flat, fish[0][4], fish[0]).indices[0] == 4

"""Heat maps: where their weight lies, what they follow, and what they leave alone."""

import copy
from unittest import mock

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import fishsk.datasets._synthetic as synthetic
from fishsk import ExplanationDisplay, make_fish_pipeline
from fishsk.datasets import FISH_NAMES, make_fish_images
from fishsk.features import read_image
from fishsk.inspection import explain_images, format_number, lay_over
from fishsk.inspection._gradients import find_keras_steps, load_gradient

NAMES = np.array(FISH_NAMES)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def draw_with_place(n_samples, random_state):
    """Return drawn fish, and which of their pixels show the fish: those that change when it is left out."""
    options = {"random_state": random_state}
    X, y = make_fish_images(n_samples, **options)
    add_fish = synthetic._add_fish
    with mock.patch.object(synthetic, "_add_fish", lambda canvas, *rest: add_fish(canvas.copy(), *rest)):
        empty, _ = make_fish_images(n_samples, **options)
    return X, NAMES[y], np.abs(X.astype(int) - empty).max(axis=3) > 12


@pytest.fixture(scope="module")
def fish():
    """Return drawn fish that pipelines are fitted on."""
    X, y = make_fish_images(500, random_state=0)
    return X, NAMES[y]


@pytest.fixture(scope="module")
def pipeline(fish):
    return make_fish_pipeline(weights="cifar95", random_state=0, head__epochs=12).fit(*fish)


@pytest.fixture(scope="module")
def with_svc(fish):
    return make_fish_pipeline(head=SVC(), weights="cifar95").fit(*fish)


def weigh(maps, places):
    """Return how much denser a map's weight for the class is on the fish than elsewhere in the image."""
    shares = [
        (np.maximum(heat, 0) * place).sum() / np.maximum(heat, 0).sum()
        for heat, place in zip(maps, places, strict=True)
    ]
    return np.mean(shares) / np.mean(places)


@pytest.mark.parametrize(
    ("name", "at_least"), [("pipeline", 2.0), pytest.param("with_svc", 1.4, marks=pytest.mark.slow)]
)
def test_the_weight_of_the_maps_lies_on_the_fish(name, at_least, request):
    X, _, places = draw_with_place(12, random_state=1)
    found = explain_images(request.getfixturevalue(name), X)
    assert weigh(found.maps, places) > at_least
    plain = [np.abs(image - image.mean(axis=(0, 1))).sum(axis=2) for image in X]
    assert weigh(found.maps, places) > weigh(plain, places) + 0.1


def test_other_weights_of_the_head_give_other_maps(fish, pipeline):
    """The sanity check of Adebayo et al., 2018: a map that follows the image alone would stay the same."""
    steps = find_keras_steps(pipeline)
    rng = np.random.default_rng(0)
    network = steps[-1]._network
    shuffled = [rng.permutation(each.ravel()).reshape(each.shape) for each in network.weights]
    X = fish[0][:6]
    maps = explain_images(pipeline, X, target="trout").maps
    with mock.patch.object(network, "weights", shuffled), mock.patch.object(steps[-1], "_model", None):
        others = explain_images(pipeline, X, target="trout").maps
    correlations = [spearmanr(one.ravel(), other.ravel())[0] for one, other in zip(maps, others, strict=True)]
    assert abs(np.mean(correlations)) < 0.3


def test_a_map_adds_up_to_what_the_image_changed_in_the_log_odds(fish, pipeline):
    X = fish[0][:8]
    plain = np.broadcast_to(X.mean(axis=(1, 2), keepdims=True), X.shape).astype(np.float32)
    found = explain_images(pipeline, X, target="trout", against="shark")
    logs = [pipeline.predict_log_proba(images) for images in (X.astype(np.float32), plain)]
    changes = [each[:, 4] - each[:, 3] for each in logs]
    sums = np.array([heat.sum() for heat in found.maps])
    assert np.corrcoef(sums, changes[0] - changes[1])[0, 1] > 0.97


@pytest.mark.parametrize("name", ["pipeline", "with_svc"])
def test_why_one_class_and_not_another_is_the_reverse_of_why_the_other(name, fish, request):
    estimator, X = request.getfixturevalue(name), fish[0][:2]
    one, other = (
        explain_images(estimator, X, target=target, against=against)
        for target, against in (("trout", "shark"), ("shark", "trout"))
    )
    np.testing.assert_allclose(one.maps, -np.array(other.maps), rtol=1e-3, atol=1e-4)


def test_the_gradient_is_that_of_the_predicted_probabilities(fish, pipeline):
    images = fish[0][:12].astype(np.float32)
    these, those = np.eye(5, dtype=np.float32)[[4, 3]]
    step = np.zeros_like(images)
    step[:, 10:20, 10:20] = 0.1  # slopes change where a unit begins to answer
    slopes = (load_gradient(find_keras_steps(pipeline))(these, those, images) * step).sum(axis=(1, 2, 3))
    above, below = (pipeline.predict_log_proba(each.clip(0, 255)) for each in (images + step, images - step))
    changes = ((above - below)[:, 4] - (above - below)[:, 3]) / 2
    assert np.linalg.norm(slopes - changes) < 0.1 * np.linalg.norm(changes)


def test_covered_images_are_not_stored(fish, with_svc, tmp_path):
    estimator = copy.deepcopy(with_svc).set_params(features__cache=tmp_path)
    explain_images(estimator, fish[0][:2], target="trout")
    assert not list(tmp_path.iterdir())
    estimator.predict(fish[0][:2])
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "head",
    [
        LogisticRegression(),
        RandomForestClassifier(random_state=0),
        RidgeClassifier(),
        SVC(decision_function_shape="ovo"),
    ],
    ids=["probabilities", "zeros and ones", "decisions", "answers alone"],
)
def test_any_classifier_of_pixels_is_explained_at_the_place_that_it_looks_at(head, rng):
    X = rng.integers(0, 120, (150, 12, 12), dtype=np.uint8)
    y = np.arange(150) % 3
    X[y == 1, 2:4, 2:4] = 250
    X[y == 2, 8:10, 8:10] = 250
    estimator = make_pipeline(FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255), head).fit(X, y)
    (heat,) = explain_images(estimator, X[1:2]).maps
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert max(row, column) < 6


@pytest.mark.parametrize("steps", [[StandardScaler(), LogisticRegression()], [LogisticRegression()]])
def test_rows_of_pixels_in_a_range_of_their_own(steps, rng):
    X = rng.random((60, 64))
    y = X[:, 9] > 0.5
    X[y, :20] += 2
    search = GridSearchCV(make_pipeline(*steps), {}, cv=2).fit(X, y)
    found = explain_images(search, X[:3], image_shape=(8, 8), input_range=(0, 3))
    assert found.method == "occlusion"
    assert np.shape(found.maps) == (3, 8, 8)


def test_binary_decisions_have_two_sides(rng):
    X = rng.integers(0, 100, (80, 8, 8), dtype=np.uint8)
    y = np.repeat([0, 1], 40)
    X[40:, :3, :3] = 250
    estimator = make_pipeline(FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255), SVC()).fit(X, y)
    for target, sign in ((1, 1), (0, -1)):
        (heat,) = explain_images(estimator, X[40:41], target=target).maps
        assert sign * heat[1, 1] > 0


def test_images_of_any_size_are_explained_at_256_pixels(pipeline, with_svc, tmp_path):
    paths = [str(tmp_path / f"{index}.png") for index in range(2)]
    for index, path in enumerate(paths):
        image = make_fish_images(1, random_state=index)[0][0]
        Image.fromarray(cv2.resize(image, (600, 300))).save(path)
    for estimator in (pipeline, with_svc):
        for X in (paths, np.stack([read_image(path) for path in paths])):
            found = explain_images(estimator, X)
            assert {heat.shape for heat in found.maps} == {(128, 256)}
            assert {image.shape for image in found.images} == {(128, 256, 3)}


def test_floats_are_explained_as_their_bytes_are(fish, pipeline):
    X = fish[0][:2]
    floats = make_fish_pipeline(weights="cifar95", features__input_range=(0, 1))
    floats.steps[1:] = pipeline.steps[1:]
    one, other = (explain_images(*given, target="ray").maps for given in ((pipeline, X), (floats, X / 255)))
    np.testing.assert_allclose(one, other, atol=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "whale"}, r"target must be one of the classes \['aquarium_fish'.* Got 'whale'"),
        ({"target": ["ray"] * 3}, r"\(3,\) +and requested shape \(2,\)"),
        ({"target": "ray", "against": "ray"}, "image 0 is explained for must be another"),
        ({"method": "magic"}, "method must be one of 'auto'"),
    ],
)
def test_what_cannot_be_explained_is_refused(options, message, fish, pipeline):
    with pytest.raises(ValueError, match=message):
        explain_images(pipeline, fish[0][:2], **options)


def test_gradients_need_a_keras_head(fish, with_svc):
    with pytest.raises(ValueError, match="Pass method='occlusion'"):
        ExplanationDisplay.from_estimator(with_svc, fish[0][:1], method="integrated_gradients")
    with pytest.raises(NotFittedError):
        ExplanationDisplay.from_estimator(make_fish_pipeline(weights="cifar95"), fish[0][:1])
    with pytest.raises(ValueError, match="must be a classifier or a regressor"):
        ExplanationDisplay.from_estimator(StandardScaler().fit([[0.0]]), fish[0][:1])


@pytest.fixture
def counter(rng):
    """Return images, and a regressor of what is bright at the upper left less what is at the lower right."""
    X = rng.integers(0, 256, (80, 12, 12), dtype=np.uint8)
    y = X[:, :4, :4].mean(axis=(1, 2)) - X[:, 8:, 8:].mean(axis=(1, 2))
    head = TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
    flat = FunctionTransformer(lambda X: X.reshape(len(X), -1) / 255)
    return X, make_pipeline(flat, head).fit(X, y)


def test_what_raises_a_number_is_above_zero_and_what_lowers_it_below(counter):
    X, estimator = counter
    white = np.zeros_like(X[:1])
    white[:, :4, :4] = white[:, 8:, 8:] = 255
    found = explain_images(estimator, white)
    assert found.method == "occlusion"
    np.testing.assert_allclose(found.targets, estimator.predict(white))
    (heat,) = found.maps
    assert heat[1, 1] > 5 > -5 > heat[-2, -2]


def test_gradients_of_a_number_add_up_to_what_the_image_changes():
    """The way begins at a plain image of the same color, and the sum is in the unit of the target."""
    X, y = make_fish_images(60, target="length", random_state=0)
    params = {"features__layers": ["block1_pool", "block2_pool"], "features__image_size": 32}
    params |= {"head__regressor__epochs": 5, "head__regressor__hidden_units": 16}
    pipeline = make_fish_pipeline(task="regression", weights=None, random_state=0, **params).fit(X, 1000 * y)
    found = explain_images(pipeline, X[:3])
    assert found.method == "integrated_gradients"
    plain = np.broadcast_to(X[:3].mean(axis=(1, 2), keepdims=True), X[:3].shape)
    change = pipeline.predict(X[:3]) - pipeline.predict(np.rint(plain).astype(np.uint8))
    np.testing.assert_allclose([heat.sum() for heat in found.maps], change, rtol=0.15, atol=300)


def test_a_number_stands_above_its_image(counter):
    X, estimator = counter
    display = ExplanationDisplay.from_estimator(estimator, X[:2])
    assert display.axes_[0, 0].get_title(loc="left") == format_number(estimator.predict(X[:1])[0])
    assert display.figure_.get_suptitle() == "Orange raises the number, blue lowers it (occlusion)"


def test_a_number_has_no_class_to_be_explained(counter):
    X, estimator = counter
    with pytest.raises(ValueError, match="target and against are classes"):
        ExplanationDisplay.from_estimator(estimator, X[:2], target=3)


def test_orange_speaks_for_a_class_and_blue_against_it():
    image = np.full((4, 4, 3), 128, dtype=np.uint8)
    heat = np.zeros((4, 4))
    heat[0, 0], heat[3, 3] = 2, -1
    picture = lay_over(image, heat).astype(int)
    assert picture[0, 0, 0] > picture[0, 0, 2] + 100
    assert picture[3, 3, 2] > picture[3, 3, 0] + 30
    assert np.ptp(picture[1, 1]) == 0
    assert np.ptp(lay_over(image, np.zeros((4, 4)))) == 0


def test_a_display_draws_each_image_beside_its_map(fish, pipeline):
    display = ExplanationDisplay.from_estimator(
        pipeline,
        fish[0][:3],
        target="rochen",
        against=["hai"] * 3,
        display_labels=["z", "f", "rochen", "hai", "b"],
        n_cols=2,
    )
    assert display.axes_.shape == (2, 4)
    assert [axes.get_title(loc="left") for axes in display.axes_[0]] == [
        "rochen, not hai",
        "",
        "rochen, not hai",
        "",
    ]
    np.testing.assert_array_equal(display.axes_[0, 0].images[0].get_array(), fish[0][0])
    assert not display.axes_[1, 3].axison

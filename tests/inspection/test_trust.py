"""When not to trust an answer: accuracy against coverage, and images unlike anything in training."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, normalize
from sklearn.svm import SVC

from fishsk import AccuracyCoverageDisplay, VGG16FeatureTransformer, find_unfamiliar, make_fish_pipeline
from fishsk.datasets import make_fish_images
from fishsk.inspection import FamiliarRows, accuracy_interval, find_features

CLASSES = np.array(["ray", "shark"])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def predictions():
    """Return labels and probabilities of which the less probable are the more often wrong."""
    confidence = np.array([0.99, 0.97, 0.93, 0.85, 0.75, 0.65, 0.55, 0.51])
    right = np.array([True, True, True, False, True, False, True, False])
    proba = np.column_stack([confidence, 1 - confidence])
    return np.where(right, *CLASSES), proba


def test_each_point_is_the_accuracy_of_what_is_more_probable(predictions):
    display = AccuracyCoverageDisplay.from_predictions(*predictions, classes=CLASSES)
    np.testing.assert_allclose(display.coverage, np.arange(1, 9) / 8)
    np.testing.assert_allclose(display.accuracy, [1, 1, 1, 3 / 4, 4 / 5, 4 / 6, 5 / 7, 5 / 8])
    np.testing.assert_allclose(display.interval[3], accuracy_interval(np.array([True, True, True, False])))


def test_marks_say_what_a_least_probability_leaves(predictions):
    display = AccuracyCoverageDisplay.from_predictions(
        *predictions, classes=CLASSES, probabilities=[0.8, 0.999]
    )
    (mark,) = display.marks
    assert (mark.probability, mark.coverage, mark.accuracy, mark.n_mistakes) == (0.8, 0.5, 0.75, 1)
    assert [text.get_text() for text in display.ax_.texts] == ["0.8"]


def test_marks_that_are_close_share_a_label(predictions):
    display = AccuracyCoverageDisplay.from_predictions(
        *predictions, classes=CLASSES, probabilities=[0.8, 0.81, 0.96]
    )
    assert len(display.marks) == 3
    assert [text.get_text() for text in display.ax_.texts] == ["0.96", "0.81"]


def test_equal_probabilities_are_answered_together():
    proba = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]])
    display = AccuracyCoverageDisplay.from_predictions(["ray", "shark", "ray", "ray"], proba, classes=CLASSES)
    np.testing.assert_allclose(display.coverage, [0.75, 1])
    np.testing.assert_allclose(display.accuracy, [2 / 3, 3 / 4])


def test_a_long_curve_keeps_its_ends(rng):
    first = rng.uniform(size=1000)
    y = np.where(rng.uniform(size=1000) < first, *CLASSES)
    display = AccuracyCoverageDisplay.from_predictions(
        y, np.column_stack([first, 1 - first]), classes=CLASSES
    )
    assert len(display.line_.get_xdata()) == 200
    assert display.coverage[[0, -1]].tolist() == [0.001, 1]


def test_coverage_of_any_classifier_with_probabilities():
    X, y = load_digits(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(X[:600], y[:600])
    ax = plt.figure().add_subplot()
    display = AccuracyCoverageDisplay.from_estimator(
        estimator, X[600:], y[600:], ax=ax, line_kw={"color": "red"}
    )
    assert display.ax_ is ax
    assert display.line_.get_color() == "red"
    assert display.accuracy[-1] == pytest.approx(estimator.score(X[600:], y[600:]))
    assert display.accuracy[len(display.accuracy) // 4] > display.accuracy[-1] + 0.03


def test_a_classifier_without_probabilities_has_no_coverage():
    X, y = load_digits(return_X_y=True)
    with pytest.raises(ValueError, match="must be a classifier with predict_proba"):
        AccuracyCoverageDisplay.from_estimator(RidgeClassifier().fit(X, y), X, y)
    with pytest.raises(ValueError, match="one column for each of the classes"):
        AccuracyCoverageDisplay.from_predictions(["ray", "shark"], [[1.0], [1.0]])


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(700, random_state=0)


@pytest.fixture(scope="module")
def pipeline(fish):
    return make_fish_pipeline(head=SVC(), weights="cifar95").fit(fish[0][:400], fish[1][:400])


def test_false_alarms_are_about_as_many_as_were_asked_for(fish, pipeline):
    for false_alarms in (0.05, 0.3):
        found = find_unfamiliar(pipeline, fish[0][400:], fish[0][:400], false_alarms=false_alarms)
        assert abs(found.is_unfamiliar.mean() - false_alarms) < 0.05


def test_what_is_no_fish_is_unfamiliar(fish, pipeline, rng):
    digits = np.kron(load_digits().images[:40] * 16, np.ones((4, 4))).clip(0, 255)
    noise = rng.integers(256, size=(40, 32, 32, 3), dtype=np.uint8)
    for images in (digits, noise):
        assert find_unfamiliar(pipeline, images, fish[0][:400]).is_unfamiliar.mean() > 0.9


def test_an_image_of_training_is_nearest_to_itself(fish, pipeline):
    found = find_unfamiliar(pipeline, fish[0][[7, 8]], fish[0][:400], n_neighbors=1)
    assert found.nearest.tolist() == [7, 8]
    np.testing.assert_allclose(found.distance, 0, atol=1e-3)


def test_distances_are_those_to_the_neighbors_that_scikit_learn_finds(rng):
    train, rows = (rng.random((n_rows, 300), dtype=np.float32) for n_rows in (50, 20))
    found = FamiliarRows(train, n_neighbors=3).compare(rows)
    neighbors = NearestNeighbors(n_neighbors=3).fit(normalize(train))
    distances, indices = neighbors.kneighbors(normalize(rows))
    np.testing.assert_array_equal(found.neighbors, indices)
    np.testing.assert_allclose(found.distance, distances.mean(axis=1), rtol=1e-5)


def test_copies_among_the_training_images_do_no_harm(fish, pipeline):
    once, twice = fish[0][:100], np.concatenate([fish[0][:100], fish[0][:100]])
    one, other = (find_unfamiliar(pipeline, fish[0][400:], train) for train in (once, twice))
    np.testing.assert_allclose(one.threshold, other.threshold)
    np.testing.assert_array_equal(one.nearest, other.nearest)


def test_too_few_training_images_are_refused(fish, pipeline):
    with pytest.raises(ValueError, match=r"at least 19 different images for false_alarms=0\.05"):
        find_unfamiliar(pipeline, fish[0][:3], fish[0][:18])
    find_unfamiliar(pipeline, fish[0][:3], fish[0][:19])
    with pytest.raises(ValueError, match="false_alarms must be above 0 and below 1"):
        find_unfamiliar(pipeline, fish[0][:3], fish[0], false_alarms=1.5)
    with pytest.raises(NotFittedError):
        find_unfamiliar(make_fish_pipeline(weights="cifar95"), fish[0][:3], fish[0])


def test_features_are_the_first_rows_that_a_pipeline_makes(fish, pipeline):
    X = fish[0][:5]
    expected = VGG16FeatureTransformer(**pipeline["features"].get_params()).transform(X)
    np.testing.assert_array_equal(find_features(pipeline, X), expected)
    flat = make_pipeline(
        FunctionTransformer(lambda X: X / 2),
        FunctionTransformer(lambda X: X.reshape(len(X), -1)),
        StandardScaler(),
        LogisticRegression(max_iter=5, tol=10),
    ).fit(X, [0, 1, 0, 1, 0])
    np.testing.assert_array_equal(find_features(flat, X), X.reshape(5, -1) / 2)


def test_small_copies_stand_for_features_where_there_are_none():
    X, y = load_digits(return_X_y=True)
    estimator = LogisticRegression(max_iter=5, tol=10).fit(X, y)
    assert find_features(estimator, X[:2], image_shape=(8, 8), input_range=(0, 16)).shape == (2, 32 * 32 * 3)

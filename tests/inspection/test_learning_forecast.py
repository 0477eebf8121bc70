"""What more images would bring: the curve, its power law, and an interval that holds."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from quick import make_quick_pipeline
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import ShuffleSplit, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fishsk import LearningForecastDisplay
from fishsk.datasets import make_fish_images
from fishsk.inspection._learning_forecast import _fit, _shuffle_evenly, fit_power_laws, predict_errors

SIZES = np.array([80, 160, 320, 640, 1280])


@pytest.fixture(autouse=True)
def _own_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.mark.parametrize("law", [[0.05, 1.5, 0.5], [0.0, 1.0, 0.2], [0.2, 0.5, 0.9], [0.3, 0.0, 0.1]])
def test_power_laws_are_found_again(law):
    errors = predict_errors(np.array([law]), SIZES)
    found = fit_power_laws(SIZES, errors, np.ones(5))
    np.testing.assert_allclose(
        predict_errors(found, [80, 1280, 5120]), predict_errors(np.array([law]), [80, 1280, 5120])
    )


def test_neither_floor_nor_scale_is_negative(rng):
    laws = fit_power_laws(SIZES, rng.random((500, 5)), np.ones(5))
    assert (laws[:, :2] >= 0).all()


def test_curves_are_fitted_as_if_alone(rng):
    errors = 0.5 * SIZES**-0.3 + rng.normal(0, 0.01, (5, 5))
    alone = [fit_power_laws(SIZES, row[np.newaxis], np.ones(5))[0] for row in errors]
    np.testing.assert_allclose(fit_power_laws(SIZES, errors, np.ones(5)), alone)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng, inside = np.random.default_rng(0), []
    truth = 1 - predict_errors(np.array([[0.05, 1.2, 0.35]]), [2560])[0, 0]
    for _ in range(60):
        right = rng.random((600, 1)) < 1 - predict_errors(np.array([[0.05, 1.2, 0.35]]), SIZES)
        law, drawn = _fit(SIZES, right, 1.0)
        display = LearningForecastDisplay(
            train_sizes=SIZES,
            test_scores=right.mean(axis=0)[:, None],
            law=law,
            drawn_laws=drawn,
            n_samples=1600,
        )
        _, low, high = display.predict(2560)
        inside.append(low <= truth <= high)
    assert 0.88 <= np.mean(inside) <= 1


@pytest.mark.parametrize("classifier", [GaussianNB(), SVC(), LogisticRegression(max_iter=200)])
def test_half_of_the_images_predict_the_accuracy_on_all(digits, classifier):
    X, y = digits
    rows = np.sort(np.random.default_rng(0).permutation(len(y))[: len(y) // 2])  # folds are of other writers
    pipeline = make_pipeline(StandardScaler(), classifier)
    display = LearningForecastDisplay.from_estimator(pipeline, X[rows], y[rows], random_state=0)
    _, low, high = display.predict(0.8 * len(y))
    assert low <= cross_val_score(pipeline, X, y, cv=5).mean() <= high
    assert high - low < 0.1


def test_the_last_scores_are_those_of_cross_validation(digits):
    X, y = digits
    nearest = KNeighborsClassifier(1)  # which does not mind the order of the rows
    display = LearningForecastDisplay.from_estimator(nearest, X, y)
    np.testing.assert_allclose(display.test_scores[-1], cross_val_score(nearest, X, y, cv=5))


def test_the_beginnings_have_all_classes_in_proportion(rng):
    y = np.repeat([0, 1, 2], [100, 200, 300])
    order = _shuffle_evenly(np.arange(600), y, np.random.RandomState(0))
    for size in (60, 120, 300):
        np.testing.assert_allclose(np.bincount(y[order[:size]]), np.array([1, 2, 3]) / 6 * size, atol=1.01)
    assert sorted(order) == list(range(600))


def test_a_gain_is_the_difference_of_two_predictions(digits):
    X, y = digits
    display = LearningForecastDisplay.from_estimator(GaussianNB(), X[:600], y[:600], random_state=0)
    gain, low, high = display.predict_gain(np.array([0, 600, 6000]))
    accuracy, *_ = display.predict([600, 1200, 6600])
    np.testing.assert_allclose(gain, accuracy - accuracy[0])
    assert (gain[0], low[0], high[0]) == (0, 0, 0)
    assert np.all(low <= gain)
    assert np.all(gain <= high)


def test_the_same_seed_gives_the_same_curve(digits):
    X, y = digits
    first, second = (
        LearningForecastDisplay.from_estimator(GaussianNB(), X[:500], y[:500], random_state=3)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.test_scores, second.test_scores)
    np.testing.assert_array_equal(first.drawn_laws, second.drawn_laws)


def test_images_run_through_the_network_once(n_extracted):
    X, y = make_fish_images(150, random_state=0)
    pipeline = make_quick_pipeline(features__cache=None, head__epochs=1)
    LearningForecastDisplay.from_estimator(pipeline, X, y, cv=4, random_state=0)
    assert n_extracted() == 150


def test_it_is_drawn_into_given_axes_and_reaches_beyond_the_images(digits):
    X, y = digits
    _, ax = plt.subplots()
    display = LearningForecastDisplay.from_estimator(GaussianNB(), X[:500], y[:500], ax=ax)
    assert display.ax_ is ax
    assert ax.get_xscale() == "log"
    assert ax.get_xlim()[1] > 4 * 500
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["95 % interval", "Power law"]


@pytest.mark.parametrize(
    ("estimator", "n_samples", "cv", "message"),
    [
        (LinearRegression(), 500, 5, "must be a classifier"),
        (GaussianNB(), 150, 2, "needs 20 training images per class"),
        (GaussianNB(), 500, ShuffleSplit(3), "cv must test each image once"),
    ],
)
def test_what_makes_no_curve_is_refused(digits, estimator, n_samples, cv, message):
    X, y = digits
    with pytest.raises(ValueError, match=message):
        LearningForecastDisplay.from_estimator(estimator, X[:n_samples], y[:n_samples], cv=cv)

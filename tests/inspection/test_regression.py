"""Numbers instead of classes: their scores, and the images that are farthest off."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fishsk import PredictionGridDisplay
from fishsk.inspection import evaluate, format_number, score_regression


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def flatten(X):
    return np.reshape(X, (len(X), -1))


@pytest.fixture
def gray(rng):
    """Return 60 plain images of random grays, and a number for each that follows it, more or less."""
    grays = rng.integers(256, size=60)
    X = np.broadcast_to(grays[:, None, None, None], (60, 8, 8, 3)).astype(np.uint8)
    return X, 0.5 * grays + rng.normal(0, 5, 60)


@pytest.fixture
def regressor(gray):
    """Return a pipeline of images that is fitted to the first 40, its target scaled."""
    head = TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
    X, y = gray
    return make_pipeline(FunctionTransformer(flatten), StandardScaler(), head).fit(X[:40], y[:40])


def test_scores_are_scikit_learns(gray, regressor):
    X, y = gray[0][40:], gray[1][40:]
    found, y_pred = evaluate(regressor, X, y), regressor.predict(X)
    assert found.r2 == pytest.approx(r2_score(y, y_pred))
    assert found.mae == pytest.approx(mean_absolute_error(y, y_pred))
    assert found.rmse == pytest.approx(root_mean_squared_error(y, y_pred))
    assert found.bias == pytest.approx((y_pred - y).mean())
    for name in ("r2", "mae", "rmse", "bias"):
        low, high = getattr(found, f"{name}_interval")
        assert low < getattr(found, name) < high


def test_the_interval_of_the_mean_error_is_about_that_of_the_normal_law(rng):
    errors = np.abs(rng.normal(size=400))
    low, high = score_regression(np.arange(400.0), np.arange(400.0) + errors).mae_interval
    half = 1.96 * errors.std() / 20
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_the_baseline_is_the_mean_of_what_was_trained_on(gray, regressor):
    X, y = gray
    found = evaluate(regressor, X[40:], y[40:])
    given = evaluate(regressor, X[40:], y[40:], y_train=y[:40])
    assert found.baseline == pytest.approx(y[:40].mean()) == given.baseline
    assert found.baseline_is_of == given.baseline_is_of == "training"
    assert found.baseline_scores.mae == pytest.approx(np.abs(y[40:] - y[:40].mean()).mean())


def test_without_it_the_baseline_is_the_mean_of_the_test_images(gray):
    X, y = gray
    found = evaluate(Ridge().fit(flatten(X), y), flatten(X), y)
    assert found.baseline_is_of == "test"
    assert found.baseline_scores.r2 == pytest.approx(0)
    assert found.baseline_scores.bias == 0


def test_numbers_that_are_all_the_same_have_no_r2():
    found = score_regression(np.full(5, 3.0), np.arange(5.0))
    assert np.isnan([found.r2, *found.r2_interval]).all()
    assert found.mae == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("y", "message"),
    [([1.0] * 19 + [np.nan], "y contains NaN"), (["a"] * 20, "could not convert string to float")],
)
def test_what_is_no_number_is_refused(gray, regressor, y, message):
    with pytest.raises(ValueError, match=message):
        evaluate(regressor, gray[0][40:], y)


WRITTEN = {0: "0", -1.25: "-1.25", 1.23456e-4: "0.0001235", 12345.6: "12,350", 99.999: "100", 1e-9: "1e-09"}


@pytest.mark.parametrize("value", WRITTEN)
def test_numbers_are_written_to_be_read(value):
    assert format_number(value) == WRITTEN[value]


def test_the_largest_errors_come_first(gray, regressor):
    X, y = gray
    display = PredictionGridDisplay.from_estimator(regressor, X, y, select="largest_errors", n_rows=1)
    errors = regressor.predict(X) - y
    assert display.indices.tolist() == np.argsort(-np.abs(errors))[:6].tolist()
    np.testing.assert_allclose(display.errors, errors[display.indices])
    assert display.title.startswith("The 6 largest errors of 60 images: ")
    np.testing.assert_array_equal(display.images, X[display.indices])


def test_a_random_grid_predicts_only_what_it_shows(gray, regressor, monkeypatch):
    X, y = gray
    search = GridSearchCV(regressor, {"transformedtargetregressor__regressor__alpha": [1]}).fit(X, y)
    asked = []
    monkeypatch.setattr(search, "predict", lambda X: asked.append(len(X)) or np.zeros(len(X)))
    display = PredictionGridDisplay.from_estimator(search, X, y, n_rows=2, n_cols=3, random_state=0)
    assert asked == [6]
    assert len(set(display.indices)) == 6


def test_above_an_image_stand_the_numbers_and_the_error():
    display = PredictionGridDisplay.from_predictions(
        np.zeros((2, 4, 4, 3), np.uint8), [1.5, 20], [2.25, 1000.4], select="first"
    )
    titles = [axes.get_title(loc="left") for axes in display.axes_.flat[:2]]
    assert titles == ["true: 1.5\npred: 2.25 (+0.75)", "true: 20\npred: 1,000 (+980)"]


def test_too_high_and_too_low_differ_in_symbol_and_color():
    display = PredictionGridDisplay.from_predictions(
        np.zeros((3, 4, 4, 3), np.uint8), [1.5, 2, 3], [1, 3, 3], select="first"
    )
    marks = [[line.get_marker() for line in axes.lines] for axes in display.axes_.flat[:3]]
    assert marks == [["o", "v"], ["o", "^"], []]
    colors = {str(axes.spines["left"].get_edgecolor()) for axes in display.axes_.flat[:2]}
    assert len(colors) == 2


def test_whole_numbers_are_classes_unless_errors_are_asked_for():
    X, y, y_pred = np.zeros((2, 4, 4, 3), np.uint8), [1, 2], [1, 4]
    assert PredictionGridDisplay.from_predictions(X, y, y_pred).errors is None
    display = PredictionGridDisplay.from_predictions(X, y, y_pred, select="largest_errors")
    assert display.errors.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": "confident_mistakes"}, "'largest_errors' for regression. Got 'confident_mistakes'"),
        ({"label": 1.0}, "label, display_labels and classes are for classes"),
    ],
)
def test_what_is_for_classes_is_refused(gray, regressor, options, message):
    with pytest.raises(ValueError, match=message):
        PredictionGridDisplay.from_estimator(regressor, *gray, **options)

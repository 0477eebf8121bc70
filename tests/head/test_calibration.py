"""Probabilities that mean what they say: temperature."""

import pickle

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss

from fishsk import KerasHeadClassifier
from fishsk.head import from_data, to_data
from fishsk.head._calibration import fit_temperature
from fishsk.head._fitting import split_rows


@pytest.fixture(scope="module")
def data():
    """Return 400 rows to learn from and 400 others, of three classes that overlap."""
    X, y = make_classification(
        800, 20, n_informative=4, n_redundant=0, n_classes=3, class_sep=0.7, random_state=0
    )
    return X[:400], y[:400], X[400:], y[400:]


def make_head(**params):
    defaults = {
        "hidden_units": 64,
        "dropout": 0.0,
        "epochs": 30,
        "random_state": 0,
        "validation_fraction": 0.3,
    }
    return KerasHeadClassifier(**defaults | params)


def fit(scores, targets, weight):
    return fit_temperature(scores, ["softmax"], targets, weight)


def draw_labels(logits, seed=0):
    """Draw labels from the probabilities that logits stand for."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(len(row), p=row) for row in softmax(logits, axis=1)])


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_factor_by_which_logits_are_too_large(factor):
    logits = np.random.default_rng(0).normal(0, 2, (4000, 4))
    temperature = fit([factor * logits], [draw_labels(logits)], np.ones(4000))
    assert temperature == pytest.approx(factor, rel=0.1)


def test_rows_weigh_in_the_temperature_as_repetitions_do():
    logits = np.random.default_rng(0).normal(0, 2, (300, 3))
    labels, weight = draw_labels(logits / 2), np.arange(300) % 3 + 1
    weighted = fit([logits], [labels], weight)
    repeated = [np.repeat(each, weight, axis=0) for each in (logits, labels, np.ones(300))]
    logits, labels, ones = repeated
    assert weighted == pytest.approx(fit([logits], [labels], ones), rel=0.01)


def test_a_few_rows_that_all_are_right_ask_for_no_certainty():
    logits = 5 * np.eye(3)
    assert 0.5 < fit([logits], [np.arange(3)], np.ones(3)) < 2


def test_calibration_lowers_the_log_loss_on_other_rows(data):
    X, y, others, labels = data
    plain, calibrated = (make_head(epochs=100, calibration=each).fit(X, y) for each in (None, "temperature"))
    assert calibrated.temperature_ > 1
    losses = [log_loss(labels, head.predict_proba(others)) for head in (calibrated, plain)]
    assert losses[0] < losses[1] - 0.01


def test_calibration_changes_neither_the_network_nor_what_is_predicted(data):
    X, y, others, _ = data
    plain, calibrated = (make_head(calibration=each).fit(X, y) for each in (None, "temperature"))
    np.testing.assert_array_equal(calibrated.predict(others), plain.predict(others))
    np.testing.assert_array_equal(calibrated.predict_proba(others).argmax(axis=1), plain.predict(others))
    for ours, theirs in zip(calibrated._network.weights, plain._network.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_temperature_knows_only_the_validation_part(data):
    X, y, _, _ = data
    head = make_head().fit(X, y)
    _, validation = split_rows(np.arange(len(y)), y, 0.3, head._seed)
    logits = head._scores(X[validation])
    expected = fit_temperature([logits], ["softmax"], [y[validation]], np.ones(len(validation)))
    assert head.temperature_ == expected


@pytest.mark.parametrize("params", [{"calibration": None}, {"validation_fraction": None}])
def test_without_calibration_or_validation_the_temperature_is_1(data, params):
    assert make_head(epochs=1, **params).fit(*data[:2]).temperature_ == 1


def test_logarithms_are_those_of_calibrated_probabilities(data):
    X, y, others, _ = data
    head = make_head().fit(X, y)
    np.testing.assert_allclose(np.exp(head.predict_log_proba(others)), head.predict_proba(others))
    np.testing.assert_allclose(
        head.predict_log_proba(others), log_softmax(head._scores(others) / head.temperature_, axis=1)
    )


def test_partial_fit_keeps_the_temperature_of_the_last_fit(data):
    X, y, _, _ = data
    head = make_head(epochs=3).fit(X, y)
    before = head.temperature_
    assert head.partial_fit(X, y).temperature_ == before
    assert make_head().partial_fit(X, y, classes=[0, 1, 2]).temperature_ == 1


def test_a_warm_start_calibrates_anew(data):
    X, y, _, _ = data
    head = make_head(epochs=3, warm_start=True).fit(X, y)
    before = head.temperature_
    assert head.fit(X, y).temperature_ != before


CASES = [{}, {"hidden_units": 0}, {"hidden_units": (8, 4), "activation": "tanh"}]


@pytest.mark.parametrize("params", CASES)
def test_the_keras_layers_say_what_the_head_says(data, params):
    X, y, others, _ = data
    head = make_head(epochs=3, **params).fit(X, y)
    assert head.temperature_ != 1
    features = keras.Input((20,))
    model = keras.Model(features, head.to_keras(features))
    np.testing.assert_allclose(model.predict(others, verbose=0), head.predict_proba(others), atol=1e-5)


@pytest.mark.parametrize("params", CASES)
def test_copies_know_the_temperature(data, params):
    X, y, others, _ = data
    head = make_head(epochs=2, **params).fit(X, y)
    for copy in (from_data(to_data(head)), pickle.loads(pickle.dumps(head))):
        np.testing.assert_array_equal(copy.predict_proba(others), head.predict_proba(others))

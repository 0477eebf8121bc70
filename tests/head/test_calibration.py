"""Probabilities that mean what they say: temperature, label smoothing, several networks."""

import json
import pickle

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss

from fishsk import KerasHeadClassifier
from fishsk.head._calibration import fit_temperature


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


def draw_labels(logits, seed=0):
    """Draw labels from the probabilities that logits stand for."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(len(row), p=row) for row in softmax(logits, axis=1)])


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_is_the_factor_by_which_logits_are_too_large(factor):
    logits = np.random.default_rng(0).normal(0, 2, (4000, 4))
    temperature = fit_temperature(factor * logits, draw_labels(logits), np.ones(4000))
    assert temperature == pytest.approx(factor, rel=0.1)


def test_rows_weigh_in_the_temperature_as_repetitions_do():
    logits = np.random.default_rng(0).normal(0, 2, (300, 3))
    labels, weight = draw_labels(logits / 2), np.arange(300) % 3 + 1
    repeated = [np.repeat(each, weight, axis=0) for each in (logits, labels, np.ones(300))]
    assert fit_temperature(logits, labels, weight) == pytest.approx(fit_temperature(*repeated), rel=0.01)


def test_a_few_rows_that_all_are_right_ask_for_no_certainty():
    logits = 5 * np.eye(3)
    assert 0.5 < fit_temperature(logits, np.arange(3), np.ones(3)) < 2


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
    for ours, theirs in zip(calibrated._weights, plain._weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_temperature_knows_only_the_validation_part(data):
    X, y, _, _ = data
    head = make_head().fit(X, y)
    _, validation = head._split(np.arange(len(y)), y, head._seed)
    logits = head._logits(X[validation])
    assert head.temperature_ == fit_temperature(logits, y[validation], np.ones(len(validation)))


@pytest.mark.parametrize("params", [{"calibration": None}, {"validation_fraction": None}])
def test_without_calibration_or_validation_the_temperature_is_1(data, params):
    assert make_head(epochs=1, **params).fit(*data[:2]).temperature_ == 1


def test_logarithms_are_those_of_calibrated_probabilities(data):
    X, y, others, _ = data
    head = make_head().fit(X, y)
    np.testing.assert_allclose(np.exp(head.predict_log_proba(others)), head.predict_proba(others))
    np.testing.assert_allclose(
        head.predict_log_proba(others), log_softmax(head._logits(others) / head.temperature_, axis=1)
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


def test_label_smoothing_is_that_of_keras(data):
    X, y = data[:2]
    params = {"epochs": 5, "batch_size": len(X), "validation_fraction": 0, "lr_factor": 1}
    model = make_head(**params).initialize(X, y).model_
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    model.compile(keras.optimizers.Adam(1e-3), smoothed, metrics=["categorical_crossentropy"])
    history = model.fit(X, np.eye(3)[y], batch_size=len(X), epochs=5, shuffle=False, verbose=0).history
    head = make_head(label_smoothing=0.2, **params).fit(X, y)
    np.testing.assert_allclose(head.history_["loss"], history["categorical_crossentropy"], rtol=1e-5)
    for ours, theirs in zip(head._weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("hidden_units", [0, 8])
def test_each_network_trains_as_it_would_alone(data, hidden_units):
    X, y = data[:2]
    params = {"hidden_units": hidden_units, "l2": 0.01, "epochs": 4, "validation_fraction": 0, "lr_factor": 1}
    both = make_head(n_networks=2, **params)
    first = clone(both).initialize(X, y)._weights
    trained = both.fit(X, y)._weights
    alone = make_head(**params).initialize(X, y)
    alone._weights = [part_of(array, name, 1, hidden_units) for name, array in named(both, first)]
    alone.set_params(warm_start=True).fit(X, y)
    for ours, (name, array) in zip(alone._weights, named(both, trained), strict=True):
        np.testing.assert_allclose(ours, part_of(array, name, 1, hidden_units), atol=1e-5)


def named(head, arrays):
    return zip(head._architecture.shapes, arrays, strict=True)


def part_of(array, name, number, hidden_units):
    """Return the part of a stacked weight that belongs to one network."""
    if name.startswith("output"):
        return array[number]
    return array[..., number * hidden_units : (number + 1) * hidden_units]


def test_several_networks_answer_with_the_mean_of_their_logits(data):
    X, y, others, _ = data
    head = make_head(n_networks=3, hidden_units=8, epochs=3, calibration=None).fit(X, y)
    answers = []
    for number in range(3):
        hidden, hidden_bias, kernel, bias = (
            part_of(array, name, number, 8) for name, array in named(head, head._weights)
        )
        answers.append(np.maximum(others.astype(np.float32) @ hidden + hidden_bias, 0) @ kernel + bias)
    assert np.ptp(answers, axis=0).max() > 0.1
    np.testing.assert_allclose(
        head.predict_proba(others), softmax(np.mean(answers, axis=0), axis=1), atol=1e-5
    )


CASES = [
    {},
    {"n_networks": 3},
    {"n_networks": 2, "hidden_units": 0},
    {"n_views": 4},
    {"n_views": 2, "n_networks": 2},
    {"n_views": 2, "n_networks": 2, "hidden_units": 0},
]


@pytest.mark.parametrize("params", CASES)
def test_the_keras_model_says_what_the_head_says(data, params):
    X, y, others, _ = data
    head = make_head(epochs=3, **params).fit(X, y)
    assert head.temperature_ != 1
    np.testing.assert_allclose(head.model_.predict(others, verbose=0), head.predict_proba(others), atol=1e-5)


@pytest.mark.parametrize("params", CASES)
def test_copies_know_the_temperature(data, params):
    X, y, others, _ = data
    head = make_head(epochs=2, **params).fit(X, y)
    meta, arrays = head._get_fitted_state()
    restored = clone(head)
    restored._set_fitted_state(json.loads(json.dumps(meta)), arrays)
    for copy in (restored, pickle.loads(pickle.dumps(head))):
        np.testing.assert_array_equal(copy.predict_proba(others), head.predict_proba(others))


@pytest.mark.parametrize("params", [{"n_networks": 3}, {"label_smoothing": 0.1}])
def test_the_same_seed_gives_the_same_bits(data, params):
    X, y, others, _ = data
    first, second = (
        make_head(epochs=2, dropout=0.5, **params).fit(X, y).predict_proba(others) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)

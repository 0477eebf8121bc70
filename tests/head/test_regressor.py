"""KerasHeadRegressor: numbers instead of classes."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_regression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fishsk import KerasHeadRegressor, load_pipeline, save_pipeline
from fishsk.head import _trainer


def make_head(**params):
    defaults = {"hidden_units": 16, "learning_rate": 0.02, "epochs": 20, "dropout": 0.0, "random_state": 0}
    return KerasHeadRegressor(**defaults | params)


def make_data(n_targets=1):
    X, y = make_regression(150, 6, n_informative=4, n_targets=n_targets, noise=1.0, random_state=0)
    return X.astype(np.float32), (y / y.std()).astype(np.float32)


@pytest.fixture(scope="module")
def data():
    """Return 150 rows and the number of each."""
    return make_data()


@pytest.mark.parametrize("loss", ["mean_squared_error", "mae", "huber"])
def test_numbers_are_learned(data, loss):
    head = make_head(loss=loss).fit(*data)
    assert is_regressor(head)
    assert head.score(*data) > 0.9
    assert head.predict(data[0]).shape == data[1].shape


def test_several_numbers_are_learned_together():
    X, y = make_data(n_targets=3)
    head = make_head().fit(X, y)
    assert head.n_outputs_ == 3
    assert head.predict(X).shape == y.shape
    assert head.score(X, y) > 0.9


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error", "huber"])
@pytest.mark.parametrize("params", [{}, {"hidden_units": (12, 8), "activation": "gelu", "l2": 0.01}])
def test_training_is_that_of_keras(loss, params):
    X, y = make_data(n_targets=2)
    params = {
        "epochs": 5,
        "validation_fraction": 0,
        "lr_factor": 1,
        "batch_size": len(X),
        "loss": loss,
    } | params
    model = make_head(**params).initialize(X, y).model_
    plain = getattr(keras.losses, loss)  # without the penalty
    model.compile(
        keras.optimizers.Adam(0.02), loss, metrics=[keras.metrics.MeanMetricWrapper(plain, "plain")]
    )
    history = model.fit(X, y, batch_size=len(X), epochs=5, shuffle=False, verbose=0).history
    head = make_head(**params).fit(X, y)
    for ours, keras_s in zip(head.model_.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, keras_s, atol=1e-5)
    np.testing.assert_allclose(head.history_["loss"], history["plain"], rtol=1e-3)


def test_the_mean_absolute_error_is_that_of_the_predictions(data):
    X, y = data
    head = make_head(validation_fraction=0, epochs=1, batch_size=len(X), learning_rate=1e-9).fit(X, y)
    assert head.history_["mean_absolute_error"][0] == pytest.approx(abs(head.predict(X) - y).mean(), rel=1e-4)


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_units": (12, 8, 4), "activation": "silu"},
        {"hidden_units": (12, 8), "activation": "tanh"},
        {"hidden_units": 0},
        {"hidden_units": (9, 5), "activation": "gelu"},
    ],
)
def test_the_model_and_the_head_predict_the_same(params):
    X, y = make_data(n_targets=2)
    head = make_head(**params).fit(X, y)
    np.testing.assert_allclose(head.model_.predict(X, verbose=0), head.predict(X), atol=1e-5)


def test_the_same_seed_gives_the_same_bits(data):
    first = make_head(dropout=0.3).fit(*data)
    make_head(random_state=1).fit(*data)
    _trainer._kept.clear()
    second = clone(first).fit(*data)
    assert all(map(np.array_equal, first._network.weights, second._network.weights))


def test_epochs_of_partial_fit_are_those_of_fit(data):
    whole = make_head(epochs=3, validation_fraction=0, lr_factor=1).fit(*data)
    parts = make_head(validation_fraction=0)
    for _ in range(3):
        parts.partial_fit(*data)
    np.testing.assert_array_equal(parts.predict(data[0]), whole.predict(data[0]))
    assert parts.n_iter_ == 3


def test_weights_pull_the_predictions(data):
    X = np.zeros((40, 2), np.float32)
    y = np.repeat([0.0, 1.0], 20)
    head = make_head(epochs=60, validation_fraction=0)
    plain = head.fit(X, y).predict(X[:1])[0]
    heavy = head.fit(X, y, sample_weight=np.repeat([1.0, 9.0], 20)).predict(X[:1])[0]
    assert plain == pytest.approx(0.5, abs=0.15)
    assert heavy == pytest.approx(0.9, abs=0.15)


def test_one_wrong_target_moves_huber_less():
    X = np.zeros((20, 1), np.float32)
    y = np.r_[np.zeros(19), 100.0]
    squared, robust = (
        abs(make_head(loss=loss, epochs=100, validation_fraction=0).fit(X, y).predict(X[:1])[0])
        for loss in ("mse", "huber")
    )
    assert robust < squared / 2


def test_early_stopping_and_the_validation_part(data):
    head = make_head(early_stopping=True, early_stopping_patience=2, epochs=60).fit(*data)
    assert head.n_iter_ < 60
    assert set(head.history_) == {
        "loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error", "learning_rate"
    }  # fmt: skip


def test_without_rows_enough_all_train(data):
    with pytest.warns(UserWarning, match="validation_fraction=0.1 of 1 rows"):
        make_head(epochs=1).fit(data[0][:1], data[1][:1])
    make_head(epochs=1, validation_fraction=0).fit(data[0][:1], data[1][:1])  # warns of nothing


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_pickle_and_a_file_predict_the_same_bits(n_targets, tmp_path):
    X, y = make_data(n_targets)
    pipeline = make_pipeline(StandardScaler(), make_head(hidden_units=(6, 5), epochs=2)).fit(X, y)
    save_pipeline(pipeline, tmp_path / "numbers.fishsk")
    for copy in (load_pipeline(tmp_path / "numbers.fishsk"), pickle.loads(pickle.dumps(pipeline))):
        np.testing.assert_array_equal(copy.predict(X), pipeline.predict(X))
        assert copy[-1].history_ == pipeline[-1].history_
        assert copy[-1].n_outputs_ == n_targets


def test_scaled_targets_in_cross_validation():
    X, y = make_data()
    head = TransformedTargetRegressor(make_head(epochs=40), transformer=StandardScaler())
    assert cross_val_score(head, X, 1000 + 500 * y, cv=3).min() > 0.8


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_units": (8, 0)}, "hidden_units must be a number of units"),
        ({"loss": "no such"}, "no such"),
        ({"activation": "sigmoid"}, "'activation' parameter"),
    ],
)
def test_parameters_are_checked(data, params, message):
    with pytest.raises(ValueError, match=message):
        make_head(**params).fit(*data)


def test_targets_of_another_shape_are_refused(data):
    head = make_head(epochs=1).fit(*data)
    with pytest.raises(ValueError, match="one number a row, as in the first fit"):
        head.partial_fit(data[0], np.c_[data[1], data[1]])


def test_only_zeros_as_weights_are_refused(data):
    with pytest.raises(ValueError, match="at least one non-zero"):
        make_head().fit(*data, sample_weight=np.zeros(150))

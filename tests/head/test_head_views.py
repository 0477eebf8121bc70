"""Rows that hold several views of an image: one is trained on in each epoch, all of them answer together."""

import keras
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from fishsk import KerasHeadClassifier

N_VIEWS = 3  # of the rows of views_data


@pytest.fixture
def data(views_data):
    return views_data


def make_head(**params):
    defaults = {"hidden_units": 8, "epochs": 5, "random_state": 0, "n_views": N_VIEWS, "dropout": 0.0}
    return KerasHeadClassifier(**defaults | params)


def test_an_answer_is_the_mean_of_the_views_logits(data):
    X, y = data
    head = make_head(calibration=None).fit(X, y)
    hidden, hidden_bias, kernel, bias = head._weights
    assert hidden.shape == (4, 8)
    logits = np.maximum(X.reshape(-1, 4).astype(np.float32) @ hidden + hidden_bias, 0) @ kernel + bias
    np.testing.assert_allclose(head._logits(X), logits.reshape(150, N_VIEWS, 3).mean(axis=1), atol=1e-4)


def test_the_order_of_views_does_not_matter_to_an_answer(data):
    X, y = data
    head = make_head().fit(X, y)
    turned = X.reshape(150, N_VIEWS, 4)[:, ::-1].reshape(150, -1)
    np.testing.assert_allclose(head.predict_proba(turned), head.predict_proba(X), atol=1e-12)


def test_an_epoch_trains_on_one_view_of_each_row(data):
    X, y = data
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    make_head(batch_size=50, epochs=2, validation_fraction=None, callbacks=count).fit(X, y)
    assert batches == [0, 1, 2] * 2


@pytest.mark.parametrize("view", range(N_VIEWS))
def test_every_view_trains(data, view):
    X, y = data
    other = X.copy().reshape(150, N_VIEWS, 4)
    other[:, view] += 1
    heads = [make_head(validation_fraction=None).fit(each, y) for each in (X, other.reshape(150, -1))]
    assert np.abs(heads[0]._weights[0] - heads[1]._weights[0]).max() > 1e-4


def test_equal_views_train_as_a_single_one(data):
    X, y = data
    one = X[:, :4]
    params = {"validation_fraction": None, "lr_factor": 1, "batch_size": len(X)}
    head = make_head(n_views=1, **params).fit(one, y)
    same = make_head(**params).fit(np.tile(one, N_VIEWS), y)
    for ours, theirs in zip(same._weights, head._weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_no_view_of_a_validation_row_trains(data):
    X, y = data
    head = make_head().fit(X, y)
    _, validation = head._split(np.arange(150), y, head._seed)
    spoiled = X.copy()
    spoiled[validation] = 1e3
    again = make_head(lr_factor=1).fit(spoiled, y)
    for ours, theirs in zip(again._weights, make_head(lr_factor=1).fit(X, y)._weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_validation_is_of_the_views_together(data):
    X, y = data
    head = make_head(calibration=None, lr_factor=1).fit(X, y)
    _, validation = head._split(np.arange(150), y, head._seed)
    proba = head.predict_proba(X[validation])
    assert head.history_["val_accuracy"][-1] == pytest.approx(np.mean(proba.argmax(axis=1) == y[validation]))
    of_label = proba[np.arange(len(validation)), y[validation]]
    assert head.history_["val_loss"][-1] == pytest.approx(-np.log(of_label).mean(), rel=1e-4)


def test_a_weight_of_an_image_is_one_of_each_of_its_views(data):
    X, y = data
    weight = np.arange(150) % 2 + 1
    params = {"validation_fraction": None, "batch_size": 1000, "lr_factor": 1}
    one = X[:, :4]
    weighted = make_head(**params).fit(np.tile(one, N_VIEWS), y, sample_weight=weight)
    repeated = make_head(n_views=1, **params).fit(np.repeat(one, weight, axis=0), np.repeat(y, weight))
    for ours, theirs in zip(weighted._weights, repeated._weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_watching_batches_changes_no_bit(data):
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    plain, watched = (make_head(dropout=0.5, callbacks=each).fit(*data) for each in (None, watch))
    for ours, theirs in zip(plain._weights, watched._weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_partial_fits_equal_a_fit(data):
    X, y = data
    whole = make_head(epochs=3, validation_fraction=None, lr_factor=1).fit(X, y)
    parts = make_head()
    for _ in range(3):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    for ours, theirs in zip(parts._weights, whole._weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_columns_that_cannot_be_divided_among_the_views_are_refused(data):
    with pytest.raises(ValueError, match=r"n_views=5 views side by side.*Got 12 columns.*n_views_out"):
        make_head(n_views=5).fit(*data)


def test_warm_start_refuses_another_number_of_views(data):
    head = make_head(warm_start=True, epochs=1).fit(*data)
    with pytest.raises(ValueError, match="n_views must be 3"):
        head.set_params(n_views=1).fit(*data)


def test_cross_validation_takes_rows_of_views(data):
    assert cross_val_score(make_head(learning_rate=0.01, epochs=20), *data, cv=3).mean() > 0.6

"""The networks that fits share: lent to one fit at a time, whole, and as they were before."""

import contextlib
import threading

import keras
import numpy as np
import pytest
from sklearn.datasets import make_classification

from fishsk import KerasHeadClassifier
from fishsk.head import _trainer


@pytest.fixture(scope="module")
def data():
    """Return 120 rows of 3 classes."""
    X, y = make_classification(120, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
    return X.astype(np.float32), y


@pytest.fixture(autouse=True)
def no_networks():
    """Begin and end without any network."""
    _trainer._kept.clear()
    yield
    _trainer._kept.clear()


def make_head(**params):
    defaults = {"hidden_units": 8, "learning_rate": 0.02, "epochs": 3, "random_state": 0}
    return KerasHeadClassifier(**defaults | params)


def same(first, second):
    return all(map(np.array_equal, first._network.weights, second._network.weights))


class AtEpochEnd(keras.callbacks.Callback):
    """Call a function with the model after each epoch."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def on_epoch_end(self, epoch, logs=None):
        self.function(self.model)


DEEDS = {
    "schedule": lambda model: setattr(
        model.optimizer, "learning_rate", keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    ),
    "pop": lambda model: model.pop(),
    "trainable": lambda model: setattr(model, "trainable", False),
    "beta": lambda model: setattr(model.optimizer, "beta_1", 0.0),
    "compile": lambda model: model.compile(model.optimizer, "mse"),
    "custom optimizer": lambda model: model.compile(keras.optimizers.Lion(), "mse"),
}


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_model_that_a_callback_has_changed_is_not_used_again(data, deed):
    plain, models = make_head().fit(*data), []
    change = AtEpochEnd(lambda model: (models.append(model), deed(model)))
    with contextlib.suppress(ValueError):  # a model without its last layer has not the weights of a head
        make_head(epochs=1, callbacks=change).fit(*data)
    after = make_head(callbacks=AtEpochEnd(models.append)).fit(*data)
    assert same(after, plain)
    assert models[1] is not models[0]
    assert models[1].get_layer("output").trainable


@pytest.mark.parametrize(
    "deed",
    [
        lambda model: setattr(model.get_layer("dropout"), "rate", 0.9),
        lambda model: model.optimizer.learning_rate.assign(0.5),
        lambda model: setattr(model.optimizer, "learning_rate", 0.5),
        lambda model: model.set_weights([0 * weight for weight in model.get_weights()]),
        lambda model: model.fit(np.zeros((9, 6)), np.zeros(9), verbose=0),
        lambda model: model.evaluate(np.zeros((9, 6)), np.zeros(9), verbose=0),
    ],
    ids=["rate", "assign", "set", "weights", "fit", "evaluate"],
)
def test_numbers_that_a_callback_has_changed_are_set_anew(data, deed):
    plain, models = make_head().fit(*data), []
    make_head(callbacks=AtEpochEnd(lambda model: (models.append(model), deed(model)))).fit(*data)
    assert same(make_head(callbacks=AtEpochEnd(models.append)).fit(*data), plain)
    assert models[-1] is models[0]


def test_fits_that_start_each_other_s_fits_do_not_wait_for_ever(data):
    begin, heads = threading.Barrier(2), []

    def fit(outer, inner):
        def fit_inner(model):
            begin.wait(30)
            heads.append(make_head(hidden_units=inner, epochs=1).fit(*data))

        heads.append(make_head(hidden_units=outer, epochs=1, callbacks=AtEpochEnd(fit_inner)).fit(*data))

    threads = [threading.Thread(target=fit, args=units, daemon=True) for units in ((5, 6), (6, 5))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(heads) == 4


def test_a_network_that_cannot_be_built_blocks_no_later_fit(data, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_trainer, "Trainer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_head().fit(*data)
    make_head().fit(*data)
    assert len(_trainer._kept) == 1


def test_fault_58_keras_s_floatx_changes_last_digits_at_most(data):
    plain = make_head().fit(*data)
    _trainer._kept.clear()
    keras.config.set_floatx("float64")
    try:
        head = make_head().fit(*data)
    finally:
        keras.config.set_floatx("float32")
    for ours, others in zip(head._network.weights, plain._network.weights, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, others, atol=1e-5)

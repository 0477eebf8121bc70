"""What a head survives: failed refits, global policies, threads, weightless classes, scikeras beside it."""

import subprocess
import sys
import textwrap

import joblib
import keras
import numpy as np
import pytest
from scikeras.wrappers import KerasClassifier
from sklearn.base import is_classifier
from sklearn.datasets import make_classification

from fishsk import KerasHeadClassifier
from fishsk.head import _trainer


@pytest.fixture(scope="module")
def data():
    """Return 120 rows of 3 classes."""
    X, y = make_classification(120, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
    return X.astype(np.float32), y


def make_head(**params):
    defaults = {"hidden_units": 8, "learning_rate": 0.02, "epochs": 3, "random_state": 0}
    return KerasHeadClassifier(**defaults | params)


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def fail_fit(head, X, names):
    head.set_params(callbacks=Interrupt()).fit(X, names)


def fail_partial_fit(head, X, names):
    head.partial_fit(X[:, :2], names)


def fail_initialize(head, X, names):
    head.initialize(X[:, :3], np.full(len(X), np.nan))


@pytest.mark.parametrize("fail", [fail_fit, fail_partial_fit, fail_initialize])
def test_fault_56_a_failed_refit_leaves_what_was_learned(data, fail):
    X, y = data
    head = make_head().fit(X, np.array(["a", "b", "c"])[y])
    before = head.predict(X), head.predict_proba(X), head.n_features_in_, head.history_
    with pytest.raises((KeyboardInterrupt, ValueError)):
        fail(head, X, np.array(["d", "e", "f"])[y])
    head.set_params(callbacks=None)
    for old, new in zip(
        before, (head.predict(X), head.predict_proba(X), head.n_features_in_, head.history_), strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_while_a_refit_runs_the_head_answers_as_before(data):
    X, y = data
    head = make_head().fit(X, np.array(["a", "b", "c"])[y])
    before, answers = head.predict(X), []
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: answers.append(head.predict(X)))
    head.set_params(callbacks=look).fit(X, np.array(["d", "e", "f"])[y])
    assert len(answers) == 3
    assert all(np.array_equal(answer, before) for answer in answers)
    assert set(head.predict(X)) <= {"d", "e", "f"}


def test_parameters_that_a_callback_sets_stay(data):
    head = make_head()
    head.set_params(callbacks=keras.callbacks.LambdaCallback(on_train_end=lambda logs: head.set_params(l2=1)))
    assert head.fit(*data).l2 == 1


def test_a_failed_first_fit_leaves_nothing(data):
    head = make_head()
    with pytest.raises(KeyboardInterrupt):
        fail_fit(head, *data)
    assert not [name for name in vars(head) if name.endswith("_") and not name.startswith("_")]


def test_a_class_without_weight_has_no_balance(data):
    X, y = data
    weight = (y != 2).astype(float)
    head = make_head(class_weight="balanced", validation_fraction=0).fit(X, y, sample_weight=weight)
    assert set(head.predict(X)) <= {0, 1}


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "float64"])
def test_fault_58_keras_s_global_policy_changes_no_bit(data, policy):
    plain = make_head().fit(*data)
    _trainer._kept.clear()
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        head = make_head().fit(*data)
        features = keras.Input((6,), dtype="float32")
        proba = keras.Model(features, head.to_keras(features)).predict(data[0], verbose=0)
    finally:
        keras.mixed_precision.set_global_policy(before)
        _trainer._kept.clear()
    assert all(map(np.array_equal, head._network.weights, plain._network.weights))
    np.testing.assert_allclose(proba, plain.predict_proba(data[0]), atol=1e-6)


def test_logarithms_of_probabilities_are_finite(data):
    X, y = data
    head = make_head().fit(X, y)
    np.testing.assert_allclose(head.predict_log_proba(X), np.log(head.predict_proba(X)))
    assert np.isfinite(head.predict_log_proba(1e6 * X)).all()


def test_threads_use_each_other_s_networks_again(data, monkeypatch):
    _trainer._kept.clear()
    built = []
    network = _trainer.Trainer
    monkeypatch.setattr(
        _trainer, "Trainer", lambda *args, **kwargs: built.append(args) or network(*args, **kwargs)
    )
    heads = [make_head(hidden_units=2 + i % 3, dropout=0.1 + i / 100, epochs=1) for i in range(24)]
    joblib.Parallel(n_jobs=4, prefer="threads")(joblib.delayed(head.fit)(*data) for head in heads)
    assert 3 <= len(built) == len(_trainer._kept) <= 4 * 3


def test_only_some_networks_are_kept(data, monkeypatch):
    _trainer._kept.clear()
    monkeypatch.setattr(_trainer, "_MAX_KEPT", 2)
    for hidden_units in (2, 3, 4):
        make_head(hidden_units=hidden_units, epochs=1).fit(*data)
    assert len(_trainer._kept) == 2
    sizes = [trainer.n_bytes for _, trainer in _trainer._kept]
    assert sizes == sorted(sizes)


def test_public_names_of_scikeras_stay(data):
    head = make_head()
    public = {name for name in dir(KerasClassifier) if not name.startswith("_")}
    lost = {name for name in public if not hasattr(type(head), name)}
    assert not lost
    assert head.current_epoch == 0
    assert head.fit(*data).current_epoch == 3


def test_it_is_a_keras_classifier_of_scikeras_and_a_classifier_of_scikit_learn():
    assert isinstance(make_head(), KerasClassifier)
    assert is_classifier(make_head())


@pytest.mark.slow
def test_scikeras_is_as_it_was_without_fishsk():
    script = """
        from scikeras import wrappers
        classes = wrappers.BaseWrapper, wrappers.KerasClassifier, wrappers.KerasRegressor
        before = {c: dict(vars(c)) for c in classes}
        from fishsk import KerasHeadClassifier
        KerasHeadClassifier(epochs=1, validation_fraction=0).fit([[0], [1]], [0, 1])
        assert all(before[c] == dict(vars(c)) for c in before)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


@pytest.mark.parametrize("weights", [{"0": 9.0}, {"ray": 9.0}, {0: 1.0, 3: 9.0}])
@pytest.mark.parametrize("loss", [None, "categorical_crossentropy"])
def test_fault_85_weights_of_classes_that_there_are_not_are_refused(data, weights, loss):
    X, y = data
    names = np.array(["ray", "shark", "trout"])[y]
    with pytest.raises(ValueError, match=r"numbers of classes, 0 to 2.*Got \[.*parameter of the estimator"):
        make_head(loss=loss).fit(X, names, class_weight=weights)


def test_fault_85_weights_by_number_and_by_label_are_the_same(data):
    X, y = data
    names = np.array(["ray", "shark", "trout"])[y]
    by_number = make_head().fit(X, names, class_weight={2: 9.0})
    by_label = make_head(class_weight={"ray": 1.0, "shark": 1.0, "trout": 9.0}).fit(X, names)
    np.testing.assert_array_equal(by_number.predict_proba(X), by_label.predict_proba(X))

"""KerasHeadClassifier, and what it fixes in scikeras."""

import copy
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import textwrap

import joblib
import keras
import numpy as np
import pytest
from scikeras.wrappers import KerasClassifier
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from fishsk import KerasHeadClassifier
from fishsk.head import _trainer
from fishsk.head._fitting import split_rows
from fishsk.head._state import find_turn, join_histories


def make_head(**params):
    defaults = {"hidden_units": 8, "learning_rate": 0.02, "epochs": 3, "random_state": 0}
    return KerasHeadClassifier(**defaults | params)


def make_plain(**params):
    """Return scikeras's own classifier with the same network, unseeded as seeding leaves its traces."""

    def build(meta):
        layers = [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(max(2, meta["n_classes_"]), activation="softmax"),
        ]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
        return model

    return KerasClassifier(build, **{"epochs": 3, "verbose": 0} | params)


DEFECTS = (AssertionError, AttributeError, TypeError, ValueError, pytest.fail.Exception)

# The scikeras case must fail: xfail is strict here, so that a defect fixed upstream is noticed.
fixed = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make_head, id="fishsk"),
        pytest.param(
            make_plain,
            id="scikeras",
            marks=pytest.mark.xfail(raises=DEFECTS),
        ),
    ],
)


@pytest.fixture(scope="module")
def data():
    """Return 120 rows of 3 classes, float32."""
    X, y = make_classification(120, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
    return X.astype(np.float32), y


def same(first, second):
    """Whether two heads hold the same bits."""
    return all(map(np.array_equal, first._network.weights, second._network.weights))


# What scikeras gets wrong


@fixed
def test_scikit_learn_sees_a_classifier(make):
    assert isinstance(make(), KerasClassifier)
    assert is_classifier(make())


@fixed
def test_rows_sorted_by_label_are_stratified(make):
    X, y = load_iris(return_X_y=True)
    assert cross_val_score(make(epochs=30), StandardScaler().fit_transform(X), y, cv=3).mean() > 0.8


@fixed
def test_confusion_matrix_display_takes_it(make, data):
    ConfusionMatrixDisplay.from_estimator(make().fit(*data), *data)


@fixed
@pytest.mark.parametrize(
    "check",
    [
        "check_mixin_order",
        "check_estimator_tags_renamed",
        "check_n_features_in_after_fitting",
        "check_estimator_sparse_tag",
        "check_estimator_sparse_array",
        "check_supervised_y_2d",
    ],
)
@pytest.mark.filterwarnings("ignore:A validation part of:UserWarning")
def test_the_checks_that_scikeras_fails(make, check):
    getattr(estimator_checks, check)(type(make()).__name__, make())


@fixed
def test_fault_30_a_single_class_is_refused_by_name(make, data):
    with pytest.raises(ValueError, match="1 class, 'shark'"):
        make().fit(data[0], np.full(len(data[0]), "shark"))


@fixed
def test_feature_names_are_learned_and_checked(make, data):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(data[0], columns=list("abcdef"))
    head = make().fit(X, data[1])
    assert list(head.feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names should match"):
        head.predict(X.rename(columns={"a": "z"}))


@fixed
def test_float64_rows_are_taken_after_a_float32_fit(make, data):
    X, y = data
    head = make().fit(X, y)
    np.testing.assert_array_equal(head.predict(X.astype(np.float64)), head.predict(X))


@fixed
def test_the_callers_arrays_are_untouched(make, data):
    X, y = data
    weight = np.full(len(y), 2.0)
    before = X.copy(), y.copy(), weight.copy()
    make(class_weight={0: 3.0, 1: 1.0, 2: 1.0}).fit(X, y, sample_weight=weight)
    for array, original in zip((X, y, weight), before, strict=True):
        np.testing.assert_array_equal(array, original)


@fixed
def test_fault_28_score_counts_an_unseen_longer_label_as_wrong(make, data):
    X, y = data
    head = make().fit(X, np.array(["ray", "shark", "trout"])[y])
    assert head.score(X[:4], ["a fish that is longer than any"] * 4) == 0


@pytest.mark.slow
def test_scikeras_leaves_op_determinism_on():
    script = """
        import keras, numpy as np
        from scikeras.wrappers import KerasClassifier

        def build():
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="softmax")])
            model.compile("adam", "sparse_categorical_crossentropy")
            return model

        X, y = np.eye(2, dtype="float32"), [0, 1]
        KerasClassifier(build, verbose=0, random_state=0).fit(X, y)
        KerasClassifier(build, verbose=0).fit(X, y)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "determinism is enabled" in done.stderr


# Seeds


def global_state():
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context
    from tensorflow.python.framework import config

    generator = global_state.get_global_attribute("global_seed_generator")
    return (
        random.getstate(),
        str(np.random.get_state()),  # noqa: NPY002
        context.global_seed(),
        config.is_op_determinism_enabled(),
        None if generator is None else generator.state.numpy().tolist(),
    )


def test_global_random_state_is_left_alone(data):
    _trainer._kept.clear()  # building a network must not draw either
    keras.random.uniform((1,))  # there is a global generator in Keras
    before = global_state()
    make_head().fit(*data).model_.get_weights()
    assert global_state() == before


def test_global_seeds_do_not_matter(data):
    keras.utils.set_random_seed(1)
    first = make_head().fit(*data)
    keras.utils.set_random_seed(2)
    assert same(first, make_head().fit(*data))


def test_the_order_of_fits_does_not_matter(data):
    first, second = make_head().fit(*data), make_head(random_state=1).fit(*data)
    assert same(second, make_head(random_state=1).fit(*data))
    assert same(first, make_head().fit(*data))
    assert not same(first, second)


@pytest.mark.slow
def test_processes_give_the_same_bits(data):
    X, y = data
    alone, together = (
        cross_val_predict(make_head(hidden_units=64), X, y, cv=2, n_jobs=n_jobs, method="predict_proba")
        for n_jobs in (1, 2)
    )
    joblib.externals.loky.get_reusable_executor().shutdown()
    np.testing.assert_array_equal(alone, together)


def test_threads_give_the_same_bits(data):
    alone = make_head().fit(*data)
    fits = joblib.Parallel(n_jobs=2, prefer="threads")(
        joblib.delayed(make_head().fit)(*data) for _ in range(4)
    )
    assert all(same(fit, alone) for fit in fits)


def test_without_a_seed_fits_differ(data):
    first, second = (make_head(random_state=None).fit(*data) for _ in range(2))
    assert not same(first, second)


def test_a_random_state_instance_goes_on(data):
    rng = np.random.RandomState(3)
    first, second = (make_head(random_state=rng).fit(*data) for _ in range(2))
    assert not same(first, second)
    assert same(first, make_head(random_state=np.random.RandomState(3)).fit(*data))


# One network for all fits


def test_a_used_network_gives_the_bits_of_a_new_one(data):
    make_head(random_state=5, learning_rate=0.5).fit(*data)
    used = make_head().fit(*data)
    _trainer._kept.clear()
    assert same(used, make_head().fit(*data))


def test_a_fit_inside_a_fit_has_a_network_of_its_own(data):
    alone, other = make_head().fit(*data), make_head(random_state=1)
    fit = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: other.fit(*data))
    assert same(make_head(callbacks=fit).fit(*data), alone)
    assert same(clone(other).fit(*data), other)


def test_a_later_fit_leaves_earlier_heads_alone(data):
    X, y = data
    head = make_head().fit(X, y)
    proba, model = head.predict_proba(X), head.model_
    make_head(random_state=1).fit(X, y)
    np.testing.assert_array_equal(head.predict_proba(X), proba)
    np.testing.assert_allclose(model.predict(X, verbose=0).argmax(axis=1), proba.argmax(axis=1))


@pytest.fixture(scope="module")
def hundred_fits():
    """Return peak memory after 10 and 100 fits of a fresh process in MB, and TensorFlow's log."""
    script = """
        import resource
        import numpy as np
        from fishsk import KerasHeadClassifier

        rng = np.random.default_rng(0)
        for fit in range(1, 101):
            n = 100 + fit  # no two fits have the same number of rows
            X, y = rng.normal(size=(n, 128)), rng.integers(3, size=n)
            head = KerasHeadClassifier(dropout=fit / 200, l2=fit / 1e5, epochs=1, batch_size=16 + fit % 5)
            head.set_params(hidden_units=32 + max(0, 10 - fit)).fit(X, y)
            if fit in (10, 100):
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0"},
    )
    return [float(line) for line in done.stdout.split()], done.stderr


@pytest.mark.slow
def test_memory_stays_level(hundred_fits):
    after_10, after_100 = hundred_fits[0]
    assert after_100 - after_10 < 50


@pytest.mark.slow
def test_tensorflow_retraces_nothing(hundred_fits):
    assert "retracing" not in hundred_fits[1]


# What training does


def test_training_is_that_of_keras(data):
    X, y = data
    params = {
        "epochs": 10,
        "dropout": 0.0,
        "l2": 0.01,
        "batch_size": len(X),
        "validation_fraction": 0,
        "lr_factor": 1,
    }
    model = make_head(**params).initialize(X, y).model_
    metrics = ["accuracy", "sparse_categorical_crossentropy"]
    model.compile(keras.optimizers.Adam(0.02), model.loss, metrics=metrics)
    history = model.fit(X, y, batch_size=len(X), epochs=10, shuffle=False, verbose=0).history
    head = make_head(**params).fit(X, y)
    for ours, keras_s in zip(head.model_.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, keras_s, atol=1e-5)
    cross_entropy = history["sparse_categorical_crossentropy"]
    np.testing.assert_allclose(head.history_["loss"], cross_entropy, rtol=1e-5)
    assert history["loss"][0] > cross_entropy[0] + 0.01  # Keras adds the penalty
    np.testing.assert_allclose(head.history_["accuracy"], history["accuracy"])


@pytest.mark.parametrize("hidden_units", [0, 5])
def test_the_network_is_what_the_parameters_say(data, hidden_units):
    model = make_head(hidden_units=hidden_units, dropout=0.25, calibration=None).fit(*data).model_
    names = ["hidden", "dropout", "output"] if hidden_units else ["dropout", "output"]
    assert [layer.name for layer in model.layers] == names
    assert model.get_layer("dropout").rate == 0.25
    assert model.get_layer("output").units == 3


def test_batch_size_and_epochs_mean_what_they_say(data):
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    head = make_head(batch_size=50, epochs=2, validation_fraction=0, callbacks=count).fit(*data)
    assert batches == [0, 1, 2] * 2
    assert head.n_iter_ == len(head.history_["loss"]) == 2


@pytest.mark.parametrize(("n_rows", "n_batches"), [(48, 24), (600, 30), (2400, 38)])
def test_automatic_batches_are_small_where_rows_are_few(data, n_rows, n_batches):
    X, y = (np.resize(part, (n_rows, *part.shape[1:])) for part in data)
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    make_head(batch_size="auto", epochs=1, validation_fraction=0, callbacks=count).fit(X, y)
    assert batches == list(range(n_batches))


def test_watching_batches_changes_no_bit(data):
    watched = make_head(
        callbacks=keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: None)
    )
    plain = make_head().fit(*data)
    assert same(watched.fit(*data), plain)
    np.testing.assert_allclose(watched.history_["loss"], plain.history_["loss"], rtol=1e-6)


def test_history_holds_the_five_curves(data):
    assert sorted(make_head().fit(*data).history_) == [
        "accuracy", "learning_rate", "loss", "val_accuracy", "val_loss",
    ]  # fmt: skip
    for fraction in (0, None):
        history = make_head(validation_fraction=fraction).fit(*data).history_
        assert sorted(history) == ["accuracy", "learning_rate", "loss"]


def test_the_validation_part_is_stratified_and_does_not_train(data):
    X, y = data
    head = make_head(validation_fraction=0.25)
    train, validation = split_rows(np.arange(len(y)), y, 0.25, seed=0)
    assert sorted([*train, *validation]) == list(range(len(y)))
    np.testing.assert_allclose(np.bincount(y[validation]), np.bincount(y) / 4, atol=1)
    spoilt = X.copy()
    train, validation = split_rows(np.arange(len(y)), y, 0.25, seed=head.fit(X, y)._seed)
    spoilt[validation] += 1
    assert same(head, clone(head).fit(spoilt, y))


def test_too_few_rows_for_a_validation_part_are_told(data):
    X, y = data[0][:9], np.arange(9) % 3
    with pytest.warns(UserWarning, match="validation_fraction=0 to silence"):
        head = make_head().fit(X, y)
    assert "val_loss" not in head.history_
    make_head(validation_fraction=0).fit(X, y)


def test_weights_are_repetitions(data):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    params = {"batch_size": 1000, "dropout": 0.0, "validation_fraction": 0, "epochs": 20, "l2": 0.01}
    weighted = make_head(**params).fit(X, y, sample_weight=weight)
    repeated = make_head(**params).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)
    unweighted = make_head(**params).fit(X, y)
    assert np.abs(weighted.predict_proba(X) - unweighted.predict_proba(X)).max() > 0.01


def test_class_weight_is_a_sample_weight(data):
    X, y = data[0][:90], data[1][:90]
    by_dict = make_head(class_weight={0: 1.0, 1: 2.0, 2: 0.5}).fit(X, y)
    assert same(by_dict, make_head().fit(X, y, sample_weight=np.array([1.0, 2.0, 0.5])[y]))
    balanced = len(y) / 3 / np.bincount(y)
    assert same(
        make_head(class_weight="balanced").fit(X, y), make_head().fit(X, y, sample_weight=balanced[y])
    )


def test_strings_are_labels(data):
    X, y = data
    names = np.array(["ray", "shark", "trout"])
    head, coded = make_head().fit(X, names[y]), make_head().fit(X, y)
    assert head.classes_.tolist() == names.tolist()
    np.testing.assert_array_equal(head.predict(X), names[coded.predict(X)])


def test_the_learning_rate_falls_on_a_plateau(data):
    # Labels without meaning, after a first epoch that is as good as it gets.
    X, y = np.zeros((40, 2)), np.arange(40) % 2
    head = make_head(epochs=8, lr_factor=0.1, learning_rate=0.01, dropout=0.0).fit(X, y)
    rates = np.round(head.history_["learning_rate"], 7)
    assert rates[0] == 0.01
    assert rates[-1] < 0.001
    unchanged = make_head(epochs=8, lr_factor=1, learning_rate=0.01, dropout=0.0).fit(X, y)
    assert len(set(unchanged.history_["learning_rate"])) == 1


def test_early_stopping_keeps_the_best_weights(data):
    X, y = data
    params = {"learning_rate": 0.2, "validation_fraction": 0.3, "lr_factor": 1}
    head = make_head(epochs=40, early_stopping=True, early_stopping_patience=3, **params).fit(X, y)
    assert head.n_iter_ == head.best_epoch_ + 4 < 40
    assert same(head, make_head(epochs=head.best_epoch_ + 1, **params).fit(X, y))


@pytest.mark.parametrize(
    ("val_loss", "turn"),
    [
        ([3, 2, 1, 2, 3, 4], (2, 3)),
        ([3, 2, 1, 2, 3], (2, None)),  # two epochs are not enough
        ([3, 2, 1, 1.005, 1.005, 1.005], (2, None)),  # a plateau
        ([np.nan, 2, 1.5, 1, 0.5, 0.2], (5, None)),
    ],
)
def test_where_validation_turned(val_loss, turn):
    assert find_turn({"loss": list(range(9, 9 - len(val_loss), -1)), "val_loss": val_loss}) == turn


def test_no_overfitting_without_validation_or_a_falling_loss():
    assert find_turn({"loss": [3, 2, 1, 2, 3, 4]}) == (2, None)
    assert find_turn({"loss": [1, 1, 1, 1, 1, 1], "val_loss": [3, 2, 1, 2, 3, 4]}) == (2, None)


def test_divergence_is_an_error_and_leaves_the_head_unfitted(data):
    X, y = data
    head = make_head(hidden_units=0, learning_rate=1e38, epochs=9)
    with pytest.raises(ValueError, match="Training diverged"):
        head.fit(X, y)
    with pytest.raises(NotFittedError):
        head.predict(X)


# Going on


def test_warm_start_goes_on(data):
    X, y = data
    head = make_head(warm_start=True, epochs=2).fit(X, y)
    first = copy.deepcopy(head)
    head.fit(X, y)
    assert not same(head, first)
    assert head.n_iter_ == 4
    assert head.history_["loss"][:2] == first.history_["loss"]
    assert head.history_["loss"][2] < first.history_["loss"][0]
    assert same(clone(head).fit(X, y), first)


def test_warm_start_refuses_other_classes_and_sizes(data):
    X, y = data
    head = make_head(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"Got also \[3, 4, 5\]"):
        head.fit(X, y + 3)
    with pytest.raises(ValueError, match=r"hidden_units must be \(8,\)"):
        head.set_params(hidden_units=9).fit(X, y)
    head.set_params(warm_start=False).fit(X, y + 3)
    assert head.classes_.tolist() == [3, 4, 5]


def test_partial_fits_equal_a_fit(data):
    X, y = data
    whole = make_head(validation_fraction=0, lr_factor=1, dropout=0.5).fit(X, y)
    steps = make_head(dropout=0.5).partial_fit(X, y, classes=[0, 1, 2])
    steps = pickle.loads(pickle.dumps(steps))
    for _ in range(2):
        steps.partial_fit(X, y)
    assert same(steps, whole)
    assert steps.history_ == {name: whole.history_[name] for name in ("accuracy", "loss")}


def test_partial_fit_knows_classes_that_it_has_not_seen(data):
    X, y = data
    with pytest.raises(ValueError, match="classes must be passed"):
        make_head().partial_fit(X, y)
    head = make_head().partial_fit(X[y == 1], y[y == 1], classes=[0, 1, 2])
    assert head.predict_proba(X).shape == (len(X), 3)
    with pytest.raises(ValueError, match="Got also \\[7\\]"):
        head.partial_fit(X, np.full(len(X), 7))
    with pytest.raises(ValueError, match="class_weight='balanced'"):
        head.set_params(class_weight="balanced").partial_fit(X, y)


def test_histories_of_different_curves_are_aligned():
    joined = join_histories({"loss": [3.0], "val_loss": [4.0]}, {"loss": [2.0, 1.0]})
    assert joined["loss"] == [3, 2, 1]
    np.testing.assert_array_equal(joined["val_loss"], [4, np.nan, np.nan])


# Keras callbacks


# An improvement of 100 never comes, so that the second epoch is the last.
@pytest.mark.parametrize(
    ("callbacks", "routed"),
    [
        ("EarlyStopping", {"callbacks__min_delta": 100}),
        (keras.callbacks.EarlyStopping, {"callbacks__min_delta": 100, "callbacks__monitor": "val_accuracy"}),
        (["TerminateOnNaN", "EarlyStopping"], {"callbacks__1__min_delta": 100}),
        ({"stop": keras.callbacks.EarlyStopping}, {"callbacks__stop__min_delta": 100}),
        ((keras.callbacks.EarlyStopping(min_delta=100),), {}),
    ],
    ids=["name", "class", "list", "dict", "instance"],
)
def test_callbacks_are_names_classes_or_instances(data, callbacks, routed):
    pipeline = make_pipeline(StandardScaler(), make_head(epochs=9, callbacks=callbacks))
    pipeline.set_params(**{f"kerasheadclassifier__{name}": value for name, value in routed.items()})
    assert clone(pipeline).fit(*data)[-1].n_iter_ == 2


def test_a_search_routes_parameters_to_callbacks(data):
    head = make_head(epochs=9, callbacks="EarlyStopping").set_params(callbacks__min_delta=100)
    search = GridSearchCV(
        head, {"callbacks__patience": [2, 4]}, cv=2, scoring=lambda head, X, y: head.n_iter_
    ).fit(*data)
    assert search.cv_results_["mean_test_score"].tolist() == [3, 5]
    assert search.best_estimator_.get_params()["callbacks__patience"] == 4


def test_a_used_callback_can_be_cloned_and_pickled(data):
    stop = keras.callbacks.EarlyStopping("loss", patience=1)
    head = make_head(callbacks=[stop]).fit(*data)
    assert stop.model is None
    assert len(pickle.dumps(head)) < 10_000
    clone(head).fit(*data)


def test_callbacks_steer_the_learning_rate_and_write_logs(data, tmp_path):
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch)),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    head = make_head(epochs=2, callbacks=callbacks).fit(*data)
    np.testing.assert_allclose(head.history_["learning_rate"], [0.1, 0.05], rtol=1e-6)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss"
    assert len(lines) == 3


def test_unknown_callbacks_are_refused(data):
    with pytest.raises(ValueError, match="Got 'EarlyStoping'"):
        make_head(callbacks="EarlyStoping").fit(*data)
    with pytest.raises(TypeError, match="Got 3"):
        make_head(callbacks=[3]).fit(*data)


@pytest.mark.parametrize("verbose", [1, 2])
def test_verbose_shows_each_epoch(data, capsys, verbose):
    make_head(verbose=verbose).fit(*data)
    assert capsys.readouterr().out.count("val_loss") == 3


# Keeping and sharing


@pytest.mark.parametrize(
    "roundtrip",
    [lambda head: pickle.loads(pickle.dumps(head)), copy.deepcopy, copy.copy],
    ids=["pickle", "deep", "copy"],
)
def test_copies_predict_the_same(data, roundtrip):
    head = make_head().fit(*data)
    head.model_.get_weights()
    twin = roundtrip(head)
    np.testing.assert_array_equal(twin.predict_proba(data[0]), head.predict_proba(data[0]))
    assert twin.history_ == head.history_
    np.testing.assert_array_equal(twin.model_.get_weights()[0], head.model_.get_weights()[0])


def test_a_pickle_holds_arrays_and_no_keras(data, tmp_path):
    head = make_head().fit(*data)
    head.model_.get_weights()
    joblib.dump(head, tmp_path / "head.joblib")
    content = (tmp_path / "head.joblib").read_bytes()
    assert len(content) < 5_000
    assert b"keras." not in content.replace(b"scikeras.", b"")


def test_fault_33_a_pickle_from_another_version_warns(data):
    pickled = pickle.dumps(make_head().fit(*data))
    version = make_head().__getstate__()["_fishsk_version"].encode()
    assert pickled.count(version) == 1
    with pytest.warns(UserWarning, match="was written by fishsk 9.9.9"):
        pickle.loads(pickled.replace(version, b"9.9.9"))


# Bad inputs


def test_fault_29_a_class_absent_from_a_fold_keeps_the_columns(data):
    X, y = data[0][:40], np.r_[np.arange(39) % 2, 2]
    splits = [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(20))]
    with pytest.warns(RuntimeWarning, match="Number of classes in training fold"):
        proba = cross_val_predict(make_head(validation_fraction=0), X, y, cv=splits, method="predict_proba")
    assert proba.shape == (40, 3)
    assert (proba[20:, 2] == 0).all()
    assert (proba[:20, 2] > 0).all()


def test_fault_31_x_and_y_of_different_lengths_are_refused(data):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_head().fit(data[0], data[1][:-1])


def test_fault_32_predict_before_fit(data):
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(make_head(), method)(data[0])
    with pytest.raises(NotFittedError):
        _ = make_head().model_
    assert not make_head().initialized_


def _in_child(head, X, y, answers):
    answers.put(head.predict(X))
    try:
        clone(head).fit(X, y)
    except RuntimeError as error:
        answers.put(str(error))


def test_fault_46_a_fork_after_tensorflow_has_run(data):
    head = make_head().fit(*data)
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    child = fork.Process(target=_in_child, args=(head, *data, answers), daemon=True)
    child.start()
    child.join(timeout=60)
    assert child.exitcode == 0
    np.testing.assert_array_equal(answers.get(), head.predict(data[0]))
    assert "was forked from it" in answers.get()


def test_a_penalty_by_scale_is_that_of_the_rows_at_hand(data):
    X, y = data
    kernels = [
        KerasHeadClassifier(l2=l2, epochs=2, random_state=0).fit(X[:40], y[:40]).model_.get_weights()[0]
        for l2 in ("scale", 2.0, 0.0)
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0]).mean() < np.abs(kernels[2]).mean()

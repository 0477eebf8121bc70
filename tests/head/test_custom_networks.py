"""Custom networks: what holds for the built-in one holds for them."""

import concurrent.futures
import json
import os
import pickle
import random
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fishsk import KerasHeadClassifier, KerasHeadRegressor, load_pipeline, save_pipeline
from fishsk.head import _trainer, from_data, to_data
from fishsk.head._files import check_configuration


def build(meta, units=8, rate=0.2):
    return keras.Sequential(
        [
            keras.Input(meta["X_shape_"][1:]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(rate),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


class Doubled(keras.layers.Layer):
    """A layer that Keras does not know."""

    def call(self, x):
        return 2 * x


def build_unknown(meta):
    inputs = keras.Input((4,))
    x = Doubled()(keras.layers.Dropout(0.1)(inputs))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def make_head(model=build, **params):
    defaults = {"learning_rate": 0.02, "epochs": 3, "random_state": 0}
    return KerasHeadClassifier(model, **defaults | params)


@pytest.fixture(scope="module")
def data():
    """Return the irises."""
    X, y = load_iris(return_X_y=True)
    return scale(X).astype(np.float32), y


def same(first, second):
    return all(map(np.array_equal, first.model_.get_weights(), second.model_.get_weights()))


builders = pytest.mark.parametrize("model", [build, build_unknown])


@builders
def test_the_same_seed_gives_the_same_bits_in_any_order(data, model):
    first = make_head(model).fit(*data)
    make_head(model, random_state=1).fit(*data)
    keras.utils.set_random_seed(3)
    again = make_head(model).fit(*data)
    _trainer._kept.clear()
    assert same(first, again)
    assert same(first, clone(first).fit(*data))
    assert not same(first, make_head(model, random_state=1).fit(*data))


@pytest.mark.slow  # test_one_trainer.py has a process of its own for the built-in network
def test_a_process_of_its_own_gives_the_same_bits(data):
    program = """
        import sys
        import numpy as np
        sys.path.insert(0, sys.argv[1])
        from test_custom_networks import build, load_iris, make_head, scale
        X, y = load_iris(return_X_y=True)
        head = make_head().fit(scale(X).astype(np.float32), y)
        print(head.predict_proba(scale(X)).tobytes().hex())
    """
    command = [sys.executable, "-c", textwrap.dedent(program), os.path.dirname(__file__)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    proba = make_head().fit(*data).predict_proba(scale(load_iris().data))
    assert out == proba.tobytes().hex()


def test_threads_give_the_same_bits(data):
    alone = make_head().fit(*data)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        fits = [pool.submit(make_head().fit, *data) for _ in range(4)]
    assert all(same(fit.result(), alone) for fit in fits)


@builders
def test_global_random_state_is_left_alone(data, model):
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    make_head(model).fit(*data).predict(data[0])
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


def test_training_is_that_of_keras(data):
    X, y = data
    params = {"validation_fraction": 0, "lr_factor": 1, "batch_size": 150, "rate": 0.0, "epochs": 5}
    model = make_head(**params).initialize(X, y).model_
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    losses = model.fit(X, y, batch_size=150, epochs=5, shuffle=False, verbose=0).history["loss"]
    head = make_head(**params).fit(X, y)
    np.testing.assert_allclose(head.history_["loss"], losses, rtol=1e-4)
    for ours, keras_s in zip(head.model_.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, keras_s, atol=1e-4)


@builders
def test_a_pickle_goes_on_with_the_same_bits(data, model, monkeypatch):
    if model is build_unknown:
        keras.saving.register_keras_serializable("tests")(Doubled)
    head = make_head(model).partial_fit(*data)
    copy = pickle.loads(pickle.dumps(head))
    np.testing.assert_array_equal(copy.predict_proba(data[0]), head.predict_proba(data[0]))
    assert same(copy.partial_fit(*data), head.partial_fit(*data))
    keras.saving.get_custom_objects().pop("tests>Doubled", None)


def test_the_order_of_rows_changes_last_bits_at_most(data, rng):
    head, order = make_head().fit(*data), rng.permutation(len(data[0]))
    expected = head.predict_proba(data[0])[order]
    np.testing.assert_allclose(head.predict_proba(data[0][order]), expected, rtol=2e-6)


def test_epochs_of_partial_fit_are_those_of_fit(data):
    whole = make_head(validation_fraction=0, lr_factor=1).fit(*data)
    parts = make_head()
    for _ in range(3):
        parts.partial_fit(*data)
    assert same(parts, whole)


def test_a_given_model_is_copied_with_its_weights(data):
    model = build({"X_shape_": (150, 4), "n_classes_": 3})
    before = [array.copy() for array in model.get_weights()]
    head = make_head(model).fit(*data)
    assert all(map(np.array_equal, before, model.get_weights()))
    assert head.model_ is not model
    np.testing.assert_allclose(make_head(model).initialize(*data).model_.get_weights()[0], before[0])


@builders
def test_a_fit_that_fails_leaves_the_head_as_it_was(data, model):
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("stop")

    head = make_head(model, warm_start=True).fit(*data)
    before = [array.copy() for array in head.model_.get_weights()]
    with pytest.raises(RuntimeError, match="stop"):
        head.set_params(callbacks=Failing()).fit(*data)
    assert all(map(np.array_equal, before, head.model_.get_weights()))
    assert head.n_iter_ == 3
    assert make_head(model).fit(*data).n_iter_ == 3


@pytest.mark.slow
def test_memory_stays_level():
    program = """
        import keras, numpy as np
        from fishsk import KerasHeadClassifier

        def build(meta):
            layers = [keras.Input((16,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.2)]
            return keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])

        rng = np.random.default_rng(0)
        for fit in range(1, 61):
            X, y = rng.normal(size=(60 + fit, 16)), rng.integers(3, size=60 + fit)
            KerasHeadClassifier(build, epochs=1, learning_rate=fit / 1e4).fit(X, y).predict(X)
            if fit in (10, 60):
                with open("/proc/self/statm") as file:
                    print(int(file.read().split()[1]) * 4 / 1024)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True)
    after_10, after_60 = map(float, done.stdout.split())
    assert after_60 - after_10 < 50


@pytest.mark.parametrize("loss", ["kl_divergence", keras.losses.KLDivergence, keras.losses.KLDivergence()])
def test_fault_86_a_loss_that_the_function_overrules_is_refused(data, loss):
    def compiled(meta):
        model = build(meta)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(ValueError, match="must be the loss that the model is compiled with, 'sparse_"):
        make_head(compiled, loss=loss).fit(*data)


def test_a_loss_by_the_name_of_its_class_takes_routed_arguments(data):
    head = make_head(loss="SparseCategoricalCrossentropy", loss__name="named", epochs=1).fit(*data)
    assert head.model_.loss.name == "named"


def test_a_schedule_steers_the_learning_rate(data):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5, staircase=True)
    head = make_head(optimizer__learning_rate=schedule, epochs=2, validation_fraction=0).fit(*data)
    assert head.history_["learning_rate"] == pytest.approx([0.05, 0.025], rel=1e-3)


def test_gradients_are_clipped(data):
    X, y = data
    params = {"optimizer": "sgd", "validation_fraction": 0, "epochs": 1, "batch_size": 150, "rate": 0.0}
    start = make_head(**params).initialize(X, y).model_.get_weights()
    end = make_head(optimizer__clipvalue=1e-6, **params).fit(X, y).model_.get_weights()
    trained = [0, 1, 2, 3, 6, 7]  # all but the means and variances of the batches
    assert max(abs(end[i] - start[i]).max() for i in trained) < 1e-7
    assert not np.allclose(make_head(**params).fit(X, y).model_.get_weights()[0], start[0], atol=1e-6)


def test_rows_of_several_arrays(data):
    X, y = data

    def two_inputs(meta):
        inputs = {"left": keras.Input((2,), name="left"), "right": keras.Input((2,), name="right")}
        x = keras.layers.Concatenate()(list(inputs.values()))
        return keras.Model(inputs, keras.layers.Dense(meta["n_classes_"], activation="softmax")(x))

    rows = {"left": X[:, :2], "right": X[:, 2:]}
    head = make_head(two_inputs, epochs=30).fit(rows, y)
    assert (head.predict(rows) == y).mean() > 0.8
    with pytest.raises(ValueError, match=r"expected shape=\(None, 2\)"):
        head.predict({"left": X, "right": X})


def test_several_columns_of_classes(data):
    X, y = data
    both = np.column_stack([np.array(["a", "b", "c"])[y], np.where(X[:, 0] > 0, "long", "short")])

    def two_outputs(meta):
        inputs = keras.Input((4,))
        outputs = [keras.layers.Dense(n, activation="softmax")(inputs) for n in meta["n_classes_"]]
        return keras.Model(inputs, outputs)

    head = make_head(two_outputs, epochs=60, learning_rate=0.05).fit(X, both)
    assert head.predict(X).shape == both.shape
    assert (head.predict(X) == both).mean() > 0.8
    assert [proba.shape for proba in head.predict_proba(X)] == [(150, 3), (150, 2)]


def test_tags_by_a_custom_network_and_by_the_built_in_one(data):
    X, y = data
    tags = np.column_stack([y == 0, X[:, 0] > 0, X[:, 1] > 0]).astype(int)

    def sigmoids(meta):
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(meta["n_classes_"], activation="sigmoid")]
        )

    for head in (make_head(sigmoids), make_head(None, hidden_units=16), make_head(None, optimizer="nadam")):
        head.set_params(epochs=40, learning_rate=0.05).fit(X, tags)
        assert (head.predict(X) == tags).mean() > 0.85
        np.testing.assert_array_equal(head.predict(X), head.predict_proba(X) > 0.5)


def test_several_outputs_of_numbers(data):
    X, _ = data

    def two_outputs():
        inputs = keras.Input((4,))
        return keras.Model(inputs, [keras.layers.Dense(1)(inputs) for _ in range(2)])

    y = np.column_stack([X[:, 0], -X[:, 1]])
    head = KerasHeadRegressor(two_outputs, learning_rate=0.05, epochs=40, random_state=0).fit(X, y)
    assert head.score(X, y) > 0.9


def test_the_built_in_network_with_another_optimizer_starts_from_the_same_weights(data):
    first = make_head(None, hidden_units=(8, 6)).initialize(*data)
    second = make_head(None, hidden_units=(8, 6), optimizer="sgd").initialize(*data)
    assert same(first, second)


class Watching(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def __getattribute__(self, name):
        if name.startswith("on_"):
            object.__getattribute__(self, "seen").add(name)
        return object.__getattribute__(self, name)

    def on_test_batch_end(self, batch, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        pass

    def on_predict_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize("model", [build, None])
def test_all_hooks_fire(data, model):
    watching = Watching()
    head = make_head(model, callbacks=watching, epochs=1).fit(*data)
    head.predict(data[0])
    for what in ("train", "test", "predict"):
        assert {
            f"on_{what}_begin",
            f"on_{what}_end",
            f"on_{what}_batch_begin",
            f"on_{what}_batch_end",
        } <= watching.seen
    assert watching._model is None


@pytest.mark.parametrize("keywords", [{"shuffle": False}, {"validation_split": 0.2}, {"epochs": 2}])
def test_keywords_of_fit_are_those_of_the_constructor(data, keywords):
    for model in (build, None):
        assert same(make_head(model).fit(*data, **keywords), make_head(model, **keywords).fit(*data))


@pytest.mark.parametrize("model", [build, None])
def test_validation_data_only_validates(data, model):
    X, y = data
    given = make_head(model).fit(X, y, validation_data=(X[:20], y[:20]))
    assert len(given.history_["val_loss"]) == 3
    plain = make_head(model, validation_fraction=0, lr_factor=1).fit(X, y)
    assert same(make_head(model, lr_factor=1).fit(X, y, validation_data=(X[:20], y[:20])), plain)


def test_early_stopping_gives_back_the_best_weights(data):
    head = make_head(early_stopping=True, early_stopping_patience=1, epochs=60, learning_rate=0.2).fit(*data)
    assert head.n_iter_ < 60
    assert head.best_epoch_ < head.n_iter_ - 1


def test_weights_pull_the_predictions():
    X, y = np.ones((40, 1), np.float32), np.repeat([0, 1], 20)
    head = make_head(
        lambda: keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    )
    head.set_params(epochs=80, learning_rate=0.05, validation_fraction=0)
    for weight, expected in ((None, 0.5), (np.repeat([1, 3], 20), 0.75)):
        assert head.fit(X, y, sample_weight=weight).predict_proba(X)[0, 1] == pytest.approx(
            expected, abs=0.05
        )
    assert head.set_params(class_weight={0: 1, 1: 3}).fit(X, y).predict_proba(X)[0, 1] > 0.7


# Files


@pytest.mark.parametrize(
    "params", [{}, {"optimizer": "sgd", "optimizer__momentum": 0.5, "metrics": ["accuracy"]}]
)
def test_a_file_predicts_the_same_bits(data, tmp_path, params):
    X, y = data
    names = np.array(["ray", "shark", "trout"])[y]
    pipeline = make_pipeline(StandardScaler(), make_head(**params)).fit(X, names)
    save_pipeline(pipeline, tmp_path / "own.fishsk")
    loaded = load_pipeline(tmp_path / "own.fishsk")
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    assert loaded[-1].history_ == pipeline[-1].history_
    assert isinstance(loaded[-1].model, keras.Model)
    assert set(loaded.fit(X, names).classes_) == set(names)


def test_a_file_holds_no_code(data, tmp_path):
    def with_lambda():
        layers = [
            keras.Input((4,)),
            keras.layers.Lambda(lambda x: x),
            keras.layers.Dense(3, activation="softmax"),
        ]
        return keras.Sequential(layers)

    pipeline = make_pipeline(make_head(with_lambda)).fit(*data)
    with pytest.raises(ValueError, match="a file of fishsk holds no code"):
        save_pipeline(pipeline, tmp_path / "own.fishsk")


@pytest.mark.parametrize(
    "part",
    [
        {"module": "os", "class_name": "system", "config": "ls", "registered_name": None},
        {"module": "keras.utils", "class_name": "get_file", "config": {}, "registered_name": None},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {}, "registered_name": None},
        {"module": "keras.layers", "class_name": "Lambda", "config": {}, "registered_name": None},
        {"module": "keras.models", "class_name": "load_model", "config": {}, "registered_name": None},
        {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
        {"module": None, "class_name": "__lambda__", "config": {}, "registered_name": None},
        {"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": "evil>Dense"},
        {"module": ["keras"], "class_name": ["Dense"], "config": {}},
    ],
)
def test_what_a_hostile_file_names_is_never_looked_up(data, part):
    with pytest.raises(ValueError, match="holds no code"):
        check_configuration({"module": "keras", "class_name": "Sequential", "config": {"layers": [part]}})


def test_the_exported_layers_predict_the_same(data):
    X, y = data
    head = make_head().fit(X, y)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, head.to_keras(inputs))
    np.testing.assert_allclose(model.predict(X, verbose=0), head.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("names", [None, ["kind", "length"]])
def test_the_exported_layers_of_several_outputs_predict_the_same(data, names):
    X, y = data

    def two_outputs(meta):
        inputs = keras.Input((4,))
        outputs = [keras.layers.Dense(n, activation="softmax")(inputs) for n in meta["n_classes_"]]
        return keras.Model(inputs, outputs if names is None else dict(zip(names, outputs, strict=True)))

    loss = None if names is None else dict.fromkeys(names, "sparse_categorical_crossentropy")
    head = make_head(two_outputs, loss=loss).fit(X, np.column_stack([y, X[:, 0] > 0]))
    assert head.temperature_ != 1
    inputs = keras.Input((4,))
    model = keras.Model(inputs, head.to_keras(inputs))
    for exported, proba in zip(model.predict(X, verbose=0), head.predict_proba(X), strict=True):
        np.testing.assert_allclose(exported, proba, atol=1e-6)


# Errors


def test_a_misspelt_parameter_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'hiden_units'"):
        KerasHeadClassifier(hiden_units=3)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"model": lambda: None}, TypeError, "model must return a keras.Model"),
        ({"model": None, "optimizer": "no such"}, ValueError, "optimizer"),
    ],
)
def test_errors_say_what_must_be(data, params, error, message):
    with pytest.raises(error, match=message):
        make_head(**params).fit(*data)


def test_unknown_keywords_of_fit_and_predict_are_refused(data):
    with pytest.raises(TypeError, match=r"Keywords of fit must be among .* Got \['batchsize'\]"):
        make_head().fit(*data, batchsize=3)
    with pytest.raises(TypeError, match="Keywords of predict"):
        make_head().fit(*data).predict(data[0], size=3)


def test_another_kind_of_network_needs_a_new_fit(data):
    head = make_head(None, hidden_units=4, warm_start=True).fit(*data)
    with pytest.raises(ValueError, match="network to go on with"):
        head.set_params(model=build).fit(*data)
    assert head.set_params(warm_start=False).fit(*data).model_.layers[0].units == 8


def test_cross_validation_shares_one_graph(data):
    _trainer._kept.clear()
    scores = cross_val_score(make_head(epochs=20), *data, cv=3)
    assert scores.mean() > 0.85
    assert len(_trainer._kept) == 1


def test_a_network_that_cannot_be_told_by_its_configuration_is_not_shared(data):
    _trainer._kept.clear()
    make_head(build_unknown).fit(*data)
    assert not _trainer._kept


def test_a_head_is_data_and_goes_on_as_it_was(data):
    head = make_head().fit(*data)
    again = from_data(to_data(head))
    np.testing.assert_array_equal(again.predict_proba(data[0]), head.predict_proba(data[0]))
    json.loads(vars(to_data(head))["_network"].configuration)

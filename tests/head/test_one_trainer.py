"""One trainer for every network: what restates a default changes nothing, and what is misspelt is refused."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fishsk import KerasHeadClassifier, KerasHeadRegressor, load_pipeline, save_pipeline


def build(meta, units=8, output="softmax"):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation=output),
        ]
    )


def make_head(model=None, **params):
    defaults = {"hidden_units": 8, "learning_rate": 0.02, "epochs": 3, "random_state": 0}
    return KerasHeadClassifier(model, **defaults | params)


both = pytest.mark.parametrize("model", [None, build], ids=["built-in", "custom"])


@pytest.fixture(scope="module")
def data():
    """Return the irises."""
    X, y = load_iris(return_X_y=True)
    return scale(X).astype(np.float32), y


RESTATED = [
    {"metrics": ["accuracy"]},
    {"loss": "sparse_categorical_crossentropy"},
    {"optimizer__beta_1": 0.9},
    {"optimizer": "Adam"},
    {"optimizer": keras.optimizers.Adam(0.02)},
    {"shuffle": True, "run_eagerly": False},
]


@pytest.mark.parametrize("params", RESTATED, ids=", ".join)  # the same in every process
def test_what_restates_a_default_changes_nothing(data, params):
    X, y = data
    plain, restated = make_head().fit(X, y), make_head(**params).fit(X, y)
    np.testing.assert_array_equal(restated.predict_proba(X), plain.predict_proba(X))
    assert restated.temperature_ == plain.temperature_ != 1
    assert restated.history_ == plain.history_


def test_a_custom_network_like_the_built_in_one_has_its_history_and_its_calibration(data):
    X, y = data
    custom, plain = make_head(build).fit(X, y), make_head(dropout=0.0).fit(X, y)
    assert custom.history_.keys() == plain.history_.keys()
    assert custom.temperature_ != 1
    raw = custom.model_.predict(X, verbose=0)
    assert abs(custom.predict_proba(X) - raw).max() > 0.01
    np.testing.assert_array_equal(custom.predict(X), raw.argmax(axis=1))


@both
def test_calibration_of_classes_and_tags_lowers_the_log_loss_on_other_rows(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 10)).astype(np.float32)
    latent = X[:, :3] + rng.normal(0, 1.5, (600, 3))
    activation = {} if model is None else {"output": "sigmoid"}
    for y, params in ((latent.argmax(axis=1), {}), ((latent > 0).astype(int), activation)):
        head = make_head(model, epochs=60, dropout=0.0, validation_fraction=0.3, **params)
        losses = []
        for calibration in ("temperature", None):
            fitted = clone(head).set_params(calibration=calibration).fit(X[:300], y[:300])
            proba = fitted.predict_proba(X[300:])
            losses.append(
                log_loss(y[300:], proba)
                if y.ndim == 1
                else -np.where(y[300:], np.log(proba), np.log1p(-proba)).mean()
            )
        assert losses[0] < losses[1] - 0.01


@both
def test_the_layers_of_a_calibrated_head_say_what_it_says(data, model):
    X, y = data
    for targets, activation in (
        (y, "softmax"),
        (np.column_stack([y == 0, X[:, 0] > 0]).astype(int), "sigmoid"),
    ):
        params = {} if model is None else {"output": activation}
        head = make_head(model, **params).fit(X, targets)
        features = keras.Input((4,))
        layers = keras.Model(features, head.to_keras(features))
        np.testing.assert_allclose(layers.predict(X, verbose=0), head.predict_proba(X), atol=1e-5)


@both
def test_the_loss_in_the_history_is_without_what_regularizers_add(data, model):
    X, y = data

    def penalized(meta):
        layers = [
            keras.Input((4,)),
            keras.layers.Dense(3, "softmax", kernel_regularizer=keras.regularizers.L2(0.5)),
        ]
        return keras.Sequential(layers)

    params = {"epochs": 1, "validation_fraction": 0.2, "calibration": None, "learning_rate": 1e-9}
    head = make_head(penalized if model else None, **params, **({} if model else {"l2": 0.5})).fit(X, y)
    assert head.history_["loss"][0] == pytest.approx(log_loss(y, head.predict_proba(X)), rel=0.3)
    assert head.history_["val_loss"][0] < 2


def test_searches_over_dropout_and_penalties_share_one_graph(data):
    from fishsk.head import _trainer

    _trainer._kept.clear()
    for dropout, l2 in ((0.1, 1e-3), (0.5, 1e-2), (0.7, 1e-4)):
        make_head(dropout=dropout, l2=l2, epochs=1).fit(*data)
    assert len(_trainer._kept) == 1


# Keywords of Keras


@both
@pytest.mark.parametrize("shuffle", [True, False])
def test_steps_per_epoch_leaves_no_row_out_for_ever(data, model, shuffle):
    X, y = data  # sorted by class
    head = make_head(model, epochs=40, steps_per_epoch=2, shuffle=shuffle, validation_fraction=0, lr_factor=1)
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    assert head.set_params(callbacks=count).fit(X, y).score(X, y) > 0.8
    assert batches == [0, 1] * 40


@both
def test_epochs_without_validation_are_gaps(data, model, tmp_path):
    X, y = data
    head = make_head(model, epochs=6, validation_freq=2, early_stopping=True).fit(X, y)
    assert np.isnan(head.history_["val_loss"]).tolist() == [True, False] * 3
    assert head.best_epoch_ in (1, 3, 5)
    pipeline = make_pipeline(StandardScaler(), clone(head)).fit(X, y)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    loaded = load_pipeline(tmp_path / "a.fishsk")[-1]
    np.testing.assert_equal(loaded.history_, pipeline[-1].history_)


@both
def test_a_prediction_of_some_steps_is_of_their_rows(data, model):
    X, y = data
    head = make_head(model).fit(X, y)
    np.testing.assert_allclose(
        head.predict_proba(X, steps=2, batch_size=10), head.predict_proba(X)[:20], rtol=1e-5
    )


MISSPELT = [
    {"fit__epocs": 3},
    {"predict__batchsize": 3},
    {"compile__los": "mse"},
    {"optimizer": "sgd", "optimizer__momentun": 0.9},
    {"optimizer": keras.optimizers.SGD(), "optimizer__momentum": 0.9},
    {"loss__from_logit": True},
    {"metrics__0__name": "top"},
    {"model": build, "model__unit": 3},
    {"model__units": 3},
    {"callbacks": "EarlyStopping", "callbacks__patiense": 2},
    {"callbacks": keras.callbacks.EarlyStopping(), "callbacks__patience": 2},
    {"callbacks": {"stop": "EarlyStopping"}, "callbacks__stopp__patience": 2},
]


@pytest.mark.parametrize("params", MISSPELT, ids=", ".join)  # the same in every process
def test_a_misspelt_parameter_is_refused_by_name(data, params):
    name = next(name for name in params if "__" in name).rpartition("__")[2]
    with pytest.raises((TypeError, ValueError), match=name):
        make_head().set_params(**params).fit(*data)


def test_parameters_of_a_subclass_stay_out_of_the_function(data):
    class Own(KerasHeadClassifier):
        def __init__(self, model=build, extra=True, **kwargs):
            super().__init__(model, **kwargs)
            self.extra = extra

    head = clone(Own(units=5, l2=0.1, loss="sparse_categorical_crossentropy", epochs=1, extra=False))
    assert head.extra is False
    assert head.fit(*data).model_.layers[0].units == 5


def test_numbers_keep_the_type_of_the_rows(data):
    X = data[0]
    head = KerasHeadRegressor(hidden_units=4, epochs=1, random_state=0).fit(X, X[:, 0])
    assert head.predict(X).dtype == np.float32
    assert head.predict(X.astype(np.float64)).dtype == np.float64


@both
def test_one_hot_rows_are_classes_and_said_to_be(data, model):
    X, y = data
    with pytest.warns(UserWarning, match=r"Pass y\.argmax\(axis=1\)"):
        head = make_head(model, epochs=20).fit(X, np.eye(3, dtype=int)[y])
    assert (head.predict(X).sum(axis=1) == 1).all()
    assert (head.predict(X).argmax(axis=1) == y).mean() > 0.8
    np.testing.assert_allclose(head.predict_proba(X).sum(axis=1), 1)


# Without Keras


def test_a_head_from_a_file_predicts_without_keras_and_fits_with_it(data, tmp_path):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), make_head()).fit(X, y)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    np.save(tmp_path / "proba.npy", pipeline.predict_proba(X))
    program = """
        import pickle, sys
        import numpy as np
        from sklearn.base import clone, is_classifier
        from sklearn.datasets import load_iris
        from sklearn.preprocessing import scale
        from fishsk import load_pipeline

        X, y = load_iris(return_X_y=True)
        X = scale(X).astype(np.float32)
        pipeline = load_pipeline("a.fishsk")
        assert is_classifier(pipeline)
        np.testing.assert_array_equal(pipeline.predict_proba(X), np.load("proba.npy"))
        assert pipeline.score(X, y) > 0.5
        assert "KerasHeadClassifier(" in repr(pipeline)
        for twin in (clone(pipeline), pickle.loads(pickle.dumps(pipeline))):
            assert twin[-1].hidden_units == 8
        assert not {"keras", "tensorflow", "scikeras"} & set(sys.modules)

        from fishsk import KerasHeadClassifier
        assert isinstance(pipeline[-1], KerasHeadClassifier)
        assert not isinstance(pipeline[0], KerasHeadClassifier)
        from scikeras.wrappers import KerasClassifier
        assert isinstance(load_pipeline("a.fishsk")[-1], KerasClassifier)
        np.testing.assert_array_equal(pipeline.fit(X, y).predict_proba(X), np.load("proba.npy"))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, check=True)

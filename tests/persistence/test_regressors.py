"""Pipelines of numbers in files: what comes back, and what is refused."""

import json

import keras
import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVR

from fishsk import KerasHeadRegressor, export_keras, load_pipeline, make_fish_pipeline, save_pipeline
from fishsk.datasets import make_fish_images
from fishsk.persistence._archive import pack, unpack
from fishsk.persistence._steps import describe

KERAS = KerasHeadRegressor(hidden_units=4, epochs=2, random_state=0)


@pytest.fixture(scope="module")
def data():
    """Return rows of features, and a number in the thousands for each."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)).astype(np.float32)
    return X, 5000 + 1000 * X[:, 0] + rng.normal(size=60)


def scaled(regressor):
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


REGRESSORS = [
    KERAS,
    scaled(KERAS),
    TransformedTargetRegressor(KERAS),
    TransformedTargetRegressor(),
    scaled(SVR(C=3)),
    SVR(kernel="poly", degree=2),
    scaled(SVR(kernel="linear")),
    scaled(Ridge(2)),
    RidgeCV([0.1, 1]),
    LinearRegression(),
    Lasso(0.1),
    ElasticNet(0.1),
]


@pytest.mark.parametrize("head", REGRESSORS, ids=lambda head: " ".join(repr(head).split()))
def test_what_comes_back_predicts_the_same_bits_and_can_be_fitted_again(head, data, tmp_path):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), head).fit(X, y)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    loaded = load_pipeline(tmp_path / "a.fishsk")
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))
    assert [type(step) for step in loaded] == [type(step) for step in pipeline]
    np.testing.assert_array_equal(loaded.fit(X, y).predict(X), pipeline.predict(X))


def test_several_targets_come_back(data, tmp_path):
    X, y = data
    Y = np.column_stack([y, -y])
    pipeline = make_pipeline(scaled(Ridge())).fit(X, Y)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    np.testing.assert_array_equal(load_pipeline(tmp_path / "a.fishsk").predict(X), pipeline.predict(X))


def build_network(meta):
    """Return a linear network, as a user writes it."""
    return keras.Sequential([keras.Input((meta["n_features_in_"],)), keras.layers.Dense(1)])


def test_a_network_of_ones_own_comes_back_with_what_scales_its_targets(data, tmp_path):
    X, y = data
    head = scaled(KerasHeadRegressor(model=build_network, epochs=2, random_state=0))
    pipeline = Pipeline([("head", head)]).fit(X, y)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    loaded = load_pipeline(tmp_path / "a.fishsk")
    np.testing.assert_allclose(loaded.predict(X), pipeline.predict(X), rtol=1e-6)
    save_pipeline(loaded, tmp_path / "b.fishsk")
    np.testing.assert_array_equal(load_pipeline(tmp_path / "b.fishsk").predict(X), loaded.predict(X))


def test_what_was_told_since_the_fit_is_saved(data, tmp_path):
    head = scaled(KerasHeadRegressor(epochs=1, callbacks=["TerminateOnNaN"], random_state=0))
    pipeline = Pipeline([("head", head)]).fit(*data)
    with pytest.raises(ValueError, match=r"set_params\(head__regressor__callbacks=None\)"):
        save_pipeline(pipeline, tmp_path / "a.fishsk")
    pipeline.set_params(head__regressor__callbacks=None)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    assert load_pipeline(tmp_path / "a.fishsk")["head"].regressor.callbacks is None


def test_names_of_features_come_back(data, tmp_path):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(data[0], columns=list("abcde"))
    for head in (scaled(SVR()), scaled(Ridge())):
        save_pipeline(make_pipeline(head).fit(X, data[1]), tmp_path / "a.fishsk")
        assert load_pipeline(tmp_path / "a.fishsk")[-1].feature_names_in_.tolist() == list("abcde")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp), "functions are code"),
        (TransformedTargetRegressor(Ridge(), transformer=MinMaxScaler()), "must be a StandardScaler or None"),
        (scaled(RandomForestRegressor(2)), "must be None, a finite number, text"),
    ],
)
def test_what_is_no_data_is_not_saved(head, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_pipeline(Pipeline([("head", head)]).fit(*data), tmp_path / "a.fishsk")
    assert not list(tmp_path.iterdir())


def rewrite(pipeline, path, change):
    """Save a pipeline as `change` has left its document and arrays."""
    document, arrays = describe(pipeline)
    document = json.loads(json.dumps(document))
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(document["steps"][0], arrays)
    path.write_bytes(pack(document, arrays))
    return path


def cut(name):
    def change(record, arrays):
        arrays[name] = arrays[name][..., :-1].copy()

    return change


def put(key, value, *path):
    def change(record, arrays):
        for each in path:
            record = record[each]
        record[key] = value

    return change


@pytest.mark.parametrize(
    ("head", "change"),
    [
        (SVR(), cut("head/support_vectors")),
        (SVR(), cut("head/dual_coef")),
        (SVR(), cut("head/support")),
        (SVR(), put("n_features", 4, "state")),
        (SVR(), put("gamma", "1", "state")),
        (Ridge(), cut("head/coef_")),
        (Ridge(), put("n_features_in_", "5", "state")),
        (scaled(Ridge()), cut("head__regressor/coef_")),
        (scaled(Ridge()), put("target_ndim", 3, "state")),
        (scaled(Ridge()), put("parts", {})),
        (scaled(Ridge()), put("parts", None)),
        (scaled(Ridge()), put("params", {"func": "print"})),
        (scaled(Ridge()), put("type", "Popen", "parts", 0)),
        (scaled(Ridge()), put("type", "Ridge", "parts", 1)),
        (Ridge(), put("parts", {})),
    ],
)
def test_fault_35_files_that_no_regressor_can_have_written_are_refused(head, change, data, tmp_path):
    pipeline = Pipeline([("head", head)]).fit(*data)
    path = rewrite(pipeline, tmp_path / "a.fishsk", change)
    with pytest.raises(ValueError, match="cannot be loaded"):
        load_pipeline(path)


def test_what_was_rewritten_unchanged_loads(data, tmp_path):
    pipeline = Pipeline([("head", scaled(SVR()))]).fit(*data)
    load_pipeline(rewrite(pipeline, tmp_path / "a.fishsk", lambda record, arrays: None))
    document, _ = describe(pipeline)
    assert unpack((tmp_path / "a.fishsk").read_bytes())[1] == document


def test_a_pipeline_of_numbers_becomes_one_keras_model(tmp_path):
    X, y = make_fish_images(40, target="length", random_state=0)
    params = {"features__layers": ["block1_pool"], "features__image_size": 32, "head__regressor__epochs": 2}
    pipeline = make_fish_pipeline(task="regression", weights=None, random_state=0, **params).fit(X, 100 * y)
    export_keras(pipeline, tmp_path / "a.keras")
    predicted = keras.saving.load_model(tmp_path / "a.keras").predict(X, verbose=0)
    np.testing.assert_allclose(predicted[:, 0], pipeline.predict(X), rtol=1e-4)

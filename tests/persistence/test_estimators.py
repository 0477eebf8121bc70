"""scikit-learn's estimators in files: what comes back, and what is refused before anything is built."""

import copy

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, PowerTransformer, StandardScaler
from sklearn.svm import SVC, SVR

from fishsk import KerasHeadClassifier, KerasHeadRegressor, load_pipeline, save_pipeline
from fishsk.persistence._archive import dump, load, pack

HEAD = KerasHeadClassifier(hidden_units=4, epochs=2, random_state=0)
NUMBERS = KerasHeadRegressor(hidden_units=4, epochs=2, random_state=0)
STEPS = [
    RandomForestClassifier(5, random_state=0),
    HistGradientBoostingClassifier(max_iter=5),
    HistGradientBoostingClassifier(max_iter=5, categorical_features=[3]),
    GradientBoostingClassifier(n_estimators=3),
    SVC(),
    SVC(kernel="poly", degree=2),
    SVR(),
    LogisticRegression(),
    MLPClassifier(4, max_iter=200, tol=1, random_state=0),
    KNeighborsClassifier(algorithm="brute"),
    make_pipeline(PCA(2), Nystroem(n_components=9, random_state=0), HEAD),
    make_pipeline(SelectKBest(k=2), PowerTransformer(), LogisticRegression()),
    make_pipeline(
        ColumnTransformer([("a", MinMaxScaler(), [0, 1]), ("b", "drop", [2])]), LogisticRegression()
    ),
    make_pipeline(FeatureUnion([("pca", PCA(2)), ("scale", StandardScaler())]), LogisticRegression()),
    make_pipeline(FunctionTransformer(np.abs), LogisticRegression()),
    CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=2, ensemble=False),
    CalibratedClassifierCV(HEAD, method="temperature", cv=2, ensemble=False),
    StackingClassifier([("forest", RandomForestClassifier(3, random_state=0)), ("net", HEAD)], cv=2),
    TransformedTargetRegressor(NUMBERS, transformer=StandardScaler()),
    TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
]


@pytest.fixture(scope="module")
def data():
    """Return rows of four columns, the last of which is a category, and three classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4)).astype(np.float32)
    X[:, 3] = rng.integers(0, 3, 90)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 3] == 2)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: " ".join(repr(step).split())[:60])
@pytest.mark.filterwarnings("ignore:A validation part of:UserWarning")
def test_what_comes_back_predicts_the_same_bits(step, data, tmp_path):
    pipeline = Pipeline([("scale", StandardScaler()), ("head", copy.deepcopy(step))])
    if "categorical_features" in step.get_params() and step.categorical_features is not None:
        pipeline.set_params(scale="passthrough")
    pipeline.fit(*data)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    loaded = load_pipeline(tmp_path / "a.fishsk")
    for method in ("predict", "predict_proba"):
        if hasattr(pipeline, method):
            expected = getattr(pipeline, method)(data[0])
            np.testing.assert_array_equal(getattr(loaded, method)(data[0]), expected)
    save_pipeline(pipeline, tmp_path / "b.fishsk")
    assert (tmp_path / "a.fishsk").read_bytes() == (tmp_path / "b.fishsk").read_bytes()


def build_network(meta):
    """Return a linear network, as a user writes it."""
    return keras.Sequential([keras.Input((meta["n_features_in_"],)), keras.layers.Dense(1)])


def test_a_custom_network_comes_back_with_what_scales_its_targets(data, tmp_path):
    X = data[0]
    head = TransformedTargetRegressor(
        KerasHeadRegressor(build_network, epochs=2, random_state=0), transformer=StandardScaler()
    )
    pipeline = Pipeline([("head", head)]).fit(X, X[:, 0])
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    loaded = load_pipeline(tmp_path / "a.fishsk")
    np.testing.assert_allclose(loaded.predict(X), pipeline.predict(X), rtol=1e-6)
    assert loaded.fit(X, X[:, 0])["head"].regressor_.model_.layers[0].units == 1


def test_callbacks_inside_are_said_to_be_code(data, tmp_path):
    head = TransformedTargetRegressor(clone(NUMBERS).set_params(callbacks=["TerminateOnNaN"]))
    pipeline = Pipeline([("head", head)]).fit(*data)
    with pytest.raises(ValueError, match="The callbacks of 'head__regressor' must be None"):
        save_pipeline(pipeline, tmp_path / "a.fishsk")
    save_pipeline(pipeline.set_params(head__regressor__callbacks=None), tmp_path / "a.fishsk")


def own_function(X):
    return X


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            FunctionTransformer(own_function),
            r"The step 'odd' cannot be saved as data: it holds .*own_function",
        ),
        (KNeighborsClassifier(algorithm="kd_tree"), r"The step 'odd' .*KDTree"),
        (Birch(), r"The step 'odd' cannot be saved as data: Objects of type Birch"),
        (make_pipeline(FunctionTransformer(own_function)), "The step 'odd__functiontransformer' cannot"),
    ],
    ids=lambda step: str(step)[:30],
)
def test_what_cannot_be_saved_is_said_by_the_steps_name(step, message, data, tmp_path):
    pipeline = Pipeline([("odd", step)]).fit(*data)
    with pytest.raises(ValueError, match=message):
        save_pipeline(pipeline, tmp_path / "a.fishsk")
    assert not list(tmp_path.iterdir())


class Planted:
    """What a hostile file names; it is never built."""

    def __init__(self):
        self.x = 1

    def __setstate__(self, state):
        raise AssertionError("built")


def test_a_type_that_is_not_on_the_list_is_refused_before_anything_is_built(data, tmp_path):
    pipeline = Pipeline([("scale", MinMaxScaler())]).fit(*data)
    pipeline[0].extra_ = Planted()
    with pytest.raises(ValueError, match=r"it holds .*Planted"):
        save_pipeline(pipeline, tmp_path / "a.fishsk")
    (tmp_path / "a.fishsk").write_bytes(pack(dump(pipeline, [Planted]), {}))
    with pytest.raises(ValueError, match=r"it names .*Planted"):
        load_pipeline(tmp_path / "a.fishsk")


def bend_tree(model):
    model.estimators_[0].tree_.children_left[0] = 10_000


def bend_features(model):
    model.n_features_in_ = 1


def bend_predictor(model):
    model._predictors[0][0].nodes["left"][0] = 10_000


def bend_loop(model):
    model._predictors[0][0].nodes["right"][0] = 0


def bend_bitsets(model):
    predictor = model._predictors[0][0]
    predictor.nodes["is_categorical"][0], predictor.nodes["bitset_idx"][0] = 1, 9


def bend_vectors(model):
    model.support_vectors_ = model.support_vectors_[:, :2].copy()


def bend_counts(model):
    model._n_support[0] += 5


@pytest.mark.parametrize(
    ("step", "bend"),
    [
        (RandomForestClassifier(2, random_state=0), bend_tree),
        (RandomForestClassifier(2, random_state=0), bend_features),
        (HistGradientBoostingClassifier(max_iter=2), bend_predictor),
        (HistGradientBoostingClassifier(max_iter=2), bend_loop),
        (HistGradientBoostingClassifier(max_iter=2), bend_bitsets),
        (SVC(), bend_vectors),
        (SVC(), bend_counts),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_fault_35_arrays_that_compiled_code_would_follow_out_of_bounds_are_refused(step, bend, data):
    pipeline = Pipeline([("head", copy.deepcopy(step))]).fit(*data)
    bend(pipeline[0])
    with pytest.raises(ValueError, match="do not fit"):
        load(dump(pipeline, []), [])

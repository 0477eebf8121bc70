"""make_fish_pipeline among the tools of scikit-learn."""

import keras
import numpy as np
import pytest
from quick import make_quick_pipeline
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import classification_report
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
)
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from fishsk import KerasHeadClassifier, KerasHeadRegressor, make_fish_pipeline, write_report
from fishsk.datasets import fetch_cifar100_fish, make_fish_images


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(100, random_state=0)


@pytest.fixture
def pipeline():
    return make_quick_pipeline()


def test_steps_and_parameters_have_scikit_learns_names():
    pipeline = make_fish_pipeline(weights="cifar95", head__dropout=0.2, scale="passthrough", random_state=3)
    assert list(pipeline.named_steps) == ["features", "scale", "head"]
    assert pipeline["features"].weights == "cifar95"
    assert pipeline.get_params()["head__dropout"] == 0.2
    assert pipeline["head"].random_state == 3
    assert pipeline["scale"] == "passthrough"


def test_the_report_recipe_is_the_report_to_the_letter():
    pipeline = make_fish_pipeline(recipe="report")
    features, head = pipeline["features"], pipeline["head"]
    assert (features.weights, features.pooling, features.preprocessing) == ("imagenet", None, "unit")
    assert len(features.get_feature_names_out()) == 7 * 7 * 512
    assert (head.hidden_units, head.dropout, head.epochs, head.batch_size) == (512, 0.5, 20, 32)
    assert (head.lr_factor, head.early_stopping) == (0.5, False)
    assert head.validation_fraction == 0.1
    assert pipeline["scale"] == "passthrough"


def test_parameters_win_over_the_recipe():
    assert make_fish_pipeline(recipe="report", head__epochs=3)["head"].epochs == 3


def test_numbers_have_a_keras_head_whose_targets_are_scaled():
    pipeline = make_fish_pipeline(
        task="regression", weights="cifar95", random_state=3, head__regressor__epochs=30
    )
    head = pipeline["head"]
    assert isinstance(head.transformer, StandardScaler)
    assert (head.regressor.random_state, head.regressor.epochs) == (3, 30)
    X, y = make_fish_images(100, target="length", random_state=0)
    assert is_regressor(pipeline)
    assert pipeline.fit(X, y).score(X, y) > 0.5


def test_the_report_recipe_of_numbers_has_the_reports_network():
    regressor = make_fish_pipeline(task="regression", recipe="report")["head"].regressor
    assert (regressor.hidden_units, regressor.dropout, regressor.epochs) == (512, 0.5, 20)


@pytest.mark.parametrize(
    "head", [Ridge(), SVR(), RandomForestRegressor(5)], ids=lambda head: type(head).__name__
)
def test_any_regressor_learns_numbers(head):
    X, y = make_fish_images(60, target="length", random_state=0)
    pipeline = make_fish_pipeline(
        head=head, weights=None, random_state=0, features__image_size=32, features__layers=["block2_pool"]
    ).fit(X, y)
    assert is_regressor(pipeline)
    assert pipeline.score(X, y) > 0
    if isinstance(head, RandomForestRegressor):
        assert pipeline["head"].random_state == 0


def test_a_head_inside_of_what_scales_targets_is_seeded():
    head = TransformedTargetRegressor(KerasHeadRegressor(), transformer=StandardScaler())
    pipeline = make_fish_pipeline(head=head, weights="cifar95", random_state=3)
    assert pipeline["head"].regressor.random_state == 3
    assert head.regressor.random_state is None


def test_a_classifier_is_no_head_of_a_regression():
    with pytest.raises(ValueError, match="head must be a regressor"):
        make_fish_pipeline(task="regression", head=SVC(), weights="cifar95")


def build_linear(meta):
    layers = [keras.Input((meta["n_features_in_"],)), keras.layers.Dense(meta["n_classes_"], "softmax")]
    return keras.Sequential(layers)


@pytest.mark.parametrize(
    "params", [{"head__model": build_linear}, {"head": KerasHeadClassifier(build_linear)}]
)
def test_a_custom_network_is_a_head(fish, params):
    pipeline = make_fish_pipeline(**params, weights="cifar95", head__loss="sparse_categorical_crossentropy")
    assert pipeline.set_params(head__epochs=1).fit(*fish).predict(fish[0]).shape == (100,)


@pytest.mark.parametrize(("params", "match"), [({"recipe": "best"}, "recipe"), ({"head__depth": 3}, "depth")])
def test_wrong_parameters_are_named(params, match):
    with pytest.raises(ValueError, match=match):
        make_fish_pipeline(**params)


def test_it_is_a_classifier_that_can_be_cloned_and_drawn(pipeline):
    assert is_classifier(pipeline)
    assert clone(pipeline).get_params()["features__weights"] is None
    assert "KerasHeadClassifier" in pipeline._repr_html_()


def test_it_learns_and_reports(fish, pipeline):
    X, y = fish
    pipeline.set_params(features__pooling=None, head__epochs=20).fit(X[:80], y[:80])
    assert pipeline.score(X[:80], y[:80]) > 0.6
    assert "macro avg" in classification_report(y[80:], pipeline.predict(X[80:]), zero_division=0)


def test_sorted_labels_score_as_well_as_shuffled_ones(pipeline):
    X, y = make_fish_images(300, random_state=0)
    order = np.argsort(y, kind="stable")
    pipeline.set_params(features__layers=["block1_pool", "block2_pool", "block3_pool"], head__hidden_units=64)
    shuffled, in_order = (cross_val_score(pipeline, X[rows], y[rows], cv=3) for rows in (slice(None), order))
    assert abs(shuffled.mean() - in_order.mean()) < 0.12
    assert in_order.mean() > 0.3


def test_searches_run_the_network_once_an_image_and_feature_setting(fish, pipeline, n_extracted):
    X, y = fish
    grid = {"head__dropout": [0.2, 0.5], "features__pooling": ["avg", "max"]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert n_extracted() == 200
    RandomizedSearchCV(pipeline, grid, n_iter=2, cv=2, random_state=0).fit(X, y)
    assert n_extracted() == 200
    assert search.cv_results_["mean_test_score"].shape == (4,)


def test_halving_search_runs_the_network_once_an_image(fish, pipeline, n_extracted):
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    search = HalvingGridSearchCV(
        pipeline,
        {"head__epochs": [2, 4, 8]},
        min_resources=25,
        cv=2,
        random_state=0,
    )
    search.fit(*fish)
    assert n_extracted() == 100


@pytest.mark.slow  # docs/how_to/big_data.rst, which is always run, has two processes
def test_processes_give_the_same_scores_as_one(fish, pipeline):
    one = cross_val_score(pipeline, *fish, cv=2)
    two = cross_val_score(pipeline, *fish, cv=2, n_jobs=2)
    np.testing.assert_array_equal(one, two)


def test_two_fits_with_one_seed_give_the_same_bits(fish, pipeline):
    first, second = (clone(pipeline).fit(*fish).predict_proba(fish[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_other_tools_of_model_selection_work(fish, pipeline):
    X, y = fish
    assert cross_val_predict(pipeline, X, y, cv=2, method="predict_proba").shape == (100, 5)
    assert (
        cross_validate(pipeline, X, y, cv=2, scoring=["accuracy", "roc_auc_ovr"])["test_roc_auc_ovr"].size
        == 2
    )
    sizes, _, scores = learning_curve(pipeline, X, y, cv=2, train_sizes=[0.5, 1.0])
    assert scores.shape == (len(sizes), 2)
    assert permutation_test_score(pipeline, X, y, cv=2, n_permutations=2)[2] <= 1


@pytest.mark.shared_data
def test_the_main_job_on_real_fish(shared_dir):
    train, test = (fetch_cifar100_fish(subset=subset, data_home=shared_dir) for subset in ("train", "test"))
    rows = np.arange(0, 2000, 4)
    pipeline = make_fish_pipeline(weights="cifar95", random_state=0)
    pipeline.fit(train.images[rows], train.target[rows])
    assert pipeline.score(test.images[:100], test.target[:100]) > 0.4


def build_network(meta):
    """Return a network for plain scikeras."""
    import keras

    layers = [keras.Input((meta["n_features_in_"],)), keras.layers.Dense(meta["n_classes_"], "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def make_custom_head(kind):
    from scikeras.wrappers import KerasClassifier

    heads = {
        "SVC": SVC(),
        "boosting": HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5),
        "scikeras": KerasClassifier(build_network, epochs=2, verbose=0),
    }
    return make_fish_pipeline(
        head=heads[kind],
        weights=None,
        features__image_size=32,
        features__layers=["block1_pool"],
        random_state=0,
    )


@pytest.mark.parametrize("kind", ["SVC", "boosting", "scikeras"])
def test_any_classifier_can_be_the_head(fish, kind, tmp_path, n_extracted):
    X, y = fish
    pipeline = make_custom_head(kind)
    scores = cross_val_score(pipeline, X, y, cv=StratifiedKFold(3), scoring="accuracy")
    assert np.isfinite(scores).all()
    assert n_extracted() == len(X)
    assert clone(pipeline).fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize("kind", ["SVC", "boosting"])
def test_a_report_on_any_classifier(fish, kind, tmp_path):
    path = write_report(make_custom_head(kind).fit(*fish), *fish, tmp_path / "report.html")
    assert type(make_custom_head(kind)["head"]).__name__ in path.read_text(encoding="utf-8")


def test_a_search_over_a_head_of_one_s_own(fish):
    search = GridSearchCV(make_custom_head("SVC"), {"head__C": [0.1, 3]}, cv=3).fit(*fish)
    assert search.best_estimator_["head"].C in (0.1, 3)


def test_a_head_that_is_given_is_cloned_and_seeded():
    given = SVC(C=2)
    head = make_fish_pipeline(head=given, weights=None, random_state=7)["head"]
    assert head is not given
    assert (given.random_state, head.random_state, head.C) == (None, 7, 2)
    kept = make_fish_pipeline(head=SVC(random_state=1), weights=None, random_state=7)["head"]
    assert kept.random_state == 1

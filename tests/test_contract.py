"""What scikit-learn's checks cannot see with images: the pipeline inside the rest of scikit-learn."""

import pickle
from io import BytesIO

import joblib
import numpy as np
import pytest
import sklearn
from quick import make_quick_pipeline
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_validate, validation_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import get_tags

from fishsk import KerasHeadClassifier, OptunaSearchCV
from fishsk.datasets import make_fish_images
from fishsk.datasets._cifar100 import FISH_NAMES

NAMES = np.array(FISH_NAMES)


@pytest.fixture(scope="module")
def fish():
    """Return 100 images, and the names of their classes."""
    X, y = make_fish_images(100, random_state=0)
    return X, NAMES[y]


@pytest.fixture(scope="module")
def fitted(fish):
    return make_quick_pipeline().fit(*fish)


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump])
def test_files_of_a_fitted_pipeline_predict_the_same_bits(fish, fitted, dump):
    file = BytesIO()
    dump(fitted, file)
    file.seek(0)
    copy = (joblib.load if dump is joblib.dump else pickle.load)(file)
    np.testing.assert_array_equal(copy.predict_proba(fish[0]), fitted.predict_proba(fish[0]))


def test_a_second_fit_is_the_first(fish):
    pipeline = make_quick_pipeline()
    first = pipeline.fit(*fish).predict_proba(fish[0])
    np.testing.assert_array_equal(pipeline.fit(*fish).predict_proba(fish[0]), first)


def test_names_of_features_reach_the_head(fish):
    pipeline = make_quick_pipeline(scale="passthrough").set_output(transform="pandas").fit(*fish)
    names = pipeline[:-1].get_feature_names_out()
    assert names[0] == "block1_pool_avg_0"
    np.testing.assert_array_equal(pipeline["head"].feature_names_in_, names)


def test_tags_are_those_of_a_classifier_of_images(fitted):
    tags = get_tags(fitted)
    assert tags.estimator_type == "classifier"
    assert tags.classifier_tags.multi_class
    assert not tags.input_tags.sparse


def test_steps_of_scikit_learn_fit_in_between(fish):
    pipeline = make_quick_pipeline()
    pipeline.steps.insert(1, ("select", SelectKBest(f_classif, k=8)))
    assert pipeline.fit(*fish)["head"].n_features_in_ == 8


@pytest.fixture(scope="module")
def heavy_rays(fish):
    """Return weights that make rays nearly all that counts."""
    return np.where(fish[1] == "ray", 1000.0, 1.0)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def weighted_pipeline():
    pipeline = make_quick_pipeline()
    pipeline.set_params(head__epochs=20, head__learning_rate=0.02, head__dropout=0.0)
    pipeline["scale"].set_fit_request(sample_weight=False)
    pipeline["head"].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    return pipeline


def test_sample_weight_is_routed_to_the_head(fish, heavy_rays, routing):
    X, y = fish
    pipeline = weighted_pipeline().fit(X, y, sample_weight=heavy_rays)
    assert (pipeline.predict(X) == "ray").mean() > 0.9
    assert pipeline.score(X, y, sample_weight=heavy_rays) > 0.9 > 0.5 > pipeline.score(X, y)


@pytest.mark.parametrize(
    "make_search",
    [
        lambda pipeline, space: GridSearchCV(pipeline, space, cv=2),
        lambda pipeline, space: OptunaSearchCV(pipeline, space, n_trials=2, cv=2, random_state=0),
    ],
)
def test_searches_route_sample_weight_to_the_head(fish, heavy_rays, routing, make_search):
    search = make_search(weighted_pipeline(), {"head__dropout": [0.0, 0.1]})
    search.fit(*fish, sample_weight=heavy_rays)
    assert (search.predict(fish[0]) == "ray").mean() > 0.9
    assert (search.cv_results_["mean_test_score"] > 0.9).all()


def test_cross_validation_routes_sample_weight(fish, heavy_rays, routing):
    found = cross_validate(weighted_pipeline(), *fish, cv=2, params={"sample_weight": heavy_rays})
    assert (found["test_score"] > 0.9).all()


def test_without_a_request_sample_weight_is_refused(fish, routing):
    with pytest.raises(ValueError, match="sample_weight"):
        make_quick_pipeline().fit(*fish, sample_weight=np.ones(len(fish[0])))


@pytest.mark.parametrize(
    "make_ensemble",
    [
        lambda members: VotingClassifier(members, voting="soft"),
        lambda members: StackingClassifier(members, LogisticRegression(), cv=2),
    ],
)
def test_ensembles_of_pipelines_run_the_network_once_an_image(fish, make_ensemble, n_extracted):
    members = [
        ("small", make_quick_pipeline()),
        ("linear", make_quick_pipeline().set_params(head__hidden_units=0)),
    ]
    ensemble = make_ensemble(members).fit(*fish)
    np.testing.assert_array_equal(ensemble.classes_, NAMES)
    assert ensemble.score(*fish) > 0.3
    assert n_extracted() == 100


@pytest.mark.parametrize(
    "wrap", [OneVsRestClassifier, lambda estimator: BaggingClassifier(estimator, 4, random_state=0)]
)
def test_heads_inside_meta_estimators(fish, fitted, wrap):
    X, y = fitted[:-1].transform(fish[0]), fish[1]
    head = KerasHeadClassifier(hidden_units=32, epochs=15, validation_fraction=0, random_state=0)
    assert wrap(head).fit(X, y).score(X, y) > 0.3


def test_calibration_inside_folds_and_of_a_frozen_pipeline(fish, fitted):
    X, y = fish
    inside = CalibratedClassifierCV(make_quick_pipeline(), cv=2, ensemble=False).fit(X, y)
    outside = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(X, y)
    for calibrated in (inside, outside):
        np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    np.testing.assert_array_equal(outside.calibrated_classifiers_[0].estimator.predict(X), fitted.predict(X))


def test_a_tuned_threshold(fish):
    X, y = fish
    search = TunedThresholdClassifierCV(make_quick_pipeline(), cv=2, thresholds=5).fit(X, y == "ray")
    assert 0 <= search.best_threshold_ <= 1


def test_displays_of_scikit_learn_draw_it(fish, fitted):
    X, y = fish
    matrix = ConfusionMatrixDisplay.from_estimator(fitted, X, y)
    assert list(matrix.display_labels) == list(NAMES)
    assert matrix.confusion_matrix.sum() == 100
    calibration = CalibrationDisplay.from_predictions(y == "ray", fitted.predict_proba(X)[:, 2], n_bins=3)
    assert len(calibration.prob_true) <= 3


def test_curves_over_parameters_of_a_step(fish):
    train, test = validation_curve(
        make_quick_pipeline(), *fish, param_name="head__hidden_units", param_range=[0, 8], cv=2
    )
    assert train.shape == test.shape == (2, 2)


def test_the_importance_of_features(fish, fitted):
    X = fitted[:-1].transform(fish[0])
    importance = permutation_importance(fitted["head"], X, fish[1], n_repeats=1, random_state=0)
    assert importance.importances.shape == (X.shape[1], 1)


def test_callbacks_of_keras_are_routed_through_the_pipeline(fish):
    pipeline = make_quick_pipeline(head__callbacks="EarlyStopping")
    pipeline.set_params(head__callbacks__monitor="loss", head__callbacks__min_delta=100)
    assert pipeline.fit(*fish)["head"].n_iter_ == 2
    search = GridSearchCV(pipeline, {"head__callbacks__patience": [1, 3]}, cv=2, refit=False).fit(*fish)
    assert search.cv_results_["param_head__callbacks__patience"].tolist() == [1, 3]

"""OptunaSearchCV has the interface of scikit-learn's searches, and prunes."""

import pickle
import re
from functools import partial

import numpy as np
import optuna
import pytest
import sklearn
from scipy.stats import expon, loguniform, poisson, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer, r2_score
from sklearn.model_selection import GroupKFold, KFold, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import estimator_checks_generator

from fishsk import KerasHeadRegressor, OptunaSearchCV, default_search_space

X, y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
SPACE = {"C": loguniform(1e-3, 1e2), "gamma": [0.01, 0.1, 1.0]}


def search(estimator=None, space=SPACE, **params):
    params = {"n_trials": 4, "cv": 3, "random_state": 0, "pruner": optuna.pruners.NopPruner(), **params}
    return OptunaSearchCV(SVC() if estimator is None else estimator, space, **params)


class Staged(ClassifierMixin, BaseEstimator):
    """Scores `quality` on every fold; raises where `quality` is "raise"."""

    n_fits = 0

    def __init__(self, quality=1.0):
        self.quality = quality

    def fit(self, X, y):
        Staged.n_fits += 1
        if self.quality == "raise":
            raise ValueError("no such quality")
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return self.quality


def checks():
    """Yield scikit-learn's checks as for its own searches (utils/_test_common/instance_generator.py)."""
    left_out = {
        "check_supervised_y_2d",
        "check_requires_y_none",
    }  # as scikit-learn leaves them out for its own
    params = {"n_trials": 1, "cv": 2, "error_score": "raise", "random_state": 0}
    for estimator in (
        OptunaSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, **params),
        OptunaSearchCV(make_pipeline(PCA(), Ridge()), {"ridge__alpha": [0.1, 1.0]}, **params),
    ):
        for instance, check in estimator_checks_generator(estimator, legacy=True):
            if check.func.__name__ not in left_out and "array_api" not in check.func.__name__:
                yield pytest.param(instance, check, id=f"{instance.estimator!r:.8}-{check.func.__name__}")


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning:sklearn")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_a_search_of_numbers_is_a_regressor_in_plain_folds_scored_by_r2():
    rows, target = make_regression(60, 5, noise=5, random_state=0)
    ours = search(TransformedTargetRegressor(Ridge()), {"regressor__alpha": [0.1, 10.0]}, n_trials=2)
    ours.fit(rows, target)
    assert is_regressor(ours)
    assert not is_classifier(ours)
    expected = cross_val_score(ours.best_estimator_, rows, target, cv=KFold(3), scoring="r2").mean()
    assert ours.best_score_ == pytest.approx(expected)
    assert ours.score(rows, target) == pytest.approx(r2_score(target, ours.predict(rows)))


def test_the_default_space_of_numbers_has_no_smoothing_of_labels():
    head = TransformedTargetRegressor(KerasHeadRegressor(), transformer=StandardScaler())
    space = default_search_space(make_pipeline(StandardScaler(), head))
    names = {name.removeprefix("transformedtargetregressor__regressor__") for name in space}
    assert names == {"hidden_units", "dropout", "learning_rate", "l2", "batch_size", "epochs"}


def test_results_are_those_of_a_random_search_on_the_same_candidates():
    ours = search(scoring=["accuracy", "f1_macro"], refit="f1_macro").fit(X, y)
    lists = {name: list(np.unique(ours.cv_results_[f"param_{name}"])) for name in SPACE}
    theirs = RandomizedSearchCV(
        SVC(), lists, n_iter=4, cv=3, scoring=["accuracy", "f1_macro"], refit="f1_macro"
    )
    candidates = ours.cv_results_["params"]
    theirs._run_search = lambda evaluate, callback_ctx=None: evaluate(
        candidates,
        callback_ctx=callback_ctx.subcontext("search", max_subtasks=None, sequential_subtasks=False),
    )
    theirs.fit(X, y)
    assert set(ours.cv_results_) - set(theirs.cv_results_) == {"trial_number", "trial_state"}
    for name, column in theirs.cv_results_.items():
        assert type(ours.cv_results_[name]) is type(column)
        if "time" not in name:
            np.testing.assert_array_equal(ours.cv_results_[name], column)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert ours.best_index_ == theirs.best_index_


def test_an_integer_seed_gives_the_same_candidates_and_other_seeds_others():
    first, second = (search().fit(X, y).cv_results_["params"] for _ in range(2))
    assert first == second
    assert first != search(random_state=1).fit(X, y).cv_results_["params"]


def test_the_search_is_tagged_as_what_it_wraps_and_delegates():
    fitted = search().fit(X, y)
    assert is_classifier(fitted)
    assert is_regressor(search(Ridge(), {"alpha": [1.0]}))
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.n_features_in_ == 6
    assert fitted.decision_function(X).shape == (120, 3)
    assert fitted.score(X, y) == accuracy_score(y, fitted.predict(X))
    assert not hasattr(fitted, "predict_proba")
    assert search(PCA(), {"n_components": [2]}).fit(X).transform(X).shape == (120, 2)


def test_without_refit_there_are_best_parameters_but_no_predictions():
    fitted = search(refit=False).fit(X, y)
    assert fitted.best_params_ == fitted.cv_results_["params"][fitted.best_index_]
    assert not hasattr(fitted, "best_estimator_")
    assert not hasattr(fitted, "predict")


def test_a_callable_refit_chooses_the_candidate():
    fitted = search(refit=lambda results: int(np.argmin(results["mean_test_score"]))).fit(X, y)
    scores = fitted.cv_results_["mean_test_score"]
    assert scores[fitted.best_index_] == scores.min()
    assert not hasattr(fitted, "best_score_")


def test_a_callable_scoring_may_return_several_scores():
    def both(estimator, X, y):
        return {"a": estimator.score(X, y), "b": -1.0}

    fitted = search(scoring=both, refit="a").fit(X, y)
    assert fitted.multimetric_
    assert fitted.best_score_ == fitted.cv_results_["mean_test_a"].max()
    with pytest.raises(ValueError, match="parameter refit must be set"):
        search(scoring=both, refit=True).fit(X, y)


def test_the_score_that_refit_names_guides_the_study():
    scoring = {"worst": lambda e, X, y: -e.quality, "own": lambda e, X, y: e.quality}
    fitted = search(Staged(), {"quality": [0.1, 0.2, 0.3]}, scoring=scoring, refit="own", n_trials=8).fit(
        X, y
    )
    assert fitted.best_score_ == fitted.study_.best_value == 0.3


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (uniform(2, 3), lambda v: (v >= 2) & (v <= 5)),
        (loguniform(1e-4, 1e-2), lambda v: (v >= 1e-4) & (v <= 1e-2)),
        (randint(3, 6), lambda v: np.isin(v, [3, 4, 5])),
        (expon(loc=1), lambda v: (v > 1) & np.isfinite(v)),
        (poisson(4), lambda v: v == v.astype(int)),
        (optuna.distributions.FloatDistribution(0.5, 1.0, step=0.25), lambda v: np.isin(v, [0.5, 0.75, 1.0])),
        (np.array([1, 2]), lambda v: np.isin(v, [1, 2])),
    ],
)
def test_distributions_of_optuna_and_scipy_and_lists(given, values):
    drawn = search(Staged(), {"quality": given}, cv=2, n_trials=15).fit(X, y).cv_results_["param_quality"]
    assert values(np.asarray(drawn)).all()
    assert len(np.unique(drawn)) > 1


def test_choices_may_be_any_objects():
    choices = [SVC(C=0.1), LogisticRegression()]
    fitted = search(make_pipeline(StandardScaler(), SVC()), {"svc": choices}).fit(X, y)
    assert fitted.best_params_["svc"] in choices
    assert fitted.study_.best_trial.params["svc"] in ("0: SVC(C=0.1)", "1: LogisticRegression()")
    assert not any(hasattr(choice, "n_features_in_") for choice in choices)


def test_other_things_are_no_distributions():
    with pytest.raises(TypeError, match=r"param_distributions\['C'\] must be a distribution .* Got 1.0"):
        search(space={"C": 1.0}).fit(X, y)
    with pytest.raises(ValueError, match="at least one choice"):
        search(space={"C": []}).fit(X, y)


def test_a_hopeless_candidate_stops_after_its_first_fold():
    space = {"quality": list(np.linspace(0.9, 0.1, 20))}
    Staged.n_fits = 0
    fitted = search(Staged(), space, n_trials=20, cv=5, pruner=None, refit=False).fit(X, y)
    results = fitted.cv_results_
    pruned = results["trial_state"] == "PRUNED"
    assert pruned.sum() >= 5
    assert Staged.n_fits == 5 * (~pruned).sum() + pruned.sum()
    assert np.isnan(results["split1_test_score"][pruned]).all()
    assert np.isfinite(results["split0_test_score"]).all()
    assert np.isnan(results["mean_test_score"][pruned]).all()
    assert (results["rank_test_score"][pruned] > results["rank_test_score"][~pruned].max()).all()
    assert np.isfinite(results["mean_fit_time"]).all()
    assert fitted.best_score_ == np.nanmax(results["mean_test_score"])


def test_each_fold_is_reported_under_its_index():
    fitted = search(n_trials=2).fit(X, y)
    for i, trial in enumerate(fitted.study_.trials):
        splits = [fitted.cv_results_[f"split{k}_test_score"][i] for k in range(3)]
        assert trial.intermediate_values == dict(enumerate(splits))
        assert trial.value == np.mean(splits)


def test_a_candidate_that_raises_gets_the_error_score():
    fitted = search(Staged(), {"quality": ["raise", 0.5, 0.6]}, n_trials=8)
    with pytest.warns(FitFailedWarning, match="no such quality"):
        fitted.fit(X, y)
    failed = fitted.cv_results_["param_quality"] == "raise"
    assert np.isnan(fitted.cv_results_["mean_test_score"][failed]).all()
    assert (fitted.cv_results_["trial_state"][failed] == "FAIL").all()
    assert fitted.best_params_["quality"] != "raise"
    with pytest.warns(FitFailedWarning, match="set to -1"):
        results = fitted.set_params(error_score=-1).fit(X, y).cv_results_
    assert (results["mean_test_score"][results["param_quality"] == "raise"] == -1).all()


def test_a_candidate_that_raises_is_raised_if_asked_or_if_all_fail():
    with pytest.raises(ValueError, match="no such quality"):
        search(Staged(), {"quality": ["raise"]}, error_score="raise").fit(X, y)
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        search(Staged(), {"quality": ["raise"]}).fit(X, y)


def test_sample_weight_and_groups_reach_the_folds():
    groups = np.repeat(np.arange(12), 10)
    weight = np.where(y == 0, 0.0, 1.0)
    fitted = search(cv=GroupKFold(3)).fit(X, y, sample_weight=weight, groups=groups)
    assert 0 not in fitted.predict(X)
    assert fitted.n_splits_ == 3


def test_metadata_is_routed_as_scikit_learn_routes_it():
    weight = np.linspace(0, 1, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        estimator = SVC().set_fit_request(sample_weight=True)
        space = {"C": [1.0]}
        ours = search(estimator, space, n_trials=1, scoring=scorer).fit(X, y, sample_weight=weight)
        theirs = RandomizedSearchCV(estimator, space, n_iter=1, cv=3, scoring=scorer)
        theirs.fit(X, y, sample_weight=weight)
    assert ours.best_score_ == theirs.best_score_


def test_nested_cross_validation_gives_each_outer_fold_a_search_of_its_own():
    study_names = []
    inner = search(
        n_trials=2,
        cv=2,
        study_name="preset",
        storage=optuna.storages.InMemoryStorage(),
        callbacks=[lambda study, trial: study_names.append(len(study.trials))],
    )
    assert np.isfinite(cross_val_score(inner, X, y, cv=3)).all()
    assert study_names == [1, 2, 1, 2, 1, 2]


def test_a_sampler_of_the_user_may_stop_the_study():
    space = {"quality": [0.1, 0.2, 0.3]}
    fitted = search(Staged(), space, sampler=optuna.samplers.GridSampler(space), n_trials=50).fit(X, y)
    assert sorted(fitted.cv_results_["param_quality"]) == space["quality"]


def test_a_sampler_of_the_user_is_left_untouched():
    fitted = search(sampler=optuna.samplers.RandomSampler(seed=0))
    assert fitted.fit(X, y).cv_results_["params"] == fitted.fit(X, y).cv_results_["params"]
    assert clone(fitted).sampler is not fitted.sampler


def test_a_fitted_search_can_be_pickled():
    fitted = pickle.loads(pickle.dumps(search().fit(X, y)))
    assert fitted.study_.best_value == fitted.best_score_
    assert fitted.predict(X).shape == y.shape


def test_a_timeout_ends_the_search():
    fitted = search(n_trials=None, timeout=0.3).fit(X, y)
    assert len(fitted.cv_results_["params"]) >= 1
    with pytest.raises(ValueError, match="n_trials or timeout must be set"):
        search(n_trials=None).fit(X, y)


def test_optunas_own_log_is_quiet_and_set_back(capsys):
    before, levels = optuna.logging.get_verbosity(), []
    for verbose in (0, 1, 2):
        look = [lambda study, trial: levels.append(optuna.logging.get_verbosity())]
        search(n_trials=1, verbose=verbose, callbacks=look).fit(X, y)
        assert bool(re.search(r"Trials .* 1 of 1 trials", capsys.readouterr().err)) == bool(verbose)
    assert levels == [optuna.logging.ERROR, optuna.logging.ERROR, before]
    assert optuna.logging.get_verbosity() == before


def test_processes_share_the_work_and_the_results_equal_one_process_s():
    one = search(n_trials=6).fit(X, y).cv_results_
    two = search(n_trials=6, n_jobs=2).fit(X, y).cv_results_
    assert len(two["params"]) in (6, 7)  # each process but one may begin a last candidate unseen by the other
    # The candidates before Optuna's sampler looks at scores do not depend on who runs them.
    assert one["params"] == two["params"][:6]
    np.testing.assert_array_equal(one["mean_test_score"], two["mean_test_score"][:6])


def test_an_exception_in_a_worker_is_raised():
    with pytest.raises(ValueError, match="no such quality"):
        search(Staged(), {"quality": ["raise"]}, error_score="raise", n_jobs=2).fit(X, y)


def test_memory_cannot_be_shared_by_processes():
    with pytest.raises(ValueError, match="storage must be one that processes can share"):
        search(n_jobs=2, storage=optuna.storages.InMemoryStorage()).fit(X, y)


def test_scikit_learns_callbacks_see_every_fold():
    class Counter:
        max_propagation_depth = 0

        def __init__(self):
            self.tasks = []

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.tasks.append(context.task_name)

        def teardown(self, estimator, context):
            pass

    counter = Counter()
    search(n_trials=2).set_callbacks(counter).fit(X, y)
    assert counter.tasks.count("candidate-split-evaluation") == 6
    assert counter.tasks[-2:] == ["refit-with-best-params", "fit"]


def test_the_default_space_names_the_head_where_it_is():
    from fishsk.head._classifier import KerasHeadClassifier

    head = KerasHeadClassifier(epochs=2, random_state=0)
    pipeline = make_pipeline(StandardScaler(), head)
    names = set(default_search_space(pipeline))
    assert names == {f"kerasheadclassifier__{name}" for name in default_search_space(head)}
    assert names <= set(pipeline.get_params())
    with pytest.raises(ValueError, match="hold one"):
        default_search_space(DummyClassifier())


def test_a_keras_head_is_searched():
    from fishsk.head._classifier import KerasHeadClassifier

    head = KerasHeadClassifier(random_state=0)
    space = default_search_space(head) | {"epochs": [3], "hidden_units": [8], "batch_size": [32]}
    fitted = search(head, space, n_trials=2, cv=2).fit(X.astype(np.float32), y)
    assert fitted.best_score_ > 1 / 3
    assert fitted.best_estimator_.hidden_units == 8


def score_nan_above(limit, estimator, X, y):
    """Score as accuracy does, but NaN where C is above a limit."""
    return np.nan if limit < estimator.C else accuracy_score(y, estimator.predict(X))


@pytest.mark.parametrize("limit", [0, 1])
def test_fault_70_scores_that_are_no_numbers_warn_as_in_scikit_learn(limit):
    scoring = partial(score_nan_above, limit)
    for fitted in (
        search(scoring=scoring, refit=False),
        RandomizedSearchCV(SVC(), SPACE, n_iter=4, cv=3, random_state=0, scoring=scoring, refit=False),
    ):
        with pytest.warns(UserWarning, match="One or more of the test scores are non-finite") as caught:
            fitted.fit(X, y)
        assert sum("non-finite" in str(warning.message) for warning in caught) == 1
        assert np.isnan(fitted.cv_results_["mean_test_score"]).any()


def test_fault_70_one_fold_without_a_score_warns_and_is_never_best():
    calls = iter(range(100))

    def score(estimator, X, y):
        return np.nan if next(calls) == 4 else 0.5

    with pytest.warns(UserWarning, match="One or more of the test scores are non-finite"):
        fitted = search(scoring=score).fit(X, y)
    assert np.isnan(fitted.cv_results_["mean_test_score"]).tolist() == [False, True, False, False]
    assert fitted.best_index_ != 1


@pytest.mark.parametrize("form", [list, optuna.distributions.CategoricalDistribution])
def test_fault_84_equal_choices_of_different_types_are_each_tried(form):
    """One feature, all of them, or a quarter: a study takes 1 and 1.0 for one value."""
    fitted = search(DecisionTreeClassifier(random_state=0), {"max_features": form([1, 1.0, 0.25])}).fit(X, y)
    tried = [repr(params["max_features"]) for params in fitted.cv_results_["params"]]
    assert sorted(tried) == ["0.25", "1", "1.0"]
    assert repr(fitted.best_params_["max_features"]) == tried[fitted.best_index_]


def test_fault_84_an_initial_choice_is_the_one_of_its_type():
    space = {"max_features": [1, 1.0]}
    found = search(DecisionTreeClassifier(), space, initial_params=[{"max_features": 1.0}], n_trials=1).fit(
        X, y
    )
    assert isinstance(found.best_params_["max_features"], float)

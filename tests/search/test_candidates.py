"""Which candidates OptunaSearchCV tries: none twice, known ones first, those of conditional spaces."""

import warnings

import numpy as np
import optuna
import pytest
import sqlalchemy
from scipy.stats import loguniform, poisson, rv_discrete
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import ParameterGrid, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import fishsk._utils.stamp
from fishsk import KerasHeadClassifier, OptunaSearchCV, VGG16FeatureTransformer
from fishsk.search._study import digest_search

X, y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=0)
GRID = {"C": [0.01, 0.1, 1.0], "gamma": [0.01, 0.1, 1.0]}


def search(space, estimator=None, **params):
    params = {"n_trials": 6, "cv": 2, "random_state": 0, "pruner": optuna.pruners.NopPruner(), **params}
    return OptunaSearchCV(SVC() if estimator is None else estimator, space, **params)


def sort(candidates):
    return sorted(map(sorted, map(dict.items, candidates)), key=str)


@pytest.mark.parametrize("n_trials", [9, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_grid_is_tried_once_through(n_trials, seed):
    found = search(GRID, n_trials=n_trials, random_state=seed).fit(X, y).cv_results_["params"]
    assert sort(found) == sort(ParameterGrid(GRID))


def test_a_candidate_that_comes_again_is_not_fitted_again():
    def space(trial):
        return {"C": trial.suggest_categorical("C", [1.0, 2.0])}

    fits = []

    class Counted(SVC):
        def fit(self, X, y):
            fits.append(self.C)
            return super().fit(X, y)

    fitted = search(space, Counted()).fit(X, y)
    assert len(fits) == 2 * 2 + 1  # two candidates in two folds, and the refit
    scores = dict(zip(fitted.cv_results_["param_C"], fitted.cv_results_["mean_test_score"], strict=True))
    assert len(scores) == 2


def test_a_list_of_spaces_is_as_scikit_learn_s():
    spaces = [{"kernel": ["linear"], "C": [0.1, 1.0]}, {"kernel": ["rbf"], "gamma": [0.1, 1.0], "C": [1.0]}]
    fitted = search(spaces, n_trials=10).fit(X, y)
    assert sort(fitted.cv_results_["params"]) == sort(p for s in spaces for p in ParameterGrid(s))
    theirs = RandomizedSearchCV(SVC(), spaces, n_iter=4, cv=2).fit(X, y)
    assert fitted.best_score_ == theirs.best_score_


def conditional(trial):
    kernel = trial.suggest_categorical("kernel", ["linear", "rbf"])
    params = {"kernel": kernel, "C": trial.suggest_float("C", 1e-2, 1e2, log=True)}
    return params | ({"gamma": trial.suggest_float("gamma", 1e-3, 1.0)} if kernel == "rbf" else {})


def test_a_function_of_the_trial_makes_conditional_spaces(tmp_path):
    fitted = search(conditional, n_trials=8, storage=tmp_path / "study.db").fit(X, y)
    candidates = fitted.cv_results_["params"]
    assert {candidate["kernel"] for candidate in candidates} == {"linear", "rbf"}
    assert all(("gamma" in candidate) == (candidate["kernel"] == "rbf") for candidate in candidates)
    assert fitted.best_estimator_.get_params()["C"] == fitted.best_params_["C"]


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (range(1, 4), {1, 2, 3}),
        (range(10, 0, -3), {1, 4, 7, 10}),
        (rv_discrete(values=([2, 5], [0.5, 0.5])), {2, 5}),
        (rv_discrete(values=([2, 3, 4], [0.1, 0.8, 0.1])), {2, 3, 4}),
        (poisson(3), set(range(30))),
    ],
    ids=["range", "falling range", "rv_discrete", "of three", "poisson"],
)
def test_ranges_and_discrete_laws(given, allowed):
    found = search({"degree": given}, n_trials=4).fit(X, y).cv_results_["param_degree"]
    assert set(found) <= allowed
    assert all(isinstance(value, int | np.integer) for value in found)


def test_initial_candidates_come_first():
    space = {"C": loguniform(1e-3, 1e3), "gamma": [0.1, 1.0], "degree": poisson(3)}
    known = [{"C": 7.0, "gamma": 1.0, "degree": 4}, {"C": 0.5}]
    found = search(space, initial_params=known, n_trials=4).fit(X, y).cv_results_["params"]
    assert found[0] == known[0]
    assert found[1]["C"] == 0.5


@pytest.mark.parametrize("wrong", [{"coef0": 1}, {"C": 1e9}, {"gamma": 3.0}, {"C": "much"}], ids=str)
def test_initial_candidates_outside_of_the_space_are_refused(wrong):
    space = {"C": loguniform(1e-3, 1e3), "gamma": [0.1, 1.0]}
    with pytest.raises(ValueError, match="initial_params must lie in param_distributions"):
        search(space, initial_params=[wrong]).fit(X, y)


def test_train_scores_are_those_of_a_random_search():
    fitted = search({"C": [1.0]}, return_train_score=True, n_trials=1).fit(X, y)
    theirs = RandomizedSearchCV(SVC(), {"C": [1.0]}, n_iter=1, cv=2, return_train_score=True).fit(X, y)
    for name in ("mean_train_score", "split1_train_score"):
        np.testing.assert_array_equal(fitted.cv_results_[name], theirs.cv_results_[name])


class Always(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return True


def test_where_all_are_pruned_the_best_is_that_of_their_folds_and_a_warning_says_so():
    with pytest.warns(UserWarning, match="No candidate ran all folds: 3 were pruned"):
        fitted = search({"C": [1e-6, 1.0, 10.0]}, pruner=Always()).fit(X, y)
    first = fitted.cv_results_["split0_test_score"]
    assert fitted.best_score_ == first.max()
    assert fitted.cv_results_["param_C"][first.argmax()] == fitted.best_estimator_.C


def test_one_trial_is_run_however_short_the_timeout():
    assert len(search(GRID, timeout=1e-9).fit(X, y).cv_results_["params"]) >= 1


@pytest.mark.slow
def test_the_start_of_workers_is_not_counted():
    fitted = search(GRID, timeout=0.01, n_jobs=2, n_trials=None).fit(X, y)
    assert len(fitted.cv_results_["params"]) >= 1


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "maximize"]])
def test_a_study_that_does_not_maximize_one_score_is_refused(tmp_path, directions):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    optuna.create_study(study_name="mine", storage=url, directions=directions)
    with pytest.raises(ValueError, match="must have one direction, 'maximize'"):
        search(GRID, storage=url, study_name="mine").fit(X, y)


def digest(**params):
    features = VGG16FeatureTransformer(weights=None, **params)
    return digest_search(make_pipeline(features, StandardScaler(), KerasHeadClassifier()), GRID)


def test_what_changes_no_number_makes_no_other_search(monkeypatch):
    before = digest()
    assert digest(cache="elsewhere", batch_size=3, verbose=1) == before
    monkeypatch.setattr(fishsk._utils.stamp, "__version__", "99.0")
    assert digest() == before
    assert digest(pooling="max") != before


def test_parameters_of_callbacks_are_part_of_a_search():
    head = KerasHeadClassifier(callbacks="EarlyStopping")
    digests = [digest_search(clone(head).set_params(callbacks__patience=p), GRID) for p in (1, 2, 1)]
    assert digests[0] == digests[2] != digests[1]


def test_fault_42_an_interrupted_search_keeps_the_best_so_far():
    def interrupt(study, trial):
        if trial.number == 2:
            raise KeyboardInterrupt

    interrupted = search(GRID, callbacks=[interrupt])
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(X, y)
    assert len(interrupted.study_.trials) == len(interrupted.cv_results_["params"]) == 3
    assert interrupted.best_score_ == interrupted.cv_results_["mean_test_score"].max()


def test_fault_59_a_storage_that_goes_away_is_one_error_and_the_same_search_goes_on(tmp_path, monkeypatch):
    storage = tmp_path / "study.db"
    finish = optuna.storages.RDBStorage.set_trial_state_values

    def lost(self, trial_id, *args, **kwargs):
        if trial_id >= 3:  # Optuna meets it again while it handles it
            raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception("server closed the connection"))
        return finish(self, trial_id, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", lost)
        with pytest.raises(OSError, match=r"The storage of the search was lost(.|\n)*Run the same search"):
            search(GRID, storage=storage).fit(X, y)
    monkeypatch.setattr("fishsk.search._study.SILENCE_SECONDS", 1)
    monkeypatch.setattr("fishsk.search._study.HEARTBEAT_SECONDS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = search(GRID, storage=storage).fit(X, y)
    assert len(again.cv_results_["params"]) == 6
    assert again.cv_results_["trial_number"][:2].tolist() == [0, 1]


def test_halves_stay_halves():
    law = rv_discrete(values=([0.5, 2, 3.5], [0.3, 0.4, 0.3]))
    assert set(search({"C": law}, n_trials=8).fit(X, y).cv_results_["param_C"]) <= {0.5, 2, 3.5}


def test_an_estimator_among_the_choices_is_described_as_one(monkeypatch):
    def digest_of(cache):
        choices = [VGG16FeatureTransformer(weights=None, cache=cache), "passthrough"]
        return digest_search(make_pipeline(StandardScaler(), SVC(), memory=cache), {"features": choices})

    assert digest_of("a") == digest_of("b")


def test_an_interrupted_second_search_forgets_the_first():
    def interrupt(study, trial):
        raise KeyboardInterrupt

    again = search({"C": [1.0]}).fit(X, y).set_params(param_distributions={"C": [7.0]}, callbacks=[interrupt])
    with pytest.raises(KeyboardInterrupt):
        again.fit(X, y)
    assert again.best_params_ == {"C": 7.0}
    assert not hasattr(again, "best_estimator_")


def test_an_interrupt_among_failures_stays_an_interrupt():
    def interrupt(study, trial):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search({"C": [-1.0]}, callbacks=[interrupt]).fit(X, y)


@pytest.mark.slow
def test_processes_try_no_candidate_twice():
    found = search(GRID, n_jobs=2, n_trials=9).fit(X, y).cv_results_["params"]
    assert len({tuple(sorted(params.items())) for params in found}) == len(found) >= 8

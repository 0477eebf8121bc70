"""Searches in a storage survive kills and interrupts, and are shared by processes."""

import json
import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from optuna.trial import TrialState
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import cross_val_score

from fishsk._compat.optuna import fail_dead_trials
from fishsk.search import _study
from fishsk.search._search import OptunaSearchCV

POSTGRES = os.environ.get("FISHSK_TEST_POSTGRES")
X, y = np.arange(12.0)[:, np.newaxis], np.tile([0, 1], 6)


class Probe(ClassifierMixin, BaseEstimator):
    """Scores `quality`; the environment or a test says what happens in a fit."""

    n_fits = 0
    in_fit = staticmethod(lambda n_fits: None)

    def __init__(self, quality=0.5):
        self.quality = quality

    def fit(self, X, y):
        Probe.n_fits += 1
        Probe.in_fit(Probe.n_fits)
        if os.environ.get("KILL_AT_FIT") == str(Probe.n_fits):
            os.kill(os.getpid(), signal.SIGKILL)
        if "SECONDS_OF_FIT" in os.environ:
            Path(os.environ["FISHSK_CACHE"], "fitting").touch()
            time.sleep(float(os.environ["SECONDS_OF_FIT"]))
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return self.quality


def search(storage=None, **params):
    params = {"n_trials": 6, "cv": 3, "random_state": 0, "pruner": optuna.pruners.NopPruner(), **params}
    return OptunaSearchCV(Probe(), {"quality": uniform(0, 1)}, storage=storage, **params)


def candidates(search):
    return list(search.cv_results_["param_quality"])


def load(storage):
    (name,) = optuna.get_all_study_names(f"sqlite:///{storage}")
    return optuna.load_study(study_name=name, storage=f"sqlite:///{storage}")


def run_in_process(code, **environment):
    """Run code that may use this module in a fresh interpreter."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import test_search_storage\nglobals().update(vars(test_search_storage))\n{code}",
        ],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(Probe, "n_fits", 0)
    monkeypatch.setattr(_study, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(_study, "SILENCE_SECONDS", 2)


@pytest.fixture
def storage(tmp_path):
    return tmp_path / "study.db"


no_server = pytest.mark.skipif(not POSTGRES, reason="FISHSK_TEST_POSTGRES names no PostgreSQL server")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=no_server)])
def location(request, storage):
    return str(storage) if request.param == "sqlite" else POSTGRES


@pytest.fixture
def study_name():
    return f"test-{random.SystemRandom().randrange(2**63)}"  # a server may hold the studies of earlier runs


def test_fault_44_a_resumed_study_goes_on_as_if_it_had_never_stopped(storage):
    whole = search(n_trials=14).fit(X, y)
    search(storage, n_trials=3).fit(X, y)
    resumed = search(storage, n_trials=14).fit(X, y)
    assert candidates(resumed) == candidates(whole)
    assert (
        Probe.n_fits == 2 * (14 * 3) + 3
    )  # each candidate's folds once, and three times a best one is refitted


def test_fault_44_a_sampler_of_the_user_repeats_nothing(storage):
    sampler = optuna.samplers.RandomSampler(seed=0)
    search(storage, n_trials=4, sampler=sampler).fit(X, y)
    resumed = search(storage, n_trials=8, sampler=sampler).fit(X, y)
    assert len(set(candidates(resumed))) == 8


def test_fault_43_the_trial_of_a_killed_worker_is_tried_again(storage, monkeypatch):
    monkeypatch.setenv("KILL_AT_FIT", "5")
    with pytest.raises(TerminatedWorkerError):
        search(storage, n_jobs=2).fit(X, y)
    monkeypatch.delenv("KILL_AT_FIT")
    left = [trial for trial in load(storage).trials if trial.state == TrialState.RUNNING]
    resumed = search(storage).fit(X, y)
    trials = load(storage).trials
    assert any(trial.params for trial in left)
    for trial in left:
        assert trials[trial.number].state == TrialState.FAIL
        # The other worker may have been stopped before its trial had drawn anything.
        assert not trial.params or trial.params["quality"] in candidates(resumed)
    assert len(set(candidates(resumed))) == 6
    assert not any(trial.state in (TrialState.RUNNING, TrialState.WAITING) for trial in trials)


@pytest.mark.slow
def test_fault_43_kills_at_random_moments_lose_and_repeat_nothing(location, study_name):
    code = f"""
_study.HEARTBEAT_SECONDS, _study.SILENCE_SECONDS = 1, 2
begin = search({location!r}, study_name={study_name!r}, n_trials=1).fit(X, y)
moments = random.Random(0)
for _ in range(8):
    if (child := os.fork()) == 0:
        begin.set_params(n_trials=10).fit(X, y)
        os._exit(0)
    time.sleep(moments.uniform(0.05, 0.6))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
    process = run_in_process(code, SECONDS_OF_FIT="0.02")
    process.communicate(timeout=120)
    assert process.returncode == 0
    found = search(location, study_name=study_name, n_trials=10).fit(X, y)
    assert sorted(candidates(found)) == sorted(candidates(search(n_trials=10).fit(X, y)))
    assert not any(trial.state == TrialState.RUNNING for trial in found.study_.trials)


def test_fault_43_a_trial_that_died_before_it_had_parameters_keeps_its_seed(storage):
    search(storage, n_trials=2).fit(X, y)
    study = load(storage)
    study.ask()
    assert sorted(candidates(search(storage).fit(X, y))) == sorted(candidates(search().fit(X, y)))


def test_a_candidate_that_kills_every_process_is_given_up(storage):
    search(storage, n_trials=1).fit(X, y)
    study = load(storage)
    with _study.open_storage(storage) as opened:
        again = opened.get_heartbeat_stale_trial_callback()
        for _ in range(_study.MAX_RETRIES + 2):
            again(study, study.trials[-1])
            study.tell(study.ask(), state=TrialState.FAIL)
    assert len(study.trials) == 1 + _study.MAX_RETRIES + 2


@pytest.fixture
def interruptible():
    """Undo what shells do to programs in the background, which they start with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_fault_42_an_interrupt_stops_the_search_and_leaves_it_resumable(storage, monkeypatch):
    monkeypatch.setattr(Probe, "in_fit", lambda n: signal.raise_signal(signal.SIGINT) if n == 8 else None)
    with pytest.raises(KeyboardInterrupt):
        search(storage).fit(X, y)
    assert Probe.n_fits == 8
    states = [trial.state.name for trial in load(storage).trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "WAITING"]
    resumed = search(storage).fit(X, y)
    assert candidates(resumed) == candidates(search().fit(X, y))


@pytest.mark.usefixtures("interruptible")
def test_fault_42_an_interrupt_stops_the_workers_too(storage, monkeypatch):
    monkeypatch.setenv("SECONDS_OF_FIT", "60")

    def interrupt():
        while not Path(os.environ["FISHSK_CACHE"], "fitting").exists():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        search(storage, n_jobs=2).fit(X, y)
    thread.join()
    monkeypatch.delenv("SECONDS_OF_FIT")
    assert len(set(candidates(search(storage).fit(X, y)))) >= 6


def test_fault_45_a_torn_study_file_is_mended(storage, tmp_path):
    before = search(storage, n_trials=3).fit(X, y)
    code = f"""
import os, signal, sqlite3
connection = sqlite3.connect({str(storage)!r}, isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # pages reach the file before the transaction is committed
connection.execute("BEGIN")
connection.execute("UPDATE trial_params SET param_value = -1")
connection.execute("UPDATE trial_user_attributes SET value_json = zeroblob(1000000)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    torn = sqlite3.connect(shutil.copy(storage, tmp_path / "torn.db"))  # without the journal beside it
    assert torn.execute("SELECT DISTINCT param_value FROM trial_params").fetchall() == [(-1.0,)]
    torn.close()
    assert candidates(search(storage, n_trials=5).fit(X, y))[:3] == candidates(before)


def test_a_file_that_is_no_database_is_named(storage):
    storage.write_text("no database " * 100)
    with pytest.raises(OSError, match=r"storage must be .*study\.db.* file is not a database"):
        search(storage).fit(X, y)


def test_odd_names_of_files(tmp_path):
    storage = tmp_path / "ä {b} 100%c.db"
    assert len(candidates(search(str(storage), n_trials=1).fit(X, y))) == 1
    assert storage.is_file()


def test_processes_that_name_the_same_storage_share_the_search(location, study_name):
    code = f"found = search({location!r}, n_trials=10, study_name={study_name!r}).fit(X, y)\n"
    both = [
        run_in_process(f"{code}print(json.dumps(candidates(found)))", SECONDS_OF_FIT="0.2") for _ in range(2)
    ]
    first, second = (json.loads(process.communicate(timeout=180)[0]) for process in both)
    assert first[:10] == second[:10]
    assert len(set(first)) == len(first)
    assert 10 <= len(first) <= 11
    assert set(candidates(search(n_trials=10).fit(X, y))) <= set(first)


def test_sqlite_lets_one_process_at_a_time_read_and_write(storage):
    with _study.open_storage(storage) as one, _study.open_storage(storage) as other:
        study = optuna.create_study(storage=other)
        thread = threading.Thread(target=study.enqueue_trial, args=[{"quality": 0.5}])
        with one.engine.begin():
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
        thread.join(10)
        assert not thread.is_alive()


def test_a_living_process_is_not_held_for_dead(storage, monkeypatch):
    search(storage, n_trials=1).fit(X, y)
    monkeypatch.setenv("SECONDS_OF_FIT", "1.5")
    thread = threading.Thread(target=search(storage, n_trials=2, refit=False).fit, args=(X, y))
    thread.start()
    (name,), seen = optuna.get_all_study_names(f"sqlite:///{storage}"), set()
    with _study.open_storage(storage) as opened:
        study = optuna.load_study(study_name=name, storage=opened)
        while thread.is_alive():
            fail_dead_trials(study, seen)
            time.sleep(0.1)
    assert [trial.state for trial in load(storage).trials] == [TrialState.COMPLETE] * 2


def test_a_process_that_was_held_for_dead_drops_its_trial(storage, monkeypatch):
    def give_away(n_fits):
        if n_fits == 5:
            study = load(storage)
            study.tell(study.trials[-1].number, state=TrialState.FAIL)
            _study.try_again(study, study.trials[-1])

    monkeypatch.setattr(Probe, "in_fit", give_away)
    found = search(storage).fit(X, y)
    monkeypatch.setattr(Probe, "in_fit", lambda n_fits: None)
    assert candidates(found) == candidates(search().fit(X, y))


def test_a_named_study_is_not_shared_by_searches_that_differ(storage):
    inner = search(storage, n_trials=2, cv=2, study_name="preset")
    cross_val_score(inner, X, y, cv=3)
    names = optuna.get_all_study_names(f"sqlite:///{storage}")
    assert len(names) == 3
    assert "preset" in names
    assert all(name.startswith("preset") for name in names)
    cross_val_score(inner.set_params(verbose=0), X, y, cv=3)  # resumes all three
    assert len(optuna.get_all_study_names(f"sqlite:///{storage}")) == 3


def test_what_cannot_be_known_again_cannot_be_stored(storage):
    with pytest.raises(ValueError, match="must be picklable"):
        search(storage, scoring=lambda estimator, X, y: 0.5).fit(X, y)
    assert not storage.exists()


def test_a_fitted_search_needs_no_database(storage):
    pickled = pickle.dumps(search(storage, n_trials=2).fit(X, y))
    storage.unlink()
    found = pickle.loads(pickled)
    assert found.study_.best_params == found.best_params_
    assert not storage.exists()

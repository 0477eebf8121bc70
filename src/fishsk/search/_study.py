"""The study that keeps OptunaSearchCV's trials: where it is stored, whose it is, how it is sampled."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pickle import PicklingError
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from fishsk._compat.optuna import heartbeat_is_no_experiment, list_all_trials
from fishsk._utils.files import expand

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage, RDBStorage
    from optuna.trial import FrozenTrial
    from sklearn.base import BaseEstimator

logger = logging.getLogger(__name__)

_SEARCH = "fishsk:search"  # user attribute of a study: the digest of the search that it holds
# System attributes that Optuna gives to a trial that tries another's parameters again: the number of the
# first one that had them, and those of all.
_FIRST, HISTORY = "failed_trial", "retry_history"

# A process that runs a trial says so every few seconds; others hold a trial whose process was silent for five
# times as long for dead. To be wrong costs a trial done twice, not a wrong result.
HEARTBEAT_SECONDS = 3
SILENCE_SECONDS = 15
MAX_RETRIES = 2  # a candidate that killed its process more often is left alone


@contextmanager
def quiet_optuna(verbose: int = 0) -> Iterator[None]:
    """Keep Optuna's own log lines away, unless `verbose` asks for them."""
    import optuna

    before = optuna.logging.get_verbosity()
    if verbose < 2:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def open_storage(storage: str | os.PathLike | BaseStorage | None) -> Iterator[BaseStorage]:
    """Open the path of an SQLite file or a database's URL, hand on Optuna's storages; None is in memory."""
    from optuna.storages import InMemoryStorage
    from sqlalchemy import event

    if storage is None:
        storage = InMemoryStorage()
    if not isinstance(storage, (str, os.PathLike)):
        yield storage
        return
    url = str(storage)
    if "://" not in url:
        url = f"sqlite:///{expand(url).absolute()}"
    opened = _connect(url)
    if url.startswith("sqlite"):
        # Each transaction takes the lock when it begins, and SQLAlchemy begins it, not Python's sqlite3.
        # Optuna reads a trial's state and then sets it: without the lock, two processes may read the same
        # state, and both take the same waiting trial. See "Serializable isolation" in SQLAlchemy's
        # documentation of SQLite.
        event.listen(opened.engine, "connect", lambda made, _: setattr(made, "isolation_level", None))
        event.listen(opened.engine, "begin", lambda made: made.exec_driver_sql("BEGIN IMMEDIATE"))
        opened.engine.dispose()  # connections that were made before do not know of this
    try:
        yield opened
    finally:
        opened.remove_session()
        opened.engine.dispose()


def try_again(study: Study, trial: FrozenTrial, max_retry: int | None = None) -> None:
    """Queue the parameters of a trial whose process was interrupted, or has died, again."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    with heartbeat_is_no_experiment():
        RetryHeartbeatStaleTrialCallback(max_retry)(study, trial)


def _connect(url: str) -> RDBStorage:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    pauses = [0.1, 0.2, 0.4, 0.8]
    while True:
        try:
            with heartbeat_is_no_experiment():
                return RDBStorage(
                    url.replace("{", "{{").replace("}", "}}"),  # Optuna would fill in what stands in braces
                    engine_kwargs=options,
                    heartbeat_interval=HEARTBEAT_SECONDS,
                    grace_period=SILENCE_SECONDS,
                    heartbeat_stale_trial_callback=partial(try_again, max_retry=MAX_RETRIES),
                )
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            # Of two processes that create the tables of a new database at once, one fails, and tries again.
            if not pauses:
                raise OSError(
                    "storage must be an SQLite file or a database server that Optuna can use. "
                    f"Got {make_url(url).render_as_string(hide_password=True)!r}, which could not be opened: "
                    f"{error}. Check the path or the URL, or name a file that does not exist yet."
                ) from error
            time.sleep(pauses.pop(0))


def digest_search(estimator: BaseEstimator, *parts: object) -> str:
    """Return a name for the search of `estimator` with these parts, by their content."""
    try:
        return joblib.hash(_describe((estimator, parts)), hash_name="sha1")
    except (PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "A search with a storage must be picklable, so that it can be known again. "
            f"Got {error}. Replace lambdas and local functions by functions of a module."
        ) from error


def _describe(value: Any) -> object:
    """Return what an estimator's results depend on: its class and parameters, not versions or resources.

    Of a distribution of scipy.stats its law and parameters, without a random state.
    """
    if hasattr(value, "ppf"):
        return (value.dist.name, value.args, value.kwds) if hasattr(value, "dist") else (value.xk, value.pk)
    if isinstance(value, list | tuple):
        return [_describe(item) for item in value]
    if isinstance(value, dict):
        return {key: _describe(item) for key, item in value.items()}
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return value
    params = value.get_params(deep=False)
    silent = {"memory", "n_jobs", "verbose", *getattr(value, "params_without_effect", ())}
    described = {name: _describe(param) for name, param in params.items() if name not in silent}
    module = type(value).__module__.partition("._")[0]  # private modules may move
    return f"{module}.{type(value).__qualname__}", described


def open_study(
    storage: BaseStorage, name: str | None, digest: str, *, sampler: BaseSampler, pruner: BasePruner
) -> Study:
    """Return the study of the search that `digest` stands for, new or resumed.

    A study holds the trials of one search. Where the study that the user named holds another search's, such
    as that of another outer fold, the digest is appended to the name.
    """
    import optuna

    settings = {"storage": storage, "sampler": sampler, "pruner": pruner}
    own_name = f"{name or 'fishsk'}-{digest[:16]}"
    for study_name in (name or own_name, own_name):
        try:
            study = optuna.create_study(study_name=study_name, direction="maximize", **settings)
            study.set_user_attr(_SEARCH, digest)
            return study
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(study_name=study_name, **settings)
        if [direction.name for direction in study.directions] != ["MAXIMIZE"]:
            raise ValueError(
                f"Study {study_name!r} must have one direction, 'maximize', as scores of scikit-learn are "
                f"the better the higher they are. Got {[d.name.lower() for d in study.directions]}. Name "
                "another study with study_name, or delete this one."
            )
        for _ in range(20):  # its maker may be just about to write whose it is
            owner = study.user_attrs.get(_SEARCH)
            if owner is not None or study.get_trials(deepcopy=False):
                break
            time.sleep(0.05)
        if owner is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(_SEARCH, digest)  # made by hand, or by a process that died at once
            owner = digest
        if owner == digest:
            return study
        logger.warning("Study %r holds another search; this one is kept as %r.", study_name, own_name)
    raise ValueError(f"Study {own_name!r} must hold this search. Got another's trials. Change study_name.")


def copy_to_memory(study: Study, storage: BaseStorage) -> Study:
    """Return a copy of a study that needs no database, and so can be pickled and read anywhere."""
    import optuna

    if isinstance(storage, optuna.storages.InMemoryStorage):
        return study
    name, memory = study.study_name, optuna.storages.InMemoryStorage()
    optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=memory)
    return optuna.load_study(study_name=name, storage=memory, sampler=study.sampler, pruner=study.pruner)


class SeededSampler:
    """Optuna's default sampler, seeded for each trial by `seed` and the number of trials before it.

    So a resumed study goes on where it was broken off, and processes that share a study draw different
    candidates. Trials that only try another one again are not counted: the next candidate stays the same.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed the sampler; the trials with lower numbers are all known, whoever runs them."""
        from optuna.samplers import TPESampler

        trials = list_all_trials(study)
        first = trials[trial.number].system_attrs.get(_FIRST, trial.number)
        index = sum(_FIRST not in earlier.system_attrs for earlier in trials[:first])
        seed = np.random.SeedSequence([self.seed, index]).generate_state(1)[0]
        self._sampler = TPESampler(seed=int(seed))
        self._sampler.before_trial(study, trial)

    def reseed_rng(self) -> None:
        """Leave the seed alone: no two trials share one."""

    def __getattr__(self, name: str) -> Any:
        if name == "_sampler":  # not yet there before the first trial
            raise AttributeError(name)
        return getattr(self._sampler, name)

"""The study that keeps OptunaSearchCV's trials: where it is stored, whose it is, how it is sampled."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pickle import PicklingError
from typing import Any

import joblib
import numpy as np

from fishsk._compat.optuna import list_all_trials
from fishsk._utils.files import expand

logger = logging.getLogger(__name__)

_SEARCH = "fishsk:search"  # user attribute of a study: the digest of the search that it holds
RETRY_OF = (
    "fishsk:retry_of"  # user attribute of a trial: the number of the one whose parameters it tries again
)


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
def open_storage(storage: Any) -> Iterator[Any]:
    """Open the path of an SQLite file or a database's URL, hand on Optuna's storages; None is in memory."""
    if storage is None:
        from optuna.storages import InMemoryStorage

        storage = InMemoryStorage()
    if not isinstance(storage, (str, os.PathLike)):
        yield storage
        return
    url = str(storage)
    if "://" not in url:
        url = f"sqlite:///{expand(url).absolute()}"
    opened = _connect(url)
    if url.startswith("sqlite"):
        _lock_before_reading(opened.engine)
    try:
        yield opened
    finally:
        opened.remove_session()
        opened.engine.dispose()


def _connect(url: str) -> Any:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    pauses = [0.1, 0.2, 0.4, 0.8]
    while True:
        try:
            # Optuna would fill in what stands in braces.
            return RDBStorage(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=options)
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
            # Of two processes that create the tables of a new database at once, one fails, and tries again.
            if not pauses:
                raise OSError(
                    "storage must be an SQLite file or a database server that Optuna can use. "
                    f"Got {make_url(url).render_as_string(hide_password=True)!r}, which could not be opened: "
                    f"{error}. Check the path or the URL, or name a file that does not exist yet."
                ) from error
            time.sleep(pauses.pop(0))


def _lock_before_reading(engine: Any) -> None:
    """Make each transaction on SQLite take the lock when it begins.

    Optuna reads a trial's state and then sets it. Without the lock, two processes may read the same state and
    both take the same waiting trial. See "Serializable isolation" in SQLAlchemy's documentation of SQLite.
    """
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_sqlalchemy(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin_immediate(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections that were made before do not know of this


def digest_search(estimator: Any, *parts: Any) -> str:
    """Return a name for the search of `estimator` with these parts, by their content."""
    try:
        return joblib.hash(_describe((estimator, parts)), hash_name="sha1")
    except (PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "A search with a storage must be picklable, so that it can be known again. "
            f"Got {error}. Replace lambdas and local functions by functions of a module."
        ) from error


def _describe(value: Any) -> Any:
    """Return what an estimator's results depend on: its class and parameters, not versions or resources."""
    if isinstance(value, list | tuple):
        return [_describe(item) for item in value]
    if isinstance(value, dict):
        return {key: _describe(item) for key, item in value.items()}
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return value
    params = value.get_params(deep=False)
    for name, routed in value.get_params(deep=True).items():  # to what is no estimator, such as callbacks
        owner = params.get(name.partition("__")[0])
        if name not in params and owner is not None and not hasattr(owner, "get_params"):
            params[name] = routed
    silent = {"memory", "n_jobs", "verbose", *getattr(value, "params_without_effect", ())}
    described = {name: _describe(param) for name, param in params.items() if name not in silent}
    module = type(value).__module__.partition("._")[0]  # private modules may move
    return f"{module}.{type(value).__qualname__}", described


def open_study(storage: Any, name: str | None, digest: str, *, sampler: Any, pruner: Any) -> Any:
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
        owner = _owner(study)
        if owner is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(_SEARCH, digest)  # made by hand, or by a process that died at once
            owner = digest
        if owner == digest:
            return study
        logger.warning("Study %r holds another search; this one is kept as %r.", study_name, own_name)
    raise ValueError(f"Study {own_name!r} must hold this search. Got another's trials. Change study_name.")


def _owner(study: Any) -> str | None:
    """Return the digest of the search that a study holds; its maker may be just about to write it."""
    for _ in range(20):
        owner = study.user_attrs.get(_SEARCH)
        if owner is not None or study.get_trials(deepcopy=False):
            return owner
        time.sleep(0.05)
    return None


def copy_to_memory(study: Any, storage: Any) -> Any:
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

    def __init__(self, seed: int):
        self.seed = seed
        self._seed_sampler(0)

    def _seed_sampler(self, index: int) -> None:
        from optuna.samplers import TPESampler

        seed = np.random.SeedSequence([self.seed, index]).generate_state(1)[0]
        self._sampler = TPESampler(seed=int(seed))

    def before_trial(self, study: Any, trial: Any) -> None:
        """Seed the sampler; the trials with lower numbers are all known, whoever runs them."""
        trials = list_all_trials(study)
        retries = {other.number: other.user_attrs.get(RETRY_OF) for other in trials}
        number = trial.number
        while retries[number] is not None:
            number = retries[number]
        self._seed_sampler(sum(retries[earlier] is None for earlier in range(number)))
        self._sampler.before_trial(study, trial)

    def reseed_rng(self) -> None:
        """Leave the seed alone: no two trials share one."""

    def __getattr__(self, name: str) -> Any:
        if name == "_sampler":  # not yet there while an instance is unpickled
            raise AttributeError(name)
        return getattr(self._sampler, name)

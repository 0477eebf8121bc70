"""The trials of OptunaSearchCV: a candidate on the folds, the loop over candidates, and the processes."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator, clone

from fishsk._compat.optuna import fail_dead_trials, has_heartbeat
from fishsk._compat.sklearn import fit_and_score, insert_error_scores
from fishsk._utils.progress import ProgressBar
from fishsk.search._space import Space
from fishsk.search._study import HISTORY, open_storage, quiet_optuna, try_again

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from fishsk.search._space import SpaceFunction

Fold: TypeAlias = dict[str, Any]  # what scikit-learn's `_fit_and_score` says of one
_FOLDS = "fishsk:folds"  # user attribute of a trial


@dataclass
class CrossValidation:
    """Evaluate candidates fold by fold: an objective for Optuna that can be sent to other processes."""

    estimator: BaseEstimator
    X: object
    y: object
    splits: list[tuple[np.ndarray, np.ndarray]]
    space: Space | SpaceFunction
    metric: str | None  # guides the study; None is the first or only one
    callback_ctx: Any
    options: dict[str, object]  # further arguments of scikit-learn's `_fit_and_score`

    def __call__(self, trial: Trial) -> float:
        """Run the folds of a trial, and return the mean score."""
        import optuna

        params = dict(self.space(trial))
        twin = _find_twin(trial)
        if twin is not None and isinstance(self.space, Space) and (candidates := self.space.candidates()):
            _ask_for_another(trial, candidates)
            raise optuna.TrialPruned  # without folds, so that it is no candidate of the search
        if twin is not None and twin.state.is_finished():
            return _repeat(trial, twin)
        folds: list[Fold] = []
        scores: list[float] = []
        for split in range(len(self.splits)):
            folds.append(self._run_fold(trial, params, split))
            score = folds[-1]["test_scores"]
            if isinstance(score, dict):
                score = score[self.metric if self.metric in score else next(iter(score))]
            scores.append(score)
            if not np.isfinite(scores).all():
                continue  # no pruner can judge this; the mean says what is to be said
            trial.report(score, split)
            if split + 1 < len(self.splits) and trial.should_prune():
                trial.set_user_attr(_FOLDS, folds)
                raise optuna.TrialPruned
        trial.set_user_attr(_FOLDS, folds)
        return float(np.mean(scores))

    def _run_fold(self, trial: Trial, params: dict[str, object], split: int) -> Fold:
        train, test = self.splits[split]
        out = fit_and_score(
            clone(self.estimator),
            self.X,
            self.y,
            train=train,
            test=test,
            verbose=0,
            parameters=params,
            return_times=True,
            callback_ctx=self.callback_ctx.subcontext(
                task_name="candidate-split-evaluation", task_id=trial.number * len(self.splits) + split
            ),
            **self.options,
        )
        for name in {"test_scores", "train_scores"} & out.keys():
            scores = out[name]
            is_dict = isinstance(scores, dict)
            out[name] = {k: float(v) for k, v in scores.items()} if is_dict else float(scores)
        return out


def _find_twin(trial: Trial) -> FrozenTrial | None:
    """Return another trial of the same candidate, whose folds were run or are being run, or None.

    Of two processes that draw the same candidate at the same time, at least one sees the other. If both do,
    both leave it, and the second of them queues it again.
    """
    others = itertools.chain(finished_trials(trial.study), _running_trials(trial.study))
    return next(
        (other for other in others if other.number != trial.number and other.params == trial.params), None
    )


def _repeat(trial: Trial, twin: FrozenTrial) -> float:
    """Let a trial end as its twin did, without a fit."""
    import optuna

    for step, value in twin.intermediate_values.items():
        trial.report(value, step)
    trial.set_user_attr(_FOLDS, folds_of(twin))
    if twin.state is optuna.trial.TrialState.PRUNED:
        raise optuna.TrialPruned
    return float("nan") if twin.value is None else twin.value


def _ask_for_another(trial: Trial, candidates: list[dict[str, object]]) -> None:
    """Queue a candidate that was not tried yet, or stop the study where there is none."""
    tried = [
        other.params or other.system_attrs.get("fixed_params")  # or queued
        for other in trial.study.get_trials(deepcopy=False)
        # One that was pruned without folds has left its candidate to another, too.
        if other.number != trial.number and (other.state.name != "PRUNED" or _FOLDS in other.user_attrs)
    ]
    untried = [values for values in candidates if values not in tried]
    if untried:
        trial.study.enqueue_trial(untried[np.random.default_rng(trial.number).integers(len(untried))])
    else:
        trial.study.stop()


def _running_trials(study: Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "RUNNING"]


def _list_retried(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that others among them try again."""
    return set(itertools.chain.from_iterable(trial.system_attrs.get(HISTORY, ()) for trial in trials))


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Return the trials whose folds were run, pruned and failed candidates among them."""
    trials = study.get_trials(deepcopy=False)
    retried = _list_retried(trials)
    return [
        trial
        for trial in trials
        if trial.state.is_finished() and _FOLDS in trial.user_attrs and trial.number not in retried
    ]


def folds_of(trial: FrozenTrial) -> list[Fold]:
    """Return the folds that a finished trial ran."""
    return trial.user_attrs[_FOLDS]


def fill_folds(
    trials: list[FrozenTrial], n_splits: int, error_score: str | float, is_callable: bool
) -> list[Fold]:
    """Return the folds of all trials, `n_splits` of each; those that were not run hold NaN."""
    folds = [[dict(fold) for fold in folds_of(trial)] for trial in trials]
    ran = list(itertools.chain.from_iterable(folds))
    if is_callable:
        insert_error_scores(ran, error_score)
    skipped = ran[0] | {"fit_time": np.nan, "score_time": np.nan}
    for name in ("test_scores", "train_scores"):
        if name in skipped:
            scores = skipped[name]
            skipped[name] = dict.fromkeys(scores, np.nan) if isinstance(scores, dict) else np.nan
    return [fold for part in folds for fold in part + [skipped] * (n_splits - len(part))]


def run_trials(
    study: Study,
    objective: CrossValidation,
    *,
    n_trials: int | None,
    timeout: float | None,
    callbacks: Sequence[Callable[[Study, FrozenTrial], None]],
) -> None:
    """Run trials until the study holds `n_trials`, time is out, or a callback or the sampler stops.

    The time begins to run with the work, and one trial is run however short it is.

    While other processes run the last trials, this one waits for them, ready to try again what one left.
    """
    deadline = None if timeout is None else time.time() + timeout
    seen: set[int] = set()
    full = False
    number = -1

    def run(trial: Trial) -> float:
        nonlocal number
        number = trial.number
        try:
            return objective(trial)
        except KeyboardInterrupt:
            try_again(study, study.trials[number])
            raise

    def is_full() -> bool:
        if has_heartbeat(study):
            fail_dead_trials(study, seen)
        n_begun = len(finished_trials(study)) + len(_running_trials(study))
        return n_trials is not None and n_begun >= n_trials

    def stop_when_full(study: Study, trial: FrozenTrial) -> None:
        nonlocal full
        full = is_full()
        if full:
            study.stop()

    while deadline is None or time.time() < deadline or not finished_trials(study):
        full = is_full()
        if full and (len(finished_trials(study)) >= (n_trials or 0) or not has_heartbeat(study)):
            return
        if full:
            time.sleep(0.2)
            continue
        try:
            left = None if deadline is None else max(0.1, deadline - time.time())
            study.optimize(run, timeout=left, callbacks=[*callbacks, stop_when_full])
        except Exception:
            if number not in _list_retried(study.get_trials(deepcopy=False)):
                raise
            full = True  # this process was held for dead, and its trial given to another: go on with the next
        if not full:
            return


def run_worker(
    work: Callable[[Study], None],
    location: str | os.PathLike | BaseStorage,
    study_name: str,
    sampler: BaseSampler,
    pruner: BasePruner,
    verbose: int,
) -> None:
    """Work on a study in a process of its own."""
    import optuna

    sampler.reseed_rng()
    with quiet_optuna(verbose), open_storage(location) as storage, lost_storage_is_an_os_error():
        work(optuna.load_study(study_name=study_name, storage=storage, sampler=sampler, pruner=pruner))


@contextmanager
def lost_storage_is_an_os_error() -> Iterator[None]:
    """Say in one error that a database server went away, or a disk is full, in the middle of a search."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except Exception as error:
        cause: BaseException | None = error  # which Optuna may have met while it handled another error
        while cause is not None and not isinstance(cause, SQLAlchemyError | StorageInternalError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise OSError(
            f"The storage of the search was lost: {cause}. The trials that had finished are kept in it. Run "
            "the same search again to go on."
        ) from error


def count_workers(n_jobs: int | None, n_trials: int | None, storage: object) -> int:
    """Return how many processes are to work; threads would mix up global seeds."""
    from optuna.storages import InMemoryStorage

    backend, _ = get_active_backend(prefer="processes")
    if getattr(backend, "supports_sharedmem", False):
        return 1
    n_workers = effective_n_jobs(n_jobs)
    if n_workers > 1 and isinstance(storage, InMemoryStorage):
        raise ValueError(
            f"storage must be one that processes can share for n_jobs={n_jobs!r}. "
            f"Got {storage!r}. Name a file or a database's URL, or leave storage=None."
        )
    return n_workers if n_trials is None else min(n_workers, n_trials)


@contextmanager
def show_progress(study: Study, storage: BaseStorage, n_trials: int | None, verbose: int) -> Iterator[None]:
    """Show how many trials the study holds, whichever process runs them."""
    if not verbose:
        yield
        return

    stop = threading.Event()

    def show() -> None:
        last = False
        while not last:
            last = stop.wait(0.5)
            bar.move_to(len(finished_trials(study)))
        storage.remove_session()

    with ProgressBar("Trials", n_trials, unit="trials") as bar, ThreadPoolExecutor(1) as pool:
        pool.submit(show)
        try:
            yield
        finally:
            stop.set()

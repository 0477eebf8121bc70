"""Trials of OptunaSearchCV: the folds of a candidate, the loop over candidates, and processes that die."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from fishsk._compat.sklearn import fit_and_score
from fishsk.search._space import make_space
from fishsk.search._study import RETRY_OF

logger = logging.getLogger(__name__)

# A process that runs a trial of a shared study says so every few seconds; others hold a trial whose process
# was silent for five times as long for dead. To be wrong costs a trial done twice, not a wrong result.
HEARTBEAT_SECONDS = 3.0
SILENCE_SECONDS = 15.0
MAX_ATTEMPTS = 3  # a candidate that killed its process this often is left alone

# User attributes of trials.
_FOLDS = "fishsk:folds"
_BEAT = "fishsk:heartbeat"
_ATTEMPT = "fishsk:attempt"


@dataclass
class CrossValidation:
    """Evaluate candidates fold by fold: an objective for Optuna that can be sent to other processes."""

    estimator: Any
    X: Any
    y: Any
    splits: list[tuple[Any, Any]]
    param_distributions: Any
    scorer: Any
    metric: str | None  # guides the study; None is the first or only one
    fit_params: dict[str, Any]
    score_params: dict[str, Any]
    error_score: Any
    return_train_score: bool
    caller: Any
    callback_ctx: Any
    heartbeat: bool

    def __call__(self, trial: Any) -> float:
        """Run the folds of a trial, and return the mean score."""
        try:
            with _heartbeat(trial) if self.heartbeat else nullcontext():
                return self._run_folds(trial)
        except KeyboardInterrupt:
            _try_again(trial.study, trial, trial.user_attrs.get(_ATTEMPT, 1))
            raise

    def _run_folds(self, trial: Any) -> float:
        import optuna

        space = make_space(self.param_distributions)
        params = space.suggest(trial)
        twin = _find_twin(trial)
        if twin is not None and (candidates := space.candidates()) is not None:
            _ask_for_another(trial, candidates)
            raise optuna.TrialPruned  # without folds, so that it is no candidate of the search
        if twin is not None and twin.state.is_finished():
            return _repeat(trial, twin)
        folds: list[dict[str, Any]] = []
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

    def _run_fold(self, trial: Any, params: dict[str, Any], split: int) -> dict[str, Any]:
        train, test = self.splits[split]
        out = fit_and_score(
            clone(self.estimator),
            self.X,
            self.y,
            scorer=self.scorer,
            train=train,
            test=test,
            verbose=0,
            parameters=params,
            fit_params=self.fit_params,
            score_params=self.score_params,
            return_times=True,
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            caller=self.caller,
            callback_ctx=self.callback_ctx.subcontext(
                task_name="candidate-split-evaluation", task_id=trial.number * len(self.splits) + split
            ),
        )
        return out | {name: _as_floats(out[name]) for name in ("test_scores", "train_scores") if name in out}


def _as_floats(scores: Any) -> Any:
    return {k: float(v) for k, v in scores.items()} if isinstance(scores, dict) else float(scores)


def _find_twin(trial: Any) -> Any:
    """Return another trial of the same candidate, whose folds were run or are being run, or None.

    Of two processes that draw the same candidate at the same time, at least one sees the other. If both do,
    both leave it, and the second of them queues it again.
    """
    from optuna.trial import TrialState

    running = trial.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    beside = (other for other in running if other.number != trial.number)
    others = itertools.chain(finished_trials(trial.study), beside)
    return next((other for other in others if other.params == trial.params), None)


def _repeat(trial: Any, twin: Any) -> float:
    """Let a trial end as its twin did, without a fit."""
    import optuna

    for step, value in twin.intermediate_values.items():
        trial.report(value, step)
    trial.set_user_attr(_FOLDS, folds_of(twin))
    if twin.state is optuna.trial.TrialState.PRUNED:
        raise optuna.TrialPruned
    return float("nan") if twin.value is None else twin.value


def _was_left(trial: Any) -> bool:
    """Return whether a trial ended without folds, since another had its candidate."""
    from optuna.trial import TrialState

    return trial.state is TrialState.PRUNED and _FOLDS not in trial.user_attrs


def _ask_for_another(trial: Any, candidates: Iterator[dict[str, Any]]) -> None:
    """Queue a candidate that was not tried yet, or stop the study where there is none."""
    trials = [
        other
        for other in trial.study.get_trials(deepcopy=False)
        if other.number != trial.number and not _was_left(other)
    ]
    tried = [other.params or other.system_attrs.get("fixed_params") for other in trials]  # or queued
    untried = [values for values in candidates if values not in tried]
    if untried:
        trial.study.enqueue_trial(untried[np.random.default_rng(trial.number).integers(len(untried))])
    else:
        trial.study.stop()


@contextmanager
def _heartbeat(trial: Any) -> Iterator[None]:
    """Count in the storage, so that other processes see that this trial's process lives."""

    def beat(stop: threading.Event) -> None:
        count = 0
        while not stop.wait(HEARTBEAT_SECONDS):
            count += 1
            try:
                trial.set_user_attr(_BEAT, count)
            except Exception as error:  # the trial itself goes on, and meets what is wrong when it reports
                logger.debug("No heartbeat for trial %d: %s", trial.number, error)
        trial.storage.remove_session()

    with in_background(beat):
        yield


@contextmanager
def in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in a thread beside the block, whose end sets the event that `work` is given."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Watch:
    """Find trials whose processes died, by observing for a while that their heartbeats stand still."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, float]] = {}

    def fail_dead_trials(self, study: Any) -> None:
        """Mark dead trials failed, and have their parameters tried again."""
        from optuna.trial import TrialState

        now = time.monotonic()
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            beat = trial.user_attrs.get(_BEAT)
            last_beat, since = self._seen.setdefault(trial.number, (beat, now))
            if beat != last_beat:
                self._seen[trial.number] = (beat, now)
            elif now - since > SILENCE_SECONDS and _fail(study, trial):
                logger.warning(
                    "The process that ran trial %d is gone; the trial is tried again.", trial.number
                )
                _try_again(study, trial, trial.user_attrs.get(_ATTEMPT, 1) + 1)


def _fail(study: Any, trial: Any) -> bool:
    """Mark a running trial failed; only one process succeeds in this."""
    import optuna

    try:
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
        return False
    return True


def _try_again(study: Any, trial: Any, attempt: int) -> None:
    import optuna

    if attempt > MAX_ATTEMPTS:
        logger.warning(
            "Trial %d died in every one of %d attempts, and is given up.", trial.number, MAX_ATTEMPTS
        )
        return
    study.add_trial(
        optuna.create_trial(
            state=optuna.trial.TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={RETRY_OF: trial.number, _ATTEMPT: attempt},
        )
    )


def finished_trials(study: Any) -> list[Any]:
    """Return the trials whose folds were run, pruned and failed candidates among them."""
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    return [t for t in trials if t.state.is_finished() and _FOLDS in t.user_attrs and t.number not in again]


def folds_of(trial: Any) -> list[dict[str, Any]]:
    """Return what `_fit_and_score` said of each fold that a finished trial ran."""
    return trial.user_attrs[_FOLDS]


def run_trials(
    study: Any,
    objective: CrossValidation,
    *,
    n_trials: int | None,
    timeout: float | None,
    callbacks: Sequence[Callable[[Any, Any], None]],
) -> None:
    """Run trials until the study holds `n_trials`, time is out, or a callback or the sampler stops.

    The time begins to run with the work, and one trial is run however short it is.

    While other processes run the last trials, this one waits for them, ready to try again what one left.
    """
    from optuna.trial import TrialState

    deadline = None if timeout is None else time.time() + timeout
    watch = Watch() if objective.heartbeat else None
    full = False
    number = -1

    def run(trial: Any) -> float:
        nonlocal number
        number = trial.number
        return objective(trial)

    def is_full() -> bool:
        if watch is not None:
            watch.fail_dead_trials(study)
        n_running = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        return n_trials is not None and len(finished_trials(study)) + n_running >= n_trials

    def stop_when_full(study: Any, trial: Any) -> None:
        nonlocal full
        full = is_full()
        if full:
            study.stop()

    while deadline is None or time.time() < deadline or not finished_trials(study):
        if n_trials is not None and len(finished_trials(study)) >= n_trials:
            return
        full = is_full()
        if full and not objective.heartbeat:
            return
        if full:
            time.sleep(0.2)
            continue
        try:
            left = None if deadline is None else max(0.1, deadline - time.time())
            study.optimize(run, timeout=left, callbacks=[*callbacks, stop_when_full])
        except Exception:
            trials = study.get_trials(deepcopy=False)
            if not any(trial.user_attrs.get(RETRY_OF) == number for trial in trials):
                raise
            full = True  # this process was held for dead, and its trial given to another: go on with the next
        if not full:
            return

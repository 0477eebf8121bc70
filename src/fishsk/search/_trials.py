"""The trials of OptunaSearchCV: a candidate on the folds, the loop over candidates, processes that die."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from fishsk._compat.optuna import fail_dead_trials, has_heartbeat
from fishsk._compat.sklearn import fit_and_score, insert_error_scores
from fishsk.search._space import Space
from fishsk.search._study import HISTORY, try_again

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

_FOLDS = "fishsk:folds"  # user attribute of a trial


@dataclass
class CrossValidation:
    """Evaluate candidates fold by fold: an objective for Optuna that can be sent to other processes."""

    estimator: Any
    X: Any
    y: Any
    splits: list[tuple[Any, Any]]
    space: Space | Callable[[Any], Any]
    metric: str | None  # guides the study; None is the first or only one
    callback_ctx: Any
    options: dict[str, Any]  # further arguments of scikit-learn's `_fit_and_score`

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

    def _run_fold(self, trial: Trial, params: dict[str, Any], split: int) -> dict[str, Any]:
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


def _ask_for_another(trial: Trial, candidates: list[dict[str, Any]]) -> None:
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
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


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


def folds_of(trial: FrozenTrial) -> list[dict[str, Any]]:
    """Return what `_fit_and_score` said of each fold that a finished trial ran."""
    return trial.user_attrs[_FOLDS]


def fill_folds(
    trials: list[FrozenTrial], n_splits: int, error_score: Any, is_callable: bool
) -> list[dict[str, Any]]:
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


def scores_are_missing(trials: list[FrozenTrial]) -> bool:
    """Return whether a fold that was run, and whose fit has not failed, has a score that is no number."""
    folds = [fold for trial in trials for fold in folds_of(trial) if fold["fit_error"] is None]
    scores = [fold[name] for fold in folds for name in ("test_scores", "train_scores") if name in fold]
    return not all(np.isfinite(list(s.values()) if isinstance(s, dict) else s).all() for s in scores)


def run_trials(
    study: Study,
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

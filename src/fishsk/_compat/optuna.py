"""Private names of Optuna 5."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from typing import Any


def list_all_trials(study: Any) -> list[Any]:
    """Return all trials: a pruner may show its sampler a study whose `get_trials` returns a part of them."""
    return study._storage.get_all_trials(study._study_id, deepcopy=False)


def suggest(trial: Any, name: str, distribution: Any) -> Any:
    """Return the value of a trial for a distribution, whatever its kind."""
    return trial._suggest(name, distribution)


def heartbeat_is_no_experiment() -> AbstractContextManager[object]:
    """Let Optuna not warn that its heartbeat, which is older than four years, may change."""
    from optuna.exceptions import ExperimentalWarning

    return warnings.catch_warnings(action="ignore", category=ExperimentalWarning)


def has_heartbeat(study: Any) -> bool:
    """Return whether processes that run a trial of a study say so."""
    from optuna.storages._heartbeat import is_heartbeat_enabled

    return is_heartbeat_enabled(study._storage)


def fail_dead_trials(study: Any, seen: set[int]) -> None:
    """Let Optuna mark trials failed whose process is silent, and queue them again.

    It passes over a trial whose process died before its first heartbeat. So each running trial that is not
    among those `seen` before gets one.
    """
    import optuna

    running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    for trial in running:
        if trial.number not in seen:
            study._storage.record_heartbeat(trial._trial_id)
    seen.update(trial.number for trial in running)
    with heartbeat_is_no_experiment():
        optuna.storages.fail_stale_trials(study)

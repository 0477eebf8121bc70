"""From the folds that trials ran to the columns of `cv_results_`."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fishsk._compat.sklearn import insert_error_scores
from fishsk.search._trials import folds_of


def fill_folds(
    trials: Sequence[Any], n_splits: int, error_score: Any, is_callable: bool
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


def warn_of_missing_scores(trials: Sequence[Any], results: Mapping[str, Any]) -> None:
    """Warn as scikit-learn's searches do of scores that are no numbers.

    Nothing is said of folds that pruned candidates did not run, nor again of fits that failed.
    """
    ran = np.array(
        [
            trial.state.name != "PRUNED" and all(fold["fit_error"] is None for fold in folds_of(trial))
            for trial in trials
        ]
    )
    for name, scores in results.items():
        if name.startswith(("mean_test_", "mean_train_")) and not np.isfinite(scores[ran]).all():
            which = "test" if name.startswith("mean_test_") else "train"
            warnings.warn(
                f"One or more of the {which} scores are non-finite: {scores}. Such a candidate is never "
                "better than one with a score: look at its folds in cv_results_.",
                UserWarning,
                stacklevel=4,
            )


def describe_trials(trials: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the columns that scikit-learn's searches do not have."""
    return {
        "trial_number": [trial.number for trial in trials],
        "trial_state": [trial.state.name for trial in trials],
    }


def average_times(trials: Sequence[Any]) -> dict[str, np.ndarray]:
    """Return mean and deviation of the seconds of the folds that each trial ran."""
    columns = {}
    for name in ("fit_time", "score_time"):
        times = [[fold[name] for fold in folds_of(trial)] for trial in trials]
        columns[f"mean_{name}"] = np.array([np.mean(of_trial) for of_trial in times])
        columns[f"std_{name}"] = np.array([np.std(of_trial) for of_trial in times])
    return columns


def average_pruned(results: Mapping[str, Any], metric: str, n_splits: int, n_pruned: int) -> np.ndarray:
    """Return each candidate's mean score over the folds that it ran, and warn that none ran all."""
    warnings.warn(
        f"No candidate ran all folds: {n_pruned} were pruned. The best is chosen by the folds that each ran, "
        "and best_score_ is their mean. Pass pruner=optuna.pruners.NopPruner() to run all folds.",
        UserWarning,
        stacklevel=4,
    )
    return np.nanmean([results[f"split{split}_test_{metric}"] for split in range(n_splits)], axis=0)

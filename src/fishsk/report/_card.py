"""The model card: what a report found, in Markdown, as Hugging Face and skops write it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fishsk.features import describe_parts
from fishsk.inspection import find_fitted
from fishsk.report._render import write_page

# What Hugging Face's index of models calls the scores.
_INDEX = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "mae": "mae",
    "rmse": "rmse",
    "r2": "r_squared",
}


def write_card(
    path: str | os.PathLike,
    estimator: Any,
    report: dict[str, Any],
    *,
    license: str | None = None,
    intended_use: str | None = None,
) -> Path:
    """Write the model card of what `gather_report` found, and return its path.

    Parameters
    ----------
    path : path-like
        The file to write.
    estimator : estimator
        What the report is about.
    report : dict
        What `gather_report` found, and its `title`.
    license, intended_use : str, default=None
        As in `write_model_card`.
    """
    of_classes = "classes" in report
    summary, calibration = report["summary"], report.get("calibration")
    missed = [row for row in report["classes"] if row["n_test"] and row["recall"] < 1] if of_classes else []
    return write_page(
        path,
        "card.md",
        title=report["title"],
        license=license,
        intended_use=intended_use,
        of_classes=of_classes,
        summary=summary,
        index=[(kind, name, summary[name]) for name, kind in _INDEX.items() if name in summary],
        scores=report.get("scores"),
        target=report.get("target"),
        classes=report.get("classes"),
        hardest=min(missed, key=lambda row: row["recall"], default=None),
        confusion=report.get("confusion"),
        calibration=calibration,
        coverage=report.get("coverage"),
        n_train=report["n_train"],
        unfamiliar=report["unfamiliar"],
        duplicates=report["duplicates"],
        digests=report["digests"],
        versions=report["versions"],
        networks=_describe_networks(find_fitted(estimator)),
        head=_find_head(find_fitted(estimator)),
    )


def _describe_networks(estimator: Any) -> list[dict[str, Any]]:
    """Return the frozen networks of a fitted estimator: what each is, where it is from, on what terms."""
    steps = [step for _, step in getattr(estimator, "steps", [])]
    return [part for step in steps[:1] for part in describe_parts(step).values()]


def _find_head(estimator: Any) -> str:
    """Return what learned, as it was told to."""
    learner = getattr(estimator, "steps", [(None, estimator)])[-1][1]
    return learner.__repr__(N_CHAR_MAX=2000).replace("```", "'''")  # which would end the block

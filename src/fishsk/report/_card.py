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
    """Write the model card of what `gather_report` found, and return its path; see `write_model_card`."""
    of_classes, summary = "classes" in report, report["summary"]
    missed = [row for row in report["classes"] if row["n_true"] and row["recall"] < 1] if of_classes else []
    fitted = find_fitted(estimator)
    steps = [step for _, step in getattr(fitted, "steps", [("", fitted)])]
    return write_page(
        path,
        "card.md",
        **report,
        license=license,
        intended_use=intended_use,
        of_classes=of_classes,
        index=[(kind, name, summary[name]) for name, kind in _INDEX.items() if name in summary],
        hardest=min(missed, key=lambda row: row["recall"], default=None),
        networks=list(describe_parts(steps[0]).values()),
        head=steps[-1].__repr__(N_CHAR_MAX=2000).replace("```", "'''"),  # which would end the block
    )

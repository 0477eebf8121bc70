"""Sections of the report on a regressor: its errors, from small targets to large ones."""

from __future__ import annotations

from functools import partial

import numpy as np

from fishsk.inspection import (
    N_POINTS,
    RegressionEvaluation,
    draw_prediction_errors,
    format_number,
    score_regression,
)
from fishsk.report._figures import Show, draw_figure

_N_SAMPLES = 16
_N_RANGES = 5
_PER_RANGE = 10  # images at least, or else fewer ranges


def describe(evaluation: RegressionEvaluation, index: int, name: str) -> dict[str, object]:
    """Return the numbers of an image for people to read."""
    true, predicted = (format_number(each[index]) for each in (evaluation.y_true, evaluation.y_pred))
    error = evaluation.errors[index]
    off = f"{format_number(abs(error), digits=3)} too {'high' if error > 0 else 'low'}" if error else "right"
    return {
        "true": true,
        "predicted": predicted,
        "error": off,
        "confidence": None,
        "words": f"{name}: {true}, predicted {predicted}, {off}",
        "map_words": f"Heat map of {name}: what raised and what lowered the answer",
    }


def gather(evaluation: RegressionEvaluation, show: Show, target_name: str) -> dict[str, object]:
    """Return what a regressor's page shows beside what all pages show; `target_name` is what it predicts."""
    y = evaluation.y_true
    half, most = np.quantile(np.abs(evaluation.errors), [0.5, 0.9]).tolist()
    order = np.argsort(y, kind="stable")  # samples are evenly spread over the ranks
    samples = order[np.linspace(0, len(y) - 1, min(_N_SAMPLES, len(y))).astype(int)]
    return {
        "target": target_name,
        "summary": vars(evaluation)
        | {
            "lowest": float(y.min()),
            "highest": float(y.max()),
            "within_half": half,
            "within_most": most,
            "baseline_mae": evaluation.baseline_scores.mae,
        },
        "ranges": _gather_ranges(y, evaluation.y_pred),
        "samples": [show(index) for index in samples],
        "n_points": min(N_POINTS, len(y)),
        "figures": {
            kind: draw_figure(partial(draw_prediction_errors, evaluation, kind, target_name))
            for kind in ("actual_vs_predicted", "residual_vs_predicted")
        },
    }


def _gather_ranges(y: np.ndarray, y_pred: np.ndarray) -> list[dict[str, object]]:
    """Return the errors on images of small to large numbers, in ranges of about as many images each."""
    n_ranges = max(1, min(_N_RANGES, len(y) // _PER_RANGE))
    starts = np.unique(np.quantile(y, np.arange(n_ranges) / n_ranges))
    place = np.searchsorted(starts, y, side="right") - 1
    return [
        {"low": float(y[rows].min()), "high": float(y[rows].max())}
        | vars(score_regression(y[rows], y_pred[rows]))
        for rows in (place == number for number in range(len(starts)))
    ]

"""What the report says of a regressor: how far off its numbers are, from small to large."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fishsk.inspection import (
    N_POINTS,
    RegressionEvaluation,
    draw_prediction_errors,
    format_number,
    score_regression,
)
from fishsk.report._album import Album
from fishsk.report._facts import Timings
from fishsk.report._figures import draw_figure

SECTIONS = {
    "scores": "Scores",
    "errors": "Predicted against true",
    "worst": "Largest errors",
    "data": "Data",
    "training": "Training",
    "trust": "When not to trust it",
    "duplicates": "Near-duplicates",
    "pipeline": "Pipeline",
    "reproduce": "Reproduce",
}
_N_SAMPLES = 16
_N_RANGES = 5
_PER_RANGE = 10  # images at least, or else fewer ranges
_SCORES = {
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R²",
    "bias": "Bias (mean error)",
}


def describe_numbers(evaluation: RegressionEvaluation) -> Callable[[int, str], dict[str, Any]]:
    """Return the function from an image's position and name to its numbers, for people to read."""

    def describe(index: int, name: str) -> dict[str, Any]:
        true, predicted = (format_number(each[index]) for each in (evaluation.y_true, evaluation.y_pred))
        error = evaluation.errors[index]
        off = (
            f"{format_number(abs(error), digits=3)} too {'high' if error > 0 else 'low'}"
            if error
            else "right"
        )
        return {
            "true": true,
            "predicted": predicted,
            "error": off,
            "confidence": None,
            "words": f"{name}: {true}, predicted {predicted}, {off}",
            "map_words": f"Heat map of {name}: what raised and what lowered the answer",
        }

    return describe


def gather_regression(
    evaluation: RegressionEvaluation, album: Album, timings: Timings, *, target_name: str
) -> dict[str, Any]:
    """Return what a regressor's page shows beside what all pages show; `target_name` is what it predicts."""
    with timings("Gather scores and images"):
        found: dict[str, Any] = {
            "target": target_name,
            "summary": _summarize(evaluation),
            "scores": _gather_scores(evaluation),
            "ranges": _gather_ranges(evaluation),
            "samples": [album.show(index) for index in _spread_samples(evaluation.y_true)],
            "n_points": min(N_POINTS, evaluation.n_samples),
        }
    with timings("Draw scores"):
        found["figures"] = {
            kind: draw_figure(partial(draw_prediction_errors, evaluation, kind, target_name))
            for kind in ("actual_vs_predicted", "residual_vs_predicted")
        }
    return found


def _summarize(evaluation: RegressionEvaluation) -> dict[str, Any]:
    """Return the numbers of the first screen."""
    half, most = np.quantile(np.abs(evaluation.errors), [0.5, 0.9]).tolist()
    return {
        "n_samples": evaluation.n_samples,
        "lowest": float(evaluation.y_true.min()),
        "highest": float(evaluation.y_true.max()),
        "within_half": half,
        "within_most": most,
        "baseline": evaluation.baseline,
        "baseline_is_of": evaluation.baseline_is_of,
        "baseline_mae": evaluation.baseline_scores.mae,
        **{name: getattr(evaluation, name) for name in _SCORES},
        **{f"{name}_interval": getattr(evaluation, f"{name}_interval") for name in _SCORES},
    }


def _gather_scores(evaluation: RegressionEvaluation) -> list[dict[str, Any]]:
    """Return each score, its interval, and that of the baseline."""
    return [
        {
            "name": title,
            "value": getattr(evaluation, name),
            "interval": getattr(evaluation, f"{name}_interval"),
            "baseline": getattr(evaluation.baseline_scores, name),
            "is_share": name == "r2",
        }
        for name, title in _SCORES.items()
    ]


def _gather_ranges(evaluation: RegressionEvaluation) -> list[dict[str, Any]]:
    """Return the errors on images of small to large numbers, in ranges of about as many images each."""
    y = evaluation.y_true
    n_ranges = max(1, min(_N_RANGES, len(y) // _PER_RANGE))
    starts = np.unique(np.quantile(y, np.arange(n_ranges) / n_ranges))
    place = np.searchsorted(starts, y, side="right") - 1
    members = [place == number for number in range(len(starts))]
    return [
        {"low": float(y[rows].min()), "high": float(y[rows].max())}
        | vars(score_regression(y[rows], evaluation.y_pred[rows]))
        for rows in members
    ]


def _spread_samples(y: np.ndarray) -> np.ndarray:
    """Return images from the smallest number to the largest, evenly by their ranks."""
    order = np.argsort(y, kind="stable")
    return order[np.linspace(0, len(y) - 1, min(_N_SAMPLES, len(y))).astype(int)]

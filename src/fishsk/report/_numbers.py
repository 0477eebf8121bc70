"""What the report shows of a regressor: how far off its numbers are, and on which images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fishsk.features import Images
from fishsk.inspection import (
    N_POINTS,
    NumberEvaluation,
    draw_errors,
    evaluate_numbers,
    find_features,
    find_fitted,
    score_numbers,
)
from fishsk.report._album import NumberAlbum
from fishsk.report._beside import gather_duplicates, gather_unfamiliar
from fishsk.report._facts import Timings, describe_run, find_digests
from fishsk.report._figures import draw_diagram, draw_figure, draw_training
from fishsk.report._understand import add_explanations

_N_WORST = 16
_N_SAMPLES = 16
_N_RANGES = 5
_PER_RANGE = 10  # images at least, or else fewer ranges
_SCORES = {
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R²",
    "bias": "Bias (mean error)",
}


def gather_numbers_report(
    estimator: Any,
    test: tuple[Any, Images, np.ndarray],
    train: tuple[Any, Images, np.ndarray | None] | None,
    *,
    target_name: str,
    image_names: Sequence[str] | None = None,
    explain: bool = True,
    pixels: dict[str, Any],
) -> dict[str, Any]:
    """Return everything that the page shows, as plain numbers, text, lists and dicts.

    The parameters are those of `gather_report`; `target_name` is what the numbers are.
    """
    timings = Timings()
    X, images, y = test
    y_train = None if train is None else train[2]
    with timings("Predict the test images"):
        evaluation = evaluate_numbers(estimator, X, y, y_train=y_train)
    album = NumberAlbum(images, evaluation, image_names)
    worst = evaluation.worst[:_N_WORST]
    with timings("Gather scores and images"):
        report: dict[str, Any] = {
            "target": target_name,
            "summary": _summarize(evaluation),
            "scores": _gather_scores(evaluation),
            "ranges": _gather_ranges(evaluation),
            "worst": [album.show(index) for index in worst],
            "samples": [album.show(index) for index in _spread_samples(evaluation.y_true)],
            "n_train": None if train is None else len(train[1]),
        }
    with timings("Explain the largest errors"):
        report["explained"] = None
        if explain:
            report["explained"] = add_explanations(report["worst"], estimator, X, worst, album, pixels)
    report["unfamiliar"] = report["duplicates"] = None
    if train is not None:
        with timings("Read features"):
            rows, train_rows = (find_features(estimator, each, **pixels) for each in (X, train[0]))
        with timings("Look for unfamiliar images"):
            report["unfamiliar"] = gather_unfamiliar(rows, (train_rows, train[1]), album, _score_groups)
        with timings("Look for near-duplicates"):
            report["duplicates"] = gather_duplicates(
                (rows, images, y),
                (train_rows, train[1], None),
                album,
                lambda index: {"partner_number": None if y_train is None else float(y_train[index])},
                _score_groups,
            )
    with timings("Draw figures"):
        report["training"] = draw_training(estimator)
        report["figures"] = {
            kind: draw_figure(partial(draw_errors, evaluation, kind, target_name))
            for kind in ("actual_vs_predicted", "residual_vs_predicted")
        }
        report["n_points"] = min(N_POINTS, len(y))
    with timings("Describe the pipeline and the data"):
        report["diagram"] = draw_diagram(find_fitted(estimator))
        report["digests"] = find_digests(estimator, (images, y), None if train is None else train[1:])
    report["images"] = album.images
    return report | describe_run(timings)


def _summarize(evaluation: NumberEvaluation) -> dict[str, Any]:
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


def _gather_scores(evaluation: NumberEvaluation) -> list[dict[str, Any]]:
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


def _gather_ranges(evaluation: NumberEvaluation) -> list[dict[str, Any]]:
    """Return the errors on images of small to large numbers, in ranges of about as many images each."""
    y = evaluation.y_true
    n_ranges = max(1, min(_N_RANGES, len(y) // _PER_RANGE))
    starts = np.unique(np.quantile(y, np.arange(n_ranges) / n_ranges))
    place = np.searchsorted(starts, y, side="right") - 1
    members = [place == number for number in range(len(starts))]
    return [
        {"low": float(y[rows].min()), "high": float(y[rows].max())}
        | vars(score_numbers(y[rows], evaluation.y_pred[rows]))
        for rows in members
    ]


def _spread_samples(y: np.ndarray) -> np.ndarray:
    """Return images from the smallest number to the largest, evenly by their ranks."""
    order = np.argsort(y, kind="stable")
    return order[np.linspace(0, len(y) - 1, min(_N_SAMPLES, len(y))).astype(int)]


def _score_groups(evaluation: NumberEvaluation, groups: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return the mean absolute error on groups of images; None of a group without images."""
    rows: list[dict[str, Any]] = []
    for name, members in groups.items():
        found = None
        if members.any():
            found = score_numbers(evaluation.y_true[members], evaluation.y_pred[members])
        rows.append(
            {
                "name": name,
                "count": int(members.sum()),
                "score": None if found is None else found.mae,
                "interval": None if found is None else found.mae_interval,
            }
        )
    return rows

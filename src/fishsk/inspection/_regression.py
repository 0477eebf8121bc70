"""How good predicted numbers are: one record of plain arrays and scores, for every place that shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import PredictionErrorDisplay
from sklearn.utils import check_consistent_length, column_or_1d

from fishsk._utils.axes import palette

N_POINTS = 1000  # of a figure: more make it dark and the file large
_ROUNDING = 1e-12  # of the largest number: what floats leave of 0
_N_DRAWS = 1000  # bootstrap resamples
_BLOCK = 2**20  # drawn images at a time


@dataclass(frozen=True)
class RegressionScores:
    """Scores of predicted numbers, each with its 95 % interval (percentiles over bootstrap resamples).

    Attributes
    ----------
    n_samples : int
        The number of images.
    mae, rmse : float
        Mean absolute error and root mean squared error, in the unit of the target.
    r2 : float
        The share of the target's variance that is explained: 1 is perfect, 0 no better than its mean. NaN of
        images that all have the same number.
    bias : float
        The mean of the errors: above 0 where predictions are too high on average.
    mae_interval, rmse_interval, r2_interval, bias_interval : (float, float)
        Their intervals.
    """

    n_samples: int
    mae: float
    rmse: float
    r2: float
    bias: float
    mae_interval: tuple[float, float]
    rmse_interval: tuple[float, float]
    r2_interval: tuple[float, float]
    bias_interval: tuple[float, float]


@dataclass(frozen=True)
class RegressionEvaluation(RegressionScores):
    """Predicted numbers of images that were not trained on, and what follows from them.

    Attributes
    ----------
    y_true, y_pred : ndarray of shape (n_samples,), float64
        True and predicted numbers.
    errors : ndarray of shape (n_samples,)
        `y_pred` less `y_true`.
    baseline : float
        The mean that a model without eyes would always answer.
    baseline_is_of : {"training", "test"}
        Whose mean it is: of the training targets where they are known, or else of `y_true`.
    baseline_scores : RegressionScores
        How good it is.
    worst : ndarray of int
        Indices of the images, the largest absolute error first.
    """

    score_name: ClassVar[str] = "Mean absolute error"

    y_true: np.ndarray
    y_pred: np.ndarray
    errors: np.ndarray
    baseline: float
    baseline_is_of: str
    baseline_scores: RegressionScores
    worst: np.ndarray

    def score(self, members: np.ndarray) -> tuple[float, tuple[float, float]]:
        """Return the mean absolute error on some of the images, a mask, with its 95 % interval."""
        found = score_regression(self.y_true[members], self.y_pred[members])
        return found.mae, found.mae_interval


def evaluate_regression(
    y_true: Any, y_pred: Any, *, training_mean: float | None = None
) -> RegressionEvaluation:
    """Compare true numbers with predictions; ValueError if one is not finite.

    The baseline is `training_mean`, that of the targets that were trained on, by default that of `y_true`.
    """
    y_true, y_pred = as_targets(y_true, "y"), as_targets(y_pred, "What the estimator predicts")
    check_consistent_length(y_true, y_pred)
    baseline = float(y_true.mean()) if training_mean is None else training_mean
    return RegressionEvaluation(
        **vars(score_regression(y_true, y_pred)),
        y_true=y_true,
        y_pred=y_pred,
        errors=y_pred - y_true,
        baseline=baseline,
        baseline_is_of="test" if training_mean is None else "training",
        baseline_scores=score_regression(y_true, np.full_like(y_true, baseline)),
        worst=np.argsort(-np.abs(y_pred - y_true), kind="stable"),
    )


def as_targets(values: Any, name: str) -> np.ndarray:
    """Return finite numbers as float64 of shape (n_samples,); `name` stands in the error."""
    try:
        numbers = column_or_1d(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be one number for each image. Got {values!r}.") from error
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(f"{name} must hold finite numbers. Got {numbers[row]} in row {row}.")
    return numbers


def score_regression(y_true: np.ndarray, y_pred: np.ndarray) -> RegressionScores:
    """Return the scores of predicted numbers, always with the same bootstrap resamples."""
    errors = y_pred - y_true
    facts = np.column_stack([np.abs(errors), errors**2, errors, y_true - y_true.mean()])
    found: dict[str, Any] = {name: float(score(facts[np.newaxis])[0]) for name, score in _SCORES.items()}
    if abs(found["bias"]) < _ROUNDING * np.abs(y_true).max():
        found["bias"] = 0.0
    found |= {f"{name}_interval": _find_interval(values) for name, values in _draw_scores(facts).items()}
    return RegressionScores(n_samples=len(y_true), **found)


def _find_r2(facts: np.ndarray) -> np.ndarray:
    variances = facts[..., 3].var(axis=1)
    return np.where(
        variances > 0, 1 - facts[..., 1].mean(axis=1) / np.where(variances > 0, variances, 1), np.nan
    )


# Of images with their absolute, squared and signed errors, and their numbers less the mean of all.
_SCORES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mae": lambda facts: facts[..., 0].mean(axis=1),
    "rmse": lambda facts: np.sqrt(facts[..., 1].mean(axis=1)),
    "r2": _find_r2,
    "bias": lambda facts: facts[..., 2].mean(axis=1),
}


def _draw_scores(facts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of images drawn with replacement, of many draws."""
    n_samples, rng = len(facts), np.random.default_rng(0)
    step = max(1, _BLOCK // n_samples)
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in _SCORES}
    for start in range(0, _N_DRAWS, step):
        drawn = facts[rng.integers(n_samples, size=(min(step, _N_DRAWS - start), n_samples))]
        for name, score in _SCORES.items():
            blocks[name].append(score(drawn))
    return {name: np.concatenate(each) for name, each in blocks.items()}


def _find_interval(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def format_number(value: float, *, digits: int = 4, sign: bool = False) -> str:
    """Return a number with some significant digits, without an exponent where it can be read without."""
    plus = "+" if sign else ""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:{plus}.{digits}g}"
    rounded = float(f"{value:.{digits}g}")
    n_places = max(0, digits - 1 - int(np.floor(np.log10(abs(rounded))))) if rounded else 0
    text = f"{rounded:{plus},.{n_places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def draw_prediction_errors(evaluation: RegressionEvaluation, kind: str, target_name: str) -> Any:
    """Return scikit-learn's display of predicted numbers as a figure, by its `kind`.

    Of more than 1,000 images, as many are drawn at random.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import AutoLocator, ScalarFormatter

    axes = plt.figure(figsize=(5.4, 4.8), layout="constrained").add_subplot()
    PredictionErrorDisplay.from_predictions(
        evaluation.y_true,
        evaluation.y_pred,
        kind=kind,
        subsample=min(N_POINTS, evaluation.n_samples),
        random_state=0,
        ax=axes,
        scatter_kwargs={"color": palette(axes)[0], "alpha": 0.6, "s": 14, "linewidths": 0},
        line_kwargs={"color": plt.rcParams["text.color"], "linewidth": 1},
    )
    for axis in (axes.xaxis, axes.yaxis):  # scikit-learn's ticks are fifths of the range
        axis.set_major_locator(AutoLocator())
        axis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel(f"Predicted {target_name}", parse_math=False)
    true = "True" if kind == "actual_vs_predicted" else "True less predicted"
    axes.set_ylabel(f"{true} {target_name}", parse_math=False)
    return axes.figure

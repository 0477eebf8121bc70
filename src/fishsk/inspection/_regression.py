"""How good predicted numbers are: one record of plain arrays and scores, for every place that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import PredictionErrorDisplay
from sklearn.utils import assert_all_finite, check_consistent_length

from fishsk._utils.axes import palette
from fishsk.inspection._classification import check_one_target, percentile_interval, resample

N_POINTS = 1000  # of a figure: more make it dark and the file large
_ROUNDING = 1e-12  # of the largest number: what floats leave of 0
_SCORES = ("mae", "rmse", "r2", "bias")


@dataclass(frozen=True)
class RegressionScores:
    """Scores of predicted numbers, each with its 95 % interval (percentiles over bootstrap resamples)."""

    n_samples: int
    mae: float  # mean absolute error, in the unit of the target
    rmse: float  # root mean squared error, in the unit of the target
    r2: float  # the share of the variance that is explained; NaN of images that all have the same number
    bias: float  # the mean of the errors: above 0 where predictions are too high on average
    mae_interval: tuple[float, float]
    rmse_interval: tuple[float, float]
    r2_interval: tuple[float, float]
    bias_interval: tuple[float, float]


@dataclass(frozen=True)
class RegressionEvaluation(RegressionScores):
    """Predicted numbers of images that were not trained on, and what follows from them."""

    score_name: ClassVar[str] = "Mean absolute error"

    y_true: np.ndarray  # float64, as are those that follow
    y_pred: np.ndarray
    errors: np.ndarray  # predicted less true
    baseline: float  # the mean that a model without eyes would always answer
    baseline_is_of: str  # "training", where the mean of those targets is known, or "test"
    baseline_scores: RegressionScores
    worst: np.ndarray  # indices of the images, the largest absolute error first

    def score(self, members: np.ndarray) -> tuple[float, tuple[float, float]]:
        """Return the mean absolute error on some of the images, a mask, with its 95 % interval."""
        found = score_regression(self.y_true[members], self.y_pred[members])
        return found.mae, found.mae_interval


def evaluate_regression(y_true: np.ndarray, y_pred: Any, y_train: Any = None) -> RegressionEvaluation:
    """Compare true numbers with predictions; ValueError if one is not finite.

    The baseline is the mean of `y_train`, the targets that were trained on, by default that of `y_true`.
    """
    y_pred = as_targets(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    baseline = float((y_true if y_train is None else as_targets(y_train, "y_train")).mean())
    return RegressionEvaluation(
        **vars(score_regression(y_true, y_pred)),
        y_true=y_true,
        y_pred=y_pred,
        errors=y_pred - y_true,
        baseline=baseline,
        baseline_is_of="test" if y_train is None else "training",
        baseline_scores=score_regression(y_true, np.full_like(y_true, baseline)),
        worst=np.argsort(-np.abs(y_pred - y_true), kind="stable"),
    )


def as_targets(values: np.typing.ArrayLike, name: str) -> np.ndarray:
    """Return finite numbers as float64 of shape (n_samples,); `name` stands in the error."""
    numbers = check_one_target(values, name).astype(np.float64)
    assert_all_finite(numbers, input_name=name)
    return numbers


def score_regression(y_true: np.ndarray, y_pred: np.ndarray) -> RegressionScores:
    """Return the scores of predicted numbers, always with the same bootstrap resamples."""
    errors = y_pred - y_true
    facts = np.column_stack([np.abs(errors), errors**2, errors, y_true - y_true.mean()])
    mae, rmse, r2, bias = _find_scores(facts[np.newaxis])[:, 0].tolist()
    draws = [_find_scores(facts[rows]) for rows in resample(len(facts))]
    intervals = zip(_SCORES, map(percentile_interval, np.concatenate(draws, axis=1)), strict=True)
    return RegressionScores(
        n_samples=len(y_true),
        mae=mae,
        rmse=rmse,
        r2=r2,
        bias=0.0 if abs(bias) < _ROUNDING * np.abs(y_true).max() else bias,
        **{f"{name}_interval": interval for name, interval in intervals},
    )


def _find_scores(facts: np.ndarray) -> np.ndarray:
    """Return the scores of many sets of images, (4, n_sets).

    Of images, `facts` are the absolute, squared and signed errors, and the numbers less the mean of all.
    """
    absolute, squared, signed, centered = np.moveaxis(facts, -1, 0)
    variances = centered.var(axis=1)
    shares = squared.mean(axis=1) / np.where(variances > 0, variances, 1)
    r2 = np.where(variances > 0, 1 - shares, np.nan)
    return np.stack([absolute.mean(axis=1), np.sqrt(squared.mean(axis=1)), r2, signed.mean(axis=1)])


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

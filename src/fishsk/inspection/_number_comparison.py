"""Is a new regressor better than an old one, and on which images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from fishsk.inspection._regression import as_numbers

_N_DRAWS = 10_000  # of the bootstrap
_BLOCK = 2**22  # drawn images at a time


@dataclass(frozen=True, repr=False)
class NumberComparison:
    """What `compare_pipelines` found of two regressors.

    Attributes
    ----------
    n_samples : int
        The number of images.
    mae_a, mae_b : float
        Their mean absolute errors, in the unit of the target.
    difference : float
        `mae_b` less `mae_a`: below 0 where b is better.
    interval : (float, float)
        Its 95 % interval: percentiles of a bootstrap over the images, each drawn with both of its errors.
    p_value : float
        Wilcoxon's signed-rank test: how probable such differences between the absolute errors are, or larger
        ones, if neither regressor is better.
    n_nearer, n_farther : int
        Images on which b is nearer to the truth than a, and farther from it.
    nearer, farther : ndarray of int
        Which images these are, the largest difference first.
    y_true, y_pred_a, y_pred_b : ndarray of shape (n_samples,)
        The true numbers and the answers.
    """

    n_samples: int
    mae_a: float
    mae_b: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    n_nearer: int
    n_farther: int
    nearer: np.ndarray
    farther: np.ndarray
    y_true: np.ndarray
    y_pred_a: np.ndarray
    y_pred_b: np.ndarray

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"NumberComparison(mean absolute error {self.mae_a:.4g} -> {self.mae_b:.4g}, difference "
            f"{self.difference:+.3g}, 95 % interval {low:+.3g} to {high:+.3g}, p_value={self.p_value:.3g}, "
            f"{self.n_nearer} nearer, {self.n_farther} farther, n_samples={self.n_samples})"
        )


def compare_numbers(a: Any, b: Any, X: Any, y: Any) -> NumberComparison:
    """Compare two fitted regressors on the same images; `compare_pipelines` describes the parameters."""
    y_true = as_numbers(y, "y")
    y_pred_a, y_pred_b = (
        as_numbers(estimator.predict(X), f"What {name} predicts") for name, estimator in (("a", a), ("b", b))
    )
    error_a, error_b = np.abs(y_pred_a - y_true), np.abs(y_pred_b - y_true)
    change = error_b - error_a
    order = np.argsort(change, kind="stable")
    nearer, farther = order[change[order] < 0], order[::-1][change[order[::-1]] > 0]
    return NumberComparison(
        n_samples=len(y_true),
        mae_a=float(error_a.mean()),
        mae_b=float(error_b.mean()),
        difference=float(change.mean()),
        interval=_draw_interval(change),
        p_value=float(wilcoxon(change).pvalue) if change.any() else 1.0,
        n_nearer=len(nearer),
        n_farther=len(farther),
        nearer=nearer,
        farther=farther,
        y_true=y_true,
        y_pred_a=y_pred_a,
        y_pred_b=y_pred_b,
    )


def _draw_interval(change: np.ndarray) -> tuple[float, float]:
    """Return the percentiles of the mean of images drawn with replacement."""
    n_samples, rng = len(change), np.random.default_rng(0)
    step = max(1, _BLOCK // n_samples)
    means = [
        change[rng.integers(n_samples, size=(min(step, _N_DRAWS - start), n_samples))].mean(axis=1)
        for start in range(0, _N_DRAWS, step)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)

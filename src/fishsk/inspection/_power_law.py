"""Power laws of learning: error = floor + scale * n ** -exponent, fitted to many curves at once."""

from __future__ import annotations

import numpy as np

_EXPONENTS = np.linspace(0.1, 1, 37)  # learning curves in the literature lie between


def fit_power_laws(sizes: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return floor, scale and exponent of each curve: weighted least squares, no floor or scale below 0.

    `errors`, of shape (n_curves, n_sizes), are in 0 to 1; `weights` are one over the variance at each size.
    """
    laws = np.zeros((len(errors), 3))
    smallest = np.full(len(errors), np.inf)
    for exponent in _EXPONENTS:  # for each of them the law is a straight line
        x = sizes**-exponent
        mean_x, mean_y = np.average(x, weights=weights), np.average(errors, axis=1, weights=weights)
        scale = (errors - mean_y[:, np.newaxis]) @ (weights * (x - mean_x)) / (weights @ (x - mean_x) ** 2)
        scale = np.maximum(scale, 0)
        floor = mean_y - scale * mean_x
        through_0 = errors @ (weights * x) / (weights @ x**2)
        scale, floor = np.where(floor < 0, through_0, scale), np.maximum(floor, 0)
        fitted = floor[:, np.newaxis] + scale[:, np.newaxis] * x
        residuals = (errors - fitted) ** 2 @ weights
        better = residuals < smallest
        smallest[better] = residuals[better]
        laws[better] = np.column_stack([floor, scale, np.full(len(errors), exponent)])[better]
    return laws


def predict_errors(laws: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the error of each law at each size, of shape (n_laws, n_sizes)."""
    floor, scale, exponent = (column[:, np.newaxis] for column in laws.T)
    return floor + scale * np.asarray(sizes, dtype=float) ** -exponent

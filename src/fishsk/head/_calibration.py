"""Temperature scaling: one number that makes the probabilities of a network honest."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

_MAX_LOG = 3.0  # temperatures from 1/20 to 20


def fit_temperature(logits: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> float:
    """Return the temperature by which logits are divided, so that their log loss is lowest.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        Of rows that the network was not trained on.
    codes : ndarray of shape (n_samples,)
        Their classes, as columns of `logits`.
    weight : ndarray of shape (n_samples,)
        Their weights, above 0; only how they compare matters.

    Returns
    -------
    temperature : float
        Above 1 where the network is too sure of itself.

    Notes
    -----
    The logarithm of the temperature has a standard normal prior, which a dozen rows outweigh. Without it, a
    handful of rows that all are right would ask for infinite certainty.
    """
    weight = weight / weight.mean()

    def penalized_log_loss(log_temperature: float) -> float:
        log_proba = log_softmax(logits / np.exp(log_temperature), axis=1)
        return log_temperature**2 / 2 - weight @ log_proba[np.arange(len(codes)), codes]

    found = minimize_scalar(penalized_log_loss, bounds=(-_MAX_LOG, _MAX_LOG), method="bounded")
    return float(np.exp(found.x))

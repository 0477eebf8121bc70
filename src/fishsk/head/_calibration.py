"""Calibration: from logits to probabilities, temperature scaling, thresholds of tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

_MAX_LOG = 3.0  # temperatures from 1/20 to 20
_SMALLEST, _LARGEST = np.finfo(np.float32).tiny, 1 - np.finfo(np.float32).epsneg


def to_scores(outputs: np.ndarray, kind: str, *, is_logits: bool) -> np.ndarray:
    """Return the logits of probabilities; what means no probabilities stays as it is."""
    outputs = np.asarray(outputs, np.float64)
    if is_logits or kind == "linear":
        return outputs
    logs = np.log(np.clip(outputs, _SMALLEST, None))
    return logs if kind == "softmax" else logs - np.log1p(-np.minimum(outputs, _LARGEST))


def to_probabilities(scores: np.ndarray, kind: str, temperature: float) -> np.ndarray:
    """Return the probabilities that scores mean."""
    if kind == "linear":
        return scores
    return softmax(scores / temperature, axis=1) if kind == "softmax" else expit(scores / temperature)


def fit_temperature(
    scores: Sequence[np.ndarray], kinds: Sequence[str], targets: Sequence[np.ndarray], weight: np.ndarray
) -> float:
    """Return the temperature by which logits are divided, so that their log loss is lowest.

    It is above 1 where the network is too sure of itself. For each output there are the logits of rows that
    the network was not trained on, what they say ("softmax" or "sigmoid"), and the column of each row's
    class, or 0 and 1 for each tag; of the rows' weights only how they compare matters.

    The logarithm of the temperature has a standard normal prior, which a dozen rows outweigh. Without it, a
    handful of rows that all are right would ask for infinite certainty.
    """
    weight = weight / weight.mean()
    rows = np.arange(len(weight))

    def penalized_log_loss(log_temperature: float) -> float:
        temperature, loss = np.exp(log_temperature), log_temperature**2 / 2
        for logits, kind, target in zip(scores, kinds, targets, strict=True):
            if kind == "softmax":
                loss -= weight @ log_softmax(logits / temperature, axis=1)[rows, target]
            else:
                loss -= weight @ log_expit((2 * target - 1) * logits / temperature).sum(axis=1)
        return loss

    found = minimize_scalar(penalized_log_loss, bounds=(-_MAX_LOG, _MAX_LOG), method="bounded")
    return float(np.exp(found.x))


def choose_thresholds(proba: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """Return for each tag the threshold of the highest F1 score; a half where no row has the tag.

    The rows were not trained on; `proba` and `tags`, 0 and 1, have a column for each tag. A threshold lies in
    the middle between the least probable row that gets the tag, and the next one.
    """
    thresholds = np.full(tags.shape[1], 0.5)
    for column in np.flatnonzero(tags.any(axis=0)):
        order = np.argsort(-proba[:, column], kind="stable")
        values = np.append(proba[order, column], 0.0)
        n_given = np.arange(1, len(order) + 1)
        scores = 2 * np.cumsum(tags[order, column]) / (n_given + tags[:, column].sum())
        scores[values[:-1] == values[1:]] = 0  # rows of one probability get a tag together, or none does
        best = int(scores.argmax())
        thresholds[column] = (values[best] + values[best + 1]) / 2
    return thresholds

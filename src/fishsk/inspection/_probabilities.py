"""How honest probabilities are: proper scores, and how far they are from the share of right answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss

from fishsk.inspection._classification import ClassificationEvaluation

_N_BINS = 15  # as in Guo et al.
SURE = 0.99


@dataclass(frozen=True)
class ProbabilityScores:
    """What is to be thought of probabilities; lower is better in each."""

    log_loss: float  # mean negative logarithm of the true class's probability, in nats
    brier_score: float  # mean squared distance of the probabilities from the truth, 0 to 2, over all classes
    calibration_error: float  # see `calibration_error`, 0 to 1
    n_sure_and_wrong: int  # wrong answers that were given with a probability above 0.99
    n_samples: int  # images that calibration error and `n_sure_and_wrong` count: all
    n_known: int  # images that log loss and Brier score count: those of classes that the classifier knows


def score_probabilities(evaluation: ClassificationEvaluation) -> ProbabilityScores | None:
    """Return the scores of an evaluation's probabilities; None where the classifier gives none.

    Images of a class that the classifier does not know have no probability of being right, and are left out
    of log loss and Brier score.
    """
    if evaluation.proba is None:
        return None
    y_true, classes = evaluation.y_true, evaluation.known_classes
    known = np.isin(y_true, classes)
    proper = float("nan"), float("nan")
    if known.any():
        proba = evaluation.proba[known] / evaluation.proba[known].sum(axis=1, keepdims=True)
        proper = (
            log_loss(y_true[known], proba, labels=classes),
            brier_score_loss(y_true[known], proba, labels=classes, scale_by_half=False),
        )
    right = y_true == evaluation.y_pred
    return ProbabilityScores(
        log_loss=float(proper[0]),
        brier_score=float(proper[1]),
        calibration_error=calibration_error(evaluation.confidence, right),
        n_sure_and_wrong=int(np.sum(~right & (evaluation.confidence > SURE))),
        n_samples=len(y_true),
        n_known=int(known.sum()),
    )


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of predicted classes [1]_.

    It is the mean distance between probability and share of right answers over 15 bins of equal width,
    weighed by their sizes.

    References
    ----------
    .. [1] Guo et al. (2017), "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599
    """
    bins = np.minimum((np.asarray(confidence) * _N_BINS).astype(int), _N_BINS - 1)
    distances = np.bincount(bins, weights=confidence - right)  # of the sums, which sizes weigh
    return float(np.abs(distances).sum() / len(right))

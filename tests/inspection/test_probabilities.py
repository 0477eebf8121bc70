"""Scores of probabilities: what they are of answers whose honesty is known."""

import numpy as np
import pytest

from fishsk.inspection import score_probabilities
from fishsk.inspection._classification import calibration_error, evaluate_classification

CLASSES = np.array(["ray", "shark", "trout"])


def test_honest_probabilities_have_no_calibration_error():
    confidence = np.repeat([0.5, 0.9], 100)
    right = np.r_[np.arange(100) < 50, np.arange(100) < 90]
    assert calibration_error(confidence, right) == pytest.approx(0, abs=1e-12)


def test_the_calibration_error_is_the_distance_of_probability_and_share():
    confidence = np.repeat([0.7, 0.95], [100, 300])
    right = np.r_[np.arange(100) < 50, np.arange(300) < 270]
    assert calibration_error(confidence, right) == pytest.approx(0.25 * 0.2 + 0.75 * 0.05)


def test_errors_of_both_signs_in_different_bins_do_not_cancel():
    assert calibration_error(np.array([0.9, 0.5]), np.array([False, True])) == pytest.approx(0.7)


def test_scores_follow_from_the_probability_of_the_truth():
    proba = np.array([[0.5, 0.25, 0.25], [0.995, 0.005, 0.0]])
    scores = score_probabilities(evaluate_classification(["ray", "shark"], proba, CLASSES))
    assert scores.log_loss == pytest.approx(-(np.log(0.5) + np.log(0.005)) / 2)
    assert scores.brier_score == pytest.approx((0.375 + 2 * 0.995**2) / 2)
    assert scores.n_sure_and_wrong == 1


def test_images_of_an_unknown_class_leave_the_proper_scores_finite():
    proba = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    scores = score_probabilities(evaluate_classification(["ray", "whale"], proba, CLASSES))
    assert scores.log_loss == pytest.approx(-np.log(0.5))
    assert scores.n_sure_and_wrong == 1


def test_a_classifier_without_probabilities_has_no_scores():
    evaluation = evaluate_classification(["ray"], None, CLASSES, ["ray"])
    assert score_probabilities(evaluation) is None

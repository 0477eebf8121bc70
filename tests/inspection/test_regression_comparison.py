"""Two regressors on the same images: the difference, what is sure of it, and which images make it."""

import numpy as np
import pytest
from scipy.stats import wilcoxon
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from fishsk import compare_pipelines

Y = np.linspace(10, 20, 20)


class Recorded(RegressorMixin, BaseEstimator):
    """A regressor that is off by what it was told, by the image's number."""

    def __init__(self, errors=0.0):
        self.errors = errors
        self.fitted_ = True

    def fit(self, X, y):
        raise AssertionError("nothing is fitted in a comparison")

    def predict(self, X):
        return (Y + self.errors)[np.ravel(X)]


@pytest.fixture
def comparison(rng):
    """Return a comparison in which b is nearer on images 0 to 9 and farther on image 12."""
    errors = np.ones(20)
    better = errors.copy()
    better[:10] = np.linspace(0.9, 0, 10)
    better[12] = -3
    return compare_pipelines(Recorded(errors), Recorded(better), np.arange(20), Y)


def test_the_images_that_changed_most_come_first(comparison):
    assert comparison.nearer.tolist() == list(range(9, -1, -1))
    assert comparison.farther.tolist() == [12]
    assert (comparison.n_nearer, comparison.n_farther) == (10, 1)
    assert comparison.difference == pytest.approx(comparison.mae_b - comparison.mae_a)
    assert comparison.mae_a == pytest.approx(1)


def test_the_interval_and_the_test_are_of_paired_images(comparison):
    change = np.abs(comparison.y_pred_b - Y) - np.abs(comparison.y_pred_a - Y)
    assert comparison.p_value == pytest.approx(wilcoxon(change).pvalue)
    draws = np.random.default_rng(1).choice(change, (20_000, 20)).mean(axis=1)
    assert comparison.interval == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.03)


def test_equal_answers_differ_in_nothing():
    comparison = compare_pipelines(Recorded(1.0), Recorded(1.0), np.arange(20), Y)
    assert (comparison.difference, comparison.interval, comparison.p_value) == (0, (0, 0), 1)
    assert "n_nearer=0, n_farther=0)" in repr(comparison)


def test_a_classifier_is_no_rival_of_a_regressor():
    X = np.arange(20)[:, np.newaxis]
    with pytest.raises(ValueError, match="must be a classifier, or both regressors"):
        compare_pipelines(Recorded(), DummyClassifier().fit(X, Y > 15), X, Y)
    with pytest.raises(NotFittedError):
        compare_pipelines(Recorded(), Ridge(), X, Y)

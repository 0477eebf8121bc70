"""Two classifiers on the same images: the difference, what is sure of it, and which images make it."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

from fishsk import compare_pipelines

Y = np.array(["ray"] * 10 + ["shark"] * 10)


class Recorded(ClassifierMixin, BaseEstimator):
    """A classifier that answers what it was told, by the image's number."""

    def __init__(self, answers, proba=None):
        self.answers = answers
        self.proba = proba
        self.classes_ = np.array(["ray", "shark"])
        if proba is not None:
            self.predict_proba = lambda X: np.asarray(proba)[X]

    def fit(self, X, y):
        raise AssertionError("nothing is fitted in a comparison")

    def predict(self, X):
        return np.asarray(self.answers)[X]


def answer(wrong):
    """Return right answers but for some."""
    other = np.where(Y == "ray", "shark", "ray")
    return Recorded(np.where(np.isin(np.arange(len(Y)), list(wrong)), other, Y))


@pytest.fixture
def comparison():
    """Return a comparison in which b fixes 0 to 4 and breaks 12; both get 13 wrong."""
    return compare_pipelines(answer({0, 1, 2, 3, 4, 13}), answer({12, 13}), np.arange(20), Y)


def test_fixed_and_broken_are_what_only_one_recognized(comparison):
    assert comparison.fixed.tolist() == [0, 1, 2, 3, 4]
    assert comparison.broken.tolist() == [12]
    assert (comparison.accuracy_a, comparison.accuracy_b) == (14 / 20, 18 / 20)
    assert comparison.difference == pytest.approx(4 / 20)


def test_the_test_is_mcnemars_exact_one(comparison):
    assert comparison.p_value == pytest.approx(2 * binom.cdf(1, 6, 0.5))


def test_the_interval_is_that_of_paired_images(comparison):
    paired = np.array([1] * 5 + [-1] + [0] * 14)
    draws = np.random.default_rng(1).choice(paired, (20_000, 20)).mean(axis=1)
    assert comparison.interval == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.051)
    assert comparison.interval[0] < comparison.difference < comparison.interval[1]


def test_each_class_is_compared_alone(comparison):
    rays, sharks = comparison.per_class["ray"], comparison.per_class["shark"]
    assert (rays.n_fixed, rays.n_broken, rays.difference) == (5, 0, 0.5)
    assert (sharks.n_fixed, sharks.n_broken, sharks.difference) == (0, 1, -0.1)


def test_the_surest_of_b_come_first():
    proba = np.tile([0.9, 0.1], (20, 1))
    proba[3] = [0.99, 0.01]
    b = Recorded(answer(()).answers, proba)
    assert compare_pipelines(answer({0, 3, 7}), b, np.arange(20), Y).fixed.tolist() == [3, 0, 7]


def test_the_same_classifier_twice_differs_in_nothing():
    found = compare_pipelines(answer({1}), answer({1}), np.arange(20), Y)
    assert (found.difference, found.interval, found.p_value) == (0, (0, 0), 1)


def test_a_true_label_that_neither_knows_is_wrong_for_both():
    y = np.array([*Y[:-1], "trout"])
    assert compare_pipelines(answer(()), answer({0}), np.arange(20), y).per_class["trout"].accuracy_b == 0


def test_any_classifiers_can_be_compared_and_the_result_says_itself():
    X, y = load_iris(return_X_y=True)
    found = compare_pipelines(GaussianNB().fit(X, y), SVC().fit(X, y), X, y)
    assert np.isnan(found.confidence_b).all()
    assert repr(found).startswith(f"ClassificationComparison(n_samples=150, accuracy_a={found.accuracy_a}")
    assert "array" not in repr(found)


@pytest.mark.parametrize(
    ("b", "error", "message"),
    [
        (SVC(), NotFittedError, "not fitted"),
        (LinearRegression().fit([[0], [1]], [0, 1]), ValueError, "b must be a classifier"),
        (GaussianNB().fit([[0], [1]], [0, 1]), ValueError, r"Got \['ray', 'shark'\] and \[0, 1\]"),
    ],
)
def test_what_cannot_be_compared_is_refused(b, error, message):
    with pytest.raises(error, match=message):
        compare_pipelines(answer(()), b, np.arange(20)[:, np.newaxis], Y)

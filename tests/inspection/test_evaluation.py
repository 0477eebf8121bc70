"""Scores, their interval, and the order of mistakes."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fishsk.inspection._classification import accuracy_interval, evaluate_classification
from fishsk.inspection._evaluation import evaluate

CLASSES = np.array(["ray", "shark", "trout"])


@pytest.fixture
def evaluation():
    y_true = ["ray", "ray", "shark", "trout", "tuna"]
    proba = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.9, 0], [0.6, 0, 0.4], [0, 0, 1.0]])
    return evaluate_classification(y_true, proba, CLASSES)


def test_accuracy_counts_labels_never_seen_as_wrong(evaluation):
    assert evaluation.accuracy == pytest.approx(2 / 5)
    assert evaluation.classes.tolist() == ["ray", "shark", "trout", "tuna"]


def test_mistakes_come_most_confident_first(evaluation):
    assert evaluation.worst.tolist() == [4, 1, 3]


def test_rows_of_the_confusion_matrix_are_true_classes(evaluation):
    assert evaluation.confusion.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]


def test_per_class_scores_are_scikit_learns(evaluation):
    scores = {label.name: label for label in evaluation.scores}
    recall = recall_score(evaluation.y_true, evaluation.y_pred, average=None, zero_division=0.0)
    assert [label.recall for label in evaluation.scores] == recall.tolist()
    assert scores["ray"].recall == 0.5
    assert scores["tuna"].n_true == 1


def test_the_interval_is_wilsons():
    z, n, p = 1.959963984540054, 500, 0.76
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    right = np.arange(n) < p * n
    assert accuracy_interval(right) == pytest.approx((center - half, center + half))


def test_any_classifier_can_be_evaluated(rng):
    X = rng.normal(size=(50, 2))
    y = (X[:, 0] > 0).astype(int)
    assert evaluate(LogisticRegression().fit(X, y), X, y).accuracy > 0.9


def test_macro_f1_is_scikit_learns_and_lies_in_its_interval(evaluation):
    expected = f1_score(evaluation.y_true, evaluation.y_pred, average="macro", zero_division=0.0)
    low, high = evaluation.macro_f1_interval
    assert evaluation.macro_f1 == pytest.approx(expected)
    assert 0 <= low < expected < high <= 1


def test_each_recall_has_wilsons_interval(evaluation):
    assert evaluation.scores[0].recall_interval == pytest.approx(accuracy_interval(np.array([True, False])))


def test_a_class_without_images_has_no_interval():
    evaluation = evaluate_classification(["ray"], np.array([[1.0, 0, 0]]), CLASSES)
    assert np.isnan([score.recall_interval for score in evaluation.scores[1:]]).all()


def test_a_classifier_without_probabilities_has_nan_for_confidence(rng):
    X = rng.normal(size=(50, 2))
    evaluation = evaluate(RidgeClassifier().fit(X, X[:, 0] > 0), X, X[:, 0] > 0)
    assert evaluation.accuracy > 0.9
    assert np.isnan(evaluation.confidence).all()


def test_what_predict_answers_counts_and_not_the_most_probable_class():
    X, y = load_iris(return_X_y=True)
    X, y = X[50:], y[50:] == 2
    never = FixedThresholdClassifier(LogisticRegression(), threshold=1.0).fit(X, y)
    evaluation = evaluate(never, X, y)
    assert evaluation.accuracy == never.score(X, y) == 0.5
    np.testing.assert_array_equal(evaluation.confidence, never.predict_proba(X)[:, 0])


def test_a_tuned_threshold_is_reported_at_its_score():
    X, y = load_iris(return_X_y=True)
    X, y = X[50:], y[50:] == 2
    tuned = TunedThresholdClassifierCV(LogisticRegression(C=0.01), scoring="recall", cv=3).fit(X, y)
    assert evaluate(tuned, X, y).accuracy == tuned.score(X, y) < LogisticRegression().fit(X, y).score(X, y)


@pytest.mark.parametrize("labels", [["ray", "shark"], [3, 7], [3, np.int64(7)], [False, True]])
def test_labels_of_dtype_object(labels):
    y = np.array(labels * 5, dtype=object)
    X = np.arange(10.0)[:, np.newaxis]
    evaluation = evaluate(KNeighborsClassifier(1).fit(X, y.astype(type(labels[0]))), X, y)
    assert evaluation.accuracy == 1
    assert evaluation.classes.tolist() == labels


@pytest.mark.parametrize(("kind", "high"), [(KNeighborsClassifier, 3), (KNeighborsRegressor, 2)])
def test_several_outputs_are_refused_before_anything_is_predicted(kind, high, rng, monkeypatch):
    X, y = rng.normal(size=(20, 2)), rng.integers(high, size=(20, 3))
    estimator = kind().fit(X, y)
    monkeypatch.setattr(kind, "predict", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(ValueError, match=r"one label or one number for each image\. Got shape \(20, 3\)"):
        evaluate(estimator, X, y)


def test_what_is_known_is_not_predicted_again(rng):
    X, y = rng.normal(size=(20, 2)), np.tile(["ray", "shark"], 10)
    asked = []

    class Recorded(LogisticRegression):
        def predict_proba(self, X):
            asked.append("predict_proba")
            return super().predict_proba(X)

        def predict(self, X):
            asked.append("predict")
            return super().predict(X)

    estimator = Recorded().fit(X, y)
    first = evaluate(estimator, X, y)
    assert asked == ["predict", "predict_proba"]
    again = evaluate(estimator, X, y, y_pred=first.y_pred, y_proba=first.proba)
    assert len(asked) == 2
    np.testing.assert_array_equal(again.confidence, first.confidence)


def test_frozen_features_are_computed_once_for_classes_and_probabilities(rng):
    X, y = rng.normal(size=(20, 2)), np.tile([0, 1], 10)
    asked = []
    frozen = FunctionTransformer(lambda X: asked.append(len(X)) or X)
    estimator = make_pipeline(frozen, StandardScaler(), LogisticRegression()).fit(X, y)
    asked.clear()
    evaluate(estimator, X, y)
    assert asked == [20]

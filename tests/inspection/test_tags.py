"""Several tags of an image: their scores, whatever predicts them, and which images to look at first."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score
from sklearn.multiclass import OneVsRestClassifier

from fishsk import KerasHeadClassifier
from fishsk.inspection import accuracy_interval, evaluate, join_tags, name_tags, predicts_tags


@pytest.fixture
def data(rng):
    """Return rows and three tags of each, the last of which is rare."""
    X = rng.normal(size=(120, 4)).astype(np.float32)
    noise = rng.normal(size=(120, 3)) / 2
    return X, (X[:, :3] + noise > [0, 0.5, 1.8]).astype(int)


@pytest.mark.parametrize(
    "classifier",
    [RandomForestClassifier(10, random_state=0), OneVsRestClassifier(LogisticRegression())],
)
def test_scores_of_tags_are_those_of_scikit_learn(classifier, data):
    X, y = data
    classifier.fit(X[:80], y[:80])
    found = evaluate(classifier, X[80:], y[80:])
    y_pred, proba = classifier.predict(X[80:]), found.proba
    for score, kind in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        expected = kind(y[80:], y_pred, average=None, zero_division=0)
        assert np.nan_to_num([getattr(tag, score) for tag in found.tags]) == pytest.approx(expected)
    assert found.mean_average_precision == pytest.approx(average_precision_score(y[80:], proba))
    assert found.macro_f1_interval[0] < found.macro_f1 < found.macro_f1_interval[1]
    right = (y_pred == y[80:]).all(axis=1)
    assert found.score(np.full(40, True)) == (right.mean(), accuracy_interval(right))
    assert set(found.worst) == set(np.flatnonzero(~right))


def test_the_most_confident_mistake_comes_first(data):
    X, y = data
    classifier = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    found = evaluate(classifier, X, y)
    off = np.where(found.y_pred != y, np.abs(found.proba - y), 0).max(axis=1)
    assert found.worst[0] == off.argmax()


def test_a_head_tells_names_and_thresholds(data):
    X, y = data
    names = ("river", "young", "rare")
    head = KerasHeadClassifier(hidden_units=0, epochs=5, tags=names, threshold="f1", random_state=0).fit(X, y)
    found = evaluate(head, X, y)
    assert predicts_tags(head)
    assert found.names == [*names]
    assert [tag.threshold for tag in found.tags] == head.thresholds_.tolist()
    assert join_tags([1, 0, 1], name_tags(head, 3)) == "river;rare"


def test_one_hot_labels_of_a_classifier_of_classes_are_no_tags(data):
    X, y = data
    classifier = LogisticRegression().fit(X, y[:, 0])
    with pytest.raises(ValueError, match="one label or one number for each image"):
        evaluate(classifier, X, y)

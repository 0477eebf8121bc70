"""From which probability on tags are given: chosen, saved, and of use to scikit-learn's scorers."""

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from fishsk import KerasHeadClassifier, load_pipeline, save_pipeline
from fishsk.head._calibration import choose_thresholds


@pytest.fixture
def data(rng):
    """Return rows, and two rare tags of each."""
    X = rng.normal(size=(150, 3)).astype(np.float32)
    return X, (X[:, :2] + rng.normal(size=(150, 2)) > 1.5).astype(int)


def make_head(**params):
    return KerasHeadClassifier(hidden_units=0, epochs=20, learning_rate=0.05, random_state=0, **params)


def test_a_threshold_has_the_highest_f1_score(rng):
    proba = rng.random((60, 2)).round(1)  # with ties
    tags = (rng.random((60, 2)) < proba**2).astype(int)
    for column, threshold in enumerate(choose_thresholds(proba, tags)):
        scores = [f1_score(tags[:, column], proba[:, column] > each) for each in np.linspace(0, 0.99, 100)]
        assert f1_score(tags[:, column], proba[:, column] > threshold) == pytest.approx(max(scores))


def test_a_tag_that_no_row_has_keeps_a_half():
    assert choose_thresholds(np.ones((3, 1)), np.zeros((3, 1), int)).tolist() == [0.5]


@pytest.mark.parametrize("fraction", [0, 0.2])
def test_thresholds_come_from_rows_that_did_not_train_and_are_saved(data, fraction, tmp_path):
    X, y = data
    head = make_head(threshold="f1", validation_fraction=fraction, tags=["a", "b"]).fit(X, y)
    assert head.thresholds_.shape == (2,)
    assert (head.thresholds_ != 0.5).all()
    np.testing.assert_array_equal(head.predict(X), head.predict_proba(X) > head.thresholds_)
    again = make_head(threshold="f1", validation_fraction=fraction, tags=["a", "b"]).fit(X, y)
    np.testing.assert_array_equal(again.thresholds_, head.thresholds_)
    save_pipeline(make_pipeline(head), tmp_path / "tags.fishsk")
    loaded = load_pipeline(tmp_path / "tags.fishsk")
    np.testing.assert_array_equal(loaded.predict(X), head.predict(X))
    assert [*loaded[0].tags] == ["a", "b"]


def test_a_rare_tag_starts_from_its_share_of_rows(rng):
    X = rng.normal(size=(200, 3)).astype(np.float32)
    y = np.column_stack([np.arange(200) < 4, np.arange(200) < 100]).astype(int)
    head = make_head(l2=10.0, calibration=None).fit(X, y)
    assert head.predict_proba(X).mean(axis=0) == pytest.approx([0.02, 0.5], abs=0.02)


def test_a_number_is_the_threshold_of_all(data):
    X, y = data
    head = make_head(threshold=0.2).fit(X, y)
    np.testing.assert_array_equal(head.predict(X), head.predict_proba(X) > 0.2)


@pytest.mark.parametrize("scoring", ["f1_macro", "average_precision"])
def test_scikit_learn_scores_two_tags(data, scoring):
    head = make_head(threshold=0.2, validation_fraction=0)
    assert cross_val_score(head, *data, cv=2, scoring=scoring, error_score="raise").min() > 0.1


def test_named_tags_are_tags_where_each_row_has_one(data):
    X, _ = data
    y = np.eye(2, dtype=int)[(X[:, 0] > 0).astype(int)]
    head = make_head(tags=["a", "b"]).fit(X, y)
    assert not np.allclose(head.predict_proba(X).sum(axis=1), 1)
    with pytest.raises(ValueError, match=r"a column for each of the tags \['a'\]"):
        make_head(tags=["a"]).fit(X, y)

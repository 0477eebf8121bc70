"""Wrong labels are found, by any classifier, and computed features are computed once."""

import numpy as np
import pytest
from quick import make_quick_pipeline
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from fishsk import find_label_issues
from fishsk.datasets import make_fish_images
from fishsk.inspection._estimators import run_frozen_steps
from fishsk.inspection._label_issues import _find_likely

NAMES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture
def iris():
    """Return iris with five labels moved to the next class, and their places."""
    X, y = load_iris(return_X_y=True)
    swapped = np.array([3, 21, 60, 88, 120])
    y[swapped] = (y[swapped] + 1) % 3
    return X, NAMES[y], swapped


@pytest.mark.parametrize("classifier", [LogisticRegression(max_iter=500), SVC(), RidgeClassifier()])
def test_swapped_labels_come_first_with_any_classifier(iris, classifier):
    X, y, swapped = iris
    issues = find_label_issues(make_pipeline(StandardScaler(), classifier), X, y)
    assert np.isin(swapped, issues.index[:12]).all()
    assert np.all(np.diff(issues["score"]) >= 0)
    assert np.all(issues["given_label"] != issues["likely_label"])


def test_the_frame_is_indexed_by_the_rows_of_x(iris):
    X, y, _ = iris
    issues = find_label_issues(SVC(), X, y)
    np.testing.assert_array_equal(issues["given_label"], y[issues.index])
    assert issues["image"].tolist() == [f"image {row}" for row in issues.index]


def test_two_classes_and_one_column_of_a_decision_function(iris):
    X, y, _ = iris
    y = np.where(y == "setosa", "setosa", "other")
    assert set(find_label_issues(SVC(), X, y).index[:3]) == {3, 21, 120}


def test_a_class_is_confident_above_the_mean_of_its_own():
    proba = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])
    assert _find_likely(proba, np.array([0, 0, 1, 1, 0])).tolist() == [0, 0, 1, 1, 0]
    assert _find_likely(proba, np.array([0, 0, 1, 0, 1])).tolist() == [0, 0, 1, 1, 1]


def test_files_are_named_by_their_paths():
    images, y = np.array([f"{index}.png" for index in range(40)]), np.arange(40) // 4 % 2
    length = FunctionTransformer(lambda X: np.array([[int(x[:-4]) // 4 % 2] for x in X]))
    y[17] = 1 - y[17]
    assert (
        find_label_issues(make_pipeline(length, LogisticRegression()), images, y)["image"].iloc[0] == "17.png"
    )


def test_images_run_through_the_network_once(n_extracted):
    X, y = make_fish_images(60, random_state=0)
    find_label_issues(make_quick_pipeline(features__cache=None), X, y, cv=3)
    assert n_extracted() == 60


def test_all_that_learns_is_fitted_in_the_folds(iris):
    X = iris[0]
    learner, same = run_frozen_steps(make_pipeline(StandardScaler(), SVC()), X)
    assert same is X
    assert len(learner) == 2
    learner, halved = run_frozen_steps(make_pipeline(FunctionTransformer(lambda X: X / 2), SVC()), X)
    assert len(learner) == 1
    np.testing.assert_array_equal(halved, X / 2)


def test_a_fitted_search_is_not_searched_again(iris):
    X, y, _ = iris
    search = GridSearchCV(SVC(), {"C": [1, 3]}).fit(X, y)
    learner, _ = run_frozen_steps(search, X)
    assert learner is search.best_estimator_


def test_the_estimator_stays_as_it_was(iris):
    X, y, _ = iris
    pipeline = make_pipeline(StandardScaler(), SVC())
    find_label_issues(pipeline, X, y, cv=KFold(3, shuffle=True, random_state=0))
    assert not hasattr(pipeline[-1], "classes_")


@pytest.mark.parametrize(
    ("estimator", "y", "cv", "message"),
    [
        (LinearRegression(), None, 5, "must be a classifier. Got LinearRegression"),
        (SVC(), np.zeros(150), 5, r"at least two classes. Got \[0.0\] alone"),
        (SVC(), np.zeros(149), 5, "inconsistent numbers of samples"),
        (SVC(), None, ShuffleSplit(2), "partitions"),
    ],
)
def test_what_cannot_be_judged_is_refused(iris, estimator, y, cv, message):
    with pytest.raises(ValueError, match=message):
        find_label_issues(estimator, iris[0], iris[1] if y is None else y, cv=cv)

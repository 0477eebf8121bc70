"""How good predictions are, of whatever kind: what a fitted estimator answers, compared with the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_consistent_length

from fishsk.inspection._classification import ClassificationEvaluation, evaluate_classification
from fishsk.inspection._estimators import find_last, find_training_mean, run_frozen_steps
from fishsk.inspection._regression import RegressionEvaluation, as_targets, evaluate_regression
from fishsk.inspection._tags import (
    TagsEvaluation,
    evaluate_tags,
    is_of_tags,
    name_tags,
    predict_tag_proba,
    predicts_tags,
)

#: All have `n_samples`, `y_true`, `y_pred`, `worst`, `score_name` and `score`.
Evaluation = ClassificationEvaluation | RegressionEvaluation | TagsEvaluation


def evaluate(
    estimator: Any, X: Any, y: Any, *, y_pred: Any = None, y_proba: Any = None, y_train: Any = None
) -> Any:
    """Compare what a fitted classifier or regressor answers with the truth; what `predict` answers counts.

    The result is an `Evaluation`. Frozen features are asked for once. `y` are labels, numbers, or the tags
    of each image as 0 and 1; `y_pred` and `y_proba` what is answered, where that is known. `y_train` are the
    numbers that a regressor was trained on, whose mean is the baseline; by default it is what the
    `StandardScaler` of its targets has kept of them. ValueError if there is not one target for each image.
    """
    of_regression = is_regressor(estimator)
    if is_of_tags(y) and predicts_tags(estimator):
        check_consistent_length(X, y)
        estimator, X = run_frozen_steps(estimator, X)
        y = np.asarray(y)
        proba = predict_tag_proba(estimator, X) if y_proba is None else np.asarray(y_proba)
        y_pred = estimator.predict(X) if y_pred is None else y_pred
        names = name_tags(estimator, y.shape[1])
        return evaluate_tags(y, y_pred, proba, names, getattr(find_last(estimator), "thresholds_", None))
    y = check_one_target(y, "y")
    y = as_targets(y, "y") if of_regression else y
    check_consistent_length(X, y)
    has_proba = not of_regression and (y_proba is not None or hasattr(estimator, "predict_proba"))
    if y_pred is None or (has_proba and y_proba is None):
        estimator, X = run_frozen_steps(estimator, X)
    if y_pred is None:
        y_pred = estimator.predict(X)
    check_one_target(y_pred, "What the estimator predicts")
    if of_regression:
        mean = float(as_targets(y_train, "y_train").mean()) if y_train is not None else None
        return evaluate_regression(
            y, y_pred, training_mean=find_training_mean(estimator) if mean is None else mean
        )
    if has_proba and y_proba is None:
        y_proba = estimator.predict_proba(X)
    return evaluate_classification(y, y_proba, estimator.classes_, y_pred)


def check_one_target(y: Any, name: str) -> np.ndarray:
    """Return labels or numbers; ValueError with `name` if there are several for each image."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            f"{name} must be one label or one number for each image. Got shape {y.shape}: of several "
            "columns, tags are evaluated and reported, as 0 and 1; all else takes one column at a time."
        )
    return y

"""How good predictions are, of whatever kind: what a fitted estimator answers, compared with the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_consistent_length

from fishsk.inspection._classification import (
    ClassificationEvaluation,
    check_one_target,
    evaluate_classification,
)
from fishsk.inspection._estimators import find_last, run_frozen_steps
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
    of_tags = is_of_tags(y) and predicts_tags(estimator)
    if not of_tags:
        y = as_targets(y, "y") if is_regressor(estimator) else check_one_target(y, "y")
    check_consistent_length(X, y)
    if y_pred is None or (y_proba is None and hasattr(estimator, "predict_proba")):
        estimator, X = run_frozen_steps(estimator, X)
    y_pred = estimator.predict(X) if y_pred is None else y_pred
    proba = predict_tag_proba(estimator, X) if y_proba is None else np.asarray(y_proba)
    last = find_last(estimator)
    if of_tags:
        names = name_tags(estimator, np.shape(y)[1])
        return evaluate_tags(y, y_pred, proba, names, getattr(last, "thresholds_", None))
    if is_regressor(estimator):
        if y_train is None:
            y_train = getattr(getattr(last, "transformer_", None), "mean_", None)
        return evaluate_regression(y, y_pred, y_train)
    return evaluate_classification(y, proba, estimator.classes_, check_one_target(y_pred, "y_pred"))

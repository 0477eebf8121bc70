"""The first steps of a pipeline where they learn nothing: run once for all the fits that follow."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from fishsk.features import find_frozen_parts
from fishsk.inspection._settings import find_fitted


def run_frozen_steps(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return what learns in an estimator, to be cloned and fitted, and what that part sees of `X`.

    Of a fitted search it is the best estimator; of a pipeline, the first steps that need no `fit`, such as
    `VGG16FeatureTransformer`, are run here.
    """
    learner = find_fitted(estimator)
    while isinstance(learner, Pipeline) and len(learner) > 1:
        step = learner[0]
        if step not in (None, "passthrough"):
            if not find_frozen_parts(step) and get_tags(step).requires_fit:
                break
            X = step.transform(X)
        learner = learner[1:]
    return learner, X

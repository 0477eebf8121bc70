"""Private names of scikit-learn 1.9: where one moves or goes, only this file changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.metrics._scorer import _MultimetricScorer as MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _fit_and_score as fit_and_score
from sklearn.model_selection._validation import _insert_error_scores as insert_error_scores
from sklearn.model_selection._validation import (
    _warn_or_raise_about_fit_failures as warn_or_raise_about_fit_failures,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Integral,
    Interval,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight


def validate_parameters(estimator: BaseEstimator) -> None:
    """Check the parameters of an estimator that says what they may be, as its own `fit` does."""
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()


def validate_steps(pipeline: Pipeline) -> None:
    """Check names and kinds of a pipeline's steps, as its own `fit` does."""
    pipeline._validate_steps()


def validate_parts(union: FeatureUnion) -> None:
    """Check names, kinds and weights of the parts of a `FeatureUnion`, as its own `fit` does."""
    union._validate_transformers()
    union._validate_transformer_weights()


def release_requests(value: object) -> MetadataRequest | None:
    """Return what ``set_*_request`` has noted in a form without its estimator; None of anything else."""
    if not isinstance(value, MetadataRequest):
        return None
    twin = value.__sklearn_clone__()
    for part in (twin, *(each for each in vars(twin).values() if hasattr(each, "owner"))):
        part.owner = type(value.owner).__name__
    return twin


def find_scorers(scorer: Any) -> Any:
    """Return the scorers by name where there are several, or else the one."""
    return scorer._scorers if isinstance(scorer, MultimetricScorer) else scorer


def check_compiled(estimator: BaseEstimator) -> None:
    """Check arrays that compiled code of scikit-learn follows without a look at their bounds.

    ValueError if the nodes of trees, or the support vectors, cannot have been learned.
    """
    width = getattr(estimator, "n_features_in_", None)
    trees = [estimator, *np.ravel(np.asarray(getattr(estimator, "estimators_", []), dtype=object))]
    predictors = [each for row in getattr(estimator, "_predictors", []) for each in row]
    if not (
        all(_is_tree(each.tree_, width) for each in trees if hasattr(each, "tree_"))
        and all(_is_predictor(each, width) for each in predictors)
        and (not hasattr(estimator, "_n_support") or _has_vectors(estimator, width))
    ):
        raise ValueError(f"the arrays of a {type(estimator).__name__} do not fit together")


def _are_within(values: np.ndarray, least: np.ndarray | int, limit: int) -> bool:
    return bool(((values >= least) & (values < limit)).all())


def _is_tree(tree: Any, width: object) -> bool:
    left, right = tree.children_left, tree.children_right
    (inner,) = np.nonzero(left != -1)
    return (
        isinstance(width, int)
        and tree.n_features <= width
        and _are_within(left[inner], inner + 1, tree.node_count)
        and _are_within(right[inner], inner + 1, tree.node_count)
        and bool((right[left == -1] == -1).all())
        and _are_within(tree.feature[inner], 0, width)
    )


def _is_predictor(predictor: Any, width: object) -> bool:
    from sklearn.ensemble._hist_gradient_boosting.predictor import PREDICTOR_RECORD_DTYPE

    nodes, sets = predictor.nodes, (predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets)
    if nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not len(nodes):
        return False
    (inner,) = np.nonzero(nodes["is_leaf"] == 0)
    return (
        isinstance(width, int)
        and _are_within(nodes["left"][inner].astype(np.int64), inner + 1, len(nodes))
        and _are_within(nodes["right"][inner].astype(np.int64), inner + 1, len(nodes))
        and _are_within(nodes["feature_idx"][inner].astype(np.int64), 0, width)
        and all(each.dtype == np.uint32 and each.ndim == 2 and each.shape[1] == 8 for each in sets)
        and _are_within(nodes["bitset_idx"][nodes["is_categorical"] != 0], 0, min(map(len, sets)))
    )


def _has_vectors(machine: BaseEstimator, width: object) -> bool:
    """Check what libsvm reads: the support vectors, and how many there are of each class."""
    vectors, coefficients, counts = machine.support_vectors_, machine._dual_coef_, machine._n_support
    of_classes, n_vectors = hasattr(machine, "classes_"), len(vectors)
    n_classes = len(machine.classes_) if of_classes else 2
    n_pairs = n_classes * (n_classes - 1) // 2
    return bool(
        machine._sparse is False
        and vectors.dtype == np.float64
        and (vectors.shape == (n_vectors, width) or machine.kernel == "precomputed")
        and coefficients.dtype == np.float64
        and coefficients.shape == (max(1, n_classes - 1) if of_classes else 1, n_vectors)
        and counts.dtype == np.int32
        and counts.shape == (n_classes,)
        and (counts >= 0).all()
        and (counts.sum() == n_vectors if of_classes else (counts == n_vectors).all())
        and machine.support_.dtype == np.int32
        and machine.support_.shape == (n_vectors,)
        and _are_within(machine.support_, 0, machine.shape_fit_[0])
        and machine._intercept_.shape == (n_pairs if of_classes else 1,)
        and machine._probA.shape in ((0,), (n_pairs,))
        and machine._probA.shape == machine._probB.shape
    )

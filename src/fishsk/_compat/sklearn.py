"""Private names of scikit-learn 1.9: where one moves or goes, only this file changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.metrics._scorer import _MultimetricScorer as MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import _fit_and_score as fit_and_score
from sklearn.model_selection._validation import _insert_error_scores as insert_error_scores
from sklearn.model_selection._validation import (
    _warn_or_raise_about_fit_failures as warn_or_raise_about_fit_failures,
)
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

__all__ = [
    "BaseSearchCV",
    "HasMethods",
    "Integral",
    "Interval",
    "MultimetricScorer",
    "Options",
    "StrOptions",
    "check_compiled",
    "check_feature_names_in",
    "check_method_params",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "find_scorers",
    "fit_and_score",
    "fit_context",
    "insert_error_scores",
    "release_requests",
    "safe_indexing",
    "validate_parameters",
    "validate_params",
    "validate_parts",
    "validate_steps",
    "warn_or_raise_about_fit_failures",
]


def validate_parameters(estimator: Any) -> None:
    """Check the parameters of an estimator that says what they may be, as its own `fit` does."""
    if hasattr(estimator, "_parameter_constraints"):
        estimator._validate_params()


def validate_steps(pipeline: Any) -> None:
    """Check names and kinds of a pipeline's steps, as its own `fit` does."""
    pipeline._validate_steps()


def validate_parts(union: Any) -> None:
    """Check names, kinds and weights of the parts of a `FeatureUnion`, as its own `fit` does."""
    union._validate_transformers()
    union._validate_transformer_weights()


def release_requests(value: Any) -> Any:
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


def check_compiled(estimator: Any) -> None:
    """Check arrays that compiled code of scikit-learn follows without a look at their bounds.

    Raises
    ------
    ValueError
        If the nodes of trees, or the support vectors, cannot have been learned.
    """
    width = getattr(estimator, "n_features_in_", None)
    trees = [estimator, *np.ravel(np.asarray(getattr(estimator, "estimators_", []), dtype=object))]
    for owner in trees:
        if hasattr(owner, "tree_"):
            _check_tree(owner.tree_, width)
    for predictor in (each for row in getattr(estimator, "_predictors", []) for each in row):
        _check_predictor(predictor, width)
    if hasattr(estimator, "_n_support"):
        _check_vectors(estimator, width)


def _check_tree(tree: Any, width: Any) -> None:
    nodes, left, right = np.arange(tree.node_count), tree.children_left, tree.children_right
    inner = left != -1
    valid = (left[inner] > nodes[inner]).all() and (right[inner] > nodes[inner]).all()
    valid = valid and max(left.max(initial=-1), right.max(initial=-1)) < len(nodes)
    feature = tree.feature[inner]
    valid = valid and isinstance(width, int) and ((feature >= 0) & (feature < width)).all()
    if not (valid and (right[~inner] == -1).all() and tree.n_features <= width):
        raise ValueError("the nodes of a tree do not fit together")


def _check_predictor(predictor: Any, width: Any) -> None:
    from sklearn.ensemble._hist_gradient_boosting.predictor import PREDICTOR_RECORD_DTYPE

    nodes = predictor.nodes
    if nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1 or not len(nodes):
        raise ValueError("the nodes of a tree have another type")
    inner = nodes["is_leaf"] == 0
    numbers = np.arange(len(nodes))[inner]
    for name in ("left", "right"):
        children = nodes[name][inner].astype(np.int64)
        if not ((children > numbers) & (children < len(nodes))).all():
            raise ValueError("the nodes of a tree do not fit together")
    features = nodes["feature_idx"][inner].astype(np.int64)
    by_category = nodes["is_categorical"] != 0
    n_sets = min(len(predictor.raw_left_cat_bitsets), len(predictor.binned_left_cat_bitsets))
    if not isinstance(width, int) or not ((features >= 0) & (features < width)).all():
        raise ValueError("the nodes of a tree do not fit its features")
    if (nodes["bitset_idx"][by_category] >= n_sets).any():
        raise ValueError("the nodes of a tree do not fit its categories")
    for sets in (predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets):
        if sets.dtype != np.uint32 or sets.ndim != 2 or sets.shape[1] != 8:
            raise ValueError("the categories of a tree have another type")


def _check_vectors(machine: Any, width: Any) -> None:
    """Check what libsvm reads: the support vectors, and how many there are of each class."""
    vectors, coefficients, counts = machine.support_vectors_, machine._dual_coef_, machine._n_support
    n_classes = len(machine.classes_) if hasattr(machine, "classes_") else 2
    n_pairs = n_classes * (n_classes - 1) // 2
    n_vectors = len(vectors)
    of_classes = hasattr(machine, "classes_")
    valid = (
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
        and ((machine.support_ >= 0) & (machine.support_ < machine.shape_fit_[0])).all()
        and machine._intercept_.shape == (n_pairs if of_classes else 1,)
        and machine._probA.shape in ((0,), (n_pairs,))
        and machine._probA.shape == machine._probB.shape
    )
    if not valid:
        raise ValueError("the support vectors of a machine do not fit together")

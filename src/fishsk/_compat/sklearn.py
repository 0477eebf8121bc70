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
    "check_feature_names_in",
    "check_method_params",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "find_output",
    "find_requests",
    "find_scorers",
    "fit_and_score",
    "fit_context",
    "get_fit_of_svr",
    "get_target_ndim",
    "insert_error_scores",
    "safe_indexing",
    "set_fit_of_svr",
    "set_target_ndim",
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


def find_output(estimator: Any) -> str | None:
    """Return what `set_output` was told, or None."""
    return getattr(estimator, "_sklearn_output_config", {}).get("transform")


def find_requests(estimator: Any) -> dict[str, dict[str, bool | str]]:
    """Return which metadata was asked for by ``set_*_request``, by method and by name."""
    request = getattr(estimator, "_metadata_request", None)
    asked = {} if request is None else request._serialize()
    named = {
        method: {name: alias for name, alias in names.items() if alias is not None}
        for method, names in asked.items()
    }
    return {method: names for method, names in named.items() if names}


def find_scorers(scorer: Any) -> Any:
    """Return the scorers by name where there are several, or else the one."""
    return scorer._scorers if isinstance(scorer, MultimetricScorer) else scorer


def get_target_ndim(regressor: Any) -> int:
    """Return how many dimensions the targets of a fitted `TransformedTargetRegressor` have."""
    return int(regressor._training_dim)


def set_target_ndim(regressor: Any, ndim: int) -> None:
    """Set what `get_target_ndim` returned."""
    regressor._training_dim = ndim


def get_fit_of_svr(svr: Any) -> dict[str, Any]:
    """Return what a fitted `SVR` predicts with, as numbers, names and arrays.

    Raises
    ------
    ValueError
        If it was fitted on a sparse matrix.
    """
    if svr._sparse:
        raise ValueError("An SVR that was fitted on a sparse matrix cannot be saved. Fit it on an array.")
    return {
        "gamma": float(svr._gamma),
        "n_features": int(svr.n_features_in_),
        "n_samples": int(svr.shape_fit_[0]),
        "names": [str(name) for name in getattr(svr, "feature_names_in_", [])],
        "support": svr.support_,
        "support_vectors": svr.support_vectors_,
        "n_support": svr._n_support,
        "dual_coef": svr.dual_coef_,
        "intercept": svr.intercept_,
        "n_iter": svr._num_iter,
    }


def set_fit_of_svr(svr: Any, fit: dict[str, Any]) -> None:
    """Set what `get_fit_of_svr` returned."""
    svr._sparse, svr._effective_probability, svr.fit_status_ = False, False, 0
    svr._gamma, svr.n_features_in_ = fit["gamma"], fit["n_features"]
    svr.shape_fit_ = (fit["n_samples"], fit["n_features"])
    svr.support_, svr.support_vectors_, svr._n_support = (
        fit[name] for name in ("support", "support_vectors", "n_support")
    )
    svr.dual_coef_, svr.intercept_ = fit["dual_coef"], fit["intercept"]
    svr._dual_coef_, svr._intercept_ = fit["dual_coef"].copy(), fit["intercept"].copy()
    svr._probA, svr._probB = np.empty(0), np.empty(0)
    svr._num_iter, svr.n_iter_ = fit["n_iter"], int(fit["n_iter"][0])
    if fit["names"]:
        svr.feature_names_in_ = np.array(fit["names"], dtype=object)

"""Private names of scikit-learn 1.9: where one moves or goes, only this file changes."""

from __future__ import annotations

from typing import Any

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
    "insert_error_scores",
    "safe_indexing",
    "validate_parameters",
    "validate_params",
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

"""Regressors of scikit-learn as data: linear ones, `SVR`, and what scales the targets of any."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge, RidgeCV
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

from fishsk._compat.sklearn import (
    get_fit_of_svr,
    get_target_ndim,
    set_fit_of_svr,
    set_target_ndim,
)
from fishsk.persistence._archive import take

LINEAR = (ElasticNet, Lasso, LinearRegression, Ridge, RidgeCV)
REGRESSORS = (*LINEAR, SVR, TransformedTargetRegressor)


def is_linear_fit(step: Any) -> bool:
    """Return whether the coefficients of a linear regressor fit its features and each other."""
    coef = getattr(step, "coef_", None)
    n_features = getattr(step, "n_features_in_", None)
    if not isinstance(coef, np.ndarray) or coef.dtype.kind != "f" or coef.ndim not in (1, 2):
        return False
    intercept = np.asarray(getattr(step, "intercept_", None))
    return (
        type(n_features) is int
        and coef.shape[-1] == n_features > 0
        and intercept.dtype.kind in "if"
        and intercept.shape in ((), coef.shape[:-1])
        and bool(np.isfinite(coef).all() and np.isfinite(intercept).all())
    )


def get_svr_state(step: SVR) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what an `SVR` has learned, as a dict for JSON and as arrays."""
    fit = get_fit_of_svr(step)
    arrays = {name: value for name, value in fit.items() if isinstance(value, np.ndarray)}
    state = {name: value for name, value in fit.items() if name not in arrays}
    return state, arrays


def set_svr_state(step: SVR, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Set what `get_svr_state` returned: libsvm reads these arrays without looking at their sizes.

    Raises
    ------
    ValueError
        If no `SVR` can have learned this.
    """
    take(state, "what an SVR has learned", gamma=float, n_features=int, n_samples=int, names=list)
    vectors = arrays.get("support_vectors")
    n_vectors = len(vectors) if isinstance(vectors, np.ndarray) and vectors.ndim == 2 else -1
    wanted = {
        "support": ("i4", (n_vectors,)),
        "support_vectors": ("f8", (n_vectors, state["n_features"])),
        "n_support": ("i4", (2,)),
        "dual_coef": ("f8", (1, n_vectors)),
        "intercept": ("f8", (1,)),
        "n_iter": ("i4", (1,)),
    }
    found = {name: (array.dtype.str[1:], array.shape) for name, array in arrays.items()}
    names = state["names"]
    valid = found == wanted and state["n_features"] > 0 and len(names) in (0, state["n_features"])
    valid = valid and all(isinstance(name, str) for name in names)
    if not valid or not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError(f"an SVR cannot have learned arrays of the types and shapes {found}")
    if (arrays["n_support"] != n_vectors).any():
        raise ValueError(f"an SVR of {n_vectors} vectors cannot count {arrays['n_support'].tolist()} of them")
    set_fit_of_svr(step, state | arrays)


def split_targets(name: str, step: TransformedTargetRegressor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fitted parts of a regressor of scaled targets by their names, and its own state.

    Raises
    ------
    ValueError
        If it transforms targets by functions, which are code, or by another transformer than a scaler.
    """
    if step.func is not None or step.inverse_func is not None:
        raise ValueError(
            f"{name}__func and {name}__inverse_func must be None: functions are code. Got {step.func!r} and "
            f"{step.inverse_func!r}. Fit it with a transformer, such as StandardScaler()."
        )
    parts = {"regressor": _with_params(step.regressor_, step.regressor)}
    if step.transformer is not None:
        if type(step.transformer_) is not StandardScaler:
            raise ValueError(
                f"{name}__transformer must be a StandardScaler or None. Got {step.transformer!r}. Fit it "
                "with one of these."
            )
        parts["transformer"] = _with_params(step.transformer_, step.transformer)
    return parts, {"target_ndim": get_target_ndim(step)}


def join_targets(params: Any, state: Any, parts: dict[str, Any]) -> TransformedTargetRegressor:
    """Return the regressor that `split_targets` has split.

    Raises
    ------
    ValueError
        If the parts do not belong together.
    """
    (check_inverse,) = take(params, "what scales targets", check_inverse=bool)
    (target_ndim,) = take(state, "what scales targets", target_ndim=int)
    if not {"regressor"} <= parts.keys() <= {"regressor", "transformer"}:
        raise ValueError(f"what scales targets cannot have the parts {sorted(parts)}")
    regressor, scaler = parts["regressor"], parts.get("transformer")
    if target_ndim not in (1, 2) or (scaler is not None and type(scaler) is not StandardScaler):
        raise ValueError("targets have one or two dimensions, and are scaled by a StandardScaler")
    if scaler is not None and target_ndim == 1 and getattr(scaler, "n_features_in_", None) != 1:
        raise ValueError("the scaler of targets was not fitted on one number for each image")
    step = TransformedTargetRegressor(
        clone(regressor), transformer=None if scaler is None else clone(scaler), check_inverse=check_inverse
    )
    step.regressor_, step.transformer_ = regressor, scaler
    if scaler is None:
        step.transformer_ = FunctionTransformer(validate=True, check_inverse=check_inverse).fit([[0.0]])
    set_target_ndim(step, target_ndim)
    if hasattr(regressor, "feature_names_in_"):
        step.feature_names_in_ = regressor.feature_names_in_
    return step


def _with_params(fitted: Any, told: Any) -> Any:
    """Return a copy of a fitted part, which `fit` has cloned, with the parameters that its model has now."""
    twin = copy.copy(fitted)
    return twin if told is None else twin.set_params(**told.get_params(deep=False))

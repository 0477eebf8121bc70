"""The steps of a fitted pipeline as plain data, and back: what they were told, and what they have learned."""

from __future__ import annotations

import math
import os
import re
import reprlib
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from fishsk._compat.sklearn import validate_parameters, validate_parts, validate_steps
from fishsk.features import KerasFeatureTransformer, VGG16FeatureTransformer, find_frozen_parts
from fishsk.head import KerasHead, find_heads
from fishsk.persistence._archive import take
from fishsk.persistence._configuration import get_configuration, set_configuration, take_configuration
from fishsk.persistence._heads import check_head_state, get_head_params
from fishsk.persistence._regressors import (
    LINEAR,
    REGRESSORS,
    get_svr_state,
    is_linear_fit,
    join_targets,
    set_svr_state,
    split_targets,
)

_COMPOSED = (FeatureUnion, TransformedTargetRegressor)
_PARAMS_OF_UNION = ("n_jobs", "transformer_weights", "verbose", "verbose_feature_names_out")
_SKIPPED = (None, "drop", "passthrough")  # "drop" of a FeatureUnion alone
_LEARNED = {
    StandardScaler: {"feature_names_in_", "mean_", "n_features_in_", "n_samples_seen_", "scale_", "var_"},
    KerasFeatureTransformer: {"feature_names_in_", "n_features_in_"},
    VGG16FeatureTransformer: {"feature_names_in_", "n_features_in_"},
}


def find_step_types() -> dict[str, type]:
    """Return the types of steps that files may name."""
    known = (*REGRESSORS, FeatureUnion, KerasFeatureTransformer, StandardScaler, VGG16FeatureTransformer)
    return {step.__name__: step for step in known} | find_heads()


def is_skipped(step: Any) -> bool:
    """Return whether a pipeline leaves this step out."""
    return step is None or isinstance(step, str)


def describe(pipeline: Pipeline) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a checked pipeline as a dict for JSON, and its arrays under ``step/array``.

    Raises
    ------
    ValueError
        If a parameter or something learned is neither a plain value nor an array.
    """
    records: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for name, step in pipeline.steps:
        record, own = _describe_step(name, step)
        records.append(record)
        arrays |= own
    return {"steps": records, "verbose": bool(pipeline.verbose), "weights": _get_digests(pipeline)}, arrays


def _describe_step(name: str, step: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a step as a dict for JSON, and its arrays; what is inside of it is named ``step__part``."""
    record: dict[str, Any] = {"name": name, "type": step, "params": {}, "state": {}}
    arrays: dict[str, np.ndarray] = {}
    if is_skipped(step):
        return record, arrays
    kind: str = type(step).__name__
    if not isinstance(step, KerasHead) and find_step_types().get(kind, type(step)) is not type(step):
        raise ValueError(
            f"The type of step {name!r} must not have the name of one that load_pipeline knows. Got "
            f"{type(step)!r}. Rename the class."
        )
    record |= {"type": kind} | get_configuration(step)
    if isinstance(step, _COMPOSED):
        parts, params, state = _split(name, step)
        record |= {"params": params, "state": state, "parts": []}
        for key, part in parts.items():
            inside, own = _describe_step(f"{name}__{key}", part)
            record["parts"].append(inside)
            arrays |= own
        return record, arrays
    state, own = _get_state(name, step)
    record |= {"params": _get_params(name, step), "state": state}
    return record, {f"{name}/{key}": array for key, array in own.items()}


def rebuild(document: Any, arrays: dict[str, np.ndarray], types: dict[str, type]) -> Pipeline:
    """Return the pipeline that `describe` returned the data of.

    Parameters
    ----------
    document, arrays
        Anything; all of it is checked.
    types : dict of str to type
        The step types that may be built.

    Raises
    ------
    OverflowError, TypeError, ValueError
        If no pipeline can have had this description.
    """
    records, verbose, digests = take(document, "the pipeline", steps=list, verbose=bool, weights=dict)
    steps = [(record["name"], _rebuild_step(record, arrays, types)) for record in map(_check_record, records)]
    if arrays:
        raise ValueError(f"the arrays {sorted(arrays)} belong to no step")
    pipeline = Pipeline(steps, verbose=verbose)
    validate_steps(pipeline)
    check_pipeline(pipeline)
    for name, digest in _get_digests(pipeline).items():
        if digests.get(name) != digest:
            raise ValueError(
                f"the weights {pipeline.get_params()[f'{name}__weights']!r} of step {name!r} must be those "
                f"that the pipeline was fitted with, of digest {digests.get(name)!r}. Got {digest!r}"
            )
    return pipeline


def check_pipeline(pipeline: Pipeline) -> None:
    """Check each step's parameters, what it has learned, and that it takes what the step before gives.

    Raises
    ------
    TypeError, ValueError
        If the pipeline could not predict, or cannot be saved.
    """
    width = None
    for name, step in pipeline.steps:
        if is_skipped(step):
            continue
        _check_step(name, step)
        if parts := find_frozen_parts(step):
            width = sum(part.n_features_out for part in parts.values())
            continue
        expected = getattr(step, "n_features_in_", None)
        if None not in (width, expected) and width != expected:
            raise ValueError(
                f"The step {name!r} must get as many features as it was fitted on, {expected}. The steps "
                f"before it give {width}. Fit the pipeline again."
            )
        width = expected if isinstance(step, StandardScaler) else None


def _check_step(name: str, step: Any) -> None:
    validate_parameters(step)
    if isinstance(step, FeatureUnion):
        validate_parts(step)
    if isinstance(step, _COMPOSED):
        for key, part in _split(name, step)[0].items():
            if not is_skipped(part):
                _check_step(f"{name}__{key}", part)
    else:
        _check_learned(name, step)


def _split(name: str, step: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the estimators in a composed step by their names, and its own parameters and state, for JSON."""
    if isinstance(step, TransformedTargetRegressor):
        parts, state = split_targets(name, step)
        return parts, {"check_inverse": step.check_inverse}, state
    params = {key: _encode(getattr(step, key), f"{name}__{key}") for key in _PARAMS_OF_UNION}
    return dict(step.transformer_list), params, {}


def _join(kind: type, record: dict[str, Any], parts: dict[str, Any]) -> Any:
    """Return the composed step that `_split` has split."""
    if kind is TransformedTargetRegressor:
        return join_targets(record["params"], record["state"], parts)
    params = {key: _decode(value) for key, value in record["params"].items()}
    numbers = [params.get("n_jobs"), *(params.get("transformer_weights") or {}).values()]
    is_valid = params.keys() == set(_PARAMS_OF_UNION) and not record["state"]
    if not is_valid or not all(each is None or type(each) in (int, float) for each in numbers):
        raise ValueError(f"no FeatureUnion has the parameters {reprlib.repr(params)}")
    return FeatureUnion(list(parts.items()), **params)


def _check_record(record: Any) -> dict[str, Any]:
    record = dict(record) if isinstance(record, dict) else record
    parts: list[Any] = []
    if isinstance(record, dict) and record.get("type") in [kind.__name__ for kind in _COMPOSED]:
        (parts,) = take({"parts": record.pop("parts", None)}, "a step of several parts", parts=list)
    configuration = take_configuration(record)
    kind = record.get("type") if isinstance(record, dict) else None
    _, _, params, state = take(
        record, "a step", name=str, type=type(None) if kind is None else str, params=dict, state=dict
    )
    if kind in _SKIPPED and (params or state or configuration):
        raise ValueError(f"a step that is {kind!r} must have neither parameters nor a state")
    return record | {"configuration": configuration, "parts": list(map(_check_record, parts))}


def _rebuild_step(record: dict[str, Any], arrays: dict[str, np.ndarray], types: dict[str, type]) -> Any:
    """Return a step, and take its arrays out of `arrays`."""
    name, kind = record["name"], record["type"]
    if kind in _SKIPPED:
        return kind
    if kind not in types:
        raise ValueError(
            f"the step {name!r} is of type {kind!r}, which is not among {sorted(types)}. If you trust the "
            f"file and the type, pass custom_steps={{{kind!r}: its class}}"
        )
    if types[kind] in _COMPOSED:
        parts = {
            part["name"].removeprefix(f"{name}__"): _rebuild_step(part, arrays, types)
            for part in record["parts"]
        }
        step = _join(types[kind], record, parts)
        set_configuration(step, record["configuration"])
        return step
    step = types[kind](**{key: _decode(value) for key, value in record["params"].items()})
    own = [key for key in arrays if key.rpartition("/")[0] == name]
    _set_state(name, step, record["state"], {key.rpartition("/")[2]: arrays.pop(key) for key in own})
    set_configuration(step, record["configuration"])
    return step


def _get_digests(pipeline: Pipeline) -> dict[str, str]:
    """Return the digests of the frozen weights, by the names of the steps, or of parts of steps."""
    return {
        f"{name}__{key}".removesuffix("__"): part.weights_digest
        for name, step in pipeline.steps
        for key, part in find_frozen_parts(step).items()
    }


def _get_params(name: str, step: Any) -> dict[str, Any]:
    if isinstance(step, KerasFeatureTransformer) and not isinstance(step.backbone, str | os.PathLike):
        raise ValueError(
            f"{name}__backbone must be a name or a path to be saved. Got {step.backbone!r}. Pass "
            f"pipeline.get_params()['{name}__backbone'].save('network.keras') and then "
            f"pipeline.set_params({name}__backbone='network.keras'), which gives the same features."
        )
    params = get_head_params(step) if isinstance(step, KerasHead) else step.get_params(deep=False)
    nested = sorted(step.get_params(deep=True).keys() - step.get_params(deep=False).keys())
    if nested:
        raise ValueError(
            f"The parameters of step {name!r} must be plain values. Got also these, which belong to one of "
            f"them: {nested}. Fit a pipeline without them."
        )
    return {key: _encode(value, f"{name}__{key}") for key, value in params.items()}


def _get_state(name: str, step: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a step has learned, as a dict for JSON and as arrays."""
    if hasattr(step, "_get_fitted_state"):
        state, arrays = step._get_fitted_state()
        if isinstance(step, KerasHead):
            check_head_state(step, state, arrays)
        return state, arrays
    if type(step) is SVR:
        return get_svr_state(step)
    state, arrays = _get_learned(step), {}
    for key, value in list(state.items()):
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
            arrays[key] = np.asarray(state.pop(key))
    return {key: _encode(value, f"{name}.{key}") for key, value in state.items()}, arrays


def _set_state(name: str, step: Any, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Set what `_get_state` returned."""
    if isinstance(step, KerasHead):
        check_head_state(step, state, arrays)
    if hasattr(step, "_set_fitted_state"):
        step._set_fitted_state(state, arrays)
        return
    if type(step) is SVR:
        set_svr_state(step, state, arrays)
        return
    for key, value in ({key: _decode(value) for key, value in state.items()} | arrays).items():
        if not _is_learned(key):
            raise ValueError(f"the step {name!r} cannot have learned {key!r}")
        setattr(step, key, value[()] if isinstance(value, np.ndarray) else value)  # a scalar, if it was one


def _get_learned(step: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(step).items() if _is_learned(key)}


def _is_learned(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z](\w*[A-Za-z0-9])?_", name, re.ASCII) is not None


def _encode(value: Any, name: str) -> Any:
    """Return a value for JSON: as it is, or as a dict of one tag."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and all(isinstance(item, str) for item in value):
            return {"texts": [str(item) for item in value]}
        value = value.tolist()
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is list:
        return [_encode(item, name) for item in value]
    if type(value) is tuple:
        return {"tuple": [_encode(item, name) for item in value]}
    if type(value) is dict:
        return {"dict": [[_encode(part, name) for part in item] for item in value.items()]}
    if isinstance(value, os.PathLike) and isinstance(os.fspath(value), str):
        return {"path": os.fspath(value)}
    raise ValueError(
        f"{name} must be None, a finite number, text, a path, or a list, tuple or dict of these. "
        f"Got {value!r}. If it is a parameter, pass another value to pipeline.set_params."
    )


def _decode(value: Any) -> Any:
    """Return what `_encode` was given."""
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("tuple", list(items))]:
            return tuple(map(_decode, items))
        case [("dict", list(items))]:
            return dict(map(_decode, items))
        case [("path", str(text))]:
            return Path(text)
        case [("texts", list(items))] if all(isinstance(item, str) for item in items):
            return np.array(items, dtype=object)
    raise ValueError(f"no value is written as {reprlib.repr(value)}")


def _check_learned(name: str, step: Any) -> None:
    """Check what a step of a known type has learned."""
    if isinstance(step, KerasHead) and step.callbacks is not None:
        raise ValueError(
            f"{name}__callbacks must be None: callbacks are code, and of no use once fitted. Got "
            f"{step.callbacks!r}. Pass pipeline.set_params({name}__callbacks=None)."
        )
    if isinstance(step, LINEAR) and not is_linear_fit(step):
        raise ValueError(f"The coefficients of step {name!r} do not fit its features. Fit it again.")
    if type(step) not in _LEARNED:
        return
    learned = _get_learned(step)
    n_features, names = learned.get("n_features_in_"), learned.get("feature_names_in_")
    valid = learned.keys() <= _LEARNED[type(step)]
    if n_features is not None or names is not None:
        valid = valid and type(n_features) is int and n_features > 0
    if names is not None:
        valid = valid and isinstance(names, np.ndarray) and names.shape == (n_features,)
    if isinstance(step, StandardScaler):
        valid = valid and n_features is not None and _is_consistent(step)
    if not valid:
        shown = {key: getattr(value, "shape", value) for key, value in learned.items()}
        raise ValueError(f"What the step {name!r} has learned does not fit together: {shown}. Fit it again.")


def _is_consistent(scaler: StandardScaler) -> bool:
    """Return whether the arrays that the scaler uses fit each other, and hold what variances can."""
    shape = (scaler.n_features_in_,)
    for name, is_used, lowest in (
        ("mean_", scaler.with_mean, -np.inf),
        ("var_", scaler.with_std, 0),
        ("scale_", scaler.with_std, np.finfo(np.float32).tiny),
    ):
        array = getattr(scaler, name, None)
        if array is None and not is_used:
            continue
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape != shape:
            return False
        if not (np.isfinite(array).all() and (array >= lowest).all()):
            return False
    seen = np.asarray(getattr(scaler, "n_samples_seen_", None))
    return seen.dtype.kind in "iuf" and seen.shape in ((), shape) and bool((seen > 0).all())

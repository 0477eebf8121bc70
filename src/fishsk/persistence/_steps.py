"""The steps of a fitted pipeline as plain data, and back: what they were told, and what they have learned."""

from __future__ import annotations

import copy
import math
import os
import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from fishsk._compat.sklearn import validate_parameters, validate_parts, validate_steps
from fishsk.features import (
    FrozenFeatures,
    KerasFeatureTransformer,
    OnnxFeatureTransformer,
    VGG16FeatureTransformer,
    find_frozen_parts,
)
from fishsk.head import KerasHead, find_heads
from fishsk.persistence._archive import take
from fishsk.persistence._configuration import get_configuration, set_configuration, take_configuration
from fishsk.persistence._heads import check_head_state, get_head_params, has_custom_network
from fishsk.persistence._parts import Part, swap
from fishsk.persistence._skops import dump_estimator, load_estimator

_COMPOSED: dict[str, Any] = {"Pipeline": Pipeline, "FeatureUnion": FeatureUnion}
_OF_COMPOSED = {
    "Pipeline": ("verbose",),
    "FeatureUnion": ("n_jobs", "transformer_weights", "verbose", "verbose_feature_names_out"),
}
_SKIPPED = (None, "drop", "passthrough")  # "drop" of a FeatureUnion alone
_LEARNED = {
    StandardScaler: {"feature_names_in_", "mean_", "n_features_in_", "n_samples_seen_", "scale_", "var_"},
    KerasFeatureTransformer: {"feature_names_in_", "n_features_in_"},
    OnnxFeatureTransformer: {"feature_names_in_", "n_features_in_"},
    VGG16FeatureTransformer: {"feature_names_in_", "n_features_in_"},
}


def find_step_types() -> dict[str, type]:
    """Return the types that are written as JSON and arrays; what is of other types, skops writes."""
    return {step.__name__: step for step in _LEARNED} | find_heads()


def is_skipped(step: Any) -> bool:
    """Return whether a pipeline leaves this step out."""
    return step is None or isinstance(step, str)


@dataclass
class _File:
    """Arrays under ``step/array`` and estimators of skops, which steps add, or take."""

    arrays: dict[str, np.ndarray]
    estimators: list[bytes]
    trusted: Sequence[str | type]


def describe(
    pipeline: Pipeline, trusted: Sequence[str | type] = ()
) -> tuple[dict[str, Any], dict[str, np.ndarray], list[bytes]]:
    """Return a checked pipeline as a dict for JSON, arrays, and estimators in skops's form.

    Raises
    ------
    ValueError
        If a step cannot be written as data, with its name.
    """
    file = _File({}, [], trusted)
    _check_composed("the pipeline", pipeline)
    records = [_describe(file, name, step) for name, step in pipeline.steps]
    document = {"steps": records, "verbose": bool(pipeline.verbose), "weights": _get_digests(pipeline)}
    return document, file.arrays, file.estimators


def _describe(file: _File, name: str, step: Any) -> dict[str, Any]:
    """Return a step as a dict for JSON; what is inside of it is named ``step__part``."""
    record: dict[str, Any] = {"name": name, "type": step, "params": {}, "state": {}}
    if is_skipped(step):
        return record
    kind: str = type(step).__name__
    record |= {"type": kind} | get_configuration(step)
    if _COMPOSED.get(kind) is type(step):
        _check_composed(name, step)
        record["params"] = {key: _encode(getattr(step, key), f"{name}__{key}") for key in _OF_COMPOSED[kind]}
        record["parts"] = [_describe(file, f"{name}__{key}", part) for key, part in _list_parts(step)]
        return record
    if isinstance(step, KerasHead) or find_step_types().get(kind) is type(step):
        state, arrays = _get_state(name, step)
        file.arrays |= {f"{name}/{key}": array for key, array in arrays.items()}
        return record | {"params": _get_params(name, step), "state": state}
    own: list[dict[str, Any]] = []

    def take_out(part: Any) -> Part | None:
        if not isinstance(part, KerasHead | FrozenFeatures):
            return None
        label = f"{name}__{len(own)}"
        if isinstance(part, KerasHead) and not part.initialized_:  # as what `fit` clones
            _refuse_callbacks(name, part)
            record = {"name": label, "type": type(part).__name__, "params": _get_params(label, part)}
            own.append(record | {"is_custom": has_custom_network(part)})
        else:
            if isinstance(part, KerasHead):  # its callbacks are those of what was cloned
                part = copy.copy(part).set_params(callbacks=None)
            own.append(_describe(file, label, part))
        return Part(len(own) - 1)

    content = dump_estimator(name, swap(step, take_out), file.trusted)
    file.estimators.append(content)
    return {"name": name, "type": kind, "skops": len(file.estimators) - 1, "own": own}


def rebuild(
    document: Any,
    arrays: dict[str, np.ndarray],
    estimators: list[bytes],
    trusted: Sequence[str | type] = (),
) -> Pipeline:
    """Return the pipeline that `describe` returned the data of, which may be anything; all of it is checked.

    Raises
    ------
    OverflowError, TypeError, ValueError
        If no pipeline can have had this description.
    """
    records, verbose, digests = take(document, "the pipeline", steps=list, verbose=bool, weights=dict)
    file = _File(arrays, estimators, trusted)
    pipeline = Pipeline([_rebuild(file, record) for record in records], verbose=verbose)
    if file.arrays or any(file.estimators):
        raise ValueError(f"the arrays {sorted(file.arrays)}, or estimators, belong to no step")
    validate_steps(pipeline)
    check_pipeline(pipeline)
    parameters = pipeline.get_params()
    for name, digest in _get_digests(pipeline).items():
        if digests.get(name) != digest:
            raise ValueError(
                f"the weights ({parameters[name].describe_network()}) of step {name!r} must be those that "
                f"the pipeline was fitted with, of digest {digests.get(name)!r}. Got {digest!r}"
            )
    return pipeline


def _rebuild(file: _File, record: Any, prefix: str = "") -> tuple[str, Any]:
    """Return the name of a step and the step, and take what it consists of out of `file`."""
    record = dict(record) if isinstance(record, dict) else record
    configuration = take_configuration(record)
    if isinstance(record, dict) and "skops" in record:
        name, _, number, own = take(record, "a step", name=str, type=str, skops=int, own=list)
        if not 0 <= number < len(file.estimators) or not file.estimators[number] or configuration:
            raise ValueError(f"there is no estimator {number}")
        content, file.estimators[number] = file.estimators[number], b""
        parts = [_rebuild_part(file, part) for part in own]
        trained = [part.model for part in parts if isinstance(part, KerasHead) and part.initialized_]
        for part, described in zip(parts, own, strict=True):
            if described.get("is_custom") and trained:  # it would build what the fitted one has
                part.model = trained[0]
        found = load_estimator(content, file.trusted)
        return name.removeprefix(prefix), swap(
            found, lambda part: parts[part.number] if isinstance(part, Part) else None
        )
    inside = record.pop("parts", None) if isinstance(record, dict) else None
    kind = record.get("type") if isinstance(record, dict) else None
    name, _, params, state = take(
        record, "a step", name=str, type=type(None) if kind is None else str, params=dict, state=dict
    )
    step: Any = kind
    if kind in _SKIPPED:
        if params or state or configuration or inside is not None:
            raise ValueError(f"a step that is {kind!r} must have neither parameters nor a state")
        return name.removeprefix(prefix), step
    if kind in _COMPOSED:
        (inside,) = take({"parts": inside}, "a step of several parts", parts=list)
        params = {key: _decode(value) for key, value in params.items()}
        if params.keys() != set(_OF_COMPOSED[kind]) or state:
            raise ValueError(f"no {kind} has the parameters {reprlib.repr(params)}")
        step = _COMPOSED[kind]([_rebuild(file, part, f"{name}__") for part in inside], **params)
    else:
        if inside is not None:
            raise ValueError(f"a {kind} has no parts")
        step = _build(name, kind, params)
        own = [key for key in file.arrays if key.rpartition("/")[0] == name]
        _set_state(name, step, state, {key.rpartition("/")[2]: file.arrays.pop(key) for key in own})
    set_configuration(step, configuration)
    return name.removeprefix(prefix), step


def _rebuild_part(file: _File, record: Any) -> Any:
    """Return one of fishsk's estimators inside of one that skops wrote; it need not have learned anything."""
    if isinstance(record, dict) and "state" not in record:
        return _build(*take(record, "a part", name=str, type=str, params=dict, is_custom=bool)[:3])
    return _rebuild(file, record)[1]


def _build(name: str, kind: Any, params: dict[str, Any]) -> Any:
    types = find_step_types()
    if kind not in types:
        raise ValueError(f"the step {name!r} is of type {kind!r}, which is not among {sorted(types)}")
    return types[kind](**{key: _decode(value) for key, value in params.items()})


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
        numbers = [step.n_jobs, *(step.transformer_weights or {}).values()]
        if not all(each is None or type(each) in (int, float) for each in numbers):
            raise ValueError(f"n_jobs and transformer_weights of {name!r} must be numbers. Got {numbers}.")
    if type(step) in _COMPOSED.values():
        for key, part in _list_parts(step):
            if not is_skipped(part):
                _check_step(f"{name}__{key}", part)
    else:
        _check_learned(name, step)


def _list_parts(step: Any) -> list[tuple[str, Any]]:
    return step.steps if isinstance(step, Pipeline) else step.transformer_list


def _check_composed(name: str, step: Any) -> None:
    for parameter in (
        "memory",
        "transform_input",
    ):  # what unpickles from a folder, and what only fit looks at
        if getattr(step, parameter, None) is not None:
            raise ValueError(
                f"{parameter} must be None in a pipeline that is saved. Got {getattr(step, parameter)!r} in "
                f"{name}. Pass set_params({parameter}=None)."
            )


def _get_digests(pipeline: Pipeline) -> dict[str, str]:
    """Return the digests of the frozen weights, by the names of the steps, or of parts of steps."""
    parts = pipeline.get_params(deep=True)
    return {
        name: part.weights_digest for name, part in sorted(parts.items()) if isinstance(part, FrozenFeatures)
    }


def _get_params(name: str, step: Any) -> dict[str, Any]:
    if isinstance(step, KerasFeatureTransformer) and not isinstance(step.backbone, str | os.PathLike):
        raise ValueError(
            f"{name}__backbone must be a name or a path to be saved. Got {step.backbone!r}. Pass "
            f"pipeline.get_params()['{name}__backbone'].save('network.keras') and then "
            f"pipeline.set_params({name}__backbone='network.keras'), which gives the same features."
        )
    params = get_head_params(step) if isinstance(step, KerasHead) else step.get_params(deep=False)
    return {key: _encode(value, f"{name}__{key}") for key, value in params.items()}


def _get_state(name: str, step: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a step has learned, as a dict for JSON and as arrays."""
    if hasattr(step, "_get_fitted_state"):
        state, arrays = step._get_fitted_state()
        if isinstance(step, KerasHead):
            check_head_state(step, state, arrays)
        return state, arrays
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


def _refuse_callbacks(name: str, head: KerasHead) -> None:
    if head.callbacks is not None:
        raise ValueError(
            f"The callbacks of {name!r} must be None: callbacks are code, and of no use once fitted. Got "
            f"{head.callbacks!r}. Pass pipeline.set_params({name}__callbacks=None), or the like."
        )


def _check_learned(name: str, step: Any) -> None:
    """Check what a step has learned."""
    if isinstance(step, KerasHead):
        _refuse_callbacks(name, step)
    try:
        check_is_fitted(step)
    except NotFittedError as error:
        raise ValueError(f"The step {name!r} has not learned anything. Fit the pipeline again.") from error
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

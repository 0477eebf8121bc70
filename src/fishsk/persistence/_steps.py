"""The steps of a fitted pipeline: checked, as what a file can hold, and back."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from fishsk._compat.sklearn import release_requests, validate_parameters, validate_parts, validate_steps
from fishsk.features import FrozenFeatures, KerasFeatureTransformer, find_frozen_parts
from fishsk.head import KerasHead, complete, from_data, to_data


def is_skipped(step: object) -> bool:
    """Return whether a pipeline leaves this step out."""
    return step is None or isinstance(step, str)


def to_file(pipeline: Pipeline) -> Pipeline:
    """Return a copy of a checked pipeline that holds data alone; ValueError if a network of it is none."""
    for name, part in pipeline.get_params().items():
        if isinstance(part, KerasFeatureTransformer) and not isinstance(part.backbone, str | os.PathLike):
            raise ValueError(
                f"{name}__backbone must be a name or a path to be saved. Got {part.backbone!r}. Pass "
                f"pipeline.get_params()['{name}__backbone'].save('network.keras') and then "
                f"pipeline.set_params({name}__backbone='network.keras'), which gives the same features."
            )

    def replace(part: object) -> object:
        if isinstance(part, KerasHead):
            data = to_data(part)
            data.__dict__.update(_swap(dict(vars(data)), replace))
            return data
        return os.fspath(part) if isinstance(part, os.PathLike) else release_requests(part)

    return _swap(pipeline, replace)


def from_file(found: object, digests: dict[str, str]) -> Pipeline:
    """Return the pipeline that `to_file` was given, of what a file holds, which may be anything.

    TypeError or ValueError if it could not predict, or its frozen weights are not those of these digests.
    """
    if not isinstance(found, Pipeline):
        raise ValueError(f"it must hold a pipeline. Got {type(found).__name__}")
    heads: list[KerasHead] = []

    def replace(part: object) -> object:
        if not isinstance(part, KerasHead):
            return None
        heads.append(from_data(part))
        return heads[-1]

    pipeline = _swap(found, replace)
    complete(heads)
    validate_steps(pipeline)
    check_pipeline(pipeline)
    parameters = pipeline.get_params()
    for name, digest in get_digests(pipeline).items():
        if digests.get(name) != digest:
            raise ValueError(
                f"the weights ({parameters[name].describe_network()}) of step {name!r} must be those that "
                f"the pipeline was fitted with, of digest {digests.get(name)!r}. Got {digest!r}"
            )
    return pipeline


def _swap(
    value: Any, replace: Callable[[object], object], memo: dict[int, tuple[object, object]] | None = None
) -> Any:
    """Return a value, or a copy with those parts replaced for which `replace` does not return None.

    It looks into estimators, other objects of scikit-learn, lists, tuples and dicts. A part that stands in
    several places is replaced once.
    """
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)][1]
    twin = replace(value)
    # Objects with attributes, such as what CalibratedClassifierCV keeps.
    is_of_sklearn = type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__")
    if twin is None and type(value) in (list, tuple):
        twin = type(value)(_swap(part, replace, memo) for part in value)
    elif twin is None and (isinstance(value, dict | BaseEstimator) or is_of_sklearn):
        twin = copy.copy(value)
        memo[id(value)] = value, twin  # the value, too: nothing else may get its id meanwhile
        parts = twin if isinstance(value, dict) else vars(twin)
        parts.update({name: _swap(part, replace, memo) for name, part in parts.items()})
        if not isinstance(value, dict):
            parts.pop("_skl_callbacks", None)  # code
    if twin is None:
        return value
    memo[id(value)] = value, twin
    return twin


def get_digests(pipeline: Pipeline) -> dict[str, str]:
    """Return the digests of the frozen weights, by the names of the steps, or of parts of steps."""
    parts = pipeline.get_params(deep=True)
    return {
        name: part.weights_digest for name, part in sorted(parts.items()) if isinstance(part, FrozenFeatures)
    }


def check_pipeline(pipeline: Pipeline) -> None:
    """Check each step's parameters, that it has learned, and that it takes what the step before gives."""
    for name, part in {"": pipeline, **pipeline.get_params()}.items():
        prefix = f"{name}__" if name else ""
        if isinstance(part, Pipeline) and part.memory is not None:  # whose folder is unpickled
            raise ValueError(
                f"memory must be None in a pipeline that is saved. Got {part.memory!r}. Pass "
                f"set_params({prefix}memory=None)."
            )
        for key, given in part.get_params().items() if isinstance(part, KerasHead) else ():
            if key.rpartition("__")[2] == "callbacks" and given is not None:
                raise ValueError(
                    f"The callbacks of {name!r} must be None: callbacks are code, and of no use once fitted. "
                    f"Got {given!r}. Pass pipeline.set_params({prefix}{key}=None)."
                )
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


def _check_step(name: str, step: BaseEstimator) -> None:
    validate_parameters(step)
    if isinstance(step, FeatureUnion):
        validate_parts(step)
    if isinstance(step, Pipeline | FeatureUnion):
        for key, part in step.steps if isinstance(step, Pipeline) else step.transformer_list:
            if not is_skipped(part):
                _check_step(f"{name}__{key}", part)
        return
    try:
        check_is_fitted(step)
    except NotFittedError as error:
        raise ValueError(f"The step {name!r} has not learned anything. Fit the pipeline again.") from error

"""Parts of a pipeline inside of others: found, and replaced in a copy by what skops can write, and back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


def swap(value: Any, replace: Callable[[Any], Any], memo: dict[int, Any] | None = None) -> Any:
    """Return a value, or a copy in which parts are what `replace` returns for them, unless that is None.

    Looked into are estimators, other objects of scikit-learn, lists, tuples and dicts. What stands in several
    places is replaced once.
    """
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)][1]
    found = replace(value)
    if found is not None:
        memo[id(value)] = value, found
        return found
    if isinstance(value, BaseEstimator) or _is_of_scikit_learn(value):
        twin = copy.copy(value)
        memo[id(value)] = value, twin  # the value, too: nothing else may get its id meanwhile
        vars(twin).update({name: swap(part, replace, memo) for name, part in vars(value).items()})
        vars(twin).pop("_skl_callbacks", None)  # code
        return twin
    if isinstance(value, dict):
        twin = copy.copy(value)
        memo[id(value)] = value, twin
        for key, part in value.items():
            twin[key] = swap(part, replace, memo)
        return twin
    if type(value) in (list, tuple):
        twin = type(value)(swap(part, replace, memo) for part in value)
        memo[id(value)] = value, twin
        return twin
    return value


def _is_of_scikit_learn(value: Any) -> bool:
    """Return whether a value is an object with attributes, such as what CalibratedClassifierCV keeps."""
    kind = type(value)
    return (
        kind.__module__.startswith("sklearn.") and hasattr(value, "__dict__") and not isinstance(value, dict)
    )


def walk(value: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Return the estimators inside of a value."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, str | bytes | int | float | None):
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        parts: Any = list(vars(value).values())
    elif isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        parts = value.ravel().tolist()
    else:
        parts = (
            list(vars(value).values()) if hasattr(value, "__dict__") and not isinstance(value, type) else []
        )
    for part in parts:
        yield from walk(part, seen)

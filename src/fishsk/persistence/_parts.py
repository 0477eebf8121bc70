"""Parts of a pipeline inside of others: found, and replaced in a copy by what skops can write, and back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
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
    twin = replace(value)
    # Objects with attributes, such as what CalibratedClassifierCV keeps.
    is_of_sklearn = type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__")
    if twin is None and type(value) in (list, tuple):
        twin = type(value)(swap(part, replace, memo) for part in value)
    elif twin is None and (isinstance(value, dict | BaseEstimator) or is_of_sklearn):
        twin = copy.copy(value)
        memo[id(value)] = value, twin  # the value, too: nothing else may get its id meanwhile
        parts = twin if isinstance(value, dict) else vars(twin)
        parts.update({name: swap(part, replace, memo) for name, part in parts.items()})
        if not isinstance(value, dict):
            parts.pop("_skl_callbacks", None)  # code
    if twin is None:
        return value
    memo[id(value)] = value, twin
    return twin


def walk(value: Any, seen: set[int] | None = None) -> Iterator[BaseEstimator]:
    """Return the estimators inside of a value."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, str | bytes | int | float | type | None):
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
    parts: Iterable[Any] = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple | set):
        parts = value
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        parts = value.ravel().tolist()
    elif hasattr(value, "__dict__"):
        parts = vars(value).values()
    for part in list(parts):
        yield from walk(part, seen)

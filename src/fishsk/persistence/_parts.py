"""Parts of a pipeline inside of others: fishsk's own are taken out before skops writes, and put back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator


class Part:
    """What stands where one of fishsk's estimators was, for skops."""

    def __init__(self, number: int) -> None:
        self.number = number


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

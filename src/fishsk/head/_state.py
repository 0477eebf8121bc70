"""Learned state of a head, which a failed fit leaves unchanged; histories of fits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

_Method = TypeVar("_Method", bound=Callable[..., Any])


def learns_as_a_whole(method: _Method) -> _Method:
    """Decorate a method that learns and returns self: a twin learns, and hands over once it has succeeded.

    Where the method raises or is interrupted, the estimator is as before; while it runs, callbacks and other
    threads can predict with what was learned before.
    """

    @functools.wraps(method)
    def learn(self: Any, *args: Any, **kwargs: Any) -> Any:
        before, twin = dict(vars(self)), object.__new__(type(self))
        vars(twin).update(before)
        method(twin, *args, **kwargs)
        after = vars(twin)
        # Only what has changed, so that parameters which a callback sets on the estimator stay.
        vars(self).update(
            {name: value for name, value in after.items() if name not in before or value is not before[name]}
        )
        for name in before.keys() - after.keys():
            vars(self).pop(name, None)
        return self

    return learn  # type: ignore[return-value]


def join_histories(old: dict[str, list[float]], new: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return `old` followed by `new`, with NaN where one of them lacks a name."""
    n_old, n_new = (max(map(len, history.values()), default=0) for history in (old, new))
    return {
        name: old.get(name, [np.nan] * n_old) + new.get(name, [np.nan] * n_new)
        for name in dict.fromkeys([*old, *new])
    }


def find_turn(history: dict[str, list[float]]) -> tuple[int, int | None]:
    """Return the epoch of the lowest validation loss, and the first epoch of overfitting or None.

    Validation turned if it has not come back to its minimum for three epochs or more, if it is worse by
    more than 1 % on their average, and if the training loss went on falling meanwhile.
    """
    losses = np.nan_to_num(history.get("val_loss", history["loss"]), nan=np.inf)
    best = int(losses.argmin())
    later = losses[best + 1 :]
    turned = (
        "val_loss" in history
        and len(later) >= 3
        and later.mean() > 1.01 * losses[best]
        and history["loss"][-1] < history["loss"][best]
    )
    return best, best + 1 if turned else None

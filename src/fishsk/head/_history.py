"""Histories of training: joined, and read for the epoch in which validation turned."""

from __future__ import annotations

import numpy as np


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

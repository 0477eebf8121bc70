"""What a head has learned: kept whole while it learns anew, and as plain data, there and back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from fishsk.head._architecture import Architecture


def learns_as_a_whole(method: Callable[..., Any]) -> Callable[..., Any]:
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

    return learn


def pack_state(head: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a fitted head has learned, as a JSON-able dict and named arrays."""
    architecture = asdict(head._architecture)
    architecture["hidden_units"] = list(architecture["hidden_units"])
    meta = {
        "architecture": architecture,
        "feature_names_in": getattr(head, "feature_names_in_", np.empty(0)).tolist(),
        "history": {  # JSON has no NaN
            name: [None if np.isnan(value) else value for value in values]
            for name, values in head.history_.items()
        },
        "seed": head._seed,
    } | head._get_target_state()
    arrays = dict(zip(head._architecture.shapes, head._weights, strict=True))
    for index, array in enumerate(head._optimizer_state or []):
        arrays[f"optimizer_{index}"] = array
    return meta, arrays


def restore_architecture(described: dict[str, Any]) -> Architecture:
    """Return the architecture that a dict of JSON describes."""
    return Architecture(**described | {"hidden_units": tuple(described["hidden_units"])})


def unpack_state(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what `pack_state` was given: attributes that describe X and y, and what training has learned.

    Raises
    ------
    ValueError
        If a weight is missing or does not fit.
    """
    architecture = restore_architecture(meta["architecture"])
    for name, shape in architecture.shapes.items():
        array = arrays.get(name, np.empty(0))
        if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError(
                f"The head's weight {name!r} must be an array of finite float32 of shape {shape}. "
                + (f"Got {array.dtype} of shape {array.shape}." if name in arrays else "Got none.")
            )
    described: dict[str, Any] = {"n_features_in_": architecture.n_features}
    if meta["feature_names_in"]:
        described["feature_names_in_"] = np.array(meta["feature_names_in"], dtype=object)
    names = [name for name in arrays if name.startswith("optimizer_")]
    history = {
        name: [np.nan if value is None else value for value in values]
        for name, values in meta["history"].items()
    }
    learned = (
        architecture,
        [arrays[name] for name in architecture.shapes],
        meta["seed"],
        [arrays[f"optimizer_{index}"] for index in range(len(names))] or None,
        history,
    )
    return {"described": described, "learned": learned}

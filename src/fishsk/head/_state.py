"""What a head has learned: kept whole while it learns anew, and as plain data, there and back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from fishsk.head._training import Architecture


def unchanged_by_failure(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method that learns: where it raises or is interrupted, the estimator is as it was before."""

    @functools.wraps(method)
    def learn(self, *args, **kwargs):
        before = dict(vars(self))  # methods that learn put new objects in the place of the old ones
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return learn


def pack_state(head: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a fitted head has learned, as a JSON-able dict and named arrays."""
    meta = {
        "architecture": asdict(head._architecture),
        "classes": head.classes_.tolist(),
        "classes_dtype": head.classes_.dtype.str,
        "feature_names_in": getattr(head, "feature_names_in_", np.empty(0)).tolist(),
        "history": {  # JSON has no NaN
            name: [None if np.isnan(value) else value for value in values]
            for name, values in head.history_.items()
        },
        "seed": head._seed,
    }
    arrays = dict(zip(head._architecture.shapes, head._weights, strict=True))
    for index, array in enumerate(head._optimizer_state or []):
        arrays[f"optimizer_{index}"] = array
    return meta, arrays


def unpack_state(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what `pack_state` was given: attributes that describe X and y, and what training has learned.

    Raises
    ------
    ValueError
        If a weight is missing or does not fit.
    """
    architecture = Architecture(**meta["architecture"])
    for name, shape in architecture.shapes.items():
        array = arrays.get(name, np.empty(0))
        if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError(
                f"The head's weight {name!r} must be an array of finite float32 of shape {shape}. "
                + (f"Got {array.dtype} of shape {array.shape}." if name in arrays else "Got none.")
            )
    described = {
        "classes_": np.array(meta["classes"], dtype=meta["classes_dtype"]),
        "n_features_in_": architecture.n_features,
    }
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

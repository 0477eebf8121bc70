"""Routing of parameters to names and classes, as in scikeras 0.13, its last release."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
from scikeras._utils import (
    get_metric_class,
    get_optimizer_class,
    try_to_convert_strings_to_classes,
    unflatten_params,
)
from scikeras.utils import metric_name

from fishsk.head._keywords import route


def _find_loss(name: str) -> type | Callable[..., object]:
    """Return a loss by the name of its class or of its function."""
    found = getattr(keras.losses, name, None)
    return found if inspect.isclass(found) else keras.losses.get(name)


#: The functions that look up classes by name, by the parameter that holds the names.
CLASS_FINDERS: dict[str, Callable[[str], object]] = {
    "optimizer": get_optimizer_class,
    "loss": _find_loss,
    "metrics": get_metric_class,
}


def instantiate(
    name: str, items: object, params: Mapping[str, object], find_class: Callable[[str], object]
) -> Any:
    """Return `items`, a name, class, instance or several, with names and classes called with their `params`.

    These are such as ``callbacks__patience``, ``callbacks__0__patience`` and ``callbacks__key__patience``,
    where the parameter that `items` are has the `name` ``"callbacks"``. `find_class` maps a name to a class.
    TypeError if a parameter is routed to nothing that takes parameters.
    """
    items, routed = try_to_convert_strings_to_classes(items, find_class), route(params, name)
    if not inspect.isclass(items):
        keys = list(items) if isinstance(items, Mapping) else []
        keys = [str(index) for index in range(len(items))] if isinstance(items, list | tuple) else keys
        for key in routed:
            if "__" in key and key.partition("__")[0] not in keys:
                raise TypeError(f"{name}__{key} must be a parameter of what is in {name}. Got {items!r}.")
    return unflatten_params(items=items, params=routed)


def name_metric(name: str) -> str:
    """Return a metric's long name, as scikeras does: "mae" is in a history as "mean_absolute_error"."""
    prefix = "val_" if name.startswith("val_") else ""
    try:
        return prefix + metric_name(name.removeprefix("val_"))
    except ValueError:  # the user's own
        return name

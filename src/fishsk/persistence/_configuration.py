"""What a step was told beside its parameters: `set_output`, and which metadata its methods ask for."""

from __future__ import annotations

import reprlib
from typing import Any

import sklearn

from fishsk._compat.sklearn import find_output, find_requests

_OUTPUTS = ("default", "pandas", "polars")


def get_configuration(step: Any) -> dict[str, Any]:
    """Return what is set, as entries of the step's record; nothing of what is as in a new step.

    So a pipeline in which nothing is set is written as fishsk 0.1.0 wrote it, and is read by it.
    """
    output, requests = find_output(step), find_requests(step)
    return ({} if output is None else {"output": output}) | ({"requests": requests} if requests else {})


def take_configuration(record: Any) -> dict[str, Any]:
    """Take the entries of `get_configuration` out of a record, and check them."""
    if not isinstance(record, dict):
        return {}
    found = {key: record.pop(key) for key in ("output", "requests") if key in record}
    output = found.get("output", "default")
    if output not in _OUTPUTS:
        raise ValueError(f"the output of a step must be one of {_OUTPUTS}. Got {reprlib.repr(output)}")
    for method, asked in _items(found.get("requests", {})):
        for name, alias in _items(asked):
            if not method.isidentifier() or not name.isidentifier() or type(alias) not in (bool, str):
                raise ValueError(f"no step asks {method!r} for {name!r} as {reprlib.repr(alias)}")
    return found


def set_configuration(step: Any, configuration: dict[str, Any]) -> None:
    """Set on a step what `take_configuration` has checked, by its public methods."""
    if "output" in configuration:
        step.set_output(transform=configuration["output"])
    with sklearn.config_context(enable_metadata_routing=True):  # without it requests cannot be set
        for method, asked in configuration.get("requests", {}).items():
            getattr(step, f"set_{method}_request")(**asked)


def _items(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"the requests of a step must be objects. Got {reprlib.repr(value)}")
    return value.items()

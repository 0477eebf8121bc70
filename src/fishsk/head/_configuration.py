"""Configurations of Keras: whether a network may be saved and loaded."""

from __future__ import annotations

from typing import Any

from fishsk._compat.keras import find_unsafe


def is_known(described: Any) -> bool:
    """Return whether a configuration names only parts of Keras that neither run code nor read files."""
    return next(find_unsafe(described), None) is None


def check_configuration(described: Any) -> None:
    """Check that a configuration may be saved and loaded."""
    if not is_known(described):
        raise ValueError(
            "A network that is saved must be made of Keras's own layers, losses and metrics, without Lambda "
            "and what reads files: a file of fishsk holds no code. Build it of such, or pickle the pipeline."
        )

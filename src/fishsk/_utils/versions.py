"""Versions of installed packages, fishsk's own among them."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version

from fishsk._version import __version__


@functools.cache
def find_version(distribution: str) -> str | None:
    """Return the version of a distribution, or None where there is no metadata of it.

    That of fishsk is known without metadata, as in a copy of the source on PYTHONPATH.
    """
    if distribution == "fishsk":
        return __version__
    try:
        return version(distribution)
    except PackageNotFoundError:  # tensorflow-cpu and the like
        return None

"""Versions of installed packages, fishsk's own among them, and where fishsk lives."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, metadata, version
from importlib.util import find_spec

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


def check_tensorflow() -> None:
    """Refuse, by an ImportError, to train networks, or run them by TensorFlow, under fishsk-predict."""
    missing = [name for name in ("tensorflow", "keras", "scikeras") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"This needs {', '.join(missing)}. fishsk-predict leaves them out; in another environment: "
            "python -m pip install fishsk"
        )


@functools.cache
def find_url(name: str) -> str:
    """Return an address of ``[project.urls]`` in pyproject.toml, or "" where it is not installed."""
    try:
        urls = dict(line.split(", ", 1) for line in metadata("fishsk").get_all("Project-URL") or ())
    except PackageNotFoundError:
        return ""
    return urls.get(name, "")


def link_documentation() -> tuple[str, str]:
    """Return `_doc_link_module` and `_doc_link_template`, by which diagrams link to our pages."""
    site = find_url("Documentation")
    return "fishsk", f"{site}api/generated/fishsk.{{estimator_name}}.html" if site else ""

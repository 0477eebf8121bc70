"""Check that the API reference holds every public name."""

from sphinx.util import logging

import fishsk
import fishsk.datasets

logger = logging.getLogger(__name__)


def list_public_names() -> list[str]:
    """Return the full names of all public objects that this version can import."""
    names = [f"fishsk.datasets.{name}" for name in fishsk.datasets.__all__]
    for name in fishsk.__all__:
        try:
            value = getattr(fishsk, name)
        except ImportError:  # announced, not written yet
            continue
        if callable(value):
            names.append(f"fishsk.{name}")
    return names


def check_public_names(app, env):
    """Warn of each public name that has no entry in the API reference."""
    documented = env.get_domain("py").objects
    for name in list_public_names():
        if name not in documented:
            logger.warning("docs/api/index.rst must list %s, which is public.", name)


def setup(app):
    """Register the check with Sphinx."""
    app.connect("env-check-consistency", check_public_names)
    return {"parallel_read_safe": True}

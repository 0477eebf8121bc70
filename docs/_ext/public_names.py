"""Check that the API reference holds every public name, and keep its summaries free of citations."""

from docutils import nodes
from sphinx import addnodes
from sphinx.ext.autosummary import autosummary_table
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


def drop_citations(app, doctree):
    """Take citations out of the tables of the API reference, where numpydoc's long keys would show."""
    for table in doctree.findall(autosummary_table):
        for reference in list(table.findall(addnodes.pending_xref)):
            if reference.get("refdomain") == "citation":
                siblings = reference.parent.children
                before = siblings[siblings.index(reference) - 1]
                if isinstance(before, nodes.Text):
                    reference.parent.replace(before, nodes.Text(before.rstrip()))
                reference.parent.remove(reference)


def setup(app):
    """Register both with Sphinx."""
    app.connect("doctree-read", drop_citations)
    app.connect("env-check-consistency", check_public_names)
    return {"parallel_read_safe": True}

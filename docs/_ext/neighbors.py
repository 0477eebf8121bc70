"""Links to other projects: inventories that need no network, and names in the text that become links."""

import inspect
import pkgutil
import tomllib
import zlib
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

PROJECTS = tomllib.loads(Path(__file__).parents[1].joinpath("neighbors.toml").read_text(encoding="utf-8"))
WITHOUT_INVENTORY = {"keras"}  # keras.io publishes none


def list_pages(project: dict) -> dict[str, str]:
    """Return the page of each name of a project, relative to its address."""
    generated = {name: project["page"].format(name=name) for name in project.get("names", [])}
    return generated | project.get("pages", {})


def write_inventories(folder: Path) -> dict[str, tuple[str, tuple[str | None, ...] | str]]:
    """Write an inventory of each project, and return Sphinx's intersphinx_mapping.

    The project's own inventory comes first, and the one written here where that cannot be fetched.
    """
    mapping = {}
    for title, project in PROJECTS.items():
        lines = [
            f"{name} py:{_find_role(name)} 1 {page} -" for name, page in sorted(list_pages(project).items())
        ]
        head = f"# Sphinx inventory version 2\n# Project: {title}\n# Version: \n# zlib\n"
        path = folder / f"{title}.inv"
        path.write_bytes(head.encode() + zlib.compress("\n".join([*lines, ""]).encode()))
        sources = (str(path),) if title in WITHOUT_INVENTORY else (None, str(path))
        mapping[title] = (project["url"], sources)
    return mapping


def _find_role(name: str) -> str:
    try:
        thing = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        raise ExtensionError(f"docs/neighbors.toml names {name}, which is not installed here.") from error
    if inspect.isclass(thing):
        return "class"
    return "module" if inspect.ismodule(thing) else "function"


class LinkNames(SphinxTransform):
    """Let ``GridSearchCV`` in the text lead to its page, the first time that a document names it."""

    default_priority = 400

    def apply(self, **kwargs):
        """Wrap the literals of a document whose text is the name of something in neighbors.toml."""
        known = {}
        for name in (name for project in PROJECTS.values() for name in list_pages(project)):
            known |= {name: name, name.rpartition(".")[2]: name}
        seen = set()
        for literal in list(self.document.findall(nodes.literal)):
            name = known.get(literal.astext().removesuffix("()"))
            if name is None or name in seen or _is_linked(literal):
                continue
            seen.add(name)
            reference = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=name, refwarn=False, refexplicit=True
            )
            literal.replace_self(reference)
            reference += literal


def _is_linked(node: nodes.Node) -> bool:
    """Return whether a node is part of a link, a title or a signature."""
    while node is not None:
        if isinstance(node, nodes.reference | nodes.title | addnodes.pending_xref | addnodes.desc_signature):
            return True
        node = node.parent
    return False


def setup(app):
    """Register the transform with Sphinx."""
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True}

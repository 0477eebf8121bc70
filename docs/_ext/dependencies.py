"""Directives that show what fishsk needs: from pyproject.toml, and from what is installed here."""

import importlib.metadata
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def list_requirements() -> list[Requirement]:
    """Return the packages that a plain installation brings, in pyproject's order."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


class DependencyTable(SphinxDirective):
    """What each dependency is for: the content is a line "name: purpose" for each."""

    has_content = True

    def run(self):
        """Return a table with each dependency's installed size, and a sentence with their sum."""
        purposes = dict(line.split(": ", 1) for line in self.content if line.strip())
        needed = [requirement.name for requirement in list_requirements()]
        if sorted(purposes) != sorted(needed):
            raise ExtensionError(
                f"{self.env.docname} must tell what each dependency of pyproject.toml is for. "
                f"Too many or too few: {sorted(set(purposes) ^ set(needed))}."
            )
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 24 60 16", ""]
        lines += ["   * - Package", "     - What it is for", "     - MB"]
        for name, purpose in purposes.items():
            lines += [f"   * - {name}", f"     - {purpose}", f"     - {_count_bytes(name) / 1e6:,.1f}"]
        everything = set().union(*map(_list_needed, needed))
        searching = everything - set().union(
            *(_list_needed(name) for name in needed if name not in ("optuna", "sqlalchemy"))
        )
        total, saved = (sum(map(_count_bytes, names)) / 1e6 for names in (everything, searching))
        lines += [
            "",
            f"With all that they need themselves these are {len(everything)} packages of {total:,.0f} MB. "
            f"Without Optuna, SQLAlchemy and what only these need, it would be {saved:,.0f} MB less, or "
            f"{saved / total:.1%}. (Measured where these pages were built.)",
        ]
        return self.parse_text_to_nodes("\n".join(lines))


class DependencyBounds(SphinxDirective):
    """The dependencies whose next releases are shut out."""

    def run(self):
        """Return a table of the packages with an upper bound."""
        lines = [".. list-table::", "   :header-rows: 1", ""]
        lines += ["   * - Package", "     - Versions"]
        for requirement in list_requirements():
            bounds = sorted(requirement.specifier, key=lambda bound: bound.operator, reverse=True)
            if any(bound.operator == "<" for bound in bounds):
                lines += [f"   * - {requirement.name}", f"     - ``{', '.join(map(str, bounds))}``"]
        return self.parse_text_to_nodes("\n".join(lines))


def _count_bytes(name: str) -> int:
    files = importlib.metadata.files(name) or []
    return sum(Path(file.locate()).stat().st_size for file in files if Path(file.locate()).is_file())


def _list_needed(name: str, seen: set[str] | None = None) -> set[str]:
    """Return a package and all that it needs, directly or not."""
    seen = set() if seen is None else seen
    if canonicalize_name(name) not in seen:
        seen.add(canonicalize_name(name))
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                _list_needed(requirement.name, seen)
    return seen


def setup(app):
    """Register the directives with Sphinx."""
    app.add_directive("dependency-table", DependencyTable)
    app.add_directive("dependency-bounds", DependencyBounds)
    return {"parallel_read_safe": True}

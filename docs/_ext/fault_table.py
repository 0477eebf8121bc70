"""Directives for the faults of faults.toml and the tests that guard against them."""

import ast
import re
import tomllib
from pathlib import Path

from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

_NAME = re.compile(r"test_faults?((?:_\d\d)+)_(\w+)")


def find_tests(folder: Path) -> dict[str, list[int]]:
    """Return the rows that each test guards, by ``path/to/test_file.py::test_name``, read from its name."""
    found = {}
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (match := _NAME.fullmatch(node.name)):
                rows = [int(number) for number in match[1].strip("_").split("_")]
                found[f"{path.relative_to(folder).as_posix()}::{node.name}"] = rows
    return found


def check_faults(faults: list[dict], tests: dict[str, list[int]]) -> list[str]:
    """Return what faults.toml says that the tests do not bear out."""
    return [
        f"fault {fault['number']}: tests/{test} does not exist, or guards another row"
        for fault in faults
        for test in fault.get("tests", [])
        if fault["number"] not in tests.get(test, [])
    ]


class _FaultDirective(SphinxDirective):
    def load(self) -> tuple[list[dict], dict[str, list[int]]]:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / "faults.toml"))
        self.env.note_reread()  # the tests may change while this page does not
        with open(root / "faults.toml", "rb") as file:
            faults = tomllib.load(file)["fault"]
        return faults, find_tests(root.parent / "tests")


class FaultTable(_FaultDirective):
    """The table of all faults, each with links to its tests."""

    def run(self):
        """Return the table's nodes, and warn of tests that are named and are not there."""
        faults, tests = self.load()
        for problem in check_faults(faults, tests):
            logger.warning(problem, location=self.get_location())
        lines = [
            ".. list-table::",
            "   :header-rows: 1",
            "   :widths: 5 22 33 40",
            "   :class: fault-table",
            "",
        ]
        lines += ["   * - #", "     - Fault", "     - What happens", "     - Tests"]
        for fault in faults:
            own = [test for test, rows in tests.items() if fault["number"] in rows]
            lines += [f"   * - {fault['number']}", f"     - {fault['fault']}", f"     - {fault['outcome']}"]
            lines += ["     - " + (", ".join(map(_link, own)) or "*not yet tested*")]
        return self.parse_text_to_nodes("\n".join(lines))


class FaultTests(_FaultDirective):
    """The source of each of these tests, one section a file."""

    def run(self):
        """Return the sections' nodes."""
        _, tests = self.load()
        lines, last = [], None
        for test in tests:
            path, name = test.split("::")
            if path != last:
                lines += ["", f"tests/{path}", "-" * (len(path) + 6), ""]
                last = path
            lines += [f".. _{_label(test)}:", "", _words(name).capitalize(), "~" * len(name), ""]
            lines += [f".. literalinclude:: /../tests/{path}", f"   :pyobject: {name}", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def _label(test: str) -> str:
    return "guard-" + re.sub(r"\W+|_", "-", test)


def _words(name: str) -> str:
    return _NAME.fullmatch(name)[2].replace("_", " ")


def _link(test: str) -> str:
    return f":ref:`{_words(test.split('::')[1])} <{_label(test)}>`"


def setup(app):
    """Register the directives with Sphinx."""
    app.add_directive("fault-table", FaultTable)
    app.add_directive("fault-tests", FaultTests)
    return {"parallel_read_safe": True}

"""A directive that lists the programs of scikeras's users that run with the heads, and those that do not."""

import ast
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

_PATH = "tests/head/scenarios.py"


def read_scenarios(text: str) -> tuple[list[tuple[str, list[str]]], dict[str, str]]:
    """Return the first lines of the scenarios of each part of the module, and why some go another way.

    Parameters
    ----------
    text : str
        The module: a comment of one line stands above each part, and ``DIFFERENT`` maps names to reasons.
    """
    lines, tree = text.splitlines(), ast.parse(text)
    different, found = {}, {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DIFFERENT":
            different = ast.literal_eval(node.value)
        if isinstance(node, ast.FunctionDef) and [arg.arg for arg in node.args.args] == [
            "Classifier",
            "Regressor",
        ]:
            heading = next(line for line in reversed(lines[: node.lineno - 1]) if line.startswith("# "))
            found[node.name] = heading.removeprefix("# "), ast.get_docstring(node)
    parts: dict[str, list[str]] = {}
    for name, (heading, summary) in found.items():
        if name not in different:
            parts.setdefault(heading, []).append(summary)
    return list(parts.items()), {found[name][1]: reason for name, reason in different.items()}


class ScikerasScenarios(SphinxDirective):
    """Two tables: what runs as it is, and what does not."""

    def run(self):
        """Return the tables' nodes."""
        path = Path(self.env.srcdir).parent / _PATH
        self.env.note_dependency(str(path))
        parts, different = read_scenarios(path.read_text(encoding="utf-8"))
        n_same = sum(len(summaries) for _, summaries in parts)
        lines = [f"{n_same} of {n_same + len(different)} of these programs run as they are.", ""]
        lines += [
            ".. list-table::",
            "   :header-rows: 1",
            "   :widths: 25 75",
            "",
            "   * - Part",
            "     - Programs",
        ]
        for heading, summaries in parts:
            lines += [f"   * - {heading}", "     - " + " ".join(_code(summary) for summary in summaries)]
        lines += ["", "The others:", "", ".. list-table::", "   :header-rows: 1", "   :widths: 50 50", ""]
        lines += ["   * - In scikeras", "     - With the heads"]
        for summary, reason in different.items():
            lines += [f"   * - {_code(summary)}", f"     - {_code(reason)}"]
        return self.parse_text_to_nodes("\n".join(lines))


def _code(text: str) -> str:
    return text.replace("`", "``")


def setup(app):
    """Register the directive with Sphinx."""
    app.add_directive("scikeras-scenarios", ScikerasScenarios)
    return {"parallel_read_safe": True}

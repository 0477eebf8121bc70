"""A directive that shows the tables that the programs under benchmarks/ wrote last."""

import html
import json
import sys
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from _table import format_value

HEADINGS = {
    "bench_backbones": "Backbones",
    "bench_fixes": "The report's recipe, fixed",
    "bench_dask": "Dask workers",
    "bench_drift": "Drift",
    "bench_duplicates": "Near-duplicates",
    "bench_explanations": "Heat maps",
    "bench_features": "Features",
    "bench_few": "Few images",
    "bench_files": "Photographs from disk",
    "bench_forecast": "More images, predicted",
    "bench_head": "Training a head",
    "bench_labels": "Wrong labels found",
    "bench_next": "What to label next",
    "bench_one_image": "One image at a time",
    "bench_own": "A custom network",
    "bench_page": "The demo, and a report on 500 images",
    "bench_predict": "Predicting from the command line",
    "bench_photographs": "Photographs, and the program that courses teach",
    "bench_peers": "torch and embetter",
    "bench_precision": "Lower precision",
    "bench_recipe": "The recipe, and what else was tried",
    "bench_regression": "Numbers instead of classes",
    "bench_report": "The report's program",
    "bench_scale": "From 10,000 to 100,000 images",
    "bench_search": "A grid search",
    "bench_service": "A service, and its clients",
    "bench_threads": "Heads in threads",
    "bench_trust": "When not to trust an answer",
    "bench_tuning": "Tuning with Optuna",
}


class BenchmarkResults(SphinxDirective):
    """The tables of benchmarks/results/bench_*.json: a section for each program, or those of one program."""

    optional_arguments = 1  # the program's name, without its suffix

    def run(self):
        """Return the sections' nodes, or a sentence where nothing has been measured."""
        folder = Path(self.env.srcdir).parent / "benchmarks" / "results"
        self.env.note_reread()  # results may appear while this page does not change
        lines = []
        for path in sorted(folder.glob(f"{(self.arguments or ['bench_*'])[0]}.json")):
            if not path.stem.endswith(".quick"):
                document = json.loads(path.read_text(encoding="utf-8"))
                lines += _describe(document) if self.arguments else _head(document) + _describe(document)
        if not lines:
            lines = ["No results are kept in this copy of the source: run the programs."]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def _head(document: dict) -> list[str]:
    name = document["benchmark"]
    heading = HEADINGS.get(name, name)
    title = _escape(document["title"])
    return ["", heading, "-" * len(heading), "", f"{title} (``benchmarks/{name}.py``)", ""]


def _describe(document: dict) -> list[str]:
    machine = document["machine"]
    # torch is noted wherever it is installed, and matters where it is one of the sides.
    used = machine["versions"].items() - (
        set() if "torch" in document["title"] else {("torch", machine["versions"].get("torch"))}
    )
    versions = ", ".join(f"{name} {version}" for name, version in sorted(used))
    load = machine["load_average"][0], document["load_average_at_end"][0]
    lines = []
    for table in document["tables"]:
        lines += _draw_speeds(table["rows"]) + _list_table(table["title"], table["rows"])
    lines += [line for note in document["notes"] for line in (_escape(note.strip()), "")]
    return [
        *lines,
        _escape(
            f"Begun {document['started']} on {machine['cores']} cores of {machine['processor']}; load "
            f"average {load[0]:.1f} at the beginning, {load[1]:.1f} at the end; {versions}."
        ),
        "",
    ]


def _draw_speeds(rows: list[dict]) -> list[str]:
    """Return bars of the sides' speeds; the table below holds the numbers for those who cannot see them."""
    if not all(isinstance(row.get("speed"), float) for row in rows) or len(rows) < 2:
        return []
    fastest = max(row["speed"] for row in rows)
    bars = [
        f"<span>{html.escape(row['side'])}</span>"
        f'<span><i style="width:{max(0.5, 100 * row["speed"] / fastest):.1f}%"></i></span>'
        f"<span>{format_value(row['speed'])} x</span>"
        for row in rows
    ]
    return [".. raw:: html", "", f'   <div class="speeds" aria-hidden="true">{"".join(bars)}</div>', ""]


def _list_table(title: str, rows: list[dict]) -> list[str]:
    """Return a table of all columns but those that hold lists, such as the seconds of each round."""
    columns = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if not any(isinstance(row.get(name), list) for row in rows)
    ]
    lines = [f".. list-table:: {_escape(title)}", "   :header-rows: 1", ""]
    for row in ({name: name.replace("_", " ") for name in columns}, *rows):
        cells = [_escape(format_value(row.get(name, ""))) for name in columns]
        lines += [f"   * - {cells[0]}", *(f"     - {cell}" for cell in cells[1:])]
    return [*lines, ""]


def _escape(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_|" else letter for letter in text)


def setup(app):
    """Register the directive with Sphinx."""
    app.add_directive("benchmark-results", BenchmarkResults)
    return {"parallel_read_safe": True}

"""Directives whose content follows from the package itself, so that no page can fall behind it."""

import argparse
import json
import os
import tomllib
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

from fishsk import features, make_fish_pipeline
from fishsk.cli import build_parser
from fishsk.features import BACKBONES
from fishsk.features._applications import Application
from fishsk.features._vgg16_network import CONVOLUTIONS, LAYERS, resolve_weights

SHIPPED = Path(features.__file__).parent / "weights" / "cifar95.safetensors"


class CommandHelp(SphinxDirective):
    """The help texts of the command line and of each of its commands."""

    def run(self):
        """Return a section a command."""
        os.environ["COLUMNS"] = "88"
        parser = build_parser()
        (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        lines = _literal(parser.format_help())
        for name, command in commands.choices.items():
            lines += [name, "-" * len(name), "", *_literal(command.format_help())]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


class WeightsFacts(SphinxDirective):
    """What can be counted of the weights: sizes, parameters, multiplications."""

    def run(self):
        """Return a table."""
        rows = {
            "Images are resized to": lambda w: " x ".join(map(str, w.image_size)),
            "Channels of the five blocks": lambda w: ", ".join(map(str, w.widths)),
            "Parameters of the 13 convolutions": lambda w: f"{count_parameters(w) / 1e6:.2f} million",
            "Work for an image at that size": lambda w: f"{2 * count_multiplications(w) / 1e9:.3g} GFLOP",
            "Features, default recipe": lambda w: f"{count_features(weights=names[w]):,}",
        }
        names = {resolve_weights(name): name for name in ("cifar95", "imagenet")}
        lines = [".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", ""]
        lines += ["   * - Fact", "     - ``cifar95``", "     - ``imagenet``"]
        for title, count in rows.items():
            lines += [f"   * - {title}", *(f"     - {count(each)}" for each in names)]
        size = SHIPPED.stat().st_size / 1e6
        lines += [
            "   * - Where they are",
            f"     - in the package, {size:.1f} MB",
            "     - a download of 59 MB",
        ]
        return self.parse_text_to_nodes("\n".join(lines))


class BackboneFacts(SphinxDirective):
    """The networks that benchmarks/bench_backbones.py measured, beside the accuracy that Keras publishes."""

    def run(self):
        """Return a table."""
        docs = Path(self.env.srcdir)
        accuracy = tomllib.loads((docs / "imagenet_accuracy.toml").read_text(encoding="utf-8"))
        results = docs.parent / "benchmarks" / "results" / "bench_backbones.json"
        self.env.note_reread()
        if not results.exists():
            return self.parse_text_to_nodes("Nothing is kept: run ``benchmarks/bench_backbones.py``.")
        rows = json.loads(results.read_text(encoding="utf-8"))["tables"][0]["rows"]
        columns = {
            "Network": lambda row: row["network"],
            "ImageNet, top 1": lambda row: f"{accuracy[row['network']]:.1f} %",
            "Pixels": lambda row: f"{row['image_size']}",
            "GFLOP": lambda row: f"{row['GFLOP']:.2g}",
            "Download, about": lambda row: f"{row['weights_MB']:.0f} MB",
            "Features": lambda row: f"{row['features']:,}",
            "Runs on": lambda row: {"litert": "LiteRT", "tensorflow": "TensorFlow"}[
                Application(row["network"]).engine
            ],
        }
        for key in rows[0]:
            if key.endswith("images_per_second"):
                title = key.removesuffix("images_per_second").strip("_") or "fishsk"
                columns[f"{title}, images a second"] = lambda row, key=key: f"{row[key]:.3g}"
        lines = [".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", ""]
        for cells in (list(columns), *([count(row) for count in columns.values()] for row in rows)):
            lines += [f"   * - {cells[0]}", *(f"     - {cell}" for cell in cells[1:])]
        return self.parse_text_to_nodes("\n".join(lines))


class ScalingArithmetic(SphinxDirective):
    """Seconds, bytes and dollars for large numbers of images, from rates that the options state."""

    option_spec = {
        "recipe-rate": float,  # images a second on one core
        "vgg16-rate": float,
        "dollars": float,  # for an hour of one core
    }

    def run(self):
        """Return a table."""
        lines = [".. list-table::", "   :header-rows: 1", ""]
        titles = ["Images", "Features", "Core-hours", "Dollars", "256 cores take", "Bytes of features"]
        lines += [("   * - " if title == titles[0] else "     - ") + title for title in titles]
        for n_images, words in ((1e6, "10\\ :sup:`6`"), (1e9, "10\\ :sup:`9`")):
            for name, title, params in (
                ("recipe", "the recipe", {"backbone": BACKBONES}),
                ("vgg16", "VGG16, ``imagenet``", {"weights": "imagenet"}),
            ):
                core_hours = n_images / self.options[f"{name}-rate"] / 3600
                cells = [
                    words,
                    title,
                    f"{core_hours:,.0f}" if core_hours >= 10 else f"{core_hours:.1f}",
                    f"{_round(core_hours * self.options['dollars'])}",
                    _time(core_hours * 3600 / 256),
                    _bytes(n_images * 4 * count_features(**params)),
                ]
                lines += [("   * - " if i == 0 else "     - ") + cell for i, cell in enumerate(cells)]
        return self.parse_text_to_nodes("\n".join(lines))


def count_parameters(weights) -> int:
    """Return the number of kernel values and biases."""
    return sum(9 * n_in * n_out + n_out for _, n_in, n_out in _convolutions(weights))


def count_multiplications(weights) -> int:
    """Return the multiplications for one image at its native size; each comes with an addition."""
    height, width = weights.image_size
    return sum(
        9 * n_in * n_out * (height >> n_halvings) * (width >> n_halvings)
        for n_halvings, n_in, n_out in _convolutions(weights)
    )


def count_features(**params) -> int:
    """Return the columns that a pipeline makes by default."""
    return len(make_fish_pipeline(**params)["features"].get_feature_names_out())


def _convolutions(weights):
    """Yield of each convolution how often its map was halved, and the channels that go in and come out."""
    n_in = 3
    for layer in (LAYERS[name] for name in CONVOLUTIONS):
        n_out = weights.widths[layer.block]
        yield layer.n_halvings, n_in, n_out
        n_in = n_out


def _literal(text: str) -> list[str]:
    return [".. code-block:: text", "", *(f"   {line}" for line in text.rstrip().splitlines()), ""]


def _round(dollars: float) -> str:
    return f"{dollars:.2f}" if dollars < 10 else f"{dollars:,.0f}"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _bytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e12:.1f} TB" if n_bytes >= 1e12 else f"{n_bytes / 1e9:.1f} GB"


def setup(app):
    """Register the directives with Sphinx."""
    app.add_directive("command-help", CommandHelp)
    app.add_directive("weights-facts", WeightsFacts)
    app.add_directive("backbone-facts", BackboneFacts)
    app.add_directive("scaling-arithmetic", ScalingArithmetic)
    return {"parallel_read_safe": True}

"""``predict``: write the classes of images as CSV."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fishsk.cli._arguments import add_model, add_skip_bad, list_images

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "write the classes of images as CSV"
EXAMPLES = """\
examples:
  python -m fishsk predict fish.fishsk unknown/ --output answers.csv
  python -m fishsk predict fish.fishsk a.jpg b.png --output -
  python -m fishsk predict fish.fishsk a.jpg --output - --json      one JSON object instead of CSV
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_model(parser)
    parser.add_argument("images", nargs="+", help="files, or folders that are searched for images")
    parser.add_argument(
        "--output",
        default="predictions.csv",
        metavar="FILE",
        help="a CSV file; - is standard output (default: %(default)s)",
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Write the classes of images as CSV, or as JSON on standard output."""
    from fishsk.cli._targets import prepare_file, write_or_keep
    from fishsk.cli._tensorflow import load_tensorflow

    target = None if arguments.output == "-" else prepare_file(arguments.output)
    paths = list_images(arguments.images, skip_bad=arguments.skip_bad)
    load_tensorflow(screen)

    import numpy as np

    from fishsk._utils.files import write_atomically
    from fishsk.cli._features import extract_features
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    extract_features(screen, pipeline, paths)
    predicted = pipeline.predict(paths)
    proba = pipeline.predict_proba(paths) if hasattr(pipeline, "predict_proba") else None
    if target is None and not screen.as_json:
        sys.stdout.write(_to_csv(paths, predicted, proba, pipeline.classes_))
        return
    labels, numbers = np.unique(predicted, return_counts=True)
    found = dict(zip(labels, numbers, strict=True))
    counts = {str(label): found.get(label, 0) for label in pipeline.classes_}
    screen.fact("Images", f"{len(paths)}", n_images=len(paths), counts=counts)
    screen.fact("Classes", ", ".join(f"{name} {count}" for name, count in counts.items()))
    if target is None:
        screen.facts["predictions"] = [
            dict(zip(_header(pipeline.classes_, proba), row, strict=True))
            for row in _rows(paths, predicted, proba, pipeline.classes_)
        ]
        return
    content = _to_csv(paths, predicted, proba, pipeline.classes_).encode("utf-8", "surrogateescape")
    write_or_keep(target, lambda path: write_atomically(path, [content]))
    screen.fact("Predictions", str(target), predictions=target)


def _header(classes: Any, proba: Any) -> list[str]:
    if proba is None:
        return ["path", "predicted"]
    return ["path", "predicted", "probability", *(f"p_{label}" for label in classes)]


def _rows(paths: Sequence[str], predicted: Any, proba: Any, classes: Any) -> list[list[Any]]:
    if proba is None:
        return [[path, label] for path, label in zip(paths, predicted, strict=True)]
    columns = {label: column for column, label in enumerate(classes)}
    return [
        [path, label, row[columns[label]], *row]
        for path, label, row in zip(paths, predicted, proba, strict=True)
    ]


def _to_csv(paths: Sequence[str], predicted: Any, proba: Any, classes: Any) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_header(classes, proba))
    for path, label, *numbers in _rows(paths, predicted, proba, classes):
        writer.writerow([path, label, *(f"{number:.6f}" for number in numbers)])
    return text.getvalue()

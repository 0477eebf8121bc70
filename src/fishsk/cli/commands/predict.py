"""``predict``: write the classes or numbers of images as CSV."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from fishsk.cli._arguments import add_model, add_skip_bad, list_files

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "write the classes or numbers of images as CSV"
EXAMPLES = """\
examples:
  python -m fishsk predict fish.fishsk unknown/ --output answers.csv
  python -m fishsk predict fish.fishsk a.jpg b.png --output -
  python -m fishsk predict fish.fishsk a.jpg --output - --json      one JSON object instead of CSV
  python -m fishsk predict fish.fishsk unknown/ --min-probability 0.8    "unsure" below it
  python -m fishsk predict weights.fishsk unknown/               a model of numbers writes numbers
  python -m fishsk predict fish.fishsk unknown/ --train photos/     also flag what is unlike all of photos/
"""
UNSURE = "unsure"
_FALSE_ALARMS = 0.05


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
    parser.add_argument(
        "--min-probability",
        type=float,
        metavar="P",
        help='write "unsure" instead of a class that is less probable (default: always write the class)',
    )
    parser.add_argument(
        "--train",
        metavar="FOLDER",
        help="the images that the model was trained on: flag those that are unlike all of them "
        "(default: flag none)",
    )
    parser.add_argument(
        "--false-alarms",
        type=float,
        metavar="SHARE",
        help=f"share of images like those of --train that may be flagged (default: {_FALSE_ALARMS})",
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Write the classes or numbers of images as CSV, or as JSON on standard output."""
    from fishsk.cli._targets import TABLES, prepare_file, write_or_keep

    if arguments.false_alarms is not None and arguments.train is None:
        raise ValueError("--false-alarms compares with training images: pass --train FOLDER with it.")
    target = None if arguments.output == "-" else prepare_file(arguments.output, TABLES)
    paths, left_out = list_files(arguments.images)

    import numpy as np
    from sklearn.base import is_regressor

    from fishsk._utils.files import write_atomically
    from fishsk.cli._features import read_features
    from fishsk.inspection import FamiliarRows, find_confidence, format_number
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    has_proba = hasattr(pipeline, "predict_proba")
    _check_probability(arguments.min_probability, pipeline.classes_ if has_proba else None)
    known = None
    if arguments.train is not None:
        files, _ = list_files([arguments.train])
        known = read_features(screen, pipeline, files, skip_bad=arguments.skip_bad)
    new = read_features(screen, pipeline, paths, skip_bad=arguments.skip_bad)
    paths, left_out = new.paths, left_out | new.errors
    predicted = new.rest.predict(new.values)
    columns: dict[str, Any] = {"path": paths, "predicted": predicted.tolist()}
    if has_proba:
        proba = new.rest.predict_proba(new.values)
        probability = find_confidence(predicted, proba, pipeline.classes_)
        if arguments.min_probability is not None:
            unsure = probability < arguments.min_probability
            columns["predicted"] = np.where(unsure, UNSURE, predicted.astype(object)).tolist()
        columns["probability"] = probability.tolist()
        columns |= {f"p_{label}": proba[:, at].tolist() for at, label in enumerate(pipeline.classes_)}
    if known is not None:
        false_alarms = _FALSE_ALARMS if arguments.false_alarms is None else arguments.false_alarms
        found = FamiliarRows(known.features, false_alarms=false_alarms).compare(new.features)
        columns |= {"distance": found.distance.tolist(), "unfamiliar": found.is_unfamiliar.tolist()}
    if target is None and not screen.as_json:
        sys.stdout.write(_to_csv(columns))
        return
    screen.fact("Images", f"{len(paths)}", n_images=len(paths), left_out=left_out)
    if is_regressor(pipeline):
        found_numbers = {"lowest": predicted.min(), "highest": predicted.max(), "mean": predicted.mean()}
        words = "{} to {}, {} on average".format(*map(format_number, found_numbers.values()))
        screen.fact("Numbers", words, **found_numbers)
    else:
        names = [*map(str, pipeline.classes_), *([] if arguments.min_probability is None else [UNSURE])]
        counts = Counter(map(str, columns["predicted"]))
        screen.facts["counts"] = {name: counts[name] for name in names}
        screen.fact("Classes", ", ".join(f"{name} {counts[name]}" for name in names))
    if known is not None:
        n_unfamiliar = sum(columns["unfamiliar"])
        screen.fact(
            "Unfamiliar",
            f"{n_unfamiliar} of {len(paths)} images are unlike all of {arguments.train} "
            f"(of images like these, {false_alarms:.1%} would be)",
            n_unfamiliar=n_unfamiliar,
            threshold=found.threshold,
            false_alarms=found.false_alarms,
        )
    if target is None:
        screen.facts["predictions"] = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        return
    content = _to_csv(columns).encode("utf-8", "surrogateescape")
    write_or_keep(target, lambda path: write_atomically(path, [content]))
    screen.fact("Predictions", str(target), predictions=target)


def _check_probability(least: float | None, classes: Any) -> None:
    """Check that answers can be withheld below a probability."""
    if least is None:
        return
    if not 0 <= least <= 1:
        raise ValueError(f"--min-probability must be in 0 to 1. Got {least:g}.")
    if classes is None:
        raise ValueError("--min-probability needs a model that gives probabilities. This one gives none.")
    if UNSURE in map(str, classes):
        raise ValueError(
            f"--min-probability writes {UNSURE!r}, which is a class of this model. Rename that class."
        )


def _to_csv(columns: dict[str, Any]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([f"{value:.6f}" if isinstance(value, float) else value for value in row])
    return text.getvalue()

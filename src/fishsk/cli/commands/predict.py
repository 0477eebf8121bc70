"""Write the classes, numbers or tags of images as CSV or Parquet.

examples:
  python -m fishsk predict fish.fishsk unknown/ --output answers.csv
  python -m fishsk predict fish.fishsk boxes.csv                    a table of paths, and of boxes in them
  python -m fishsk predict fish.fishsk unknown/ --output answers.parquet
  python -m fishsk predict fish.fishsk a.jpg b.png --output -
  python -m fishsk predict fish.fishsk a.jpg --output - --json      one JSON object instead of CSV
  python -m fishsk predict fish.fishsk unknown/ --min-probability 0.8    "unsure" below it
  python -m fishsk predict weights.fishsk unknown/               a model of numbers writes numbers
  python -m fishsk predict fish.fishsk unknown/ --train photos/     also flag what is unlike all of photos/
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from fishsk.cli._arguments import UNSURE, add_columns, add_model, add_skip_bad, check_probability, list_files
from fishsk.cli._screen import Screen, pick
from fishsk.cli._targets import FRAMES, TABLES, prepare_file, to_csv, write_or_keep, write_table

_FALSE_ALARMS = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "images", nargs="+", help="files, folders that are searched for images, or tables of images (.csv)"
    )
    add_columns(parser)
    parser.add_argument(
        "--output",
        default="predictions.csv",
        metavar="FILE",
        help="a CSV file, or a Parquet file (.parquet); - is CSV on standard output",
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
    if arguments.false_alarms is not None and arguments.train is None:
        raise ValueError("--false-alarms compares with training images: pass --train FOLDER with it.")
    target = None if arguments.output == "-" else prepare_file(arguments.output, (*TABLES, *FRAMES))
    paths, left_out = list_files(arguments.images, arguments)

    import numpy as np
    from sklearn.base import is_regressor

    from fishsk import inspection
    from fishsk.cli._networks import read_features
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    check_probability(arguments.min_probability, pipeline)
    known = None
    if arguments.train is not None:
        files, _ = list_files([arguments.train])
        known = read_features(screen, pipeline, files, skip_bad=arguments.skip_bad)
    new = read_features(screen, pipeline, paths, skip_bad=arguments.skip_bad)
    predicted = new.rest.predict(new.values)
    columns: dict[str, list] = {"path": new.paths, "predicted": predicted.tolist()}
    numbers: dict[str, float] = {}
    counts: dict[str, int] = {}
    if is_regressor(pipeline):
        numbers = {"lowest": predicted.min(), "highest": predicted.max(), "mean": predicted.mean()}
    elif inspection.predicts_tags(pipeline):
        tags = inspection.name_tags(pipeline, len(pipeline.classes_))
        columns["predicted"] = [inspection.join_tags(row, tags) for row in predicted]
        if (proba := inspection.predict_tag_proba(new.rest, new.values)) is not None:
            columns |= {f"p_{tag}": proba[:, at].tolist() for at, tag in enumerate(tags)}
        counts = dict(zip(tags, predicted.sum(axis=0).tolist(), strict=True))
    else:
        names = [*map(str, pipeline.classes_)]
        if hasattr(pipeline, "predict_proba"):
            proba = new.rest.predict_proba(new.values)
            probability = inspection.find_confidence(predicted, proba, pipeline.classes_)
            if arguments.min_probability is not None:
                names.append(UNSURE)
                unsure = probability < arguments.min_probability
                columns["predicted"] = np.where(unsure, UNSURE, predicted.astype(object)).tolist()
            columns["probability"] = probability.tolist()
            columns |= {f"p_{label}": proba[:, at].tolist() for at, label in enumerate(pipeline.classes_)}
        counted = Counter(map(str, columns["predicted"]))
        counts = {name: counted[name] for name in names}
    if known is not None:
        false_alarms = _FALSE_ALARMS if arguments.false_alarms is None else arguments.false_alarms
        found = inspection.FamiliarRows(known.features, false_alarms=false_alarms).compare(new.features)
        columns |= {"distance": found.distance.tolist(), "unfamiliar": found.is_unfamiliar.tolist()}
    rows = [*zip(*columns.values(), strict=True)]
    if target is None and not screen.as_json:
        sys.stdout.write(to_csv([columns, *rows]))
        return
    screen.fact("Images", f"{len(rows)}", n_images=len(rows), left_out=left_out | new.errors)
    if numbers:
        words = "{} to {}, {} on average".format(*map(inspection.format_number, numbers.values()))
        screen.fact("Numbers", words, **numbers)
    else:
        words = ", ".join(f"{name} {count}" for name, count in counts.items())
        screen.fact("Tags" if inspection.predicts_tags(pipeline) else "Classes", words, counts=counts)
    if known is not None:
        n_unfamiliar = sum(columns["unfamiliar"])
        screen.fact(
            "Unfamiliar",
            f"{n_unfamiliar} of {len(rows)} images are unlike all of {arguments.train} "
            f"(of images like these, {false_alarms:.1%} would be)",
            n_unfamiliar=n_unfamiliar,
            **pick(found, "threshold", "false_alarms"),
        )
    if target is None:
        screen.facts["predictions"] = [dict(zip(columns, row, strict=True)) for row in rows]
    else:
        write_or_keep(screen, "Predictions", target, lambda path: write_table(path, columns, rows))

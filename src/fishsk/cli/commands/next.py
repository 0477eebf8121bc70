"""Find the unlabeled images whose labels would teach a model most, and label them.

examples:
  python -m fishsk next unlabeled/ --model fish.fishsk --train photos/     a page to label 50 of them on
  python -m fishsk fit labels.csv --target label --task classification     the table that the page saves
  python -m fishsk next unlabeled/ --train labels.csv                      and the next 50
  python -m fishsk next unlabeled/ --n 200 --output next.csv               a table, to label elsewhere

With --train, they differ from what is labeled, too, and images that are the same as a labeled one, or unlike
all of them, are named apart. Files that cannot be read are named apart in any case.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fishsk._utils.files import expand, write_atomically
from fishsk.cli._arguments import add_columns, add_unlabeled, list_files, load_photos
from fishsk.cli._screen import Screen, to_plain
from fishsk.cli._targets import PAGES, TABLES, prepare_file, write_or_keep, write_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_unlabeled(parser)
    parser.add_argument("--n", type=int, default=50, help="how many to suggest")
    parser.add_argument(
        "--train", metavar="PHOTOS", help="the images that are labeled: a folder of class folders, or a table"
    )
    add_columns(parser, target="the column of that table that holds the classes (default: label)")
    parser.add_argument(
        "--output",
        default="next.html",
        metavar="FILE",
        help="a page to label them on (.html), or a table (.csv, .json)",
    )
    parser.set_defaults(task="classification", skip_bad=True)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    if arguments.n < 1:
        raise ValueError(f"--n must be at least 1. Got {arguments.n}.")
    target = prepare_file(arguments.output, (*PAGES, *TABLES, ".json"))
    paths, left_out = list_files(arguments.images)
    train = None
    if arguments.train is not None:
        if expand(arguments.train).is_file() and arguments.target is None:
            arguments.target = ["label"]
        train = load_photos(arguments.train, arguments)

    from fishsk.cli._networks import read_features
    from fishsk.features import check_images
    from fishsk.inspection import check_classifier, rank_suggestions
    from fishsk.persistence import load_pipeline
    from fishsk.report import write_suggestions

    pipeline = load_pipeline(arguments.model)
    check_classifier(pipeline)
    labeled, known = None, list[tuple[str, str]]()
    if train is not None:
        rows = read_features(screen, pipeline, train.paths.tolist(), skip_bad=True)
        labeled = rows.features, check_images(rows.paths)
        if not train.n_boxes:  # the page's table has a column for paths alone
            labels = dict(zip(train.paths.tolist(), train.y.tolist(), strict=True))
            known = [(path, labels[path]) for path in rows.paths]
    new = read_features(screen, pipeline, paths, skip_bad=True)
    with screen.stage("choose"):
        found = rank_suggestions(
            (new.features, check_images(new.paths)), new.rest, new.values, arguments.n, labeled=labeled
        )
    found.unreadable.update(dict(enumerate(new.errors.values(), start=len(new.paths))))
    names = [*new.paths, *new.errors]
    suggested = [
        {
            "path": str(Path(new.paths[row]).absolute()),
            "label": "",
            "guess": found.guess[row],
            "probability": round(float(found.probability[row]), 6),
            "score": round(float(score), 6),
            "reason": reason,
        }
        for row, score, reason in zip(found.rows.tolist(), found.score, found.reason, strict=True)
    ]
    apart = {
        kind: {names[row]: reason for row, reason in getattr(found, kind).items()}
        for kind in ("unreadable", "duplicate", "unfamiliar")
    }
    screen.fact("Images", f"{len(new.paths):,}", n_images=len(new.paths), left_out=left_out)
    counts = ", ".join(f"{len(rows):,} {kind}" for kind, rows in apart.items())
    hint = " (of the last two more with --train)" if train is None else ""
    screen.fact("Set apart", f"{counts}{hint}", apart=apart)
    is_page = target.suffix.lower() in PAGES
    if not suggested and not (is_page and found.unfamiliar):  # which a page shows, too
        raise ValueError(f"There must be images left to suggest. All {len(names):,} are set apart.")
    screen.facts["suggested"] = suggested
    if suggested:
        screen.table(
            [(place, row["reason"], row["path"]) for place, row in enumerate(suggested[:10], start=1)],
            header=("rank", "reason", "image"),
            right=[0],
        )
    if len(suggested) > 10:
        screen.say(f"... and {len(suggested) - 10:,} more\n")

    def write(path: Path) -> None:
        if is_page:
            classes = list(dict.fromkeys([*map(str, pipeline.classes_), *(label for _, label in known)]))
            write_suggestions(found, new.paths, path, classes=classes, labeled=known)
        elif target.suffix.lower() in TABLES:
            write_table(path, suggested[0], [row.values() for row in suggested])
        else:
            text = json.dumps(to_plain({"suggested": suggested, "apart": apart}), indent=2)
            write_atomically(path, [text.encode()])

    write_or_keep(screen, "Page" if is_page else "Table", target, write)

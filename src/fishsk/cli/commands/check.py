"""Check a folder or a table of images: broken files, duplicates, wrong labels, odd images.

examples:
  python -m fishsk check photos/
  python -m fishsk check photos/ --test new_photos/    also look for test images among the training images
  python -m fishsk check boxes.csv --target species    a table, such as one of boxes in images
  python -m fishsk check photos/ --cv 0 --fail-on warning && python -m fishsk fit photos/

It exits with 1 if it found an error (a file that cannot be read, the same picture with two labels, or in
training and test), and with 0 otherwise; --fail-on sets from which level on.
"""

from __future__ import annotations

import argparse
import warnings

from fishsk._utils.files import expand
from fishsk.cli._arguments import Photos, add_columns, add_training, load_photos
from fishsk.cli._screen import Screen, load_tensorflow, pick
from fishsk.cli._targets import PAGES, prepare_file, write_or_keep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="one folder per class, or a table (CSV) with --target")
    add_columns(parser, target="the column of a table that holds the classes (default: a folder needs none)")
    parser.add_argument(
        "--test",
        metavar="FOLDER",
        help="test images, or a table like the first, none of which may be in the folder",
    )
    parser.add_argument(
        "--cv", type=int, default=5, help="folds to look for wrong labels in; 0 does not look for them"
    )
    parser.add_argument("--min-images", type=int, default=20, metavar="N", help="the least images of a class")
    parser.add_argument(
        "--fail-on", choices=["error", "warning", "never"], default="error", help="what makes it exit with 1"
    )
    parser.add_argument("--output", default="check.html", metavar="FILE", help="the page to write")
    add_training(parser)
    parser.set_defaults(task="classification", skip_bad=True)  # what is left out is an issue


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    if arguments.cv < 0 or arguments.cv == 1:
        raise ValueError(f"--cv must be 0 or at least 2. Got {arguments.cv}.")
    target = prepare_file(arguments.output, PAGES)
    photos, test = _list_images(arguments.folder, arguments), None
    left_out = photos.left_out
    where = f"{len(photos.paths):,} of {len(photos.names)} classes in {arguments.folder}"
    if arguments.test is not None:
        test = _list_images(arguments.test, arguments)
        left_out |= test.left_out
        where += f", {len(test.paths):,} in {arguments.test}"
    load_tensorflow(screen)

    from fishsk.cli._networks import make_pipeline, show_networks
    from fishsk.inspection import find_data_issues
    from fishsk.report import write_data_issues

    X, X_test = photos.paths, None if test is None else test.paths
    pipeline = make_pipeline(arguments, X, features__verbose=1)
    n_test = 0 if X_test is None else len(X_test)
    screen.fact("Images", where, n_images=len(X), n_test=n_test, left_out=left_out)
    show_networks(screen, pipeline)
    with screen.measured("check"):
        data = find_data_issues(
            X,
            photos.y,
            X_test=X_test,
            y_test=None if test is None else test.y,
            pipeline=pipeline,
            cv=arguments.cv or None,
            classes=photos.names,
            min_images=arguments.min_images,
            left_out=left_out,
            verbose=1,
        )
    issues = []
    for issue in data.issues:
        found = [
            {"images": [data.names[row] for row in each.rows], "detail": each.detail} for each in issue.found
        ]
        issues.append(pick(issue, "kind", "level", "title", "advice") | {"found": found})
    screen.facts |= {"level": data.level, "issues": issues}
    if data.issues:
        screen.table(
            [(issue.level, issue.title, f"{len(issue.found):,}") for issue in data.issues],
            header=("level", "what", "found"),
            right=[2],
        )
        for issue in data.issues:
            screen.say(f"{issue.title}: {issue.advice}")
            first = issue.found[0]
            screen.say("; ".join([f"  {first.detail}", *(data.names[row] for row in first.rows)]))
    screen.say("" if data.issues else "Nothing was found.")
    write_or_keep(screen, "Page", target, lambda path: write_data_issues(data, X, path, X_test=X_test))
    failing = {"error": ["error"], "warning": ["error", "warning"], "never": []}[arguments.fail_on]
    return int(data.level in failing)


def _list_images(source: str, arguments: argparse.Namespace) -> Photos:
    """Return images, readable or not, with their classes."""
    columns = None if expand(source).is_dir() else arguments.target
    if columns and (len(columns) > 1 or columns[0].casefold() == "tags"):
        raise ValueError("check looks for what is wrong with classes, of which an image has one. Got tags.")
    with warnings.catch_warnings(action="ignore"):  # what it warns of is an issue here
        return load_photos(source, argparse.Namespace(**vars(arguments) | {"target": columns}))

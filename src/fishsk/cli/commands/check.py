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
from fishsk.cli._arguments import add_columns, add_training, load_photos
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


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    if arguments.cv < 0 or arguments.cv == 1:
        raise ValueError(f"--cv must be 0 or at least 2. Got {arguments.cv}.")
    target = prepare_file(arguments.output, PAGES)
    X, y, classes, left_out = _list_images(arguments.folder, arguments)
    X_test = y_test = None
    where = f"{len(X):,} of {len(classes)} classes in {arguments.folder}"
    if arguments.test is not None:
        X_test, y_test, _, more = _list_images(arguments.test, arguments)
        left_out |= more
        where += f", {len(X_test):,} in {arguments.test}"
    load_tensorflow(screen)

    from fishsk.cli._networks import make_pipeline, show_networks
    from fishsk.inspection import find_data_issues
    from fishsk.report import write_data_issues

    pipeline = make_pipeline(arguments, X, features__verbose=1)
    n_test = 0 if X_test is None else len(X_test)
    screen.fact("Images", where, n_images=len(X), n_test=n_test, left_out=left_out)
    show_networks(screen, pipeline)
    with screen.measured("check"):
        data = find_data_issues(
            X,
            y,
            X_test=X_test,
            y_test=y_test,
            pipeline=pipeline,
            cv=arguments.cv or None,
            classes=classes,
            min_images=arguments.min_images,
            left_out=left_out,
            verbose=1,
        )
    screen.facts |= {"level": data.level, "issues": []}
    for issue in data.issues:
        found = [
            {"images": [data.names[row] for row in each.rows], "detail": each.detail} for each in issue.found
        ]
        screen.facts["issues"].append(pick(issue, "kind", "level", "title", "advice") | {"found": found})
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


def _list_images(
    source: str, arguments: argparse.Namespace
) -> tuple[list[str], list[str], list[str], dict[str, str]]:
    """Return images, readable or not, their classes, all classes, and what was left out, with why."""
    if expand(source).is_file():
        names = arguments.target or []
        if len(names) > 1 or [name.casefold() for name in names] == ["tags"]:
            raise ValueError(
                "check looks for what is wrong with classes, of which an image has one. Got tags."
            )
        arguments.task, arguments.skip_bad = "classification", True  # what is left out is an issue
        photos = load_photos(source, arguments)
        return photos.paths.tolist(), photos.y.tolist(), sorted(set(photos.y.tolist())), photos.left_out

    from fishsk.datasets import load_image_folder

    with warnings.catch_warnings(action="ignore"):  # what it warns of is an issue here
        data = load_image_folder(source, check_files=False)
    labels = [data.target_names[label] for label in data.target]
    return data.images.tolist(), labels, data.target_names, data.left_out

"""``check``: is a folder of images sound, before anything is learned from it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fishsk.cli._arguments import add_training, parse_network

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen
    from fishsk.inspection import DataIssues

SUMMARY = "check a folder of images: broken files, duplicates, wrong labels, odd images"
EXAMPLES = """\
examples:
  python -m fishsk check photos/
  python -m fishsk check photos/ --test new_photos/    also look for test images among the training images
  python -m fishsk check photos/ --cv 0 --fail-on warning && python -m fishsk fit photos/

It exits with 1 if it found an error (a file that cannot be read, the same picture with two labels, or in
training and test), and with 0 otherwise; --fail-on sets from which level on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folder", help="one folder per class")
    parser.add_argument(
        "--test", metavar="FOLDER", help="test images, none of which may be in the folder (default: none)"
    )
    parser.add_argument(
        "--cv",
        type=int,
        default=5,
        help="folds to look for wrong labels in; 0 does not look for them (default: %(default)s)",
    )
    parser.add_argument(
        "--min-images",
        type=int,
        default=20,
        metavar="N",
        help="the least images of a class (default: %(default)s)",
    )
    parser.add_argument(
        "--fail-on",
        choices=["error", "warning", "never"],
        default="error",
        help="what makes it exit with 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--output", default="check.html", metavar="FILE", help="the page to write (default: %(default)s)"
    )
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check a folder of images, print what was found, and write it as a page."""
    from fishsk.cli._targets import prepare_file, write_or_keep
    from fishsk.cli._tensorflow import load_tensorflow

    if arguments.cv < 0 or arguments.cv == 1:
        raise ValueError(f"--cv must be 0 or at least 2. Got {arguments.cv}.")
    target = prepare_file(arguments.output)
    train = _list_folder(arguments.folder)
    test = None if arguments.test is None else _list_folder(arguments.test)
    load_tensorflow(screen)

    from fishsk._pipeline import make_fish_pipeline
    from fishsk.inspection import find_data_issues
    from fishsk.report import write_data_issues

    pipeline = make_fish_pipeline(
        recipe=arguments.recipe, **parse_network(arguments), random_state=arguments.seed
    )
    n_test = 0 if test is None else len(test[0])
    screen.fact(
        "Images",
        f"{len(train[0]):,} of {len(train[2])} classes in {arguments.folder}"
        + ("" if test is None else f", {n_test:,} in {arguments.test}"),
        n_images=len(train[0]),
        n_test=n_test,
    )
    pipeline["features"].set_params(verbose=1)
    with screen.measured("check"):
        data = find_data_issues(
            train[0],
            train[1],
            X_test=None if test is None else test[0],
            y_test=None if test is None else test[1],
            pipeline=pipeline,
            cv=arguments.cv or None,
            classes=train[2],
            min_images=arguments.min_images,
            verbose=1,
        )
    _show(screen, data)
    with screen.stage("page"):
        write_or_keep(
            target,
            lambda path: write_data_issues(data, train[0], path, X_test=None if test is None else test[0]),
        )
    screen.fact("Page", f"{target} (open it in a browser)", page=target)
    failing = {"error": ["error"], "warning": ["error", "warning"], "never": []}[arguments.fail_on]
    return int(data.level in failing)


def _list_folder(folder: str) -> tuple[list[str], Any, list[str]]:
    """Return the paths and labels of all images, readable or not, and the names of the classes."""
    import numpy as np

    from fishsk.datasets import list_image_folder, warn_of_links
    from fishsk.features import IMAGE_SUFFIXES

    if Path(folder).is_file():
        raise ValueError(
            f"check looks for what is wrong with classes, in one folder for each. Got the file {folder!r}: "
            "fit and evaluate name the rows of a table that cannot be used."
        )
    paths, target, names, links = list_image_folder(folder)
    warn_of_links(links)
    if not paths:
        raise ValueError(
            f"The class folders of {folder!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). Got none "
            f"in {names}."
        )
    return paths, np.asarray(names)[target], names


def _show(screen: Screen, data: DataIssues) -> None:
    """Print a line for each kind of thing that was found, with an example."""
    screen.facts["level"] = data.level
    screen.facts["issues"] = [
        {
            "kind": issue.kind,
            "level": issue.level,
            "title": issue.title,
            "advice": issue.advice,
            "found": [
                {"images": [data.names[row] for row in found.rows], "detail": found.detail}
                for found in issue.found
            ],
        }
        for issue in data.issues
    ]
    if not data.issues:
        screen.say("Nothing was found.")
        return
    screen.table(
        [(issue.level, issue.title, f"{len(issue.found):,}") for issue in data.issues],
        header=("level", "what", "found"),
        right=[2],
    )
    for issue in data.issues:
        first = issue.found[0]
        screen.say(f"{issue.title}: {issue.advice}")
        screen.say("; ".join(["  " + first.detail, *(data.names[row] for row in first.rows)]))
    screen.say()

"""``check``: is a folder of images sound, before anything is learned from it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fishsk._utils.files import expand
from fishsk.cli._arguments import add_columns, add_training, load_photos

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen
    from fishsk.datasets import FolderListing
    from fishsk.inspection import DataIssues

SUMMARY = "check a folder or a table of images: broken files, duplicates, wrong labels, odd images"
EXAMPLES = """\
examples:
  python -m fishsk check photos/
  python -m fishsk check photos/ --test new_photos/    also look for test images among the training images
  python -m fishsk check boxes.csv --target species    a table, such as one of boxes in images
  python -m fishsk check photos/ --cv 0 --fail-on warning && python -m fishsk fit photos/

It exits with 1 if it found an error (a file that cannot be read, the same picture with two labels, or in
training and test), and with 0 otherwise; --fail-on sets from which level on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folder", help="one folder per class, or a table (CSV) with --target")
    parser.add_argument(
        "--target",
        action="append",
        metavar="COLUMN",
        help="the column of a table that holds the classes (default: a folder needs none)",
    )
    add_columns(parser)
    parser.add_argument(
        "--test",
        metavar="FOLDER",
        help="test images, or a table like the first, none of which may be in the folder (default: none)",
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
    from fishsk.cli._targets import PAGES, prepare_file, write_or_keep
    from fishsk.cli._tensorflow import load_tensorflow

    if arguments.cv < 0 or arguments.cv == 1:
        raise ValueError(f"--cv must be 0 or at least 2. Got {arguments.cv}.")
    target = prepare_file(arguments.output, PAGES)
    train = _list_images(arguments.folder, arguments)
    test = None if arguments.test is None else _list_images(arguments.test, arguments)
    left_out = train.left_out if test is None else train.left_out | test.left_out
    load_tensorflow(screen)

    import numpy as np

    from fishsk.cli._networks import make_pipeline, show_networks
    from fishsk.inspection import find_data_issues
    from fishsk.report import write_data_issues

    pipeline = make_pipeline(arguments, train.paths, features__verbose=1)
    n_test = 0 if test is None else len(test.paths)
    labels = [np.asarray(each.target_names)[each.labels] for each in (train, test) if each is not None]
    screen.fact(
        "Images",
        f"{len(train.paths):,} of {len(train.target_names)} classes in {arguments.folder}"
        + ("" if test is None else f", {n_test:,} in {arguments.test}"),
        n_images=len(train.paths),
        n_test=n_test,
        left_out=left_out,
    )
    show_networks(screen, pipeline)
    with screen.measured("check"):
        data = find_data_issues(
            train.paths,
            labels[0],
            X_test=None if test is None else test.paths,
            y_test=None if test is None else labels[1],
            pipeline=pipeline,
            cv=arguments.cv or None,
            classes=train.target_names,
            min_images=arguments.min_images,
            left_out=left_out,
            verbose=1,
        )
    _show(screen, data)
    with screen.stage("page"):
        write_or_keep(
            target,
            lambda path: write_data_issues(
                data, train.paths, path, X_test=None if test is None else test.paths
            ),
        )
    screen.fact("Page", f"{target} (open it in a browser)", page=target)
    failing = {"error": ["error"], "warning": ["error", "warning"], "never": []}[arguments.fail_on]
    return int(data.level in failing)


def _list_images(folder: str, arguments: argparse.Namespace) -> FolderListing:
    """Return what is in a folder of class folders, readable or not, or in a table of classes."""
    from fishsk.datasets import FolderListing, list_image_folder
    from fishsk.features import IMAGE_SUFFIXES

    if expand(folder).is_file():
        if len(arguments.target or []) > 1 or [name.casefold() for name in arguments.target or []] == [
            "tags"
        ]:
            raise ValueError(
                "check looks for what is wrong with classes, of which an image has one. Got tags."
            )
        arguments.task, arguments.skip_bad = "classification", True  # what is left out is an issue
        photos = load_photos(folder, arguments)
        names = sorted(set(photos.y.tolist()))
        labels = [names.index(name) for name in photos.y.tolist()]
        return FolderListing(photos.paths.tolist(), labels, names, photos.left_out)
    listing = list_image_folder(folder)
    if not listing.paths:
        raise ValueError(
            f"The class folders of {folder!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). Got none "
            f"in {listing.target_names}."
        )
    return listing


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

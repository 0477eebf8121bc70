"""``drift``: do new images come from where the training images come from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fishsk.cli._arguments import add_model, add_skip_bad, list_files

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen
    from fishsk.inspection import ImageDrift

DRIFTED = 3  # exit status; 1 is an error, and argparse's is 2
SUMMARY = "test whether new images come from where the training images come from"
EXAMPLES = """\
examples:
  python -m fishsk drift fish.fishsk new_photos/ --train photos/
  python -m fishsk drift fish.fishsk new_photos/ --train photos/ --output drift.html --json > drift.json
  python -m fishsk drift fish.fishsk today/ --train photos/ || echo "look at the new images"

Neither folder needs labels. It exits with 3 if the images have drifted (p at most --level), with 0 if that
cannot be said, and with 1 if something could not be done.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_model(parser)
    parser.add_argument(
        "images", nargs="+", help="new images: files, or folders that are searched for images"
    )
    parser.add_argument(
        "--train",
        metavar="FOLDER",
        required=True,
        help="the images that the model was trained on, or others that are as it expects them",
    )
    parser.add_argument(
        "--level",
        type=float,
        default=0.05,
        metavar="P",
        help="the p value up to which it counts as drift: the share of false alarms (default: %(default)s)",
    )
    parser.add_argument(
        "--permutations",
        type=int,
        default=999,
        metavar="N",
        help="how often the images are dealt out anew for the tests (default: %(default)s)",
    )
    parser.add_argument(
        "--output", default="drift.html", metavar="FILE", help="the page to write (default: %(default)s)"
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Compare new images with those of training, print how they differ, and write it as a page."""
    from fishsk.cli._targets import PAGES, prepare_file, write_or_keep

    if not 0 < arguments.level < 1:
        raise ValueError(f"--level must be between 0 and 1. Got {arguments.level:g}.")
    least = round(1 / arguments.level)
    if arguments.permutations < max(19, least - 1):
        raise ValueError(
            f"--permutations must be at least {max(19, least - 1)}. Got {arguments.permutations}."
        )
    target = prepare_file(arguments.output, PAGES)
    new_paths, left_out = list_files(arguments.images)
    train_paths, _ = list_files([arguments.train])

    from fishsk.cli._features import read_features
    from fishsk.inspection import measure_drift
    from fishsk.persistence import load_pipeline
    from fishsk.report import write_drift

    pipeline = load_pipeline(arguments.model)
    train, new = (
        read_features(screen, pipeline, paths, skip_bad=arguments.skip_bad)
        for paths in (train_paths, new_paths)
    )
    with screen.stage("compare"):
        drift = measure_drift(
            *((each.features, each.rest, each.values) for each in (train, new)),
            n_permutations=arguments.permutations,
        )
    screen.facts["left_out"] = left_out | train.errors | new.errors
    _show(screen, drift, new.paths, arguments.level)
    with screen.stage("page"):
        write_or_keep(
            target, lambda path: write_drift(drift, train.paths, new.paths, path, level=arguments.level)
        )
    screen.fact("Page", f"{target} (open it in a browser)", page=target)
    return DRIFTED if drift.p_value <= arguments.level else 0


def _show(screen: Screen, drift: ImageDrift, paths: list[str], level: float) -> None:
    """Print the tests, the share unlike training, and the classes whose share moved."""
    has_drifted = drift.p_value <= level
    screen.fact(
        "Images",
        f"{drift.n_new:,} new, {drift.n_train:,} of training",
        n_new=drift.n_new,
        n_train=drift.n_train,
        n_compared=drift.n_compared,
    )
    screen.fact(
        "Drift",
        f"{'yes' if has_drifted else 'not seen'}: p = {drift.p_value:.3g} (a classifier tells them apart "
        f"with AUC {drift.classifier_auc:.3f}, p = {drift.classifier_p_value:.3g}; kernel test, "
        f"p = {drift.kernel_p_value:.3g})",
        has_drifted=has_drifted,
        p_value=drift.p_value,
        classifier_auc=drift.classifier_auc,
        classifier_p_value=drift.classifier_p_value,
        kernel_distance=drift.kernel_distance,
        kernel_p_value=drift.kernel_p_value,
    )
    low, high = drift.interval_unfamiliar
    screen.fact(
        "Unfamiliar",
        f"{drift.share_unfamiliar:.1%} are unlike all of training (95 % interval {low:.1%} to {high:.1%}; of "
        f"images like these {drift.false_alarms:.1%} would be)",
        share_unfamiliar=drift.share_unfamiliar,
        interval_unfamiliar=drift.interval_unfamiliar,
        false_alarms=drift.false_alarms,
    )
    screen.facts["classes"] = [vars(each) for each in drift.classes]
    screen.facts["moved"] = [
        {"path": paths[row], "distance": drift.distance[row]} for row in drift.moved.tolist()
    ]
    if drift.classes:
        screen.table(
            [
                (
                    each.label,
                    f"{each.share_train:.1%}",
                    f"{each.share_new:.1%}",
                    f"{100 * each.difference:+.1f}",
                    f"{100 * each.interval[0]:+.1f} to {100 * each.interval[1]:+.1f}",
                    f"{each.p_value:.3g}",
                )
                for each in drift.classes
            ],
            header=("class, as predicted", "training", "new", "points", "95 % interval", "p"),
            right=range(1, 6),
        )
    screen.say("Farthest from training: " + ", ".join(paths[row] for row in drift.moved[:5].tolist()))

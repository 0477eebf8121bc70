"""Test whether new images come from where the training images come from.

examples:
  python -m fishsk drift fish.fishsk new_photos/ --train photos/
  python -m fishsk drift fish.fishsk new_photos/ --train photos/ --output drift.html --json > drift.json
  python -m fishsk drift fish.fishsk today/ --train photos/ || echo "look at the new images"

Neither folder needs labels. It exits with 3 if the images have drifted (p at most --level), with 0 if that
cannot be said, and with 1 if something could not be done.
"""

from __future__ import annotations

import argparse

from fishsk.cli._arguments import add_model, add_skip_bad, list_files
from fishsk.cli._screen import Screen, pick
from fishsk.cli._targets import PAGES, prepare_file, write_or_keep

DRIFTED = 3  # exit status; 1 is an error, and argparse's is 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
        help="the p value up to which it counts as drift: the share of false alarms",
    )
    parser.add_argument(
        "--permutations",
        type=int,
        default=999,
        metavar="N",
        help="how often the images are dealt out anew for the tests",
    )
    parser.add_argument("--output", default="drift.html", metavar="FILE", help="the page to write")
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    if not 0 < arguments.level < 1:
        raise ValueError(f"--level must be between 0 and 1. Got {arguments.level:g}.")
    least = max(19, round(1 / arguments.level) - 1)
    if arguments.permutations < least:
        raise ValueError(f"--permutations must be at least {least}. Got {arguments.permutations}.")
    target = prepare_file(arguments.output, PAGES)
    new_paths, left_out = list_files(arguments.images)
    train_paths, _ = list_files([arguments.train])

    from fishsk.cli._networks import read_features
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
    has_drifted = drift.p_value <= arguments.level
    screen.fact(
        "Images",
        f"{drift.n_new:,} new, {drift.n_train:,} of training",
        **pick(drift, "n_new", "n_train", "n_compared"),
        left_out=left_out | train.errors | new.errors,
    )
    screen.fact(
        "Drift",
        f"{'yes' if has_drifted else 'not seen'}: p = {drift.p_value:.3g} (a classifier tells them apart "
        f"with AUC {drift.classifier_auc:.3f}, p = {drift.classifier_p_value:.3g}; kernel test, "
        f"p = {drift.kernel_p_value:.3g})",
        has_drifted=has_drifted,
        **pick(drift, "p_value", "classifier_auc", "classifier_p_value", "kernel_distance", "kernel_p_value"),
    )
    low, high = drift.interval_unfamiliar
    screen.fact(
        "Unfamiliar",
        f"{drift.share_unfamiliar:.1%} are unlike all of training (95 % interval {low:.1%} to {high:.1%}; of "
        f"images like these {drift.false_alarms:.1%} would be)",
        **pick(drift, "share_unfamiliar", "interval_unfamiliar", "false_alarms"),
        classes=[vars(each) for each in drift.classes],
        moved=[{"path": new.paths[row], "distance": drift.distance[row]} for row in drift.moved.tolist()],
    )
    rows = []
    for each in drift.classes:
        points, start, end = (f"{100 * value:+.1f}" for value in (each.difference, *each.interval))
        shares = f"{each.share_train:.1%}", f"{each.share_new:.1%}"
        rows.append((each.label, *shares, points, f"{start} to {end}", f"{each.p_value:.3g}"))
    if rows:
        header = ("class, as predicted", "training", "new", "points", "95 % interval", "p")
        screen.table(rows, header=header, right=range(1, 6))
    screen.say("Farthest from training: " + ", ".join(new.paths[row] for row in drift.moved[:5].tolist()))
    both = train.paths, new.paths
    write_or_keep(screen, "Page", target, lambda path: write_drift(drift, *both, path, level=arguments.level))
    return DRIFTED if has_drifted else 0

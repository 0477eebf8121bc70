"""Compare two saved models on the same images.

examples:
  python -m fishsk compare old.fishsk new.fishsk new_photos/
  python -m fishsk compare old.fishsk new.fishsk new_photos/ --output changes.html --json > changes.json
  python -m fishsk compare old.fishsk new.fishsk new.csv --target weight

new_photos/ holds one folder per class, of images that neither model was trained on. It exits with 1 if there
are images of classes that the old model does not know: they count as wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fishsk.cli._arguments import add_photos, load_photos
from fishsk.cli._screen import Screen, pick
from fishsk.cli._targets import PAGES, prepare_file, write_or_keep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", help="a file that fit, tune or save_pipeline wrote")
    parser.add_argument("new", help="another one, which knows the same classes, or predicts the same number")
    add_photos(parser, what="test images")
    parser.add_argument(
        "--output",
        default="comparison.html",
        metavar="FILE",
        help="the page to write, with the images that one fixed and the other broke",
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    target = prepare_file(arguments.output, PAGES)

    from sklearn.base import is_regressor

    from fishsk.cli._networks import run_networks
    from fishsk.inspection import RegressionComparison, compare_pipelines, format_number, predicts_tags
    from fishsk.persistence import load_pipeline
    from fishsk.report import write_comparison

    old, new = load_pipeline(arguments.old), load_pipeline(arguments.new)
    if predicts_tags(old) or predicts_tags(new):
        raise ValueError("compare is for classes and numbers: a model predicts tags. Run evaluate with each.")
    if is_regressor(old) != is_regressor(new):
        kinds = ["numbers" if is_regressor(model) else "classes" for model in (old, new)]
        raise ValueError(
            f"Two models of one kind can be compared: {arguments.old!r} predicts {kinds[0]}, "
            f"{arguments.new!r} {kinds[1]}."
        )
    photos = load_photos(arguments.photos, arguments, model=old)
    photos, _ = run_networks(screen, photos, old, new, skip_bad=arguments.skip_bad)
    screen.facts |= photos.facts
    paths = photos.paths
    comparison = compare_pipelines(old, new, paths, photos.y)
    names = Path(arguments.old).stem, Path(arguments.new).stem
    if names[0] == names[1]:
        names = arguments.old, arguments.new
    change = comparison.difference, *comparison.interval
    if isinstance(comparison, RegressionComparison):
        name, what, sides = "mae", "mean absolute ", (comparison.mae_a, comparison.mae_b)
        first, second = (format_number(error, digits=3) for error in sides)
        difference, low, high = (format_number(each, digits=3, sign=True) for each in change)
        kinds, test = ["nearer", "farther"], "Wilcoxon's signed-rank test"
    else:
        name, what, sides = "accuracy", "", (comparison.accuracy_a, comparison.accuracy_b)
        first, second = (f"{each:.3f}" for each in sides)
        difference, low, high = (f"{100 * each:+.1f}" for each in change)
        difference += " points"
        kinds, test = ["fixed", "broken"], "McNemar's exact test"
    screen.fact(
        "Error" if what else "Accuracy",
        f"{what}{first} {names[0]}, {second} {names[1]}, on {comparison.n_samples} test images",
        **{f"{name}_old": sides[0], f"{name}_new": sides[1]},
        n_test=comparison.n_samples,
    )
    screen.fact(
        "Difference",
        f"{difference} (95 % interval {low} to {high}; {test}: p = {comparison.p_value:.3g})",
        **pick(comparison, "difference", "interval", "p_value"),
        **{kind: paths[getattr(comparison, kind)] for kind in kinds},
    )
    if isinstance(comparison, RegressionComparison):
        screen.say(
            f"{names[1]} is nearer to the truth on {comparison.n_nearer} images, and farther from it on "
            f"{comparison.n_farther}.\n"
        )
    else:
        screen.facts["per_class"] = {str(label): vars(found) for label, found in comparison.per_class.items()}
        rows = []
        for label, found in (("all", comparison), *comparison.per_class.items()):
            gain, low, high = (f"{100 * each:+.1f}" for each in (found.difference, *found.interval))
            shares = f"{found.accuracy_a:.3f}", f"{found.accuracy_b:.3f}"
            rows.append((label, *shares, gain, f"{low} to {high}", found.n_fixed, found.n_broken))
        header = ("class", "old", "new", "points", "95 % interval", "fixed", "broken")
        screen.table(rows, header=header, right=range(1, 7))
    write_or_keep(screen, "Page", target, lambda path: write_comparison(comparison, paths, path, names=names))
    return int(bool(photos.unknown))

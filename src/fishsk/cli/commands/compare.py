"""``compare``: is a new model better than an old one, and on which images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fishsk.cli._arguments import add_photos, add_skip_bad, load_photos

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen
    from fishsk.inspection import ClassificationComparison, RegressionComparison

SUMMARY = "compare two saved models on the same images"
EXAMPLES = """\
examples:
  python -m fishsk compare old.fishsk new.fishsk new_photos/
  python -m fishsk compare old.fishsk new.fishsk new_photos/ --output changes.html --json > changes.json
  python -m fishsk compare old.fishsk new.fishsk new.csv --target weight

new_photos/ holds one folder per class, of images that neither model was trained on. It exits with 1 if there
are images of classes that the old model does not know: they count as wrong.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("old", help="a file that fit, tune or save_pipeline wrote")
    parser.add_argument("new", help="another one, which knows the same classes, or predicts the same number")
    add_photos(parser, what="test images")
    parser.add_argument(
        "--output",
        default="comparison.html",
        metavar="FILE",
        help="the page to write, with the images that one fixed and the other broke (default: %(default)s)",
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Compare two saved models on a folder of images, and write what changed as a page."""
    from fishsk.cli._targets import PAGES, prepare_file, write_or_keep

    target = prepare_file(arguments.output, PAGES)

    from sklearn.base import is_regressor

    from fishsk.cli._features import run_networks
    from fishsk.inspection import RegressionComparison, compare_pipelines, predicts_tags
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
    paths, y = photos.paths, photos.y
    screen.facts |= photos.facts
    comparison = compare_pipelines(old, new, paths, y)
    names = _name_models(arguments.old, arguments.new)
    if isinstance(comparison, RegressionComparison):
        _show_regression(screen, comparison, paths, names)
    else:
        _show(screen, comparison, paths, names)
    with screen.stage("page"):
        write_or_keep(target, lambda path: write_comparison(comparison, paths, path, names=names))
    screen.fact("Page", f"{target} (open it in a browser)", page=target)
    return int(bool(photos.unknown))


def _name_models(old: str, new: str) -> tuple[str, str]:
    """Return the names of two files, with their folders where the names are the same."""
    names = Path(old).stem, Path(new).stem
    return names if names[0] != names[1] else (old, new)


def _show(
    screen: Screen, comparison: ClassificationComparison, paths: list[str], names: tuple[str, str]
) -> None:
    """Print the difference, its interval and its test, and a table by class."""
    rows = [("all", comparison), *comparison.per_class.items()]
    low, high = comparison.interval
    screen.fact(
        "Accuracy",
        f"{comparison.accuracy_a:.3f} {names[0]}, {comparison.accuracy_b:.3f} {names[1]}, on "
        f"{comparison.n_samples} test images",
        accuracy_old=comparison.accuracy_a,
        accuracy_new=comparison.accuracy_b,
        n_test=comparison.n_samples,
    )
    screen.fact(
        "Difference",
        f"{100 * comparison.difference:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f}; "
        f"McNemar's exact test: p = {comparison.p_value:.3g})",
        difference=comparison.difference,
        interval=comparison.interval,
        p_value=comparison.p_value,
        fixed=[paths[row] for row in comparison.fixed],
        broken=[paths[row] for row in comparison.broken],
        per_class={str(label): vars(found) for label, found in comparison.per_class.items()},
    )
    screen.table(
        [
            (
                label,
                f"{found.accuracy_a:.3f}",
                f"{found.accuracy_b:.3f}",
                f"{100 * found.difference:+.1f}",
                f"{100 * found.interval[0]:+.1f} to {100 * found.interval[1]:+.1f}",
                found.n_fixed,
                found.n_broken,
            )
            for label, found in rows
        ],
        header=("class", "old", "new", "points", "95 % interval", "fixed", "broken"),
        right=range(1, 7),
    )


def _show_regression(
    screen: Screen, comparison: RegressionComparison, paths: list[str], names: tuple[str, str]
) -> None:
    """Print the difference between two mean absolute errors, its interval and its test."""
    from fishsk.inspection import format_number

    low, high = (format_number(end, digits=3, sign=True) for end in comparison.interval)
    errors = (format_number(error, digits=3) for error in (comparison.mae_a, comparison.mae_b))
    screen.fact(
        "Error",
        "mean absolute {} {}, {} {}, on {} test images".format(
            *(word for pair in zip(errors, names, strict=True) for word in pair), comparison.n_samples
        ),
        mae_old=comparison.mae_a,
        mae_new=comparison.mae_b,
        n_test=comparison.n_samples,
    )
    screen.fact(
        "Difference",
        f"{format_number(comparison.difference, digits=3, sign=True)} (95 % interval {low} to {high}; "
        f"Wilcoxon's signed-rank test: p = {comparison.p_value:.3g})",
        difference=comparison.difference,
        interval=comparison.interval,
        p_value=comparison.p_value,
        nearer=[paths[row] for row in comparison.nearer],
        farther=[paths[row] for row in comparison.farther],
    )
    screen.say(
        f"{names[1]} is nearer to the truth on {comparison.n_nearer} images, and farther from it on "
        f"{comparison.n_farther}.\n"
    )

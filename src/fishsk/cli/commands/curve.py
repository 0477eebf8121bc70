"""``curve``: would more photographs help, and by how much."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fishsk.cli._arguments import add_photos, add_skip_bad, add_training, load_photos

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen
    from fishsk.inspection import LearningForecastDisplay

SUMMARY = "tell whether more photographs would help, and by how much"
EXAMPLES = """\
examples:
  python -m fishsk curve photos/
  python -m fishsk curve photos/ --more 100 1000       what 100 and 1,000 more of each class would bring
  python -m fishsk curve photos/ --model best.fishsk   trained as that model was, on a growing part of photos/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_photos(parser, with_task=True)
    parser.add_argument(
        "--more",
        type=int,
        nargs="+",
        metavar="N",
        help="further images per class, one or several numbers (default: as many again, three times as many)",
    )
    parser.add_argument("--cv", type=int, default=5, help="folds (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="a saved model, whose parameters are used instead of the recipe's (default: the recipe)",
    )
    parser.add_argument(
        "--output",
        default="curve.png",
        metavar="FILE",
        help="the figure to write, or the numbers of the curve as CSV (default: %(default)s)",
    )
    add_skip_bad(parser)
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Train on more and more of the images, in folds, and tell what further images would bring."""
    from fishsk.cli._targets import PICTURES, TABLES, prepare_file, write_or_keep, write_table
    from fishsk.cli._tensorflow import load_tensorflow

    if arguments.more is not None and min(arguments.more) < 1:
        raise ValueError(f"--more must be numbers of images, at least 1. Got {min(arguments.more)}.")
    target = prepare_file(arguments.output, (*PICTURES, *TABLES))
    load_tensorflow(screen)

    from fishsk.cli._features import run_networks
    from fishsk.cli._networks import make_pipeline, show_networks
    from fishsk.inspection import LearningForecastDisplay
    from fishsk.persistence import load_pipeline

    photos = load_photos(arguments.photos, arguments)
    if photos.task != "classification":
        held = "numbers" if photos.task == "regression" else "tags"
        raise ValueError(
            f"curve forecasts accuracy, and needs classes: {photos.target} holds {held}. Pass --task "
            "classification if these are classes."
        )
    if arguments.model is None:
        pipeline = make_pipeline(arguments, photos.paths)
    else:
        pipeline = load_pipeline(arguments.model)
    show_networks(screen, pipeline)
    photos, [(learner, rows)] = run_networks(screen, photos, pipeline, skip_bad=arguments.skip_bad)
    n_images, n_classes = len(photos.paths), photos.n_classes
    screen.fact("Images", photos.describe(), n_images=n_images, n_classes=n_classes, **photos.facts)
    with screen.stage("learning curve"):
        display = LearningForecastDisplay.from_estimator(
            learner, rows, photos.y, cv=arguments.cv, n_jobs=arguments.jobs, random_state=arguments.seed
        )
    a_class = max(1, round(n_images / n_classes))
    _show_curve(screen, display)
    _show_forecast(screen, display, arguments.more or [a_class, 3 * a_class], n_classes)
    if target.suffix.lower() in TABLES:
        write_or_keep(target, lambda path: write_table(path, screen.facts["curve"]))
        screen.fact("Table", str(target), table=target)
    else:
        write_or_keep(target, lambda path: display.figure_.savefig(path, dpi=150))
        screen.figures([target])
    screen.show_seconds()


def _show_curve(screen: Screen, display: LearningForecastDisplay) -> None:
    """Print the accuracy at each number of training images."""
    rows = [
        {
            "n_train": size,
            "accuracy": scores.mean(),
            "lowest_fold": scores.min(),
            "highest_fold": scores.max(),
        }
        for size, scores in zip(display.train_sizes.tolist(), display.test_scores, strict=True)
    ]
    screen.facts["curve"] = rows
    screen.say("\nAccuracy in cross-validation")
    screen.table(
        [
            (
                f"{row['n_train']:,}",
                f"{row['accuracy']:.3f}",
                f"{row['lowest_fold']:.3f}-{row['highest_fold']:.3f}",
            )
            for row in rows
        ],
        header=("training images", "accuracy", "of the folds"),
        right=[0, 1],
    )


def _show_forecast(screen: Screen, display: LearningForecastDisplay, more: list[int], n_classes: int) -> None:
    """Print what more images of each class would bring."""
    floor, scale, exponent = display.law.tolist()
    rows: list[dict[str, Any]] = []
    for number in (0, *more):
        accuracy, *interval = display.predict(display.n_samples + number * n_classes)
        gain, *gain_interval = display.predict_gain(number * n_classes)
        rows.append(
            {
                "more_a_class": number,
                "accuracy": accuracy,
                "interval": interval,
                "gain": gain,
                "gain_interval": gain_interval,
            }
        )
    screen.facts |= {"forecast": rows, "power_law": {"floor": floor, "scale": scale, "exponent": exponent}}
    screen.say("Accuracy to expect of training on all of them, and on more (95 % intervals)")
    screen.table(
        [
            (
                f"{row['more_a_class']:,}" if row["more_a_class"] else "none",
                f"{row['accuracy']:.3f} ({row['interval'][0]:.3f} to {row['interval'][1]:.3f})",
                "{:+.1f} ({:+.1f} to {:+.1f})".format(
                    *(100 * each for each in (row["gain"], *row["gain_interval"]))
                )
                if row["more_a_class"]
                else "",
            )
            for row in rows
        ],
        header=("more per class", "accuracy", "points gained"),
        right=[0],
    )

"""Tell whether more photographs would help, and by how much.

examples:
  python -m fishsk curve photos/
  python -m fishsk curve photos/ --more 100 1000       what 100 and 1,000 more of each class would bring
  python -m fishsk curve photos/ --model best.fishsk   trained as that model was, on a growing part of photos/
"""

from __future__ import annotations

import argparse

from fishsk.cli._arguments import add_photos, add_training, load_photos
from fishsk.cli._screen import Screen, load_tensorflow
from fishsk.cli._targets import PICTURES, TABLES, prepare_file, write_or_keep, write_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_photos(parser, with_task=True)
    parser.add_argument(
        "--more",
        type=int,
        nargs="+",
        metavar="N",
        help="further images per class, one or several numbers (default: as many again, three times as many)",
    )
    parser.add_argument("--cv", type=int, default=5, help="folds")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="a saved model, whose parameters are used instead of the recipe's (default: the recipe)",
    )
    parser.add_argument(
        "--output",
        default="curve.png",
        metavar="FILE",
        help="the figure to write, or the numbers of the curve as CSV",
    )
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    if arguments.more is not None and min(arguments.more) < 1:
        raise ValueError(f"--more must be numbers of images, at least 1. Got {min(arguments.more)}.")
    target = prepare_file(arguments.output, (*PICTURES, *TABLES))
    load_tensorflow(screen)

    from fishsk.cli._networks import make_pipeline, run_networks, show_networks
    from fishsk.inspection import LearningForecastDisplay
    from fishsk.persistence import load_pipeline
    from fishsk.report import list_gains

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
    keys = ("n_train", "accuracy", "lowest_fold", "highest_fold")
    curve = [
        (size, scores.mean(), scores.min(), scores.max())
        for size, scores in zip(display.train_sizes.tolist(), display.test_scores, strict=True)
    ]
    screen.facts["curve"] = [dict(zip(keys, row, strict=True)) for row in curve]
    screen.say("\nAccuracy in cross-validation")
    screen.table(
        [
            (f"{size:,}", f"{mean:.3f}", f"{lowest:.3f}-{highest:.3f}")
            for size, mean, lowest, highest in curve
        ],
        header=("training images", "accuracy", "of the folds"),
        right=[0, 1],
    )
    forecast, table = list_gains(display, n_classes, arguments.more or ()), []
    for row in forecast:
        more, (low, high) = row["more_a_class"], row["interval"]
        points = [f"{100 * each:+.1f}" for each in (row["gain"], *row["gain_interval"])]
        gained = f"{points[0]} ({points[1]} to {points[2]})" if more else ""
        expected = f"{row['accuracy']:.3f} ({low:.3f} to {high:.3f})"
        table.append((f"{more:,}" if more else "none", expected, gained))
    law = dict(zip(("floor", "scale", "exponent"), display.law.tolist(), strict=True))
    screen.facts |= {"forecast": forecast, "power_law": law}
    screen.say("Accuracy to expect of training on all of them, and on more (95 % intervals)")
    screen.table(table, header=("more per class", "accuracy", "points gained"), right=[0])
    if target.suffix.lower() in TABLES:
        write_or_keep(screen, "Table", target, lambda path: write_table(path, keys, curve))
    else:
        write_or_keep(screen, "Figures", target, lambda path: display.figure_.savefig(path, dpi=150))
        screen.facts["figures"] = [target]
    screen.show_seconds()

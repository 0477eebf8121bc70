"""``evaluate``: score a saved model on a folder or a table of images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fishsk.cli._arguments import add_model, add_photos, add_skip_bad, load_photos

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "score a saved model on a folder or a table of images"
EXAMPLES = """\
examples:
  python -m fishsk evaluate fish.fishsk new_photos/
  python -m fishsk evaluate fish.fishsk new_photos/ --output figures/ --json > scores.json
  python -m fishsk evaluate weights.fishsk new.csv --target weight
  python -m fishsk evaluate tags.fishsk new.csv --target tags

It exits with 1 if there are images of classes or tags that the model does not know.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_model(parser)
    add_photos(parser)
    parser.add_argument("--output", metavar="DIR", help="write figures there (default: write none)")
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print how well a saved model does on a folder or a table of images."""
    from fishsk.cli._targets import prepare_folder

    folder = None if arguments.output is None else prepare_folder(arguments.output)

    from fishsk.cli._evaluation import show_evaluation
    from fishsk.cli._features import run_networks
    from fishsk.cli._figures import save_figures
    from fishsk.inspection import evaluate
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    photos = load_photos(arguments.photos, arguments, model=pipeline)
    photos, [(learner, rows)] = run_networks(screen, photos, pipeline, skip_bad=arguments.skip_bad)
    screen.facts |= photos.facts
    evaluation = evaluate(learner, rows, photos.y)
    show_evaluation(screen, evaluation, photos.paths, target=photos.target)
    if folder is not None:
        written = save_figures(folder, evaluation, photos.paths, pipeline, target=photos.target)
        screen.figures(written)
    return int(bool(photos.unknown))

"""Score a saved model on a folder or a table of images.

examples:
  python -m fishsk evaluate fish.fishsk new_photos/
  python -m fishsk evaluate fish.fishsk new_photos/ --output figures/ --json > scores.json
  python -m fishsk evaluate weights.fishsk new.csv --target weight
  python -m fishsk evaluate tags.fishsk new.csv --target tags

It exits with 1 if there are images of classes or tags that the model does not know.
"""

from __future__ import annotations

import argparse

from fishsk.cli._arguments import add_model, add_photos, load_photos
from fishsk.cli._screen import Screen
from fishsk.cli._targets import prepare_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_photos(parser)
    parser.add_argument("--output", metavar="DIR", help="write figures there (default: write none)")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    folder = None if arguments.output is None else prepare_folder(arguments.output)

    from fishsk.cli._evaluation import show_evaluation
    from fishsk.cli._figures import save_figures
    from fishsk.cli._networks import run_networks
    from fishsk.inspection import evaluate
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    photos = load_photos(arguments.photos, arguments, model=pipeline)
    photos, [(learner, rows)] = run_networks(screen, photos, pipeline, skip_bad=arguments.skip_bad)
    screen.facts |= photos.facts
    evaluation = evaluate(learner, rows, photos.y)
    show_evaluation(screen, evaluation, photos.paths.tolist(), target=photos.target)
    if folder is not None:
        written = save_figures(folder, evaluation, photos.paths, pipeline, target=photos.target)
        screen.fact("Figures", ", ".join(map(str, written)), figures=written)
    return int(bool(photos.unknown))

"""``evaluate``: score a saved model on a folder of images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fishsk.cli._arguments import add_model, add_skip_bad, load_folder

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "score a saved model on a folder of images"
EXAMPLES = """\
examples:
  python -m fishsk evaluate fish.fishsk new_photos/
  python -m fishsk evaluate fish.fishsk new_photos/ --output figures/ --json > scores.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_model(parser)
    parser.add_argument("folder", help="one folder per class")
    parser.add_argument("--output", metavar="DIR", help="write figures there (default: write none)")
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Print how well a saved model does on a folder of images."""
    from fishsk.cli._targets import prepare_folder
    from fishsk.cli._tensorflow import load_tensorflow

    folder = None if arguments.output is None else prepare_folder(arguments.output)
    load_tensorflow(screen)

    from fishsk.cli._evaluation import show_evaluation
    from fishsk.cli._features import extract_features
    from fishsk.inspection import evaluate
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    paths, y = load_folder(arguments.folder, skip_bad=arguments.skip_bad, classes=pipeline.classes_)
    extract_features(screen, pipeline, paths)
    evaluation = evaluate(pipeline, paths, y)
    show_evaluation(screen, evaluation, paths)
    if folder is not None:
        from fishsk.cli._figures import save_figures

        screen.figures(save_figures(folder, evaluation, paths, pipeline))

"""Write one HTML file on how a saved model does.

examples:
  python -m fishsk report fish.fishsk new_photos/ --output report.html
  python -m fishsk report fish.fishsk new_photos/ --train photos/      also look for near-duplicates, and
                                                                       for images unlike all of photos/
  python -m fishsk report fish.fishsk new_photos/ --train photos/ --cv 5     and for wrong labels, in minutes
  python -m fishsk report fish.fishsk new_photos/ --card README.md     and a model card
  python -m fishsk report weights.fishsk new.csv --target weight --train photos.csv
  python -m fishsk report tags.fishsk new.csv --target tags

It exits with 1 if there are test images of classes that the model does not know: they count as wrong.
"""

from __future__ import annotations

import argparse

from fishsk.cli._arguments import Photos, add_model, add_photos, load_photos
from fishsk.cli._screen import Screen, load_tensorflow
from fishsk.cli._targets import CARDS, PAGES, prepare_file, write_or_keep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_photos(parser, what="test images")
    parser.add_argument(
        "--train",
        metavar="PHOTOS",
        help="training images, a folder or a table like the first, to look for near-duplicates in, and for "
        "what is unlike all of them (default: do not look)",
    )
    parser.add_argument("--output", default="report.html", metavar="FILE", help="the file to write")
    parser.add_argument(
        "--no-maps",
        action="store_true",
        help="leave out the heat maps of mistakes, each of which takes as long as 20 new images",
    )
    parser.add_argument(
        "--cv",
        type=int,
        metavar="FOLDS",
        help="with --train, also train in folds: would more images help, which labels are likely wrong "
        "(default: do not train)",
    )
    parser.add_argument(
        "--card",
        metavar="FILE",
        help="a Markdown file (.md) for the model card, too, as Hugging Face reads it",
    )
    parser.add_argument("--title", help="what stands above it (default: the report's own)")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    if arguments.cv is not None and arguments.train is None:
        raise ValueError("--cv trains on training images: pass --train PHOTOS with it.")
    target = prepare_file(arguments.output, PAGES)
    card = None if arguments.card is None else prepare_file(arguments.card, CARDS)
    load_tensorflow(screen)

    from sklearn.base import is_regressor

    from fishsk.cli._networks import run_networks
    from fishsk.inspection import predicts_tags
    from fishsk.persistence import load_pipeline
    from fishsk.report import write_report

    pipeline = load_pipeline(arguments.model)
    if arguments.cv is not None and is_regressor(pipeline):
        raise ValueError("--cv looks for wrong labels and forecasts accuracy: this model predicts numbers.")
    if predicts_tags(pipeline) and (arguments.cv is not None or card is not None):
        raise ValueError("--cv and --card are for classes and numbers: this model predicts tags.")

    def load(source: str) -> Photos:
        photos = load_photos(source, arguments, model=pipeline)
        return run_networks(screen, photos, pipeline, skip_bad=arguments.skip_bad)[0]

    photos = load(arguments.photos)
    train = None if arguments.train is None else load(arguments.train)
    n_test = len(photos.paths)
    screen.fact("Images", f"{n_test} test images in {arguments.photos}", n_test=n_test, **photos.facts)
    write_or_keep(
        screen,
        "Report",
        target,
        lambda path: write_report(
            pipeline,
            photos.paths,
            photos.y,
            path,
            X_train=None if train is None else train.paths,
            y_train=None if train is None else train.y,
            cv=arguments.cv,
            title=arguments.title,
            target_name=photos.target if is_regressor(pipeline) else None,
            explain=not arguments.no_maps,
            reproduce=arguments.command_line,
            card=card,
        ),
    )
    if card is not None:
        screen.fact("Model card", str(card), card=card)
    return int(bool(photos.unknown))

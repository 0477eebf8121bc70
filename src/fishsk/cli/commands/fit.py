"""``fit``: train on a folder of images and save the model."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from fishsk.cli._arguments import add_skip_bad, add_training, load_folder, parse_network

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "train on a folder of images and save the model"
EXAMPLES = """\
examples:
  python -m fishsk fit photos/ --model fish.fishsk
  python -m fishsk fit photos/ --backbone EfficientNetV2B0
  python -m fishsk fit photos/ --weights imagenet --set head__dropout=0.2 --set head__epochs=40

photos/ holds one folder per class: photos/ray/1.jpg, photos/shark/2.jpg, ...
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("folder", help="one folder per class")
    parser.add_argument(
        "--model", default="model.fishsk", metavar="FILE", help="the file to write (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STEP__NAME=VALUE",
        help="a parameter of a step; may be given many times (default: the recipe's)",
    )
    add_skip_bad(parser)
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Train on a folder of images, and save the model."""
    from fishsk.cli._targets import prepare_file, write_or_keep
    from fishsk.cli._tensorflow import load_tensorflow

    params = dict(_parse_setting(setting) for setting in arguments.set)
    model = prepare_file(arguments.model)
    paths, y = load_folder(arguments.folder, skip_bad=arguments.skip_bad)
    load_tensorflow(screen)

    from fishsk._pipeline import make_fish_pipeline
    from fishsk.cli._features import extract_features
    from fishsk.persistence import save_pipeline

    pipeline = make_fish_pipeline(
        recipe=arguments.recipe, **parse_network(arguments), random_state=arguments.seed, **params
    )
    screen.fact("Images", f"{len(paths)} of {len(set(y))} classes in {arguments.folder}", n_images=len(paths))
    extract_features(screen, pipeline, paths)
    with screen.stage("train"):
        pipeline.fit(paths, y)
    _show_training(screen, pipeline["head"])
    write_or_keep(model, lambda path: save_pipeline(pipeline, path))
    screen.fact("Model", str(model), model=model)
    screen.show_seconds()


def _show_training(screen: Screen, head: Any) -> None:
    """Print the accuracy of the epoch that was kept, and on which images it was measured."""
    training = head.history_["accuracy"][head.best_epoch_]
    validation = None
    words = f"accuracy {training:.3f} on the images trained on (none were kept for validation)"
    if "val_accuracy" in head.history_:
        validation = head.history_["val_accuracy"][head.best_epoch_]
        words = f"accuracy {validation:.3f} on images kept for validation"
    screen.fact(
        "Training",
        f"{head.n_iter_} epochs, {words}",
        n_epochs=head.n_iter_,
        training_accuracy=training,
        validation_accuracy=validation,
    )


def _parse_setting(setting: str) -> tuple[str, Any]:
    """Return a name and a value, which is JSON where it reads as JSON, and text otherwise."""
    name, equals, text = setting.partition("=")
    if not equals or "__" not in name:
        raise ValueError(f"--set must be STEP__NAME=VALUE, such as head__dropout=0.2. Got {setting!r}.")
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text

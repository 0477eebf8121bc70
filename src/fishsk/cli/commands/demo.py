"""``demo``: real fish where they can be had, drawn ones elsewhere, classified and explained."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING

from fishsk.cli._arguments import add_training

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "train, test and explain a fish classifier"
EXAMPLES = """\
examples:
  python -m fishsk demo                                real fish where they can be had, else drawn ones
  python -m fishsk demo --offline                      never try the network
  FISHSK_DATA=data python -m fishsk demo               data/cifar-100-binary, unpacked by hand
  python -m fishsk demo --data photos/                 your own, one folder per class
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="a folder: cifar-100-binary in it, or one folder per class (default: fish of CIFAR-100)",
    )
    parser.add_argument("--offline", action="store_true", help="never try the network")
    parser.add_argument(
        "--output",
        default="fishsk-demo",
        metavar="DIR",
        help="the model, figures and a report go here (default: %(default)s)",
    )
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Train, test and explain a fish classifier; write its model, its figures and its report."""
    from fishsk.cli._targets import prepare_folder, write_or_keep
    from fishsk.cli._tensorflow import load_tensorflow

    output = prepare_folder(arguments.output)
    load_tensorflow(screen)

    from fishsk.cli._evaluation import show_evaluation
    from fishsk.cli._features import extract_features
    from fishsk.cli._figures import save_figures
    from fishsk.cli._fish import find_fish
    from fishsk.cli._networks import make_pipeline, show_networks
    from fishsk.inspection import evaluate, find_transformers
    from fishsk.persistence import save_pipeline
    from fishsk.report import write_report

    with screen.measured("find images"):
        fish = find_fish(arguments.data, offline=arguments.offline, random_state=arguments.seed)
    n_train, n_test = len(fish.X_train), len(fish.X_test)
    screen.fact("Images", f"{n_train} to train, {n_test} to test: {fish.source}", data=fish.source)
    pipeline = make_pipeline(arguments, fish.X_train)
    show_networks(screen, pipeline)
    n_extracted = extract_features(screen, pipeline, fish.X_train, fish.X_test)
    speed = (n_train + n_test) / screen.seconds["features"]
    n_runs = (n_train + n_test) * len(find_transformers(pipeline))
    screen.fact(
        "Features",
        f"{speed:,.0f} images a second ({n_extracted} of {n_runs} runs of an image through a network, the "
        "others were known)",
        images_per_second=speed,
        n_extracted=n_extracted,
    )
    with screen.stage("train"):
        pipeline.fit(fish.X_train, fish.y_train)
    head = pipeline["head"]
    screen.fact("Training", f"{head.n_iter_} epochs, the best one {head.best_epoch_ + 1}")
    with screen.stage("test"):
        evaluation = evaluate(pipeline, fish.X_test, fish.y_test)
    show_evaluation(screen, evaluation, fish.origins)
    model = output / "fish.fishsk"
    write_or_keep(model, lambda path: save_pipeline(pipeline, path))
    with screen.stage("figures"):
        written = save_figures(output, evaluation, fish.X_test, pipeline)
    with screen.stage("report"):
        report = write_report(
            pipeline,
            fish.X_test,
            fish.y_test,
            output / "report.html",
            X_train=fish.X_train,
            y_train=fish.y_train,
            y_pred=evaluation.y_pred,
            y_proba=evaluation.proba,
            image_names=fish.origins,
            title="Which fish is it?",
            reproduce=_compose_command(arguments),
        )
    screen.show_seconds()
    screen.fact("Model", str(model), model=model)
    screen.figures(written)
    screen.fact("Report", f"{report} (open it in a browser)", report=report)
    screen.say("\nWhat next, with images of yours:")
    for command in (
        f"python -m fishsk predict {shlex.quote(str(model))} photo.jpg --output -",
        "python -m fishsk fit photos/ --model mine.fishsk          # photos/<class>/*.jpg",
        "python -m fishsk evaluate mine.fishsk new_photos/",
    ):
        screen.say(f"  {command}")


def _compose_command(arguments: argparse.Namespace) -> str:
    """Return the line that runs the same demo, with where its images are if the environment told."""
    data = os.environ.get("FISHSK_DATA")
    return f"FISHSK_DATA={shlex.quote(data)} {arguments.command_line}" if data else arguments.command_line

"""Train, test and explain a fish classifier.

examples:
  python -m fishsk demo                                real fish where they can be had, else drawn ones
  python -m fishsk demo --offline                      never try the network
  FISHSK_DATA=data python -m fishsk demo               data/cifar-100-binary, unpacked by hand
  python -m fishsk demo --data photos/                 your own, one folder per class
"""

from __future__ import annotations

import argparse
import os
import shlex

from fishsk.cli._arguments import add_training
from fishsk.cli._screen import Screen, load_tensorflow
from fishsk.cli._targets import prepare_folder, write_or_keep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="a folder: cifar-100-binary in it, or one folder per class (default: fish of CIFAR-100)",
    )
    parser.add_argument("--offline", action="store_true", help="never try the network")
    parser.add_argument(
        "--output", default="fishsk-demo", metavar="DIR", help="the model, figures and a report go here"
    )
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    output = prepare_folder(arguments.output)
    load_tensorflow(screen)

    from fishsk.cli._evaluation import show_evaluation
    from fishsk.cli._figures import save_figures
    from fishsk.cli._fish import find_fish
    from fishsk.cli._networks import make_pipeline, show_networks, shown_progress
    from fishsk.features import FrozenFeatures
    from fishsk.inspection import evaluate, find_transformers, run_frozen_steps
    from fishsk.persistence import save_pipeline
    from fishsk.report import write_report

    with screen.measured("find images"):
        source, X_train, X_test, y_train, y_test, names = find_fish(
            arguments.data, offline=arguments.offline, random_state=arguments.seed
        )
    n_train, n_test = len(X_train), len(X_test)
    screen.fact("Images", f"{n_train} to train, {n_test} to test: {source}", data=source)
    pipeline = make_pipeline(arguments, X_train)
    show_networks(screen, pipeline)
    transformers = find_transformers(pipeline)
    with screen.measured("features"), shown_progress(pipeline), FrozenFeatures.count_images() as count:
        learner, train = run_frozen_steps(pipeline, X_train)
        _, test = run_frozen_steps(pipeline, X_test)
    speed = (n_train + n_test) / screen.seconds["features"]
    n_runs = (n_train + n_test) * len(transformers)
    screen.fact(
        "Features",
        f"{speed:,.0f} images a second ({count.n_extracted} of {n_runs} runs of an image through a network, "
        "the others were known)",
        images_per_second=speed,
        n_extracted=count.n_extracted,
    )
    with screen.stage("train"):
        learner.fit(train, y_train)  # these are the pipeline's own steps
    head = pipeline["head"]
    screen.fact("Training", f"{head.n_iter_} epochs, the best one {head.best_epoch_ + 1}")
    with screen.stage("test"):
        evaluation = evaluate(learner, test, y_test)
    show_evaluation(screen, evaluation, names)
    with screen.stage("figures"):
        written = save_figures(output, evaluation, X_test, pipeline)
    data = os.environ.get("FISHSK_DATA")  # which says where the images are
    command = f"FISHSK_DATA={shlex.quote(data)} {arguments.command_line}" if data else arguments.command_line
    model, report = output / "fish.fishsk", output / "report.html"
    write_or_keep(screen, "Model", model, lambda path: save_pipeline(pipeline, path))
    write_or_keep(
        screen,
        "Report",
        report,
        lambda path: write_report(
            pipeline,
            X_test,
            y_test,
            path,
            X_train=X_train,
            y_train=y_train,
            y_pred=evaluation.y_pred,
            y_proba=evaluation.proba,
            image_names=names,
            title="Which fish is it?",
            reproduce=command,
        ),
    )
    screen.fact("Figures", ", ".join(map(str, written)), figures=written)
    screen.show_seconds()
    screen.say("\nWhat next, with images of yours:")
    screen.say(f"  python -m fishsk predict {shlex.quote(str(model))} photo.jpg --output -")
    screen.say("  python -m fishsk fit photos/ --model mine.fishsk          # photos/<class>/*.jpg")
    screen.say("  python -m fishsk evaluate mine.fishsk new_photos/")

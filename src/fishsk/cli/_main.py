"""The command line: ``python -m fishsk demo | fit | evaluate | predict | tune | report | cache``."""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_EPILOG = {
    None: """\
examples:
  python -m fishsk demo                                train, test and explain a fish classifier
  python -m fishsk fit photos/ --model fish.fishsk     train on photos/<class>/*.jpg
  python -m fishsk evaluate fish.fishsk new_photos/    score on new_photos/<class>/*.jpg
  python -m fishsk predict fish.fishsk a.jpg b/        write predictions.csv
""",
    "demo": """\
examples:
  python -m fishsk demo                                real fish where they can be had, else drawn ones
  python -m fishsk demo --offline                      never try the network
  FISHSK_DATA=data python -m fishsk demo               data/cifar-100-binary, unpacked by hand
  python -m fishsk demo --data photos/                 your own, one folder a class
""",
    "fit": """\
examples:
  python -m fishsk fit photos/ --model fish.fishsk
  python -m fishsk fit photos/ --weights imagenet --set head__dropout=0.2 --set head__epochs=40

photos/ holds one folder a class: photos/ray/1.jpg, photos/shark/2.jpg, ...
""",
    "evaluate": """\
examples:
  python -m fishsk evaluate fish.fishsk new_photos/
  python -m fishsk evaluate fish.fishsk new_photos/ --output figures/ --json > scores.json
""",
    "predict": """\
examples:
  python -m fishsk predict fish.fishsk unknown/ --output answers.csv
  python -m fishsk predict fish.fishsk a.jpg b.png --output -
""",
    "tune": """\
examples:
  python -m fishsk tune photos/ --trials 30 --model best.fishsk
  python -m fishsk tune photos/ --storage study.db     go on another time, or in a second process
""",
    "report": """\
examples:
  python -m fishsk report fish.fishsk new_photos/ --output report.html
  python -m fishsk report fish.fishsk new_photos/ --train photos/      also look for near-duplicates
""",
    "cache": """\
examples:
  python -m fishsk cache info
  python -m fishsk cache verify        read every row and check its sum
  python -m fishsk cache clear
""",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    int
        0 where all went well, 1 where something could not be done, 2 where the arguments are wrong (by
        SystemExit, as argparse does it), 130 where the user interrupted.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = _build_parser().parse_args(argv)
    arguments.command_line = shlex.join(["python", "-m", "fishsk", *argv])
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print("fishsk: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, TypeError, OSError, ImportError) as error:
        if arguments.debug:
            raise
        print(f"fishsk: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fishsk",
        description="Frozen deep image features as a first-class citizen of scikit-learn.",
        epilog=_EPILOG[None],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(debug=False)
    commands = parser.add_subparsers(metavar="command", required=True)

    demo = _add_command(commands, "demo", _demo, "train, test and explain a fish classifier")
    demo.add_argument(
        "--data", metavar="PATH", help="a folder: cifar-100-binary in it, or one folder a class"
    )
    demo.add_argument("--offline", action="store_true", help="never try the network")
    demo.add_argument(
        "--output", type=Path, default=Path("fishsk-demo"), metavar="DIR", help="figures go here"
    )
    _add_training(demo)

    fit = _add_command(commands, "fit", _fit, "train on a folder of images and save the model")
    fit.add_argument("folder", help="one folder a class")
    fit.add_argument("--model", type=Path, default=Path("model.fishsk"), help="the file to write")
    fit.add_argument(
        "--set", action="append", default=[], metavar="STEP__NAME=VALUE", help="a parameter of a step"
    )
    fit.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")
    _add_training(fit)

    evaluate = _add_command(commands, "evaluate", _evaluate, "score a saved model on a folder of images")
    evaluate.add_argument("model", type=Path)
    evaluate.add_argument("folder", help="one folder a class")
    evaluate.add_argument("--output", type=Path, metavar="DIR", help="write figures there")
    evaluate.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")

    predict = _add_command(commands, "predict", _predict, "write the classes of images as CSV")
    predict.add_argument("model", type=Path)
    predict.add_argument("images", nargs="+", help="files, or folders that are searched for images")
    predict.add_argument("--output", default="predictions.csv", help="a CSV file; - is standard output")

    tune = _add_command(commands, "tune", _tune, "search for the best head with Optuna, and save the model")
    tune.add_argument("folder", help="one folder a class")
    tune.add_argument("--trials", type=int, default=30, help="candidates (default: %(default)s)")
    tune.add_argument("--timeout", type=float, metavar="SECONDS", help="stop after so long")
    tune.add_argument("--cv", type=int, default=5, help="folds (default: %(default)s)")
    tune.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    tune.add_argument("--storage", help="a file or URL; the study in it is resumed")
    tune.add_argument("--model", type=Path, default=Path("model.fishsk"), help="the file to write")
    tune.add_argument(
        "--output", type=Path, default=Path("fishsk-tune"), metavar="DIR", help="Optuna's plots go here"
    )
    tune.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")
    _add_training(tune)

    report = _add_command(commands, "report", _report, "write one HTML file on how a saved model does")
    report.add_argument("model", type=Path)
    report.add_argument("folder", help="test images, one folder a class")
    report.add_argument("--train", metavar="FOLDER", help="training images, to look for near-duplicates in")
    report.add_argument("--output", type=Path, default=Path("report.html"), help="the file to write")
    report.add_argument("--title", help="what stands above it")
    report.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")

    cache = _add_command(commands, "cache", _cache, "look after the features kept on disk")
    cache.add_argument("action", choices=["info", "verify", "clear"])
    return parser


def _add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], summary: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=_EPILOG.get(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, words go to standard error"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", default="cifar95", help="cifar95, imagenet, none, or a file (default: %(default)s)"
    )
    parser.add_argument("--recipe", choices=["default", "report"], default="default")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bits (default: 0)")


def _weights(arguments: argparse.Namespace) -> str | None:
    return None if arguments.weights.lower() == "none" else arguments.weights


def _screen(arguments: argparse.Namespace, *, tensorflow: bool = True) -> Any:
    from fishsk.cli._console import Screen, load_tensorflow

    screen = Screen(as_json=arguments.json)
    if tensorflow:
        load_tensorflow(screen)
    return screen


def _finish(screen: Any) -> None:
    if screen.as_json:
        print(json.dumps(screen.facts, indent=2, default=float))


def _demo(arguments: argparse.Namespace) -> None:
    screen = _screen(arguments)
    from fishsk.cli._demo import run_demo

    run_demo(
        screen,
        data=arguments.data,
        weights=_weights(arguments),
        recipe=arguments.recipe,
        offline=arguments.offline,
        output=arguments.output,
        random_state=arguments.seed,
        command_line=arguments.command_line,
    )
    _finish(screen)


def _fit(arguments: argparse.Namespace) -> None:
    screen = _screen(arguments)
    from fishsk._pipeline import make_fish_pipeline
    from fishsk.cli._console import extract_features
    from fishsk.persistence import save_pipeline

    params = dict(_parse_setting(setting) for setting in arguments.set)
    paths, y = _load_folder(arguments)
    pipeline = make_fish_pipeline(
        recipe=arguments.recipe, weights=_weights(arguments), random_state=arguments.seed, **params
    )
    screen.fact("Images", f"{len(paths)} of {len(set(y))} classes in {arguments.folder}", n_images=len(paths))
    extract_features(screen, pipeline, paths)
    with screen.stage("train"):
        pipeline.fit(paths, y)
    head = pipeline["head"]
    accuracy = head.history_.get("val_accuracy", head.history_["accuracy"])[head.best_epoch_]
    screen.fact(
        "Training",
        f"{head.n_iter_} epochs, accuracy {accuracy:.3f} on images kept for validation",
        n_epochs=head.n_iter_,
        validation_accuracy=accuracy,
    )
    save_pipeline(pipeline, arguments.model)
    screen.fact("Model", str(arguments.model), model=str(arguments.model))
    screen.show_seconds()
    _finish(screen)


def _evaluate(arguments: argparse.Namespace) -> None:
    screen = _screen(arguments)
    from fishsk.cli._console import extract_features, save_figures
    from fishsk.inspection import evaluate
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    paths, y = _load_folder(arguments)
    extract_features(screen, pipeline, paths)
    evaluation = evaluate(pipeline, paths, y)
    screen.show_evaluation(evaluation, [str(path) for path in paths])
    if arguments.output is not None:
        written = save_figures(arguments.output, evaluation, paths, pipeline)
        screen.figures(written)
    _finish(screen)


def _predict(arguments: argparse.Namespace) -> None:
    screen = _screen(arguments)
    from fishsk.cli._console import extract_features
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    paths = _list_images(arguments.images)
    extract_features(screen, pipeline, paths)
    proba = pipeline.predict_proba(paths)
    predicted = pipeline.classes_[proba.argmax(axis=1)]
    if arguments.output == "-":
        _write_predictions(sys.stdout, paths, predicted, proba, pipeline.classes_)
        return
    with open(arguments.output, "w", newline="", encoding="utf-8") as file:
        _write_predictions(file, paths, predicted, proba, pipeline.classes_)
    counts = {str(label): int((predicted == label).sum()) for label in pipeline.classes_}
    screen.fact("Images", f"{len(paths)}", n_images=len(paths), counts=counts)
    screen.fact("Classes", ", ".join(f"{name} {count}" for name, count in counts.items()))
    screen.fact("Predictions", arguments.output, predictions=arguments.output)
    _finish(screen)


def _tune(arguments: argparse.Namespace) -> None:
    screen = _screen(arguments)
    from fishsk._pipeline import make_fish_pipeline
    from fishsk.cli._console import extract_features, save_study_figures
    from fishsk.persistence import save_pipeline
    from fishsk.search import OptunaSearchCV, default_search_space

    paths, y = _load_folder(arguments)
    screen.fact("Images", f"{len(paths)} of {len(set(y))} classes in {arguments.folder}", n_images=len(paths))
    pipeline = make_fish_pipeline(
        recipe=arguments.recipe, weights=_weights(arguments), random_state=arguments.seed
    )
    search = OptunaSearchCV(
        pipeline,
        default_search_space(pipeline),
        n_trials=arguments.trials,
        timeout=arguments.timeout,
        cv=arguments.cv,
        n_jobs=arguments.jobs,
        storage=arguments.storage,
        study_name=Path(arguments.folder).name if arguments.storage else None,
        random_state=arguments.seed,
        verbose=1,
    )
    extract_features(screen, pipeline, paths)
    with screen.measured("search"):
        search.fit(paths, y)
    screen.fact(
        "Best",
        f"accuracy {search.best_score_:.3f} in {arguments.cv}-fold cross-validation",
        best_score=search.best_score_,
        best_params=search.best_params_,
    )
    for name, value in search.best_params_.items():
        screen.say(f"  {name} = {value!r}")
    save_pipeline(search.best_estimator_, arguments.model)
    screen.fact("Model", str(arguments.model), model=str(arguments.model))
    written = save_study_figures(arguments.output, search.study_)
    screen.figures(written)
    screen.show_seconds()
    _finish(screen)


def _report(arguments: argparse.Namespace) -> None:
    screen = _screen(arguments)
    from fishsk.cli._console import extract_features
    from fishsk.persistence import load_pipeline
    from fishsk.report import write_report

    pipeline = load_pipeline(arguments.model)
    paths, y = _load_folder(arguments)
    X_train, y_train = (None, None) if arguments.train is None else _load_folder(arguments, arguments.train)
    extract_features(screen, pipeline, paths, *([] if X_train is None else [X_train]))
    with screen.stage("report"):
        written = write_report(
            pipeline,
            paths,
            y,
            arguments.output,
            X_train=X_train,
            y_train=y_train,
            title=arguments.title,
            reproduce=arguments.command_line,
        )
    screen.fact("Images", f"{len(paths)} test images in {arguments.folder}", n_test=len(paths))
    screen.fact("Report", f"{written} (open it in a browser)", report=str(written))
    _finish(screen)


def _cache(arguments: argparse.Namespace) -> int:
    screen = _screen(arguments, tensorflow=False)
    from fishsk.store import cache_info, clear_cache, default_folder, verify_cache

    folder = default_folder()
    screen.fact("Folder", str(folder), folder=str(folder))
    if arguments.action == "clear":
        freed = clear_cache(folder)
        screen.fact("Freed", f"{freed / 2**20:,.1f} MiB", n_bytes_freed=freed)
        _finish(screen)
        return 0
    found = cache_info(folder) if arguments.action == "info" else verify_cache(folder)
    for name, value in found.items():
        screen.fact(name, str(value), **{name: value})
    _finish(screen)
    return 1 if found.get("n_corrupt") else 0


def _parse_setting(setting: str) -> tuple[str, Any]:
    """Return a name and a value, which is JSON where it reads as JSON, and text otherwise."""
    name, equals, text = setting.partition("=")
    if not equals or "__" not in name:
        raise ValueError(f"--set must be STEP__NAME=VALUE, such as head__dropout=0.2. Got {setting!r}.")
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text


def _load_folder(arguments: argparse.Namespace, folder: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the paths of the images in a folder, the command's by default, and their class names."""
    from fishsk.datasets import load_image_folder

    data = load_image_folder(folder or arguments.folder, on_error="skip" if arguments.skip_bad else "raise")
    return data.images, np.asarray(data.target_names)[data.target]


def _list_images(names: Sequence[str]) -> list[str]:
    """Return files as they are, and the images of folders in sorted order."""
    from fishsk.datasets import find_images, warn_of_links
    from fishsk.features import IMAGE_SUFFIXES

    found: list[str] = []
    links: list[str] = []
    for name in names:
        if not Path(name).is_dir():
            found.append(name)
            continue
        inside = list(find_images(name, links))
        if not inside:
            raise ValueError(f"{name!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). It holds none.")
        found += inside
    warn_of_links(links)
    return found


def _write_predictions(
    file: Any, paths: Sequence[str], predicted: np.ndarray, proba: np.ndarray, classes: np.ndarray
) -> None:
    writer = csv.writer(file)
    writer.writerow(["path", "predicted", "probability", *(f"p_{label}" for label in classes)])
    for path, label, row in zip(paths, predicted, proba, strict=True):
        writer.writerow([path, label, f"{row.max():.6f}", *(f"{p:.6f}" for p in row)])

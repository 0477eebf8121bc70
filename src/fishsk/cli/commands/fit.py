"""Train on a folder or a table of images and save the model.

examples:
  python -m fishsk fit photos/ --model fish.fishsk
  python -m fishsk fit photos/ --backbone EfficientNetV2B0
  python -m fishsk fit photos/ --backbone EfficientNetV2B0 --backbone vgg16.cifar95    both, side by side
  python -m fishsk fit photos/ --weights imagenet --set head__dropout=0.2 --set head__epochs=40
  python -m fishsk fit photos.csv --target weight      a table: a column of paths, and one of numbers
  python -m fishsk fit photos.csv --target weight --set head__regressor__epochs=80
  python -m fishsk fit photos.csv --target species     or of classes
  python -m fishsk fit photos.csv --target tags        or of tags: "river;young", an empty cell for none
  python -m fishsk fit photos.csv --target day --target rain     or columns of 0 and 1, a tag each

photos/ holds one folder per class: photos/ray/1.jpg, photos/shark/2.jpg, ... The first row of photos.csv
names its columns, one of them path; paths start at the folder of the table. Where it has the columns x, y,
width and height, each row is a box in an image, and the rest of the image is left out.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter

from fishsk.cli._arguments import add_photos, add_training, load_photos
from fishsk.cli._screen import Screen, load_tensorflow
from fishsk.cli._targets import MODELS, prepare_file, write_or_keep

_N_FOLDS = 5  # where no images are kept for validation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_photos(parser, with_task=True)
    parser.add_argument("--model", default="model.fishsk", metavar="FILE", help="the file to write")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STEP__NAME=VALUE",
        help="a parameter of a step; may be given many times (default: the recipe's)",
    )
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    params = dict(_parse_setting(setting) for setting in arguments.set)
    model = prepare_file(arguments.model, MODELS)
    photos = load_photos(arguments.photos, arguments)
    load_tensorflow(screen)

    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

    from fishsk.cli._networks import make_pipeline, of_task, run_networks, show_networks
    from fishsk.inspection import find_target_scale, fitted_head, format_number
    from fishsk.persistence import save_pipeline

    pipeline = make_pipeline(arguments, photos.paths, **of_task(photos) | params)
    show_networks(screen, pipeline)
    photos, [(learner, rows)] = run_networks(screen, photos, pipeline, skip_bad=arguments.skip_bad)
    screen.fact("Images", photos.describe(), n_images=len(photos.paths), task=photos.task, **photos.facts)
    with screen.stage("train"):
        learner.fit(rows, photos.y)  # these are the pipeline's own steps
    # A score on images that did not train: of the epoch that was kept, or else of folds.
    head = fitted_head(pipeline)
    name, title, scoring, scale = "accuracy", "accuracy", "accuracy", 1.0
    if photos.task == "regression":
        name, title, scoring = "mean_absolute_error", "mean absolute error", "neg_mean_absolute_error"
        scale = find_target_scale(pipeline["head"]) or 1.0
    best = {key: scale * values[head.best_epoch_] for key, values in head.history_.items() if name in key}
    value, validation = best[name], best.get(f"val_{name}")
    facts = {f"training_{name}": value, f"validation_{name}": validation}
    is_of_classes = photos.task == "classification"
    n_folds = min(_N_FOLDS, min(Counter(photos.y).values()) if is_of_classes else len(photos.y))
    if validation is not None:
        value, where = validation, "on images kept for validation"
    elif n_folds > 1:
        if photos.task == "tags":
            name, title, scoring = "f1_macro", "mean F1", "f1_macro"
        folds = (StratifiedKFold if is_of_classes else KFold)(n_folds, shuffle=True, random_state=0)
        with screen.stage("cross-validate"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)  # of a tag that a fold has nowhere
            scores = cross_val_score(learner, rows, photos.y, cv=folds, scoring=scoring)
        value, where = float(abs(scores.mean())), f"in {n_folds}-fold cross-validation"
        facts[f"cross_validation_{name}"] = value
    else:
        where = "on the images trained on (too few to keep some for validation)"
    words = format_number(value, digits=3) if photos.task == "regression" else f"{value:.3f}"
    screen.fact("Training", f"{head.n_iter_} epochs, {title} {words} {where}", n_epochs=head.n_iter_, **facts)
    if photos.task == "tags":
        tags = head.tags or range(len(head.thresholds_))
        thresholds = dict(zip(tags, head.thresholds_.tolist(), strict=True))
        told = ", ".join(f"{tag} {threshold:.2f}" for tag, threshold in thresholds.items())
        screen.fact("Thresholds", told, thresholds=thresholds)
    write_or_keep(screen, "Model", model, lambda path: save_pipeline(pipeline, path))
    screen.show_seconds()


def _parse_setting(setting: str) -> tuple[str, object]:
    """Return a name and a value, which is JSON where it reads as JSON, and text otherwise."""
    name, equals, text = setting.partition("=")
    if not equals or "__" not in name:
        raise ValueError(f"--set must be STEP__NAME=VALUE, such as head__dropout=0.2. Got {setting!r}.")
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text

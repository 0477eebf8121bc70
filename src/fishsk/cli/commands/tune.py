"""Search for the best head, and network, with Optuna, and save the model.

examples:
  python -m fishsk tune photos/ --trials 30 --model best.fishsk
  python -m fishsk tune photos/ --backbone EfficientNetV2B0 MobileNetV3Small     networks and their layers too
  python -m fishsk tune photos/ --backbone EfficientNetV2B0 --backbone vgg16.cifar95    two side by side
  python -m fishsk tune photos/ --storage study.db     go on another time, or in a second process
  python -m fishsk tune photos.csv --target weight     numbers: the highest R²
  python -m fishsk tune photos.csv --target tags --scoring average_precision     the default is f1_macro
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from pathlib import Path

from fishsk.cli._arguments import add_photos, add_training, load_photos
from fishsk.cli._screen import Screen, load_tensorflow
from fishsk.cli._targets import MODELS, prepare_file, prepare_folder, write_or_keep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_photos(parser, with_task=True)
    parser.add_argument("--trials", type=int, default=30, help="candidates")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="stop after so long (default: no limit)"
    )
    parser.add_argument(
        "--scoring",
        metavar="NAME",
        help="what the best has most of, as scikit-learn names it, such as average_precision "
        "(default: accuracy; r2 of numbers, f1_macro of tags)",
    )
    parser.add_argument("--cv", type=int, default=5, help="folds")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--storage", help="a file or URL; the study in it is resumed (default: memory, never resumed)"
    )
    parser.add_argument("--model", default="model.fishsk", metavar="FILE", help="the file to write")
    parser.add_argument(
        "--output", default="fishsk-tune", metavar="DIR", help="figures of the search go here"
    )
    add_training(parser, several=True)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    model = prepare_file(arguments.model, MODELS)
    output = prepare_folder(arguments.output)
    photos = load_photos(arguments.photos, arguments)
    load_tensorflow(screen)

    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.metrics import get_scorer
    from sklearn.model_selection import KFold
    from sklearn.pipeline import Pipeline

    from fishsk.cli._figures import N_FOR_IMPORTANCES, save_study_figures
    from fishsk.cli._networks import list_candidates, make_pipeline, of_task, run_networks, show_networks
    from fishsk.features import find_frozen_parts
    from fishsk.persistence import save_pipeline
    from fishsk.search import OptunaSearchCV, default_search_space

    scoring = arguments.scoring or {"regression": "r2", "tags": "f1_macro"}.get(photos.task, "accuracy")
    score = "R²" if scoring == "r2" else scoring
    get_scorer(scoring)  # a name that is none is found before the work
    folds = arguments.cv
    if photos.task != "classification":  # plain folds follow the rows, which a table is sorted by
        folds = KFold(arguments.cv, shuffle=True, random_state=arguments.seed)
    pipelines = []
    # The sets of networks to try: of each option one name, in all combinations, none twice.
    for backbone in dict.fromkeys(itertools.product(*arguments.backbone or ())):
        given = argparse.Namespace(**vars(arguments) | {"backbone": backbone})
        pipelines.append(make_pipeline(given, photos.paths, **of_task(photos)))
    show_networks(screen, *pipelines)
    pipeline = pipelines[0]
    candidates = list_candidates(pipelines)
    space = default_search_space(pipeline)
    if len(candidates) > 1:
        space["features"] = candidates
        table = []
        for number, features in enumerate(candidates):  # by which the figures call the networks
            parts = find_frozen_parts(features).values()
            layers = [part.layers or "the last map" for part in parts]
            names = [each if isinstance(each, str) else ", ".join(each) for each in layers]
            table.append((number, " + ".join(part.network_name for part in parts), " + ".join(names)))
        screen.table(table, header=("features", "network", "layers"), right=[0])
    search = OptunaSearchCV(
        pipeline,
        space,
        n_trials=arguments.trials,
        timeout=arguments.timeout,
        cv=folds,
        scoring=scoring,
        n_jobs=arguments.jobs,
        storage=arguments.storage,
        study_name=Path(arguments.photos).name if arguments.storage else None,
        random_state=arguments.seed,
        verbose=1,
    )
    for each in candidates:
        tried = Pipeline([("features", each), ("head", pipeline["head"])])
        photos, _ = run_networks(screen, photos, tried, skip_bad=arguments.skip_bad)
    screen.fact("Images", photos.describe(), n_images=len(photos.paths), task=photos.task, **photos.facts)
    ignored = warnings.catch_warnings(action="ignore", category=UndefinedMetricWarning)
    with screen.measured("search"), ignored:  # of a tag that a fold has nowhere
        search.fit(photos.paths, photos.y)
    screen.fact(
        "Best",
        f"{score} {search.best_score_:.3f} in {arguments.cv}-fold cross-validation",
        best_score=search.best_score_,
        best_params=search.best_params_,
    )
    for name, value in search.best_params_.items():
        screen.say(f"  {name} = {value!r}")
    write_or_keep(screen, "Model", model, lambda path: save_pipeline(search.best_estimator_, path))
    written = save_study_figures(output, search.study_, score=score)
    screen.fact("Figures", ", ".join(map(str, written)), figures=written)
    if output / "importances.png" not in written:
        screen.say(f"No importances: they need {N_FOR_IMPORTANCES} finished trials whose scores differ.")
    screen.show_seconds()

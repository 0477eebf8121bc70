"""``tune``: search for the best head with Optuna, and save the model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fishsk.cli._arguments import add_photos, add_skip_bad, add_training, load_photos, parse_weights

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "search for the best head with Optuna, and save the model"
EXAMPLES = """\
examples:
  python -m fishsk tune photos/ --trials 30 --model best.fishsk
  python -m fishsk tune photos/ --storage study.db     go on another time, or in a second process
  python -m fishsk tune photos.csv --target weight     numbers: the highest R²
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_photos(parser, with_task=True)
    parser.add_argument("--trials", type=int, default=30, help="candidates (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="stop after so long (default: no limit)"
    )
    parser.add_argument("--cv", type=int, default=5, help="folds (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--storage", help="a file or URL; the study in it is resumed (default: memory, never resumed)"
    )
    parser.add_argument(
        "--model", default="model.fishsk", metavar="FILE", help="the file to write (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        default="fishsk-tune",
        metavar="DIR",
        help="figures of the search go here (default: %(default)s)",
    )
    add_skip_bad(parser)
    add_training(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Search for the best head, save the model, and draw how the search went."""
    from fishsk.cli._targets import prepare_file, prepare_folder, write_or_keep
    from fishsk.cli._tensorflow import load_tensorflow

    model = prepare_file(arguments.model)
    output = prepare_folder(arguments.output)
    photos = load_photos(arguments.photos, arguments)
    load_tensorflow(screen)

    from sklearn.model_selection import KFold

    from fishsk._pipeline import make_fish_pipeline
    from fishsk.cli._features import extract_features
    from fishsk.cli._figures import N_FOR_IMPORTANCES, save_study_figures
    from fishsk.persistence import save_pipeline
    from fishsk.search import OptunaSearchCV, default_search_space

    score, folds = "accuracy", arguments.cv
    if photos.task == "regression":  # plain folds follow the order of the rows, which a table is sorted by
        score, folds = "R²", KFold(arguments.cv, shuffle=True, random_state=arguments.seed)
    screen.fact("Images", photos.words, n_images=len(photos.paths), task=photos.task)
    pipeline = make_fish_pipeline(
        task=photos.task,
        recipe=arguments.recipe,
        weights=parse_weights(arguments),
        random_state=arguments.seed,
    )
    search = OptunaSearchCV(
        pipeline,
        default_search_space(pipeline),
        n_trials=arguments.trials,
        timeout=arguments.timeout,
        cv=folds,
        n_jobs=arguments.jobs,
        storage=arguments.storage,
        study_name=Path(arguments.photos).name if arguments.storage else None,
        random_state=arguments.seed,
        verbose=1,
    )
    extract_features(screen, pipeline, photos.paths)
    with screen.measured("search"):
        search.fit(photos.paths, photos.y)
    screen.fact(
        "Best",
        f"{score} {search.best_score_:.3f} in {arguments.cv}-fold cross-validation",
        best_score=search.best_score_,
        best_params=search.best_params_,
    )
    for name, value in search.best_params_.items():
        screen.say(f"  {name} = {value!r}")
    write_or_keep(model, lambda path: save_pipeline(search.best_estimator_, path))
    screen.fact("Model", str(model), model=model)
    written = save_study_figures(output, search.study_, score=score)
    screen.figures(written)
    if output / "importances.png" not in written:
        screen.say(f"No importances: they need {N_FOR_IMPORTANCES} finished trials whose scores differ.")
    screen.show_seconds()

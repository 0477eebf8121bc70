"""The figures that commands write as PNG: of an evaluation and of a search."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from fishsk.inspection import (
    ClassificationEvaluation,
    Evaluation,
    PredictionGridDisplay,
    RegressionEvaluation,
    TagsEvaluation,
    TrainingCurveDisplay,
    draw_prediction_errors,
    draw_tags,
    fitted_head,
)

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

_LONGEST_TICK = 12  # letters
N_FOR_IMPORTANCES = 10  # finished trials; a forest fitted to fewer tells noise


def save_figures(
    folder: Path, evaluation: Evaluation, images: Any, estimator: Any, *, target: str | None = None
) -> list[Path]:
    """Write the training curves, and predictions against the truth, as PNG.

    Parameters
    ----------
    folder : Path
        Where to.
    evaluation : ClassificationEvaluation, RegressionEvaluation or TagsEvaluation
        Predictions on `images`.
    images : array-like of images
        The test images.
    estimator : Pipeline
        The fitted pipeline. A head without a history has no training curves.
    target : str, default=None
        What a regressor predicts.

    Returns
    -------
    list of Path
        The files written.
    """
    figures = _draw_training(estimator)
    if isinstance(evaluation, RegressionEvaluation):
        for name, kind in (
            ("predicted_against_true.png", "actual_vs_predicted"),
            ("residuals.png", "residual_vs_predicted"),
        ):
            figures[name] = draw_prediction_errors(evaluation, kind, target or "number")
        figures["largest_errors.png"] = PredictionGridDisplay.from_predictions(
            images, evaluation.y_true, evaluation.y_pred, select="largest_errors", n_rows=4
        ).figure_
    elif isinstance(evaluation, TagsEvaluation):
        figures["tags.png"] = draw_tags(evaluation)
    else:
        figures["confusion_matrix.png"] = _draw_confusion(evaluation)
        figures["predictions.png"] = PredictionGridDisplay.from_predictions(
            images,
            evaluation.y_true,
            evaluation.y_pred,
            y_proba=evaluation.proba,
            classes=evaluation.known_classes,
            random_state=0,
        ).figure_
    return _save(folder, figures)


def _draw_training(estimator: Any) -> dict[str, Figure]:
    """Return the training curves by the name of their file, or nothing where no history was kept."""
    try:
        fitted_head(estimator)
    except TypeError:
        return {}
    return {"training_curves.png": TrainingCurveDisplay.from_estimator(estimator).figure_}


def save_study_figures(folder: Path, study: optuna.Study, *, score: str = "accuracy") -> list[Path]:
    """Write how a search went as PNG: its history, its hyperparameters and, of enough trials, importances.

    Parameters
    ----------
    folder : Path
        Where to.
    study : optuna.Study
        The study of a search for the highest score.
    score : str, default="accuracy"
        What the score is.

    Returns
    -------
    list of Path
        The files written: none if no trial has finished; importances need ten that have, of different values.
    """
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    finished = [
        trial for trial in trials if trial.state == TrialState.COMPLETE and np.isfinite(trial.values[0])
    ]
    if not finished:
        return []
    figures = {
        "history.png": _draw_history(trials, finished, score),
        "parameters.png": _draw_parameters(finished, score),
    }
    if len(finished) >= N_FOR_IMPORTANCES and len({trial.value for trial in finished}) > 1:
        figures["importances.png"] = _draw_importances(study, len(finished), score)
    return _save(folder, figures)


def _draw_confusion(evaluation: ClassificationEvaluation) -> Figure:
    import matplotlib.pyplot as plt

    display = ConfusionMatrixDisplay(evaluation.confusion, display_labels=evaluation.classes)
    display.plot(cmap="Blues")
    # A slanted name ends at its tick; rotated about its middle it would stand beside it.
    plt.setp(display.ax_.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
    display.ax_.set_title(f"{len(evaluation.y_true)} test images by true and predicted class")
    return display.figure_


def _draw_history(trials: list[FrozenTrial], finished: list[FrozenTrial], score: str) -> Figure:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator
    from optuna.trial import TrialState

    figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    numbers = [trial.number + 1 for trial in finished]
    scores = [trial.values[0] for trial in finished]
    ax.plot(numbers, scores, "o", color="C0", label=f"{score.capitalize()} of a trial")
    ax.step(numbers, np.maximum.accumulate(scores), where="post", color="C3", label="Best so far")
    pruned = [
        (trial.number + 1, trial.intermediate_values[max(trial.intermediate_values)])
        for trial in trials
        if trial.state == TrialState.PRUNED and trial.intermediate_values
    ]
    if pruned:
        ax.plot(*zip(*pruned, strict=True), "x", color="0.5", label=f"Stopped early, {score} so far")
    ax.set(title="How the search went", xlabel="Trial", ylabel=f"{score.capitalize()} in cross-validation")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlim(0.5, len(trials) + 0.5)
    ax.ticklabel_format(axis="y", useOffset=False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw_parameters(finished: list[FrozenTrial], score: str) -> Figure:
    """Draw the score against each hyperparameter, in a panel of its own."""
    import matplotlib.pyplot as plt
    from optuna.distributions import CategoricalDistribution

    names = sorted({name for trial in finished for name in trial.params})
    n_columns = min(3, len(names))
    n_rows = -(-len(names) // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3.6 * n_columns, 2.9 * n_rows),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, name in zip(axes.flat, names, strict=False):
        tried = [trial for trial in finished if name in trial.params]
        values = [trial.params[name] for trial in tried]
        distribution = tried[0].distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            choices = [str(choice) for choice in distribution.choices]
            values = [choices.index(str(value)) for value in values]
            # A choice that is no plain value is written as its number and what it is.
            short = [
                choice if len(choice) <= _LONGEST_TICK else choice.partition(":")[0] for choice in choices
            ]
            ax.set_xticks(range(len(choices)), short)
            ax.set_xlim(-0.5, len(choices) - 0.5)
        elif distribution.log:
            ax.set_xscale("log")
        ax.plot(values, [trial.values[0] for trial in tried], "o", color="C0", alpha=0.7)
        ax.set_xlabel(name.replace("__", ": ").replace("_", " "))
        ax.ticklabel_format(axis="y", useOffset=False)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    figure.suptitle(f"{score.capitalize()} of each trial against what was tried")
    figure.supylabel(f"{score.capitalize()} in cross-validation")
    return figure


def _draw_importances(study: optuna.Study, n_finished: int, score: str) -> Figure:
    import matplotlib.pyplot as plt
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna: the evaluator is experimental
        importances = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    names = [name.replace("__", ": ").replace("_", " ") for name in importances]
    figure, ax = plt.subplots(figsize=(8, 0.5 * len(names) + 1.5), layout="constrained")
    ax.barh(names[::-1], list(importances.values())[::-1], color="C0")
    ax.set_xlim(0, 1)
    ax.set(
        title=f"What mattered, estimated from {n_finished} trials", xlabel=f"Share of the variance of {score}"
    )
    return figure


def _save(folder: Path, figures: dict[str, Figure]) -> list[Path]:
    import matplotlib.pyplot as plt

    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
        plt.close(figure)
    return [folder / name for name in figures]

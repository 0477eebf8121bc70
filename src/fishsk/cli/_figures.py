"""The figures that commands write as PNG: of an evaluation and of a search."""

from __future__ import annotations

import contextlib
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from fishsk import inspection

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure
    from sklearn.base import BaseEstimator

    from fishsk._utils.typing import ImagesLike

_LONGEST_TICK = 12  # letters
N_FOR_IMPORTANCES = 10  # finished trials; a forest fitted to fewer tells noise


def save_figures(
    folder: Path,
    evaluation: inspection.Evaluation,
    images: ImagesLike,
    estimator: BaseEstimator,
    *,
    target: str | None = None,
) -> list[Path]:
    """Write the training curves, and predictions against the truth, as PNG; return the files.

    A head without a history has no training curves. `target` is what a regressor predicts.
    """
    figures: dict[str, Figure] = {}
    with contextlib.suppress(TypeError):
        figures["training_curves.png"] = inspection.TrainingCurveDisplay.from_estimator(estimator).figure_
    if isinstance(evaluation, inspection.RegressionEvaluation):
        draw = partial(inspection.draw_prediction_errors, evaluation, target_name=target or "number")
        figures["predicted_against_true.png"] = draw("actual_vs_predicted")
        figures["residuals.png"] = draw("residual_vs_predicted")
        figures["largest_errors.png"] = inspection.PredictionGridDisplay.from_predictions(
            images, evaluation.y_true, evaluation.y_pred, select="largest_errors", n_rows=4
        ).figure_
    elif isinstance(evaluation, inspection.TagsEvaluation):
        figures["tags.png"] = inspection.draw_tags(evaluation)
    else:
        figures["confusion_matrix.png"] = _draw_confusion(evaluation)
        figures["predictions.png"] = inspection.PredictionGridDisplay.from_predictions(
            images,
            evaluation.y_true,
            evaluation.y_pred,
            y_proba=evaluation.proba,
            classes=evaluation.known_classes,
            random_state=0,
        ).figure_
    return _save(folder, figures)


def save_study_figures(folder: Path, study: optuna.Study, *, score: str = "accuracy") -> list[Path]:
    """Write how a search for the highest score went as PNG, in Optuna's own figures; return the files.

    There are none if no trial has finished; importances need ten that have, of different values.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import TrialState
    from optuna.visualization import matplotlib as draw

    finished = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if not any(np.isfinite(trial.values[0]) for trial in finished):
        return []
    with plt.rc_context(), warnings.catch_warnings(action="ignore"):  # optuna: all of this is experimental
        history = draw.plot_optimization_history(study, target_name=score)
        history.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panels = np.atleast_1d(draw.plot_slice(study, target_name=score))
        drawn = {"history.png": history, "parameters.png": panels[0]}
        if len(finished) >= N_FOR_IMPORTANCES and len({trial.value for trial in finished}) > 1:
            find = FanovaImportanceEvaluator(seed=0)
            drawn["importances.png"] = draw.plot_param_importances(study, evaluator=find, target_name=score)
        history.figure.canvas.draw()
        for ax in panels:
            ticks = [label.get_text() for label in ax.get_xticklabels()]
            if max(map(len, ticks)) > _LONGEST_TICK:
                # A choice that is no plain value is written as its number and what it is.
                ax.set_xticks(ax.get_xticks(), [tick.strip("'").partition(":")[0] for tick in ticks])
        return _save(folder, {name: ax.figure for name, ax in drawn.items()})


def _draw_confusion(evaluation: inspection.ClassificationEvaluation) -> Figure:
    import matplotlib.pyplot as plt

    display = ConfusionMatrixDisplay(evaluation.confusion, display_labels=evaluation.classes)
    display.plot(cmap="Blues")
    # A slanted name ends at its tick; rotated about its middle it would stand beside it.
    plt.setp(display.ax_.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
    display.ax_.set_title(f"{len(evaluation.y_true)} test images by true and predicted class")
    return display.figure_


def _save(folder: Path, figures: dict[str, Figure]) -> list[Path]:
    import matplotlib.pyplot as plt

    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
        plt.close(figure)
    return [folder / name for name in figures]

"""How the command line shows stages, scores and figures."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.metrics import classification_report

from fishsk.inspection import Evaluation


class Screen:
    """What a command says to people, and what it says to machines.

    Parameters
    ----------
    as_json : bool, default=False
        Whether standard output is for one JSON object, so that words go to standard error.

    Attributes
    ----------
    facts : dict
        What ``--json`` prints.
    """

    def __init__(self, *, as_json: bool = False):
        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False, soft_wrap=True)
        self.facts: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print words as they are."""
        self.console.print(text, markup=False)

    def fact(self, title: str, text: str, **facts: Any) -> None:
        """Print one titled line, and keep its numbers for machines."""
        self.console.print(f"{title + ':':13}{text}", markup=False)
        self.facts |= facts

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the seconds of a stage, and turn a spinner while it runs."""
        with self.measured(name), self.console.status(f"{name} ..."):
            yield

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure the seconds of a stage that draws a progress bar of its own."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    def figures(self, written: list[Path]) -> None:
        """Print which figures were written."""
        self.fact("Figures", ", ".join(map(str, written)), figures=[str(path) for path in written])

    def show_seconds(self) -> None:
        """Print the seconds of each stage so far."""
        self.say("\nSeconds of each stage")
        table = Table(box=box.SIMPLE_HEAD, show_header=False)
        table.add_column(justify="left")
        table.add_column(justify="right")
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{seconds:.1f}")
        table.add_section()
        table.add_row("together", f"{sum(self.seconds.values()):.1f}")
        self.console.print(table)
        self.facts["seconds"] = self.seconds

    def show_evaluation(self, evaluation: Evaluation, origins: list[str], n_mistakes: int = 5) -> None:
        """Print scores, the confusion matrix and the most confident mistakes.

        Parameters
        ----------
        evaluation : Evaluation
            What is shown.
        origins : list of str
            The name of each image, to be found again.
        n_mistakes : int, default=5
            How many mistakes are listed.
        """
        low, high = evaluation.interval
        self.fact(
            "\nAccuracy",
            f"{evaluation.accuracy:.3f} on {len(evaluation.y_true)} test images "
            f"(95 % interval {low:.3f} to {high:.3f})",
            accuracy=evaluation.accuracy,
            accuracy_interval=[low, high],
            n_test=len(evaluation.y_true),
            per_class=evaluation.per_class,
            classes=evaluation.classes.tolist(),
            confusion_matrix=evaluation.confusion.tolist(),
        )
        names = [str(label) for label in evaluation.classes]
        self.say("\nClassification report\n")
        self.say(
            classification_report(
                evaluation.y_true,
                evaluation.y_pred,
                labels=evaluation.classes,
                target_names=names,
                digits=3,
                zero_division=0.0,
            )
        )
        self.say("Confusion matrix (rows: true class, columns: predicted class)")
        self._show_confusion(names, evaluation.confusion)
        mistakes = evaluation.mistakes[:n_mistakes]
        self.facts["mistakes"] = [
            {
                "image": origins[index],
                "true": evaluation.y_true[index].item(),
                "predicted": evaluation.y_pred[index].item(),
                "probability": float(evaluation.confidence[index]),
            }
            for index in mistakes
        ]
        self.say("Most confident mistakes" if len(mistakes) else "No mistakes.")
        table = Table(box=box.SIMPLE_HEAD)
        for title in ("image", "true class", "predicted class", "probability"):
            table.add_column(title, justify="right" if title == "probability" else "left")
        for index in mistakes:
            table.add_row(
                origins[index],
                str(evaluation.y_true[index]),
                str(evaluation.y_pred[index]),
                f"{evaluation.confidence[index]:.3f}",
            )
        if len(mistakes):
            self.console.print(table)

    def _show_confusion(self, names: list[str], confusion: np.ndarray) -> None:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("")
        for name in names:
            table.add_column(name, justify="right")
        for row, (name, counts) in enumerate(zip(names, confusion, strict=True)):
            cells = [
                f"[bold]{count}[/bold]" if row == column else str(count)
                for column, count in enumerate(counts)
            ]
            table.add_row(name, *cells)
        self.console.print(table)


def load_tensorflow(screen: Screen) -> None:
    """Import TensorFlow, without what its C++ writes to standard error whatever the log level is."""
    with screen.stage("load TensorFlow"), _silent_file_descriptor(2):
        import fishsk.head  # noqa: F401


@contextmanager
def _silent_file_descriptor(descriptor: int) -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(descriptor)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


def extract_features(screen: Screen, pipeline: Any, *images: Any) -> None:
    """Run images through the frozen network under a progress bar; what follows finds them known."""
    features = pipeline["features"].set_params(verbose=1)
    with screen.measured("features"):
        for X in images:
            features.transform(X)
    features.set_params(verbose=0)


def save_figures(folder: Path, evaluation: Evaluation, images: Any, estimator: Any) -> list[Path]:
    """Write the training curves, the confusion matrix and a grid of predictions as PNG.

    Parameters
    ----------
    folder : Path
        Where to; it is made where it is missing.
    evaluation : Evaluation
        Predictions on `images`.
    images : array-like of images
        The test images.
    estimator : Pipeline
        The fitted pipeline, whose head has a history.

    Returns
    -------
    list of Path
        The files written.
    """
    import matplotlib.pyplot as plt
    from sklearn.metrics import ConfusionMatrixDisplay

    from fishsk.inspection import PredictionGridDisplay, TrainingCurveDisplay

    folder.mkdir(parents=True, exist_ok=True)
    confusion = ConfusionMatrixDisplay(evaluation.confusion, display_labels=evaluation.classes)
    figures = {
        "training_curves.png": TrainingCurveDisplay.from_estimator(estimator).figure_,
        "confusion_matrix.png": confusion.plot(cmap="Blues", xticks_rotation=30).figure_,
        "predictions.png": PredictionGridDisplay.from_predictions(
            images,
            evaluation.y_true,
            y_proba=evaluation.proba,
            classes=evaluation.known_classes,
            random_state=0,
        ).figure_,
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
        plt.close(figure)
    return [folder / name for name in figures]


def save_study_figures(folder: Path, study: Any) -> list[Path]:
    """Write Optuna's own plots of a study as PNG: history, importances and parallel coordinates.

    Parameters
    ----------
    folder : Path
        Where to; it is made where it is missing.
    study : optuna.Study
        The study of a search.

    Returns
    -------
    list of Path
        The files written. Importances need at least two finished trials whose values differ.
    """
    import warnings

    import matplotlib.pyplot as plt
    import optuna
    from optuna.visualization import matplotlib as plots

    folder.mkdir(parents=True, exist_ok=True)
    draw = {
        "history.png": plots.plot_optimization_history,
        "importances.png": plots.plot_param_importances,
        "parallel_coordinates.png": plots.plot_parallel_coordinate,
    }
    finished = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    if len({trial.value for trial in finished}) < 2:
        del draw["importances.png"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the plots are experimental, and warn of equal values
        for name, plot in draw.items():
            figure = plot(study).get_figure()
            figure.set_size_inches(10, 5)
            figure.savefig(folder / name, dpi=120, bbox_inches="tight")
            plt.close(figure)
    return [folder / name for name in draw]

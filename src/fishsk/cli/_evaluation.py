"""How commands show an evaluation: scores, classes or tags one by one, the worst predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TypeAlias

from rich.text import Text
from sklearn.metrics import classification_report

from fishsk.cli._screen import Screen, make_table, pick
from fishsk.inspection import (
    ClassificationEvaluation,
    Evaluation,
    RegressionEvaluation,
    TagsEvaluation,
    format_number,
    join_tags,
    score_probabilities,
)

_N_WORST = 5
_Written: TypeAlias = Mapping[str, Callable[..., str]]  # how each column is written
_SCORES = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R2",
    "bias": "bias (mean error)",
}


def show_evaluation(
    screen: Screen, evaluation: Evaluation, origins: Sequence[str], *, target: str | None = None
) -> None:
    """Print scores, the confusion matrix of classes, and the worst predictions.

    `origins` are the names of the images, to be found again; `target` is what a regressor predicts.
    """
    screen.say()
    if isinstance(evaluation, RegressionEvaluation):
        _show_regression(screen, evaluation, origins, target or "number")
    elif isinstance(evaluation, TagsEvaluation):
        _show_tags(screen, evaluation, origins)
    else:
        _show_classification(screen, evaluation, origins)


def _show_classification(
    screen: Screen, evaluation: ClassificationEvaluation, origins: Sequence[str]
) -> None:
    y_true, y_pred, labels = evaluation.y_true, evaluation.y_pred, evaluation.classes
    report = partial(classification_report, y_true, y_pred, labels=labels, zero_division=0.0)
    low, high = evaluation.interval
    screen.fact(
        "Accuracy",
        f"{evaluation.accuracy:.3f} on {evaluation.n_samples} test images "
        f"(95 % interval {low:.3f} to {high:.3f})",
        accuracy=evaluation.accuracy,
        per_class=report(output_dict=True),
        classes=labels,
        accuracy_interval=[low, high],
        n_test=evaluation.n_samples,
        confusion_matrix=evaluation.confusion,
    )
    if scores := score_probabilities(evaluation):
        is_part = scores.n_known < scores.n_samples
        of_known = f" (of the {scores.n_known} images of known classes)" if is_part else ""
        screen.fact(
            "Calibration",
            f"error {scores.calibration_error:.3f}, log loss {scores.log_loss:.3f} and Brier score "
            f"{scores.brier_score:.3f}{of_known}; {scores.n_sure_and_wrong} wrong above 0.99",
            probabilities=asdict(scores),
        )
    names = [str(label) for label in labels]
    screen.say(f"\nClassification report\n\n{report(target_names=names, digits=3)}")
    numbers = [str(index) for index in range(1, len(names) + 1)]
    numbered = [f"{number} {name}" for number, name in zip(numbers, names, strict=True)]
    cells = [
        [Text(str(count), style="bold" if row == column else "") for column, count in enumerate(counts)]
        for row, counts in enumerate(evaluation.confusion)
    ]
    for titles, columns in ((names, names), (numbered, numbers)):
        rows = [[title, *counts] for title, counts in zip(titles, cells, strict=True)]
        table = make_table(rows, header=("", *columns), right=range(1, len(names) + 1))
        if screen.fits(table):
            screen.say("Confusion matrix (rows: true class, columns: predicted class)")
            screen.console.print(table)
            break
    else:
        screen.say(
            f"The confusion matrix of {len(names)} classes is wider than this terminal: --json prints it, "
            "and --output draws it.\n"
        )
    worst = evaluation.worst[:_N_WORST]
    mistakes = [(y_true[at], y_pred[at], evaluation.confidence[at], origins[at]) for at in worst]
    written: _Written = {"true": str, "predicted": str, "probability": "{:.3f}".format, "image": str}
    _show_worst(screen, "mistakes", "Most confident mistakes", mistakes, written, right=[2])


def _show_tags(screen: Screen, evaluation: TagsEvaluation, origins: Sequence[str]) -> None:
    low, high = evaluation.macro_f1_interval
    screen.fact(
        "Mean F1",
        f"{evaluation.macro_f1:.3f} of {len(evaluation.tags)} tags on {evaluation.n_samples} test images "
        f"(95 % interval {low:.3f} to {high:.3f}), mean average precision "
        f"{evaluation.mean_average_precision:.3f}",
        **pick(evaluation, "macro_f1", "macro_f1_interval", "mean_average_precision"),
        n_test=evaluation.n_samples,
    )
    low, high = evaluation.interval
    screen.fact(
        "All right",
        f"{evaluation.accuracy:.3f} of the images (95 % interval {low:.3f} to {high:.3f})",
        all_right=evaluation.accuracy,
        all_right_interval=[low, high],
        tags=[asdict(tag) for tag in evaluation.tags],
    )
    rows = []
    for tag in evaluation.tags:
        interval = "{:.3f} to {:.3f}".format(*tag.recall_interval) if tag.n_true else "-"
        values = (tag.precision, tag.recall, tag.f1, tag.average_precision, tag.threshold)
        cells = [f"{value:.3f}" if value == value else "-" for value in values]
        rows.append((tag.name, tag.n_true, *cells[:2], interval, *cells[2:]))
    screen.table(
        rows,
        header=("tag", "images", "precision", "recall", "95 % interval", "F1", "avg. precision", "threshold"),
        right=range(1, 8),
    )
    y_true, y_pred = (
        [join_tags(row, evaluation.names) for row in y] for y in (evaluation.y_true, evaluation.y_pred)
    )
    mistakes = [(y_true[at], y_pred[at], origins[at]) for at in evaluation.worst[:_N_WORST]]
    written: _Written = dict.fromkeys(("true", "predicted", "image"), lambda text: text or "-")
    _show_worst(screen, "mistakes", "Most confident mistakes", mistakes, written)


def _show_regression(
    screen: Screen, evaluation: RegressionEvaluation, origins: Sequence[str], target: str
) -> None:
    screen.fact(
        "Error",
        f"{target} is {format_number(evaluation.mae, digits=3)} off on average, on {evaluation.n_samples} "
        "test images",
        n_test=evaluation.n_samples,
        target=target,
        **pick(evaluation, "baseline", "baseline_is_of"),
    )
    rows = []
    for name, title in _SCORES.items():
        value, interval = getattr(evaluation, name), getattr(evaluation, f"{name}_interval")
        always = getattr(evaluation.baseline_scores, name)
        screen.facts[name] = {"value": value, "interval": interval, "always_the_mean": always}
        write = "{:.3f}".format if name == "r2" else partial(format_number, digits=3)
        rows.append((title, write(value), " to ".join(map(write, interval)), write(always)))
    mean = format_number(evaluation.baseline)
    screen.table(rows, header=("score", "this model", "95 % interval", f"always {mean}"), right=[1, 2, 3])
    screen.say(f"{mean} is the mean of the {evaluation.baseline_is_of} images.\n")
    y_true, y_pred, errors = evaluation.y_true, evaluation.y_pred, evaluation.errors
    worst = [(y_true[at], y_pred[at], errors[at], origins[at]) for at in evaluation.worst[:_N_WORST]]
    signed = partial(format_number, digits=3, sign=True)
    written: _Written = {"true": format_number, "predicted": format_number, "error": signed, "image": str}
    _show_worst(screen, "worst", "Largest errors", worst, written, right=[0, 1, 2])


def _show_worst(
    screen: Screen, fact: str, title: str, rows: list[tuple], written: _Written, right: Sequence[int] = ()
) -> None:
    """Print the worst predictions, and keep them for machines; each column is `written` by a function."""
    screen.facts[fact] = [dict(zip(written, row, strict=True)) for row in rows]
    screen.say(title if rows else "No mistakes.")
    if rows:
        cells = [[write(cell) for write, cell in zip(written.values(), row, strict=True)] for row in rows]
        screen.table(cells, header=[*written], right=right)

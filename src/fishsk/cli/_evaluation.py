"""How commands show an evaluation: scores, classes or tags one by one, the worst predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.text import Text
from sklearn.metrics import classification_report

from fishsk.cli._screen import Screen, make_table
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

    Parameters
    ----------
    screen : Screen
        Where to.
    evaluation : ClassificationEvaluation, RegressionEvaluation or TagsEvaluation
        What is shown.
    origins : sequence of str
        The name of each image, to be found again.
    target : str, default=None
        What a regressor predicts.
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
    low, high = evaluation.interval
    screen.fact(
        "Accuracy",
        f"{evaluation.accuracy:.3f} on {evaluation.n_samples} test images "
        f"(95 % interval {low:.3f} to {high:.3f})",
        accuracy=evaluation.accuracy,
        accuracy_interval=[low, high],
        n_test=evaluation.n_samples,
        per_class=evaluation.per_class,
        classes=evaluation.classes,
        confusion_matrix=evaluation.confusion,
    )
    if scores := score_probabilities(evaluation):
        of_known = ""
        if scores.n_known < scores.n_samples:
            of_known = f" (of the {scores.n_known} images of known classes)"
        screen.fact(
            "Calibration",
            f"error {scores.calibration_error:.3f}, log loss {scores.log_loss:.3f} and Brier score "
            f"{scores.brier_score:.3f}{of_known}; {scores.n_sure_and_wrong} wrong above 0.99",
            probabilities=asdict(scores),
        )
    names = [str(label) for label in evaluation.classes]
    screen.say("\nClassification report\n")
    screen.say(
        classification_report(
            evaluation.y_true,
            evaluation.y_pred,
            labels=evaluation.classes,
            target_names=names,
            digits=3,
            zero_division=0.0,
        )
    )
    _show_confusion(screen, names, evaluation)
    mistakes = evaluation.worst[:_N_WORST]
    screen.facts["mistakes"] = [
        {
            "image": origins[index],
            "true": evaluation.y_true[index],
            "predicted": evaluation.y_pred[index],
            "probability": evaluation.confidence[index],
        }
        for index in mistakes
    ]
    screen.say("Most confident mistakes" if len(mistakes) else "No mistakes.")
    rows = [
        (
            evaluation.y_true[index],
            evaluation.y_pred[index],
            f"{evaluation.confidence[index]:.3f}",
            origins[index],
        )
        for index in mistakes
    ]
    if rows:
        screen.table(rows, header=("true class", "predicted class", "probability", "image"), right=[2])


def _show_tags(screen: Screen, evaluation: TagsEvaluation, origins: Sequence[str]) -> None:
    low, high = evaluation.macro_f1_interval
    screen.fact(
        "Mean F1",
        f"{evaluation.macro_f1:.3f} of {len(evaluation.tags)} tags on {evaluation.n_samples} test images "
        f"(95 % interval {low:.3f} to {high:.3f}), mean average precision "
        f"{evaluation.mean_average_precision:.3f}",
        macro_f1=evaluation.macro_f1,
        macro_f1_interval=[low, high],
        mean_average_precision=evaluation.mean_average_precision,
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
    screen.table(
        [
            (
                tag.name,
                tag.n_true,
                _or_dash(tag.precision),
                _or_dash(tag.recall),
                "-" if not tag.n_true else "{:.3f} to {:.3f}".format(*tag.recall_interval),
                f"{tag.f1:.3f}",
                _or_dash(tag.average_precision),
                _or_dash(tag.threshold),
            )
            for tag in evaluation.tags
        ],
        header=("tag", "images", "precision", "recall", "95 % interval", "F1", "avg. precision", "threshold"),
        right=range(1, 8),
    )
    mistakes = evaluation.worst[:_N_WORST]
    rows = [
        (
            *(join_tags(each[index], evaluation.names) for each in (evaluation.y_true, evaluation.y_pred)),
            origins[index],
        )
        for index in mistakes
    ]
    screen.facts["mistakes"] = [dict(zip(("true", "predicted", "image"), row, strict=True)) for row in rows]
    screen.say("Most confident mistakes" if rows else "No mistakes.")
    if rows:
        screen.table(
            [(true or "-", got or "-", name) for true, got, name in rows],
            header=("true tags", "predicted tags", "image"),
        )


def _or_dash(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"


def _show_confusion(screen: Screen, names: list[str], evaluation: ClassificationEvaluation) -> None:
    """Print the matrix with names, with numbers where those are too wide, or where to find it."""
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
            return
    screen.say(
        f"The confusion matrix of {len(names)} classes is wider than this terminal: --json prints it, and "
        "--output draws it.\n"
    )


def _show_regression(
    screen: Screen, evaluation: RegressionEvaluation, origins: Sequence[str], target: str
) -> None:
    scores = {
        name: {
            "value": getattr(evaluation, name),
            "interval": getattr(evaluation, f"{name}_interval"),
            "always_the_mean": getattr(evaluation.baseline_scores, name),
        }
        for name in _SCORES
    }
    screen.fact(
        "Error",
        f"{target} is {format_number(evaluation.mae, digits=3)} off on average, on {evaluation.n_samples} "
        "test images",
        n_test=evaluation.n_samples,
        target=target,
        baseline=evaluation.baseline,
        baseline_is_of=evaluation.baseline_is_of,
        **scores,
    )
    screen.table(
        [
            (
                _SCORES[name],
                _format_score(name, score["value"]),
                " to ".join(_format_score(name, end) for end in score["interval"]),
                _format_score(name, score["always_the_mean"]),
            )
            for name, score in scores.items()
        ],
        header=("score", "this model", "95 % interval", f"always {format_number(evaluation.baseline)}"),
        right=[1, 2, 3],
    )
    screen.say(
        f"{format_number(evaluation.baseline)} is the mean of the {evaluation.baseline_is_of} images.\n"
    )
    worst = [
        {
            "image": origins[index],
            "true": evaluation.y_true[index],
            "predicted": evaluation.y_pred[index],
            "error": evaluation.errors[index],
        }
        for index in evaluation.worst[:_N_WORST]
    ]
    screen.facts["worst"] = worst
    screen.say("Largest errors")
    screen.table(
        [
            (
                format_number(row["true"]),
                format_number(row["predicted"]),
                format_number(row["error"], digits=3, sign=True),
                row["image"],
            )
            for row in worst
        ],
        header=("true", "predicted", "error", "image"),
        right=[0, 1, 2],
    )


def _format_score(name: str, value: float) -> str:
    return f"{value:.3f}" if name == "r2" else format_number(value, digits=3)

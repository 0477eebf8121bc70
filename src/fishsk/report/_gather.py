"""Everything that a report shows, gathered as plain numbers, text, lists and dicts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sklearn import config_context, get_config

from fishsk.inspection import (
    ClassificationEvaluation,
    TagsEvaluation,
    evaluate,
    find_features,
    find_fitted,
    format_number,
    split_at_features,
)
from fishsk.report._album import Album, ImageSet
from fishsk.report._beside import gather_duplicates, gather_unfamiliar
from fishsk.report._classification import describe_labels, gather_classification
from fishsk.report._explanations import add_explanations, explain_worst
from fishsk.report._facts import Timings, describe_run, find_digests
from fishsk.report._figures import draw_diagram, draw_training
from fishsk.report._refits import gather_forecast, gather_labels
from fishsk.report._regression import describe_numbers, gather_regression
from fishsk.report._tags import describe_tags, gather_tags, write_tags

_N_WORST = 10


def gather_report(
    estimator: Any,
    test: ImageSet,
    train: ImageSet | None,
    *,
    names: dict[Any, str] | None,
    target_name: str,
    y_pred: Any = None,
    y_proba: Any = None,
    image_names: Sequence[str] | None = None,
    max_images: int = 24,
    explain: bool = True,
    pixels: dict[str, Any],
    cv: Any = None,
) -> dict[str, Any]:
    """Return everything that the page shows, as plain numbers, text, lists and dicts.

    `names` maps labels to what is written for them, and is None of tags and of a regressor, whose target is
    `target_name`; `pixels` holds `image_shape` and `input_range`. `write_report` describes the other
    parameters.
    """
    import markupsafe

    timings = Timings()
    y_train = None if train is None else train.y
    with timings("Read features"):
        rows, rest, values = split_at_features(estimator, test.X, **pixels)
    with timings("Predict the test images"):
        evaluation = evaluate(rest, values, test.y, y_pred=y_pred, y_proba=y_proba, y_train=y_train)
    worst = evaluation.worst[:_N_WORST]

    def explain_meanwhile(config: dict[str, Any]) -> Any:
        with config_context(**config), timings("Explain the worst predictions, meanwhile"):
            return explain_worst(estimator, test.X, worst, evaluation, pixels)

    # Most of it is to trace one graph on one core, while what follows keeps the others busy.
    pool = ThreadPoolExecutor(1)
    of_tags = isinstance(evaluation, TagsEvaluation)
    explained = pool.submit(explain_meanwhile, get_config()) if explain and not of_tags else None
    pool.shutdown(wait=False)
    if isinstance(evaluation, ClassificationEvaluation):
        known = names or {}
        names = {label: known.get(label, str(label)) for label in evaluation.classes.tolist()}
        album = Album(test.images, image_names, describe_labels(evaluation, names))
        kind = gather_classification(
            evaluation, rows, album, timings, names=names, y_train=y_train, max_images=max_images
        )
    elif isinstance(evaluation, TagsEvaluation):
        album = Album(test.images, image_names, describe_tags(evaluation))
        kind = gather_tags(evaluation, album, timings, y_train=y_train)
    else:
        album = Album(test.images, image_names, describe_numbers(evaluation))
        kind = gather_regression(evaluation, album, timings, target_name=target_name)

    def write_label(y: Any) -> str:
        if isinstance(evaluation, TagsEvaluation):
            return write_tags(y, evaluation.names)
        return format_number(y, digits=3) if names is None else names.get(y, str(y))

    report: dict[str, Any] = kind | {
        "worst": [album.show(index) for index in worst],
        "n_train": None if train is None else len(train.images),
        **dict.fromkeys(("explained", "unfamiliar", "duplicates", "forecast", "labels")),
    }
    if train is not None:
        with timings("Read features of the training images"):
            train_rows = find_features(estimator, train.X, **pixels)
        with timings("Look for unfamiliar images"):
            report["unfamiliar"] = gather_unfamiliar(rows, (train_rows, train.images), album, evaluation)
        with timings("Look for near-duplicates"):
            report["duplicates"] = gather_duplicates(
                (rows, test.images, test.y),
                (train_rows, train.images, train.y),
                album,
                evaluation,
                write_label,
            )
    if cv is not None and train is not None and names is not None:
        with timings("Train on growing parts"):
            report["forecast"] = gather_forecast(estimator, train.X, train.y, cv)
        with timings("Look for wrong labels"):
            report["labels"] = gather_labels(estimator, train, cv, album.add, names)
    with timings("Draw the training"):
        report["training"] = draw_training(estimator)
    with timings("Describe the pipeline and the data"):
        # scikit-learn has escaped what users put into its diagram.
        report["diagram"] = markupsafe.Markup(draw_diagram(find_fitted(estimator)))
        report["digests"] = find_digests(estimator, test, train)
    if explained is not None:
        report["explained"] = add_explanations(report["worst"], worst, explained.result(), album)
    report["images"] = album.images
    return report | describe_run(timings)

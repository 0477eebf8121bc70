"""Sections of the report that need training images: unlike images, copies, wrong labels, a forecast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import check_cv

from fishsk.features import Images
from fishsk.inspection import (
    Evaluation,
    FamiliarRows,
    LearningForecastDisplay,
    NearDuplicates,
    measure_learning,
    rank_label_issues,
)
from fishsk.report._figures import Album, Show, draw_figure

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from fishsk._utils.typing import Folds, ImagesLike

_N_SHOWN = {"unfamiliar": 12, "labels": 24}


class ImageSet(NamedTuple):
    """Images as the user gave them, the same images checked, their labels or numbers, and their features."""

    X: ImagesLike
    images: Images
    y: np.ndarray | None
    rows: np.ndarray


def _score_groups(evaluation: Evaluation, groups: dict[str, np.ndarray]) -> dict[str, object]:
    """Return the score of groups of images, each a mask; None of a group without images."""
    rows = []
    for name, members in groups.items():
        score, interval = evaluation.score(members) if members.any() else (None, None)
        rows.append({"name": name, "count": int(members.sum()), "score": score, "interval": interval})
    return {"title": evaluation.score_name, "rows": rows}


def gather_unfamiliar(
    rows: np.ndarray, train: ImageSet, album: Album, show: Show, evaluation: Evaluation
) -> dict[str, object]:
    """Return test images that are unlike all of the training images, by their features, most so first."""
    try:
        found = FamiliarRows(train.rows).compare(rows)
    except ValueError as error:  # so few training images that nothing can be said
        return {"reason": str(error)}
    flagged = np.flatnonzero(found.is_unfamiliar)
    flagged = flagged[np.argsort(-found.distance[flagged], kind="stable")]
    groups = {"Unlike the training images": found.is_unfamiliar, "All others": ~found.is_unfamiliar}
    return {
        "reason": None,
        "count": len(flagged),
        "share": len(flagged) / len(found.distance),
        "false_alarms": found.false_alarms,
        "threshold": f"{found.threshold:.2f}",
        "scores": _score_groups(evaluation, groups),
        "images": [
            show(index)
            | {
                "partner": album.add("train", train.images, found.nearest[index]),
                "partner_name": train.images.name(found.nearest[index]),
                "distance": f"{found.distance[index]:.2f}",
            }
            for index in flagged[: _N_SHOWN["unfamiliar"]]
        ],
    }


def gather_duplicates(
    found: NearDuplicates,
    train: ImageSet,
    album: Album,
    show: Show,
    evaluation: Evaluation,
    write_label: Callable[[Any], str],
) -> dict[str, object]:
    """Return pairs of test and training images that are nearly the same, and scores without them."""
    is_copy = np.isin(np.arange(evaluation.n_samples), found.test)
    groups = {
        "All test images": np.full(len(is_copy), True),
        "Without near-duplicates": ~is_copy,
        "Near-duplicates": is_copy,
    }
    pairs = [
        show(index)
        | {
            "partner": album.add("train", train.images, partner),
            "partner_name": train.images.name(partner),
            "similarity": f"{similarity:.3f}",
            "partner_label": None if train.y is None else write_label(train.y[[partner]].tolist()[0]),
        }
        for index, partner, similarity in zip(found.test, found.train, found.similarity, strict=True)
    ]
    highest = found.highest_between_classes
    return {
        "pairs": pairs,
        "threshold": found.threshold,
        "highest_between_classes": None if np.isnan(highest) else highest,
        "share": len(pairs) / len(is_copy),
        "scores": _score_groups(evaluation, groups),
    }


def gather_forecast(estimator: BaseEstimator, train: ImageSet, cv: Folds) -> dict[str, object]:
    """Return the learning curve as SVG, and what more training images would bring as rows."""
    y = np.asarray(train.y)
    display = LearningForecastDisplay(**measure_learning(estimator, train.X, y, cv=cv, random_state=0))
    facts = {"n_train": len(y), "n_folds": check_cv(cv, y).get_n_splits()}
    rows = list_gains(display, len(np.unique(y)))
    return draw_figure(lambda: display.plot().figure_) | facts | {"rows": rows}


def list_gains(
    display: LearningForecastDisplay, n_classes: int, more: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """Return what 0 and more images of each class would bring: by default as many again, and three times."""
    a_class = max(1, round(display.n_samples / n_classes))
    rows = []
    for number in (0, *(more or (a_class, 3 * a_class))):
        accuracy, *interval = display.predict(display.n_samples + number * n_classes)
        gain, *gain_interval = display.predict_gain(number * n_classes)
        row = {"more_a_class": number, "accuracy": accuracy, "interval": interval}
        rows.append(row | {"gain": gain, "gain_interval": gain_interval})
    return rows


def gather_labels(
    estimator: BaseEstimator, train: ImageSet, cv: Folds, album: Album, write_label: Callable[[Any], str]
) -> dict[str, object]:
    """Return the training images whose label is likely wrong, the worst first, with their pictures."""
    found = rank_label_issues(estimator, train.X, train.y, cv=cv)
    worst = zip(found.rows.tolist(), found.given.tolist(), found.likely.tolist(), found.score, strict=True)
    return {
        "shown": [
            {
                "image": album.add("train", train.images, row),
                "name": train.images.name(row),
                "given": write_label(given),
                "likely": write_label(likely),
                "score": f"{score:.3f}",
            }
            for row, given, likely, score in list(worst)[: _N_SHOWN["labels"]]
        ],
        "count": len(found.rows),
        "n_train": len(train.images),
        "n_folds": check_cv(cv, train.y).get_n_splits(),
    }

"""What the report says of test images beside the training images: which are unlike all, which are copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fishsk.features import Images
from fishsk.inspection import ClassificationEvaluation, Evaluation, FamiliarRows, find_near_duplicates
from fishsk.report._album import Album

_N_UNFAMILIAR = 12


def score_groups(evaluation: Evaluation, groups: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the score of groups of images, each a mask; None of a group without images."""
    rows = []
    for name, members in groups.items():
        score, interval = evaluation.score(members) if members.any() else (None, None)
        rows.append({"name": name, "count": int(members.sum()), "score": score, "interval": interval})
    return {"title": evaluation.score_name, "rows": rows}


def gather_unfamiliar(
    rows: np.ndarray, train: tuple[np.ndarray, Images], album: Album, evaluation: Evaluation
) -> dict[str, Any]:
    """Return test images that are unlike all of the training images, the most so first.

    `rows` are the features of the test images; `train` holds those of the training images, and the images.
    """
    train_rows, train_images = train
    try:
        found = FamiliarRows(train_rows).compare(rows)
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
        "scores": score_groups(evaluation, groups),
        "images": [
            album.show(index)
            | {
                "partner": album.add("train", train_images, found.nearest[index]),
                "partner_name": album.name_of(train_images, found.nearest[index]),
                "distance": f"{found.distance[index]:.2f}",
            }
            for index in flagged[:_N_UNFAMILIAR]
        ],
    }


def gather_duplicates(
    test: tuple[np.ndarray, Images, np.ndarray],
    train: tuple[np.ndarray, Images, np.ndarray | None],
    album: Album,
    evaluation: Evaluation,
    write_label: Callable[[Any], str],
) -> dict[str, Any]:
    """Return pairs of test and training images that are nearly the same, and scores without them.

    `test` and `train` are as in `find_near_duplicates`; `write_label` writes a training label.
    """
    y_train = train[2]
    # What two numbers or sets of tags are apart says nothing of a pair, as two classes do.
    labels = y_train if isinstance(evaluation, ClassificationEvaluation) else None
    found = find_near_duplicates(test, (*train[:2], labels))
    is_copy = np.isin(np.arange(len(test[1])), found.test)
    groups = {
        "All test images": np.full(len(is_copy), True),
        "Without near-duplicates": ~is_copy,
        "Near-duplicates": is_copy,
    }
    pairs = [
        album.show(index)
        | {
            "partner": album.add("train", train[1], partner),
            "partner_name": album.name_of(train[1], partner),
            "similarity": f"{similarity:.3f}",
            "partner_label": None if y_train is None else write_label(y_train[[partner]].tolist()[0]),
        }
        for index, partner, similarity in zip(found.test, found.train, found.similarity, strict=True)
    ]
    highest = found.highest_between_classes
    return {
        "pairs": pairs,
        "threshold": found.threshold,
        "highest_between_classes": None if np.isnan(highest) else highest,
        "share": len(pairs) / len(is_copy),
        "scores": score_groups(evaluation, groups),
    }

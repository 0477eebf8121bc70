"""What the report says of a classifier of tags: each tag by itself, and the images with a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from fishsk.inspection import TagsEvaluation, draw_tags, join_tags
from fishsk.report._figures import draw_figure, gather_scores, know


def write_tags(row: Any, names: list[str]) -> str:
    """Return the tags of an image for people to read."""
    return join_tags(row, names).replace(";", ", ") or "no tag"


def describe(evaluation: TagsEvaluation, index: int, name: str) -> dict[str, Any]:
    """Return the tags of an image for people to read, and which are off."""
    names = evaluation.names
    true, got = evaluation.y_true[index], evaluation.y_pred[index]
    parts = [("missed", true > got), ("wrong", got > true)]
    off = "; ".join(f"{word}: {write_tags(which, names)}" for word, which in parts if which.any())
    shown = {"true": write_tags(true, names), "predicted": write_tags(got, names), "off": off or "right"}
    words = f"{name}: {shown['true']}, predicted {shown['predicted']}"
    return shown | {"confidence": None, "words": words, "map_words": ""}


def gather(
    evaluation: TagsEvaluation,
    show: Callable[[int], dict[str, Any]],
    timings: Callable[[str], AbstractContextManager[None]],
    y_train: np.ndarray | None,
) -> dict[str, Any]:
    """Return what a page about tags shows beside what all pages show."""
    with timings("Gather scores and images"):
        had = None if y_train is None else y_train.T
        rows = gather_scores(evaluation.tags, evaluation.names, evaluation.y_true.T, had, show)
        n_tags = evaluation.y_true.sum(axis=1)  # of each image
        found: dict[str, Any] = {
            "tags": rows,
            "summary": vars(evaluation)
            | {
                "n_tags": len(rows),
                "n_right": evaluation.n_samples - len(evaluation.worst),
                "n_mistakes": len(evaluation.worst),
                "mean_average_precision": know(evaluation.mean_average_precision),
                "untagged": float((n_tags == 0).mean()),
                "n_a_image": float(n_tags.mean()),
            },
        }
    with timings("Draw scores"):
        found["figure_of_tags"] = draw_figure(partial(draw_tags, evaluation))
    return found

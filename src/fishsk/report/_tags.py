"""What the report says of a classifier of tags: each tag by itself, and the images with a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fishsk.inspection import TagsEvaluation, draw_tags, join_tags
from fishsk.report._album import Album
from fishsk.report._facts import Timings
from fishsk.report._figures import draw_figure

SECTIONS = {
    "scores": "Scores",
    "mistakes": "Mistakes",
    "data": "Data",
    "training": "Training",
    "trust": "When not to trust it",
    "duplicates": "Near-duplicates",
    "pipeline": "Pipeline",
    "reproduce": "Reproduce",
}
_N_SAMPLES = 8  # of each tag


def write_tags(row: Any, names: list[str]) -> str:
    """Return the tags of an image for people to read."""
    return join_tags(row, names).replace(";", ", ") or "no tag"


def describe_tags(evaluation: TagsEvaluation) -> Callable[[int, str], dict[str, Any]]:
    """Return the function from an image's position and name to its tags, for people to read."""
    names = evaluation.names

    def describe(index: int, name: str) -> dict[str, Any]:
        true, got = evaluation.y_true[index], evaluation.y_pred[index]
        parts = [("missed", true > got), ("wrong", got > true)]
        off = "; ".join(f"{word}: {write_tags(which, names)}" for word, which in parts if which.any())
        shown = {"true": write_tags(true, names), "predicted": write_tags(got, names), "off": off or "right"}
        words = f"{name}: {shown['true']}, predicted {shown['predicted']}"
        return shown | {"confidence": None, "words": words, "map_words": ""}

    return describe


def gather_tags(
    evaluation: TagsEvaluation, album: Album, timings: Timings, *, y_train: np.ndarray | None
) -> dict[str, Any]:
    """Return what a page about tags shows beside what all pages show."""
    with timings("Gather scores and images"):
        rows = []
        for column, tag in enumerate(evaluation.tags):
            members = np.flatnonzero(evaluation.y_true[:, column])
            chosen = members[np.linspace(0, len(members) - 1, min(_N_SAMPLES, len(members))).astype(int)]
            n_train = None if y_train is None else int(np.sum(y_train[:, column]))
            scores = {name: _known(value) for name, value in vars(tag).items()}
            rows.append(scores | {"n_train": n_train, "samples": [album.show(index) for index in chosen]})
        n_samples = evaluation.n_samples
        found: dict[str, Any] = {
            "tags": rows,
            "summary": {
                "n_samples": n_samples,
                "n_tags": len(rows),
                "n_right": n_samples - len(evaluation.worst),
                "n_mistakes": len(evaluation.worst),
                "accuracy": evaluation.accuracy,
                "interval": evaluation.interval,
                "macro_f1": evaluation.macro_f1,
                "macro_f1_interval": evaluation.macro_f1_interval,
                "mean_average_precision": _known(evaluation.mean_average_precision),
                "untagged": float((evaluation.y_true.sum(axis=1) == 0).mean()),
                "n_a_image": float(evaluation.y_true.sum(axis=1).mean()),
            },
        }
    with timings("Draw scores"):
        found["figure_of_tags"] = draw_figure(partial(draw_tags, evaluation))
    return found


def _known(value: Any) -> Any:
    """Return a value, or None where it is not a number."""
    return None if isinstance(value, float) and np.isnan(value) else value

"""Answers for images: class or number, whether the image is like any of training, and a heat map."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, is_regressor

from fishsk._utils.files import StrPath
from fishsk._utils.versions import find_version
from fishsk.features import find_frozen_parts, read_image
from fishsk.inspection import (
    Explainer,
    FamiliarRows,
    UnfamiliarImages,
    check_one_target,
    find_features,
    find_fitted,
    format_number,
    lay_over,
    name_tags,
    predict_tag_proba,
    predicts_tags,
    split_at_features,
)
from fishsk.report import encode_image

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike

_N_CLASSES = 10  # that are listed; the others have next to no probability
_LONGEST_SIDE = 256  # pixels of the image and of its map


def explain_error(error: ValueError) -> str:
    """Return what is wrong with the one image that was sent."""
    return str(error).replace("'image 0'", "The image")


class Answers:
    """Predictions of a fitted classifier or regressor for images that come one by one, from any threads.

    `train` are the files that it was trained on: those most like an image are shown with it, and an image
    that is farther from all of them than 95 % of them are from each other is flagged. Where the most probable
    class is below `min_probability`, the answer is "unsure". ValueError if the model predicts several labels
    or numbers for an image, other than tags.
    """

    def __init__(
        self, pipeline: BaseEstimator, *, train: Sequence[StrPath] | None = None, min_probability: float = 0.0
    ) -> None:
        # Several outputs are refused here, and the network is made ready. Maps are not: they load TensorFlow,
        # behind the first answer.
        blank = np.zeros((64, 64, 3), np.uint8)
        predicted = pipeline.predict([blank])
        self.pipeline = pipeline
        #: The tags; none where one class or number is predicted.
        self.tags = name_tags(pipeline, len(pipeline.classes_)) if predicts_tags(pipeline) else []
        if not self.tags:
            check_one_target(predicted, "The prediction")
        #: The classes or tags; none where numbers are predicted.
        self.labels = [] if is_regressor(pipeline) else self.tags or np.asarray(pipeline.classes_).tolist()
        self.min_probability = min_probability
        self.train = train
        self._familiar = None if train is None else FamiliarRows(find_features(pipeline, train))
        # Gradients are TensorFlow's; where there is none, parts of the image are covered instead.
        has_gradients = find_version("tensorflow") is not None
        self._explainer = Explainer(pipeline, method="auto" if has_gradients else "occlusion")
        self._lock = threading.Lock()  # one network, one image: two at a time would not be faster

    @property
    def step_names(self) -> str:
        """The model in a few words."""
        steps = getattr(find_fitted(self.pipeline), "steps", [("", self.pipeline)])
        parts = [part for _, step in steps for part in find_frozen_parts(step).values() or [step]]
        return ", ".join(type(part).__name__ for part in parts if part not in (None, "passthrough"))

    def _ask(self, images: ImagesLike) -> tuple[list[dict[str, Any]], UnfamiliarImages | None]:
        """Return what is seen in each image, for JSON, and how far they are from training."""
        with self._lock:
            rows, rest, values = split_at_features(self.pipeline, images)
            predicted = np.asarray(rest.predict(values))
            proba = predict_tag_proba(rest, values)
            found = None if self._familiar is None else self._familiar.compare(rows)
        predicted = predicted if self.tags else predicted.ravel()
        names = [str(label) for label in self.labels]
        answers = []
        for place, label in enumerate(predicted.tolist()):
            answer: dict[str, Any] = {"class": str(label)} if names else {"number": label}
            shares = {} if proba is None else dict(zip(names, proba[place].tolist(), strict=True))
            if self.tags:
                answer = {"tags": [tag for tag, has in zip(names, label, strict=True) if has]}
            elif shares:
                share = shares[str(label)]
                answer |= {"probability": share, "unsure": share < self.min_probability}
            if shares:
                answer["probabilities"] = shares
            if found is not None:
                answer["unfamiliar"] = bool(found.is_unfamiliar[place])
            answers.append(answer)
        return answers, found

    def classify(self, contents: Sequence[bytes]) -> list[dict[str, object]]:
        """Return what is seen in each of several image files, or why one cannot be read, for JSON."""
        try:
            return self._ask([*map(io.BytesIO, contents)])[0]  # bytes may be taken for a path
        except ValueError as error:
            if len(contents) > 1:  # one that is bad keeps none of the others from their answers
                half = len(contents) // 2
                return self.classify(contents[:half]) + self.classify(contents[half:])
            return [{"error": explain_error(error)}]

    def predict(self, content: bytes) -> dict[str, object]:
        """Return what the page shows of an image file; ValueError if it is no image, or too large a one."""
        image = read_image(io.BytesIO(content))
        (answer,), found = self._ask([image])
        predicted = answer.get("class", ", ".join(answer.get("tags", ())) or "no tag")
        shares = sorted(answer.get("probabilities", {}).items(), key=lambda named: -named[1])
        similar = None
        if found is not None and self.train is not None:
            paths = [Path(self.train[row]) for row in found.neighbors[0]]
            similar = {
                "is_unfamiliar": answer["unfamiliar"],
                "false_alarms": found.false_alarms,
                "images": [
                    {"name": path.name, "folder": path.parent.name, "image": encode_image(read_image(path))}
                    for path in paths
                ],
            }
        return {
            "image": encode_image(image, _LONGEST_SIDE),
            "size": f"{image.shape[1]:,} x {image.shape[0]:,}",
            "predicted": predicted if self.labels else format_number(answer["number"]),
            "probability": answer.get("probability"),
            "is_unsure": answer.get("unsure", False),
            "min_probability": self.min_probability,
            "classes": [{"name": name, "probability": share} for name, share in shares[:_N_CLASSES]],
            "is_number": not self.labels,
            "is_of_tags": bool(self.tags),
            "n_more": max(0, len(self.labels) - _N_CLASSES),
            "similar": similar,
        }

    def explain(
        self, content: bytes, *, target: str | None = None, against: str | None = None
    ) -> dict[str, object]:
        """Return a map of what in an image file spoke for a class, and which classes could be asked about.

        The class is by default the one that is predicted, and is compared by default with all others.
        ValueError if it is no image, or there is no such class.
        """
        if self.tags:
            raise ValueError("There are no maps of tags: a map is of one class or number.")
        image = read_image(io.BytesIO(content))
        labels = {str(label): label for label in self.labels}
        for name in (target, against):
            if name is not None and name not in labels:
                raise ValueError(f"There must be one of the classes {list(labels)}. Got {name!r}.")
        with self._lock:
            found = self._explainer.explain(
                [image],
                target=None if target is None else labels[target],
                against=None if against is None else labels[against],
            )
        return {
            "heat": encode_image(lay_over(found.images[0], found.maps[0]), _LONGEST_SIDE),
            "method": found.method.replace("_", " "),
            "target": str(found.targets[0]) if labels else "a larger number",
            "against": against,
            "names": list(labels),
        }

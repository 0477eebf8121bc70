"""Images for the page, each kept once, with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fishsk.features import Images
from fishsk.inspection import Evaluation, NumberEvaluation, write_number
from fishsk.report._figures import encode_image


class Album:
    """Images for the page, each kept once however often it is shown.

    Attributes
    ----------
    images : dict of str to dict
        Each image's data URI, width and height, by its id in the page.
    """

    def __init__(self, images: Images, image_names: Sequence[str] | None):
        self.images: dict[str, dict[str, Any]] = {}
        self.test_images = images
        self.image_names = image_names

    def show_image(self, index: int) -> dict[str, Any]:
        """Return a test image and what it is called."""
        return {
            "image": self.add("test", self.test_images, index),
            "name": self.name_of(self.test_images, index, self.image_names),
        }

    def add(self, kind: str, images: Images, index: int) -> dict[str, Any]:
        """Return the id, width and height of an image in the page."""
        key = f"{kind}-{index}"
        if key not in self.images:
            self.images[key] = encode_image(images[index])
        return {"id": key} | self.images[key]

    def add_picture(self, key: str, picture: dict[str, Any]) -> dict[str, Any]:
        """Return the id, width and height of a picture that is shown in one place."""
        self.images[key] = picture
        return {"id": key} | picture

    @staticmethod
    def name_of(images: Images, index: int, image_names: Sequence[str] | None = None) -> str:
        """Return what an image is called: its given name, its path, or its position."""
        if image_names is not None:
            return str(image_names[index])
        return images.name(index)


class ClassAlbum(Album):
    """Images with their true and predicted classes."""

    def __init__(
        self,
        images: Images,
        evaluation: Evaluation,
        names: dict[Any, str],
        image_names: Sequence[str] | None,
    ):
        super().__init__(images, image_names)
        self.evaluation = evaluation
        self.names = names

    def show(self, index: int) -> dict[str, Any]:
        """Return a test image with what is known of it."""
        evaluation = self.evaluation
        true, predicted = (labels[[index]].tolist()[0] for labels in (evaluation.y_true, evaluation.y_pred))
        confidence = float(evaluation.confidence[index])
        return self.show_image(index) | {
            "true": self.names[true],
            "predicted": self.names[predicted],
            "right": bool(true == predicted),
            "confidence": None if np.isnan(confidence) else f"{confidence:.2f}",
        }


class NumberAlbum(Album):
    """Images with their true and predicted numbers."""

    def __init__(self, images: Images, evaluation: NumberEvaluation, image_names: Sequence[str] | None):
        super().__init__(images, image_names)
        self.evaluation = evaluation

    def show(self, index: int) -> dict[str, Any]:
        """Return a test image with what is known of it."""
        error = self.evaluation.errors[index]
        off = f"{write_number(abs(error), digits=3)} too {'high' if error > 0 else 'low'}"
        return self.show_image(index) | {
            "true": write_number(self.evaluation.y_true[index]),
            "predicted": write_number(self.evaluation.y_pred[index]),
            "error": off if error else "right",
        }

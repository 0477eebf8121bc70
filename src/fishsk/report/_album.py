"""Images for the page, each kept once, with what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fishsk.features import Images
from fishsk.report._figures import encode_image


class ImageSet(NamedTuple):
    """Images as the user gave them, the same images checked, and their labels or numbers, if known."""

    X: Any
    images: Images
    y: Any


class Album:
    """Images for the page, each kept once however often it is shown.

    Parameters
    ----------
    images : Images
        The test images.
    image_names : sequence of str or None
        What to call each; by default its path, or its position.
    describe : callable
        From an image's position and name, what the page says of it.

    Attributes
    ----------
    images : dict of str to dict
        Each image's data URI, width and height, by its id in the page.
    """

    def __init__(
        self,
        images: Images,
        image_names: Sequence[str] | None,
        describe: Callable[[int, str], dict[str, Any]],
    ):
        self.images: dict[str, dict[str, Any]] = {}
        self.test_images = images
        self.image_names = image_names
        self.describe = describe

    def show(self, index: int) -> dict[str, Any]:
        """Return a test image with what is known of it."""
        name = self.name_of(self.test_images, index, self.image_names)
        shown = {"image": self.add("test", self.test_images, index), "name": name}
        return shown | self.describe(index, name)

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

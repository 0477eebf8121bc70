"""The stored rows of images: one for each view, so that no view of an image is run twice."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from fishsk.features._network import Settings
from fishsk.features._views import View
from fishsk.store import open_store


class ViewRows:
    """What is stored of images under some settings, a row for each view: sets of views share them."""

    def __init__(self, folder: str | os.PathLike, settings: Settings):
        self._settings = settings
        self.folder = folder
        self._store = open_store(folder, settings.to_json(), settings.n_features)

    def read(self, keys: Sequence[bytes], features: np.ndarray) -> np.ndarray:
        """Set the features of the images all of whose views are stored; return which images these are.

        Rows of other images are left with any numbers.
        """
        found = np.ones(len(keys), dtype=bool)

        def read() -> Iterator[np.ndarray]:  # one at a time, since all of them may not fit into memory
            for view in self._settings.views:
                rows, stored = self._store.read(_keys_of_view(keys, view))
                np.logical_and(found, stored, out=found)
                yield rows

        features[:] = self._settings.average(read())
        return found

    def read_views(self, keys: Sequence[bytes], rows: np.ndarray) -> np.ndarray:
        """Set `rows`, (n_images, n_views, n_features); return which are stored, (n_images, n_views)."""
        found = np.empty(rows.shape[:2], dtype=bool)
        for number, view in enumerate(self._settings.views):
            rows[:, number], found[:, number] = self._store.read(_keys_of_view(keys, view))
        return found

    def write(self, keys: Sequence[bytes], rows: np.ndarray, chosen: np.ndarray, *, durable: bool) -> None:
        """Store chosen rows, (n_images, n_views), of all views of images with these digests."""
        of_views = [_keys_of_view(keys, view) for view in self._settings.views]
        images, views = np.nonzero(chosen)
        if len(images):
            keys = [of_views[view][image] for image, view in zip(images, views, strict=True)]
            self._store.write(keys, rows[chosen], durable=durable)


def _keys_of_view(keys: Sequence[bytes], view: View) -> list[bytes]:
    """Return the keys of the rows of one view; those of the plain image are the images' own."""
    if view is View.PLAIN:
        return list(keys)
    tag = int.from_bytes(view.value, "big")
    return [(int.from_bytes(key, "big") ^ tag).to_bytes(32, "big") for key in keys]

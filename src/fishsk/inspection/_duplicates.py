"""Find images of one set that are also, cropped, mirrored or recompressed, in another set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from fishsk.features import Images
from fishsk.inspection._same_picture import (
    SMALL,
    cut_frame,
    find_start,
    make_gray,
    make_picture,
    measure_similarity,
)

SAME = 0.94  # benchmarks/bench_duplicates.py: 98 % of copies are found, and hardly anything else
_BY_FEATURES, _BY_LOOK = 5, 3  # neighbors of an image that may be the same picture
_LOOK = 16  # pixels by which images that look alike are proposed
_CHUNK = 64  # items that a thread takes at once: to hand over each takes as long as the work on some


@dataclass(frozen=True)
class NearDuplicates:
    """Which test images have a near-duplicate among the training images, the most similar first."""

    test: np.ndarray  # indices of the test images
    train: np.ndarray  # index of the training image most similar to each
    similarity: np.ndarray  # how much they agree once they are aligned, at most 1
    threshold: float  # the least similarity of a near-duplicate
    # The highest similarity among the compared pairs whose classes differ, which are hardly ever of one
    # photograph: a threshold far above it finds few false pairs. NaN where there are no such pairs.
    highest_between_classes: float


def find_near_duplicates(
    test: tuple[np.ndarray, Images, np.ndarray | None], train: tuple[np.ndarray, Images, np.ndarray | None]
) -> NearDuplicates:
    """Return the test images that are nearly the same as a training image [1]_, the most similar first.

    Features and small copies propose, and pixels decide. The 5 nearest training images of each test image are
    found by the cosine of their features, standardized over the training images, and 3 by the correlation of
    16 x 16 gray values within plain borders. Each such pair is
    aligned, at other scales, shifted and mirrored, and compared block by block at 128 pixels. Light,
    contrast, compression, other sizes, borders, small text and crops of up to a tenth at each side hardly
    change what is compared; other things of the same shape differ in it. `benchmarks/bench_duplicates.py`
    measures how many copies a threshold finds, and how much else.

    `test` and `train` hold features, `check_images` of the images, and labels or None.

    References
    ----------
    .. [1] B. Barz and J. Denzler, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates", Journal of
       Imaging 6 (2020), https://doi.org/10.3390/jimaging6060041
    """
    features, images, labels = test
    train_features, train_images, train_labels = train
    scaler = StandardScaler().fit(train_features)
    copies, train_copies = _Copies.of_images(images), _Copies.of_images(train_images)
    by_features = _find_nearest(scaler.transform(features), scaler.transform(train_features), _BY_FEATURES)
    by_look = _find_nearest(copies.describe(), train_copies.describe(), _BY_LOOK)
    candidates = np.hstack([by_features, by_look])
    similarity = _compare(copies, train_copies, _pair(candidates)).reshape(candidates.shape)
    highest = float("nan")
    if labels is not None and train_labels is not None:
        others = labels[:, np.newaxis] != train_labels[candidates]
        highest = float(similarity[others].max()) if others.any() else highest
    rows = np.arange(len(candidates))
    best = similarity.argmax(axis=1)
    nearest, similarity = candidates[rows, best], similarity[rows, best]
    found = _keep_same(similarity)
    return NearDuplicates(found, nearest[found], similarity[found], SAME, highest)


def find_near_pairs(
    features: np.ndarray, small: Sequence[np.ndarray] | np.ndarray, read: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of images of one set that are nearly the same, as `find_near_duplicates` finds them.

    `small` are copies of 32 x 32 pixels, and `read` returns the image of a number, if two look alike there.
    The more similar pairs come first, in each the smaller number; and the similarity of each.
    """
    if len(features) < 2:
        return np.empty((0, 2), dtype=int), np.empty(0)
    copies = _Copies([make_gray(image, SMALL) for image in small], read)
    by_features = _find_nearest(StandardScaler().fit_transform(features), None, _BY_FEATURES)
    by_look = _find_nearest(copies.describe(), None, _BY_LOOK)
    pairs = np.unique(np.sort(_pair(np.hstack([by_features, by_look])), axis=1), axis=0)
    similarity = _compare(copies, copies, pairs)
    found = _keep_same(similarity)
    return pairs[found], similarity[found]


class _Copies:
    """Small gray copies of images, 32 x 32, and larger ones of those that are asked for, each made once."""

    def __init__(self, small: Sequence[np.ndarray], read: Callable[[int], np.ndarray]) -> None:
        self.small = small
        self.picture = cache(lambda row: make_picture(read(row)))

    @classmethod
    def of_images(cls, images: Images) -> _Copies:
        """Return the copies of images."""

        def shrink(row: int) -> np.ndarray:
            with images.hold(row) as image:
                return make_gray(image, SMALL)

        return cls(_map_in_threads(shrink, range(len(images))), images.__getitem__)

    def describe(self) -> np.ndarray:
        """Return 256 numbers for each image, whose cosine tells images that look alike, framed or not."""
        return np.stack([cut_frame(image, _LOOK).ravel() for image in self.small])


def _find_nearest(rows: np.ndarray, others: np.ndarray | None, n_neighbors: int) -> np.ndarray:
    """Return the nearest others of each row by their cosine; None are the rows themselves, without each."""
    n_others = len(rows) - 1 if others is None else len(others)
    neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, n_others), metric="cosine")
    fitted = neighbors.fit(rows if others is None else others)
    return fitted.kneighbors(None if others is None else rows, return_distance=False)


def _pair(candidates: np.ndarray) -> np.ndarray:
    """Return each row's number beside that of each of its candidates."""
    rows = np.repeat(np.arange(len(candidates)), candidates.shape[1])
    return np.column_stack([rows, candidates.ravel()])


def _compare(copies: _Copies, others: _Copies, pairs: np.ndarray) -> np.ndarray:
    """Return the similarity of each pair of an image and another one; 0 of what is not alike at 32 pixels."""

    def compare(pair: list[int]) -> float:
        row, other = pair
        start = find_start(copies.small[row], others.small[other])
        if not start.is_alike:
            return 0.0
        images = copies.picture(row), others.picture(other)
        similarity = measure_similarity(*images, start)
        if similarity >= SAME:
            return similarity
        # Of a crop, the whole holds the middle; of an image with a border it may be the other way round.
        start = find_start(others.small[other], copies.small[row])
        return max(similarity, measure_similarity(*images[::-1], start)) if start.is_alike else similarity

    return np.array(_map_in_threads(compare, pairs.tolist()))


def _keep_same(similarity: np.ndarray) -> np.ndarray:
    """Return the places of near-duplicates, the most similar first."""
    found = np.flatnonzero(similarity >= SAME)
    return found[np.argsort(-similarity[found], kind="stable")]


def _map_in_threads(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Return what a function returns of each item; decoders and OpenCV work outside the interpreter lock."""
    threads = Parallel(n_jobs=-1, require="sharedmem", batch_size=_CHUNK)
    return threads(map(delayed(function), items))

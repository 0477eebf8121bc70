"""Find images of one set that are also, cropped, mirrored or recompressed, in another set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from fishsk.features import Images, resize_image

_SIZE = (32, 32)  # what two images are compared at
_MARGIN = 3  # pixels of it by which one may be shifted against the other


@dataclass(frozen=True)
class NearDuplicates:
    """Which test images have a near-duplicate among the training images.

    Attributes
    ----------
    test, train : ndarray of int of shape (n_found,)
        Indices of the test images, the most similar first, and of the training image most similar to each.
    similarity : ndarray of shape (n_found,)
        The correlation of their pixels, at most 1.
    threshold : float
        The least similarity of a near-duplicate.
    highest_between_classes : float
        The highest similarity among the compared pairs whose classes differ, which are hardly ever of one
        photograph: a threshold far above it finds few false pairs. NaN where there are no such pairs.
    """

    test: np.ndarray
    train: np.ndarray
    similarity: np.ndarray
    threshold: float
    highest_between_classes: float


def find_near_duplicates(
    test: tuple[np.ndarray, Images, np.ndarray],
    train: tuple[np.ndarray, Images, np.ndarray | None],
    *,
    threshold: float = 0.9,
    n_neighbors: int = 10,
) -> NearDuplicates:
    """Return the test images that are nearly the same as a training image [1]_.

    Features propose and pixels decide. The nearest training images of each test image are found by the cosine
    of their features, standardized over the training images; a pair is a near-duplicate if its pixels
    correlate: normalized cross-correlation of 32 x 32 pixels, each channel less its mean, the highest of all
    shifts by up to 3 pixels, mirrored or not. Light, contrast, compression and small crops hardly change it.

    Parameters
    ----------
    test, train : tuple of (features, images, labels)
        Features of shape (n_samples, n_features), `check_images` of the images, and labels; those of the
        training images may be None.
    threshold : float, default=0.9
        The least similarity of a near-duplicate. Of the 500 test fish of the development copy, 31 have a
        partner above 0.9, one of which is of another class and merely alike (0.91); of the 19 above 0.95 all
        show, by eye, the same photograph.
    n_neighbors : int, default=10
        How many training images are compared with each test image.

    Returns
    -------
    NearDuplicates
        See there.

    References
    ----------
    .. [1] B. Barz and J. Denzler, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates", Journal of
       Imaging 6 (2020), https://doi.org/10.3390/jimaging6060041
    """
    features, images, labels = test
    train_features, train_images, train_labels = train
    scaler = StandardScaler().fit(train_features)
    neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, len(train_images)), metric="cosine")
    neighbors.fit(scaler.transform(train_features))
    candidates = neighbors.kneighbors(scaler.transform(features), return_distance=False)

    similarity = _compare(images, train_images, candidates)
    highest = float("nan")
    if train_labels is not None and (other := labels[:, np.newaxis] != train_labels[candidates]).any():
        highest = float(similarity[other].max())
    rows = np.arange(len(candidates))
    best = similarity.argmax(axis=1)
    nearest, similarity = candidates[rows, best], similarity[rows, best]
    found = np.flatnonzero(similarity >= threshold)
    found = found[np.argsort(-similarity[found], kind="stable")]
    return NearDuplicates(found, nearest[found], similarity[found], threshold, highest)


def find_near_pairs(
    features: np.ndarray, images: Sequence | np.ndarray, *, threshold: float = 0.95, n_neighbors: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of images of one set that are nearly the same, as `find_near_duplicates` finds them.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_features)
        What proposes pairs.
    images : sequence of ndarray of shape (height, width, 3)
        What decides.
    threshold : float, default=0.95
        The least similarity of a pair.
    n_neighbors : int, default=5
        How many others each image is compared with.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        The more similar first; in each the smaller number first.
    similarity : ndarray of shape (n_pairs,)
        The correlation of their pixels.
    """
    if len(features) < 2:
        return np.empty((0, 2), dtype=int), np.empty(0)
    neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, len(features) - 1), metric="cosine")
    candidates = neighbors.fit(StandardScaler().fit_transform(features)).kneighbors(return_distance=False)
    similarity = _compare(images, images, candidates)
    rows, places = np.nonzero(similarity >= threshold)
    pairs = np.sort(np.column_stack([rows, candidates[rows, places]]), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    found = similarity[rows, places][first]
    order = np.argsort(-found, kind="stable")
    return pairs[order], found[order]


def _compare(
    images: Sequence | np.ndarray, others: Sequence | np.ndarray, candidates: np.ndarray
) -> np.ndarray:
    """Return the similarity of each image to each of its candidates among the others."""
    templates = {index: _make_templates(others[index]) for index in np.unique(candidates)}
    return np.array(
        [
            [_correlate(image, templates[index]) for index in row]
            for image, row in zip((resize_image(image, _SIZE) for image in images), candidates, strict=True)
        ]
    )


def _make_templates(image: np.ndarray) -> list[np.ndarray]:
    """Return the middle of a small copy of an image and its mirror image; nothing of a plain one."""
    middle = resize_image(image, _SIZE)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    if middle.std(axis=(0, 1)).max() < 1:  # gray level: OpenCV finds what is plain everywhere
        return []
    return [np.ascontiguousarray(middle), np.ascontiguousarray(middle[:, ::-1])]


def _correlate(image: np.ndarray, templates: list[np.ndarray]) -> float:
    """Return the highest correlation of any part of a small image with a template."""
    return max(
        (float(cv2.matchTemplate(image, each, cv2.TM_CCOEFF_NORMED).max()) for each in templates), default=0.0
    )

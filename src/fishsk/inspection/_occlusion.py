"""Occlusion: how a classifier's answer changes when parts of an image are covered [1]_.

References
----------
.. [1] M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
   https://arxiv.org/abs/1311.2901
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

_N_WINDOWS = 6  # along a side
_WINDOW = 0.3  # of a side; benchmarks/bench_explanations.py: finer ones cost more and find the fish no better
_BATCH_BYTES = 2**26  # of covered copies


def without_cache(estimator: Any) -> Any:
    """Return a copy of a fitted estimator whose transformers keep nothing on disk."""
    twin = copy.deepcopy(estimator)
    caches = [name for name in twin.get_params() if name.split("__")[-1] == "cache"]
    return twin.set_params(**dict.fromkeys(caches))


def occlude(image: np.ndarray, score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return by how much a score falls when the surroundings of each pixel are covered.

    Windows of 3/10 of a side, 6 x 6 of them, are painted in the mean color of the image, one at a time. What
    a pixel gets is the mean over the windows that cover it. `score` maps images, an array of them, to a score
    of each.
    """
    rows, columns = _make_windows(image.shape[0]), _make_windows(image.shape[1])
    windows = [(row, column) for row in rows for column in columns]
    color = image.mean(axis=(0, 1)).astype(image.dtype)
    falls = np.empty(len(windows))
    whole = score(image[np.newaxis])[0]
    step = max(1, _BATCH_BYTES // image.nbytes)
    for start in range(0, len(windows), step):
        part = windows[start : start + step]
        covered = np.repeat(image[np.newaxis], len(part), axis=0)
        for each, (row, column) in zip(covered, part, strict=True):
            each[np.ix_(row, column)] = color
        falls[start : start + step] = whole - score(covered)
    heat = rows.T @ falls.reshape(len(rows), len(columns)) @ columns
    return heat / np.outer(rows.sum(axis=0), columns.sum(axis=0))


def _make_windows(side: int) -> np.ndarray:
    """Return which pixels of a side each window covers: bool of shape (n_windows, side)."""
    n_windows = min(_N_WINDOWS, side)
    centers = (np.arange(n_windows)[:, np.newaxis] + 0.5) / n_windows * side
    return np.abs(np.arange(side) + 0.5 - centers) <= max(_WINDOW, 1 / n_windows) * side / 2 + 1e-9

"""Centers: a fixed layer of Gaussian bumps on training rows, which makes a kernel machine of a network."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from joblib import cpu_count
from scipy.linalg import cholesky
from scipy.linalg.lapack import dtrtri
from threadpoolctl import threadpool_limits

_CHUNK_VALUES = 2**21  # of the rows that a thread looks at from the centers at a time
_N_ROWS = 256  # of the kernel between centers that a thread fills at a time
_JITTER = 1e-3  # on the diagonal of the kernel, for rows that are centers twice


def scale_gamma(views: np.ndarray) -> float:
    """Return what scikit-learn's SVC calls ``gamma="scale"``, for views (n_rows, n_views, n_features)."""
    variance = float(views.var(dtype=np.float64))
    return 1 / (views.shape[-1] * variance) if variance else 1.0


def place_centers(centers: np.ndarray, gamma: float) -> list[np.ndarray]:
    """Return the fixed weights of a layer around centers, in Keras's order.

    Parameters
    ----------
    centers : ndarray of shape (n_centers, n_features)
        Of the bumps.
    gamma : float
        Of the kernel: ``exp(-gamma * squared_distance)``.

    Returns
    -------
    weights : list of ndarray
        ``[squares, kernel, bias, basis, offset]``, of shapes (n_features, 1), (n_features + 1, n_centers),
        (n_centers,), (n_centers, n_centers) and (n_centers,), float32: the bumps are
        ``exp([x, x**2 @ squares] @ kernel + bias)``, and the layer answers ``bumps @ basis + offset``.

    Notes
    -----
    Inner products of the answers are the kernel itself, as far as the centers reach (Nyström's method), up to
    a factor and an offset, which give the answers on the centers the mean 0 and the variance 1. The basis is
    Newton's, by Cholesky's decomposition: unlike eigenvectors it leaves nothing, such as signs, to chance.
    """
    centers = centers.astype(np.float64)
    squares = (centers**2).sum(axis=1)
    bumps = np.zeros((len(centers), len(centers)))

    def fill(start: int) -> None:
        rows, columns = slice(start, start + _N_ROWS), slice(start + _N_ROWS)  # no more is read
        distances = squares[rows, np.newaxis] + squares[columns] - 2 * centers[rows] @ centers[columns].T
        bumps[rows, columns] = np.exp(-gamma * np.maximum(distances, 0))

    with _threads() as pool:
        for _ in pool.map(fill, range(0, len(centers), _N_ROWS)):
            pass
        bumps[np.diag_indices_from(bumps)] += _JITTER
        lower = cholesky(bumps, lower=True, overwrite_a=True)
        basis = dtrtri(lower, lower=True)[0].T
    answers = lower - _JITTER * basis  # bumps @ basis
    mean = answers.mean(axis=0)
    scale = (answers - mean).std() or 1.0
    weights = [
        np.full((centers.shape[1], 1), -gamma),
        np.concatenate([2 * gamma * centers.T, np.ones((1, len(centers)))]),
        -gamma * squares,
        basis / scale,
        -mean / scale,
    ]
    return [array.astype(np.float32) for array in weights]


def look_from_centers(weights: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Return what a layer of `place_centers` answers to rows of single views, in their dtype."""
    squares, kernel, bias, basis, offset = (array.astype(rows.dtype, copy=False) for array in weights)
    answers = np.empty((len(rows), len(offset)), rows.dtype)
    step = max(1, _CHUNK_VALUES // max(kernel.shape))

    def look(start: int) -> None:
        part = rows[start : start + step]
        exponents = np.concatenate([part, part**2 @ squares], axis=1) @ kernel + bias
        bumps = np.exp(np.minimum(exponents, 0, out=exponents), out=exponents)  # above 0 by last digits alone
        answers[start : start + step] = bumps @ basis + offset

    with _threads() as pool:
        for _ in pool.map(look, range(0, len(rows), step)):
            pass
    return answers


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Lend threads whose products have the same bits however many they are: none is split between them."""
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cpu_count()) as pool:
        yield pool

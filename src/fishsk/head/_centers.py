"""Centers: a fixed layer of Gaussian bumps on training rows, which makes a kernel machine of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

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


class Kernel:
    """The Gaussian kernel between rows that may be centers.

    Parameters
    ----------
    centers : ndarray of shape (n_centers, n_features)
        Of the bumps.
    gamma : float
        How narrow they are: ``exp(-gamma * squared_distance)``.
    """

    def __init__(self, centers: np.ndarray, gamma: float) -> None:
        centers = centers.astype(np.float64)
        n_centers, squares = len(centers), (centers**2).sum(axis=1)
        self._between = np.zeros((n_centers, n_centers))

        def fill(start: int) -> None:
            rows, columns = slice(start, start + _N_ROWS), slice(start + _N_ROWS)  # no more is read
            distances = squares[rows, np.newaxis] + squares[columns] - 2 * centers[rows] @ centers[columns].T
            self._between[rows, columns] = np.exp(-gamma * np.maximum(distances, 0))

        _run_in_threads(fill, range(0, n_centers, _N_ROWS))
        bumps = [
            np.full((centers.shape[1], 1), -gamma),
            np.concatenate([2 * gamma * centers.T, np.ones((1, n_centers))]),
            -gamma * squares,
        ]
        self.bumps = [array.astype(np.float32) for array in bumps]

    def place(self, chosen: np.ndarray | None = None) -> list[np.ndarray]:
        """Return the fixed weights of a layer around chosen centers, in Keras's order.

        Parameters
        ----------
        chosen : ndarray of int, default=None
            Which, in ascending order; by default all. The others answer 0.

        Returns
        -------
        weights : list of ndarray
            ``[squares, kernel, bias, basis, offset]``, of shapes (n_features, 1), (n_features + 1,
            n_centers), (n_centers,), (n_centers, n_centers) and (n_centers,), float32: the bumps are
            ``exp([x, x**2 @ squares] @ kernel + bias)``, and the layer answers ``bumps @ basis + offset``.

        Notes
        -----
        Inner products of the answers are the kernel itself, as far as the centers reach (Nyström's method),
        up to a factor and an offset, which give the answers on the centers the mean 0 and the variance 1. The
        basis is Newton's, by Cholesky's decomposition: unlike eigenvectors it leaves nothing, such as signs,
        to chance.
        """
        n_centers = len(self._between)
        chosen = np.arange(n_centers) if chosen is None else chosen
        pairs = np.ix_(chosen, chosen)
        basis, offset = np.zeros((n_centers, n_centers), np.float32), np.zeros(n_centers, np.float32)
        if not len(chosen):  # all of a few centers may be held out
            return [*self.bumps, basis, offset]
        with threadpool_limits(1, "blas"):  # so that the bits are the same with any number of threads
            lower = cholesky(self._between[pairs] + _JITTER * np.eye(len(chosen)), lower=True)
            inverse = dtrtri(lower, lower=True)[0].T
        answers = lower - _JITTER * inverse  # of the centers: their kernel times the inverse
        mean = answers.mean(axis=0)
        scale = (answers - mean).std() or 1.0
        basis[pairs], offset[chosen] = inverse / scale, -mean / scale
        return [*self.bumps, basis, offset]


def look_from_centers(weights: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Return what a layer of `Kernel.place` answers to rows of single views, in their dtype.

    Of its first three weights alone these are the bumps.
    """
    squares, kernel, bias, *basis = (array.astype(rows.dtype, copy=False) for array in weights)

    def look(part: np.ndarray) -> np.ndarray:
        exponents = np.concatenate([part, part**2 @ squares], axis=1) @ kernel + bias
        bumps = np.exp(np.minimum(exponents, 0, out=exponents), out=exponents)  # above 0 by last digits alone
        return bumps @ basis[0] + basis[1] if basis else bumps

    return _apply_in_threads(look, rows, len(bias))


def answer_bumps(weights: list[np.ndarray], bumps: np.ndarray) -> np.ndarray:
    """Return what a layer of `Kernel.place`, given its last two weights, answers to rows of bumps."""
    basis, offset = weights
    chosen = np.flatnonzero(basis.diagonal())
    of_chosen = basis[np.ix_(chosen, chosen)]

    def answer(part: np.ndarray) -> np.ndarray:
        answers = np.zeros_like(part)
        answers[:, chosen] = part[:, chosen] @ of_chosen + offset[chosen]
        return answers

    return _apply_in_threads(answer, bumps, len(offset))


def _apply_in_threads(
    function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, n_columns: int
) -> np.ndarray:
    """Return what a function makes of rows, a part at a time."""
    found = np.empty((len(rows), n_columns), rows.dtype)
    step = max(1, _CHUNK_VALUES // max(n_columns, rows.shape[1] + 1))

    def fill(start: int) -> None:
        found[start : start + step] = function(rows[start : start + step])

    _run_in_threads(fill, range(0, len(rows), step))
    return found


def _run_in_threads(fill: Callable[[int], None], starts: Iterable[int]) -> None:
    """Call `fill` with each start; threads share no product, so that their number changes no bit."""
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cpu_count()) as pool:
        for _ in pool.map(fill, starts):
            pass

"""find_unfamiliar: images that are unlike anything a classifier was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from fishsk.inspection._estimators import find_features

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike

_N_CALIBRATION = 1000  # training images at most that the threshold is taken from
_CHUNK_VALUES = 2**22  # of what rows are compared with at a time


@dataclass(frozen=True)
class UnfamiliarImages:
    """How far images are from those of training, and which are too far."""

    distance: np.ndarray  # the mean one to the nearest training images: 0 of the same features, at most 2
    nearest: np.ndarray  # the index of the nearest training image
    neighbors: np.ndarray  # those of the images that the distance is averaged over, nearest first
    threshold: float  # the distance above which an image is unfamiliar
    is_unfamiliar: np.ndarray
    false_alarms: float  # the share of images like those of training that are taken for unfamiliar


def find_unfamiliar(
    estimator: BaseEstimator,
    X: ImagesLike,
    X_train: ImagesLike,
    *,
    false_alarms: float = 0.05,
    n_neighbors: int = 5,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | str | None = "auto",
) -> UnfamiliarImages:
    """Return which images are unlike anything that a classifier was trained on.

    A classifier answers one of its classes for any image, often with a high probability, even if the image
    shows none of them. The distance to the nearest training images, in the features of the frozen network
    [1]_, tells such images apart.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor of images, such as `make_fish_pipeline` makes, or a search over one.
        Its features are used, before they are scaled; its answers are not.
    X : array-like or sequence
        Images, as `KerasFeatureTransformer` describes them.
    X_train : array-like or sequence
        The images that it was trained on, or others like them. Images whose features are known are not run
        through the network again.
    false_alarms : float, default=0.05
        The share of familiar images that may be taken for unfamiliar.
    n_neighbors : int, default=5
        Number of nearest training images over which the distance is averaged.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_estimator`.

    Returns
    -------
    UnfamiliarImages
        With `distance`, the index of the `nearest` training image, `is_unfamiliar`, and the `threshold` of
        the distance.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If there are too few training images for so small a share of false alarms.

    See Also
    --------
    AccuracyCoverageDisplay : Accuracy of answers above a probability.

    Notes
    -----
    The distance is Euclidean, of features of length 1. The threshold is the quantile of the distances of
    training images, of which at most 1,000 are drawn, to the *other* training images. So the share of false
    alarms holds for images from where the training images come from. Equal training images count once; those
    that are almost equal make the threshold too low: of a video's frames, pass one for each scene.

    ``benchmarks/bench_trust.py`` measures the share of false alarms on test fish, and the share that is found
    of the classes of CIFAR-100 that are no fish.

    References
    ----------
    .. [1] Y. Sun, Y. Ming, X. Zhu and Y. Li, "Out-of-Distribution Detection with Deep Nearest Neighbors",
       ICML 2022, https://arxiv.org/abs/2204.06507

    Examples
    --------
    >>> import numpy as np
    >>> from fishsk import find_unfamiliar, make_fish_pipeline
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(200, random_state=0)
    >>> pipeline = make_fish_pipeline(weights="cifar95", head__epochs=2, random_state=0).fit(X, y)
    >>> noise = np.random.default_rng(0).integers(256, size=(3, 32, 32, 3), dtype=np.uint8)
    >>> find_unfamiliar(pipeline, noise, X).is_unfamiliar
    array([ True,  True,  True])
    """
    check_is_fitted(estimator)
    pixels = {"image_shape": image_shape, "input_range": input_range}
    train, rows = (find_features(estimator, images, **pixels) for images in (X_train, X))
    return FamiliarRows(train, false_alarms=false_alarms, n_neighbors=n_neighbors).compare(rows)


class FamiliarRows:
    """The features of familiar images, made ready for those of others to be compared with them.

    `rows` are as `find_features` returns them. ValueError if they are too few for so small a share of false
    alarms.
    """

    def __init__(self, rows: np.ndarray, *, false_alarms: float = 0.05, n_neighbors: int = 5) -> None:
        if not 0 < false_alarms < 1:
            raise ValueError(f"false_alarms must be above 0 and below 1. Got {false_alarms!r}.")
        self.false_alarms = false_alarms
        train = normalize(rows)
        # Of equal images the first: a copy of each would make every distance to the others 0.
        firsts = {row.tobytes(): index for index, row in reversed(list(enumerate(train)))}
        self.firsts = np.array(list(firsts.values())[::-1])
        self.n_neighbors = n_neighbors
        self.train = train = train[self.firsts]
        n_needed = max(n_neighbors + 1, math.ceil(round(1 / false_alarms, 9)) - 1)
        if len(train) < n_needed:
            raise ValueError(
                f"X_train must hold at least {n_needed} different images for false_alarms={false_alarms:g} "
                f"and n_neighbors={n_neighbors}. Got {len(train)}. Pass more images, or a larger share."
            )
        self.threshold = _find_threshold(train, false_alarms, n_neighbors, max(n_needed, _N_CALIBRATION))

    def compare(self, rows: np.ndarray) -> UnfamiliarImages:
        """Return how far images are from these, by their features, and which are too far."""
        distances, indices = find_nearest(normalize(rows), self.train, self.n_neighbors)
        neighbors = self.firsts[indices]
        distance = distances.mean(axis=1)
        return UnfamiliarImages(
            distance=distance,
            nearest=neighbors[:, 0],
            neighbors=neighbors,
            threshold=self.threshold,
            is_unfamiliar=distance > self.threshold,
            false_alarms=self.false_alarms,
        )


def find_nearest(rows: np.ndarray, train: np.ndarray, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of rows to the nearest ones of training, and which these are; all have length 1.

    Products in float32 choose them. scikit-learn's neighbors take those of float64, in four times as long.
    """
    distances = np.empty((len(rows), n_neighbors))
    indices = np.empty((len(rows), n_neighbors), dtype=int)
    for chunk in gen_batches(len(rows), max(1, _CHUNK_VALUES // (len(train) + train.shape[1]))):
        products = rows[chunk] @ train.T
        chosen = np.argpartition(-products, n_neighbors - 1, axis=1)[:, :n_neighbors]
        each = np.stack([np.linalg.norm(rows[chunk] - train[column], axis=1) for column in chosen.T], axis=1)
        order = np.argsort(each, axis=1, kind="stable")
        distances[chunk] = np.take_along_axis(each, order, axis=1)
        indices[chunk] = np.take_along_axis(chosen, order, axis=1)
    return distances, indices


def _find_threshold(train: np.ndarray, false_alarms: float, n_neighbors: int, n_drawn: int) -> float:
    """Return the distance that a share of the training images exceeds, each measured to the others."""
    chosen = np.random.default_rng(0).permutation(len(train))[:n_drawn]
    distances, indices = find_nearest(train[chosen], train, n_neighbors + 1)
    own = indices == chosen[:, np.newaxis]
    own[~own.any(axis=1), -1] = True  # pushed out by images that are almost equal
    distance = np.sort(distances[~own].reshape(len(chosen), -1).mean(axis=1))
    # As in split conformal prediction: one more image is as likely in each gap between the sorted distances.
    rank = math.ceil(round((1 - false_alarms) * (len(distance) + 1), 9))
    return float(distance[rank - 1])

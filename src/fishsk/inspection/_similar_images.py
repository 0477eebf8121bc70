"""SimilarImagesDisplay: the images of a collection that are most like one image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_consistent_length

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.axes import make_axes
from fishsk._utils.files import expand
from fishsk.features import check_images
from fishsk.inspection._estimators import find_fitted, find_pixels
from fishsk.inspection._pixels import make_thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fishsk._utils.typing import ArrayLike, ImagesLike


@dataclass(kw_only=True, eq=False, repr=False)
class SimilarImagesDisplay:
    """The images of a collection that are most like one image, nearest first.

    Use `from_estimator` to create one. Nothing is learned from labels: the features of a frozen network are
    the index, standardized over the collection and compared by the cosine of their angle.

    Parameters
    ----------
    query : ndarray of shape (height, width, 3), uint8
        The image that was asked about.
    images : list of ndarray of shape (height, width, 3), uint8
        Those most like it.
    indices : ndarray of int of shape (n_images,)
        Where they stand in the collection.
    distances : ndarray of shape (n_images,)
        One less the cosine: 0 is the same direction, 1 a right angle.
    labels : list of str or None, default=None
        Text above each image.
    n_cols : int, default=5
        The number of images in a row.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_cols)
        One for the query and one for each image.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    find_data_issues : Finds images that are the same.

    Examples
    --------
    >>> from fishsk import SimilarImagesDisplay, VGG16FeatureTransformer
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(100, random_state=0)
    >>> vgg16 = VGG16FeatureTransformer(weights="cifar95", views="mirror")
    >>> mirrored = X[7][:, ::-1]
    >>> display = SimilarImagesDisplay.from_estimator(vgg16, mirrored, X, labels=y, n_images=5)
    >>> int(display.indices[0]), display.labels[0] == str(y[7])
    (7, True)
    """

    query: np.ndarray
    images: list[np.ndarray]
    indices: np.ndarray
    distances: np.ndarray
    labels: list[str] | None = None
    n_cols: int = 5

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        query: Any,
        X: ImagesLike,
        *,
        labels: ArrayLike | None = None,
        n_images: int = 12,
        n_cols: int = 5,
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | str | None = "auto",
        ax: Axes | np.ndarray | None = None,
    ) -> Self:
        """Find the images most like one, and draw them.

        Parameters
        ----------
        estimator : estimator
            A transformer such as `VGG16FeatureTransformer`, or a pipeline, of which the steps before the
            classifier are used. A pipeline that scales must be fitted.
        query : array-like or path
            One image, in any form that one image of `X` may have.
        X : array-like or sequence
            The collection, as `KerasFeatureTransformer` describes it. If the query's own file is in it, it is
            left out.
        labels : array-like of shape (n_samples,), default=None
            Text above each image of `X`.
        n_images : int, default=12
            How many images to find; fewer if `X` holds fewer.
        n_cols : int, default=5
            The number of images in a row.
        image_shape, input_range : optional
            As in `PredictionGridDisplay.from_estimator`.
        ax : matplotlib Axes or array-like of Axes, default=None
            As in `plot`.

        Returns
        -------
        SimilarImagesDisplay
            The display, plotted.

        Raises
        ------
        ValueError
            If `X` and `labels` do not belong together, or `n_images` is below 1.
        """
        if n_images < 1:
            raise ValueError(f"n_images must be at least 1. Got {n_images!r}.")
        check_consistent_length(X, labels)
        describe = find_fitted(estimator)
        if isinstance(describe, Pipeline) and not hasattr(describe[-1], "transform"):
            describe = describe[:-1]
        pixels = find_pixels(estimator, image_shape, input_range)
        queries = query[np.newaxis] if isinstance(query, np.ndarray) else [query]
        shown, collection = check_images(queries, **pixels), check_images(X, **pixels)
        features, asked = describe.transform(X), describe.transform(queries)
        scaler = StandardScaler().fit(features)
        index = NearestNeighbors(n_neighbors=min(n_images + 1, len(collection)), metric="cosine")
        distances, indices = index.fit(scaler.transform(features)).kneighbors(scaler.transform(asked))
        own, *files = (
            expand(item).resolve() if isinstance(item, str | os.PathLike) else None
            for item in (query, *(collection.items[row] for row in indices[0]))
        )
        is_other = np.array([file is None or file != own for file in files])
        indices, distances = indices[0][is_other][:n_images], distances[0][is_other][:n_images]
        return cls(
            query=make_thumbnail(shown[0]),
            images=[make_thumbnail(collection[row]) for row in indices],
            indices=indices,
            distances=distances,
            labels=None if labels is None else [str(label) for label in safe_indexing(labels, indices)],
            n_cols=n_cols,
        ).plot(ax)

    def plot(self, ax: Axes | np.ndarray | None = None) -> Self:
        """Draw the query and the images most like it.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Axes of `matplotlib.pyplot.subplots` to divide into a grid, or one axes for the query and each
            image. By default a new figure is made.

        Returns
        -------
        SimilarImagesDisplay
            This display.
        """
        n_axes = 1 + len(self.images)
        n_cols = min(self.n_cols, n_axes)
        n_rows = -(-n_axes // n_cols)
        self.figure_, _, self.axes_ = make_axes(
            ax, (n_rows, n_cols), n_axes, figsize=(1.7 * n_cols, 1.95 * n_rows), hspace=0.4
        )
        titles = ["query", *(f"distance {distance:.2f}" for distance in self.distances)]
        if self.labels is not None:
            titles[1:] = map("\n".join, zip(self.labels, titles[1:], strict=True))
        for axes, image, title in zip(self.axes_.flat, [self.query, *self.images], titles, strict=False):
            axes.imshow(image)
            axes.set(xticks=[], yticks=[])
            axes.set_title(title, fontsize="small", parse_math=False)
        self.axes_.flat[0].spines[:].set(linewidth=3)
        return self

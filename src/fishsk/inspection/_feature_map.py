"""FeatureMapDisplay: images as points, where those that a network sees alike are neighbors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.axes import make_ax
from fishsk.features import check_images
from fishsk.inspection._classification import as_labels, check_one_target
from fishsk.inspection._estimators import check_classifier, find_features, find_pixels, name_classes
from fishsk.inspection._pixels import make_thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fishsk._utils.typing import ArrayLike, ImagesLike, RandomState

# Wong's colors, some darker: told apart by color-blind people, at least 3 to 1 on white and on dark ground.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#C46C9C", "#8C7A00", "#4C96C4", "#808080")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_THUMBNAIL = 0.45  # inches
_METHODS = ("tsne", "umap")
_N_COMPONENTS = 50  # that neighbors are looked for in, as L. van der Maaten advises for t-SNE
_N_ITERATIONS = 500
_FEWEST = 10  # images; fewer have no neighborhoods to speak of
_PERPLEXITY = 30


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureMapDisplay:
    """Images as points in a plane, close together where their features are similar.

    Use `from_estimator` to create one. The color and shape of a point are its true class. A ring is around
    those that the classifier took for another class: inside another class's cluster, an image that looks like
    that class, or that is labeled wrong; between clusters, one that is like both.

    Parameters
    ----------
    places : ndarray of shape (n_images, 2)
        Horizontal and vertical places, 0 to 1. Distances have no unit, and far ones no meaning.
    y_true, y_pred : ndarray of shape (n_images,)
        True and predicted labels.
    indices : ndarray of shape (n_images,), default=None
        Where the images stand in the data they were chosen from.
    images : list of ndarray of shape (height, width, 3), uint8, default=None
        The images that `plot` may show at their points.
    names : dict of label to str, default=None
        Names to show for the labels; by default the labels themselves.
    method : {"tsne", "umap"}, default="tsne"
        How the places were found.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the map.
    figure_ : matplotlib Figure
        The figure of the map.
    points_ : dict of label to matplotlib PathCollection
        The points of each class.
    rings_ : matplotlib PathCollection
        The rings around mistakes.

    See Also
    --------
    PredictionGridDisplay : The mistakes as images.
    sklearn.manifold.TSNE : The layout.

    Notes
    -----
    t-SNE [1]_ keeps neighbors together. Sizes of clusters and distances between them mean little [2]_.

    References
    ----------
    .. [1] L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE", Journal of Machine Learning
       Research 9 (2008), https://jmlr.org/papers/v9/vandermaaten08a.html
    .. [2] M. Wattenberg, F. Viégas and I. Johnson, "How to Use t-SNE Effectively", Distill (2016),
       https://doi.org/10.23915/distill.00002

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> from fishsk import FeatureMapDisplay, make_fish_pipeline
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(60, random_state=0)
    >>> pipeline = make_fish_pipeline(head=SVC(), weights="cifar95").fit(X, y)
    >>> display = FeatureMapDisplay.from_estimator(pipeline, X, y, n_thumbnails=10, random_state=0)
    >>> display.places.shape
    (60, 2)
    """

    places: np.ndarray
    y_true: np.ndarray
    y_pred: np.ndarray
    indices: np.ndarray | None = None
    images: list[np.ndarray] | None = None
    names: Mapping[Any, str] | None = None
    method: str = "tsne"

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ImagesLike,
        y: ArrayLike,
        *,
        method: str = "tsne",
        n_images: int = 1000,
        n_thumbnails: int = 0,
        display_labels: Iterable[object] | None = None,
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | str | None = "auto",
        random_state: RandomState = None,
        ax: Axes | None = None,
        scatter_kw: dict[str, object] | None = None,
    ) -> Self:
        """Lay images out by the features that a fitted classifier sees of them.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier of images, such as `make_fish_pipeline` makes, or a search over one. Its
            features are used as they are, before they are scaled; of one that has none, small copies of the
            images.
        X : array-like or sequence
            Images, as `KerasFeatureTransformer` describes them.
        y : array-like of shape (n_samples,)
            Their true labels.
        method : {"tsne", "umap"}, default="tsne"
            t-SNE of scikit-learn; or UMAP, where ``umap-learn`` is installed.
        n_images : int, default=1000
            Largest number of points; of more images, as many are drawn at random.
        n_thumbnails : int, default=0
            At how many points, of those that are far from each other, the image itself is shown.
        display_labels : array-like of shape (n_classes,), default=None
            Names to show for ``estimator.classes_``; by default the labels themselves.
        image_shape, input_range : optional
            As in `PredictionGridDisplay.from_estimator`.
        random_state : int, RandomState instance or None, default=None
            Seeds what is drawn, and the layout.
        ax, scatter_kw : optional
            As in `plot`.

        Returns
        -------
        FeatureMapDisplay
            The display, plotted.
        """
        check_is_fitted(estimator)
        check_classifier(estimator)
        y = check_one_target(y, "y")
        check_consistent_length(X, y)
        names = name_classes(estimator.classes_, display_labels)
        drawn = check_random_state(random_state)
        chosen = np.sort(drawn.permutation(len(y))[:n_images])
        X = safe_indexing(X, chosen)
        pixels = find_pixels(estimator, image_shape, input_range)
        features = find_features(estimator, X, image_shape=image_shape, input_range=input_range)
        places = lay_out(features, method=method, random_state=drawn)
        images = [make_thumbnail(image) for image in check_images(X, **pixels)] if n_thumbnails else None
        display = cls(
            places=places,
            y_true=as_labels(y[chosen]),
            y_pred=as_labels(estimator.predict(X)),
            indices=chosen,
            images=images,
            names=names,
            method=method,
        )
        return display.plot(ax=ax, n_thumbnails=n_thumbnails, scatter_kw=scatter_kw)

    def plot(
        self, ax: Axes | None = None, *, n_thumbnails: int = 0, scatter_kw: dict[str, object] | None = None
    ) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure is made.
        n_thumbnails : int, default=0
            At how many points, of those that are far from each other, the image itself is shown.
        scatter_kw : dict, default=None
            Keyword arguments for `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        FeatureMapDisplay
            This display.
        """
        import matplotlib.pyplot as plt
        from matplotlib.offsetbox import AnnotationBbox, OffsetImage

        self.ax_ = axes = make_ax(ax, figsize=(8, 6.4))
        self.figure_ = axes.figure
        names = self.names or {}
        self.points_ = {}
        for number, label in enumerate(np.unique(self.y_true).tolist()):
            color, marker = style_of_class(number)
            style = {"s": 26, "color": color, "marker": marker, "linewidths": 0}
            style |= {"label": names.get(label, label)} | (scatter_kw or {})
            places = self.places[self.y_true == label]
            self.points_[label] = axes.scatter(*places.T, **style)
        wrong = self.y_true != self.y_pred
        ring = {"s": 70, "facecolors": "none", "edgecolors": plt.rcParams["text.color"], "linewidths": 1.1}
        self.rings_ = axes.scatter(*self.places[wrong].T, **ring, label=f"{wrong.sum()} mistaken")
        classes, images = np.unique(self.y_true), self.images or []
        for index in spread_out(self.places, n_thumbnails) if images else []:
            image, number = images[index], int(np.searchsorted(classes, self.y_true[index]))
            frame = AnnotationBbox(  # above its point
                OffsetImage(image, zoom=_THUMBNAIL * 72 / max(image.shape[:2])),
                self.places[index],
                xybox=(0, 22),
                boxcoords="offset points",
                pad=0.1,
                bboxprops={"edgecolor": style_of_class(number)[0]},
            )
            axes.add_artist(frame)
        axes.set(xticks=[], yticks=[])
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
        return self


def style_of_class(number: int) -> tuple[str, str]:
    """Return the color and the marker of a class by its number: no two of 49 share both."""
    n_colors = len(_COLORS)
    return _COLORS[number % n_colors], _MARKERS[(number // n_colors + number) % len(_MARKERS)]


def spread_out(places: np.ndarray, n_places: int) -> Sequence[int]:
    """Return the indices of places that are far from each other, each the farthest from those before."""
    chosen = [int(np.linalg.norm(places - places.mean(axis=0), axis=1).argmin())]
    distance = np.linalg.norm(places - places[chosen[0]], axis=1)
    while len(chosen) < min(n_places, len(places)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return chosen[:n_places]


def lay_out(features: np.ndarray, *, method: str = "tsne", random_state: RandomState = None) -> np.ndarray:
    """Return a place in a plane, horizontal and vertical, 0 to 1, for each row of features.

    Rows are scaled to length 1, so that their directions are compared, and reduced to 50 components. Of fewer
    than 10 rows it is the first two of these. ImportError if UMAP is asked for and umap-learn not installed.
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, _METHODS))}. Got {method!r}.")
    rows = normalize(features)
    n_components = min(_N_COMPONENTS, *rows.shape)
    # One thread gives the same bits in every process. On a busy machine several of t-SNE wait for each
    # other, ten times as long as they work.
    with threadpool_limits(1):
        places = PCA(n_components, random_state=0).fit_transform(rows) if len(rows) > 1 else np.zeros((1, 2))
        if len(rows) >= _FEWEST:
            places = _load_method(method, len(rows), random_state).fit_transform(places)
    places = np.hstack([places, np.zeros((len(rows), 2))])[:, :2]
    low, extent = places.min(axis=0), np.ptp(places, axis=0)
    return np.where(extent > 0, (places - low) / np.maximum(extent, 1e-12), 0.5)


def _load_method(method: str, n_samples: int, random_state: RandomState) -> Any:
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(_PERPLEXITY, (n_samples - 1) / 3)
        return TSNE(perplexity=perplexity, max_iter=_N_ITERATIONS, init="pca", random_state=random_state)
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "method='umap' needs the package umap-learn: python -m pip install 'fishsk[umap]'. "
            "method='tsne' needs nothing else."
        ) from error
    # One job, because UMAP warns that with a seed it has no more.
    return UMAP(n_neighbors=min(15, n_samples - 1), random_state=random_state, n_jobs=1)

"""ExplanationDisplay: images beside heat maps of what in them carried their class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.axes import make_axes
from fishsk.inspection._estimators import find_label, name_classes
from fishsk.inspection._explanation import Explanation, explain_images
from fishsk.inspection._pixels import lay_over
from fishsk.inspection._regression import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fishsk._utils.typing import ArrayLike, ImagesLike


@dataclass(kw_only=True, eq=False, repr=False)
class ExplanationDisplay(Explanation):
    """Images beside heat maps of the parts that spoke for their class, or raised their number.

    Use `from_estimator` to create one. In a map, the image is gray; parts that speak for the class are
    orange, and parts that speak against it, or for the class that it is compared with, are blue. For a
    regressor, orange raises the number and blue lowers it. The colors of each map are relative to its own
    strongest place.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, 3), uint8
        The images, RGB in 0 to 255.
    maps : list of ndarray of shape (height, width)
        How much each pixel speaks for the class of `targets`; below 0 where it speaks against it. Of a
        regressor, by how much it raises the number, in its unit.
    targets : ndarray of shape (n_images,)
        The classes that are explained; of a regressor the numbers that it predicts.
    against : ndarray of shape (n_images,), default=None
        The classes that they are compared with; None where it is all others.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        How the maps were made.
    names : dict of label to str, default=None
        Names to show for the labels; by default the labels themselves.
    n_cols : int, default=4
        Number of images in a row, each with its map.
    of_regression : bool, default=False
        Whether `targets` are numbers.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_rows, 2 * n_cols)
        Two for each image, switched off where there is none; the array that `plot` was given, if any.
    bounding_ax_ : matplotlib Axes or None
        The axes that `plot` was given to divide.
    figure_ : matplotlib Figure
        The figure of the grid.

    See Also
    --------
    PredictionGridDisplay : Images with their true and predicted labels.
    sklearn.inspection.PartialDependenceDisplay : How single features change a prediction.

    Notes
    -----
    *Integrated gradients* [1]_ add up the gradient of the log-odds of a class on the way from a plain image
    of the same mean color, so that a map's sum is about what the image changed in them. They need one pass
    there and one back for each of 16 steps. *Occlusion* [2]_ covers 36 parts of the image, one at a time,
    and looks how much the class loses. It needs 37 predictions, and nothing of the classifier but these.

    A map tells where the evidence is, not whether it is sound, and one that looks plausible may owe this to
    the image alone [3]_. ``benchmarks/bench_explanations.py`` measures how much of the maps' weight lies on
    drawn fish whose place is known, and how little of a map remains when the head's weights are shuffled.

    Images are explained at up to 256 pixels a side.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
       https://arxiv.org/abs/1703.01365
    .. [2] M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
       https://arxiv.org/abs/1311.2901
    .. [3] J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018,
       https://arxiv.org/abs/1810.03292

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> from fishsk import ExplanationDisplay, make_fish_pipeline
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(100, random_state=0)
    >>> pipeline = make_fish_pipeline(head=SVC(), weights="cifar95").fit(X, y)
    >>> display = ExplanationDisplay.from_estimator(pipeline, X[:3], target=4, against=3)
    >>> display.method
    'occlusion'
    >>> display.maps[0].shape
    (32, 32)
    """

    names: Mapping[Any, str] | None = None
    n_cols: int = 4
    of_regression: bool = False

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ImagesLike,
        *,
        target: ArrayLike | None = None,
        against: ArrayLike | None = None,
        method: str = "auto",
        n_cols: int = 4,
        display_labels: Iterable[object] | None = None,
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | str | None = "auto",
        ax: Axes | np.ndarray | None = None,
        im_kw: dict[str, object] | None = None,
        text_kw: dict[str, object] | None = None,
    ) -> Self:
        """Explain what a fitted classifier or regressor says of images.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier or regressor of images, such as `make_fish_pipeline` makes, or a search over
            one.
        X : array-like or sequence
            Images, as `KerasFeatureTransformer` describes them. Each gets a map, so pass a few.
        target : label, str or array-like of shape (n_images,), default=None
            The class to explain, or one for each image; a name in `display_labels` serves as well. By default
            the one that is predicted.
        against : label, str or array-like of shape (n_images,), default=None
            The class to compare with, or one for each image: why `target` and not this one. By default all
            others.
        method : {"auto", "integrated_gradients", "occlusion"}, default="auto"
            Integrated gradients need a pipeline of frozen networks of Keras, one or several with the same
            `input_range`, optionally a ``StandardScaler``, and a Keras head. Occlusion takes any classifier
            or regressor; the features of covered images are not kept on disk. "auto" is the first where it
            is possible.
        n_cols : int, default=4
            Number of images in a row, each with its map.
        display_labels : array-like of shape (n_classes,), default=None
            Names to show for ``estimator.classes_``; by default the labels themselves.
        image_shape, input_range : optional
            As in `PredictionGridDisplay.from_estimator`.
        ax, im_kw, text_kw : optional
            As in `plot`.

        Returns
        -------
        ExplanationDisplay
            The display, plotted.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it is neither classifier nor regressor, a class is not among its classes, an image's class is
            compared with itself, or the method is not possible.
        """
        check_is_fitted(estimator)
        names = None
        if is_classifier(estimator):
            names = name_classes(estimator.classes_, display_labels)
        elif not is_regressor(estimator):
            raise ValueError(f"estimator must be a classifier or a regressor. Got {estimator!r}.")
        found = explain_images(
            estimator,
            X,
            target=_find_labels(target, names),
            against=_find_labels(against, names),
            method=method,
            image_shape=image_shape,
            input_range=input_range,
        )
        display = cls(**vars(found), names=names, n_cols=n_cols, of_regression=is_regressor(estimator))
        return display.plot(ax=ax, im_kw=im_kw, text_kw=text_kw)

    def plot(
        self, ax: Any = None, *, im_kw: dict[str, Any] | None = None, text_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the images and their maps.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Axes of `matplotlib.pyplot.subplots` to divide into a grid, or at least two axes for each image.
            By default a new figure is made.
        im_kw : dict, default=None
            Keyword arguments for `matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments for the text above the images.

        Returns
        -------
        ExplanationDisplay
            This display.
        """
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.text import Text

        n_images = len(self.images)
        n_cols = max(1, min(self.n_cols, n_images))
        n_rows = max(1, -(-n_images // n_cols))
        figsize = (max(2.6 * n_cols, 5), 1.6 * n_rows + 0.4)
        self.figure_, self.bounding_ax_, self.axes_ = make_axes(
            ax, (n_rows, 2 * n_cols), 2 * n_images, figsize=figsize, hspace=0.4
        )
        style = {"loc": "left", "fontsize": 9, "pad": 4, "parse_math": False}
        style |= normalize_kwargs(text_kw or {}, Text)
        cells = list(self.axes_.flat)
        for index, (image, heat) in enumerate(zip(self.images, self.maps, strict=True)):
            left, right = cells[2 * index : 2 * index + 2]
            left.imshow(image, **(im_kw or {}))
            right.imshow(lay_over(image, heat), **(im_kw or {}))
            left.set_title(self._describe(index), **style)
            for axes in (left, right):
                axes.set(xticks=[], yticks=[])
        if ax is None:
            other = "against it" if self.against is None else "for the other class"
            words = f"Orange speaks for the class, blue {other}"
            if self.of_regression:
                words = "Orange raises the number, blue lowers it"
            self.figure_.suptitle(f"{words} ({self.method.replace('_', ' ')})", size="medium")
        return self

    def _describe(self, index: int) -> str:
        """Return what is written above an image."""
        if self.of_regression:
            return format_number(self.targets[index])
        names = self.names or {}
        target = names.get(self.targets[index], str(self.targets[index]))
        if self.against is None:
            return target
        return f"{target}, not {names.get(self.against[index], str(self.against[index]))}"


def _find_labels(labels: Any, names: Mapping[Any, str] | None) -> Any:
    """Return labels, where they were given by name; those that are neither are left to be refused."""
    if labels is None or not names:
        return labels
    if np.ndim(labels) == 0:
        return find_label(labels, names)
    return [find_label(label, names) for label in np.asarray(labels).tolist()]

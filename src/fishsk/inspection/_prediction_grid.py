"""PredictionGridDisplay: images with their true and predicted classes or numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.axes import make_axes, palette
from fishsk.features import check_images
from fishsk.inspection._classification import check_one_target, check_proba, find_confidence
from fishsk.inspection._estimators import find_label, find_pixels, name_classes
from fishsk.inspection._pixels import make_thumbnail
from fishsk.inspection._regression import as_targets, format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fishsk._utils.typing import ArrayLike, ImagesLike, RandomState

_SELECTIONS = {
    "classification": ("random", "first", "confident_mistakes", "least_certain"),
    "regression": ("random", "first", "largest_errors"),
}
_LONGEST_NAME = 24  # characters
_CHARACTER_WIDTH = 0.6  # of the font's size


@dataclass(kw_only=True, eq=False, repr=False)
class PredictionGridDisplay:
    """A grid of images with their true and predicted labels, or numbers.

    Use `from_estimator` or `from_predictions` to create one. A wrong prediction has a cross and a heavy
    frame, a right one a check mark and a light frame: they are told apart without their colors. A number that
    is too high has an upward triangle, one that is too low a downward one.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, 3), uint8
        The images that are shown, RGB in 0 to 255.
    y_true, y_pred : ndarray of shape (n_images,)
        Their true and predicted labels or numbers.
    confidence : ndarray of shape (n_images,), default=None
        The probability that was predicted for `y_pred`, in 0 to 1.
    indices : ndarray of shape (n_images,), default=None
        Where the images stand in the data they were chosen from.
    names : dict of label to str, default=None
        Names to show for the labels; by default the labels themselves.
    n_cols : int, default=6
        Number of images in a row.
    title : str, default=None
        The title of a figure that `plot` makes.
    errors : ndarray of shape (n_images,), default=None
        `y_pred` less `y_true` where they are numbers; None where they are labels.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_cols)
        One for each image, switched off where there is none; the array that `plot` was given, if any.
    bounding_ax_ : matplotlib Axes or None
        The axes that `plot` was given to divide.
    figure_ : matplotlib Figure
        The figure of the grid.

    See Also
    --------
    TrainingCurveDisplay : Training curves of a head.
    sklearn.metrics.ConfusionMatrixDisplay : Confusions between classes.
    sklearn.metrics.PredictionErrorDisplay : Predicted numbers against true ones.

    Examples
    --------
    >>> import numpy as np
    >>> from fishsk import PredictionGridDisplay
    >>> X = np.random.default_rng(0).integers(256, size=(4, 8, 8, 3), dtype=np.uint8)
    >>> y_proba = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]]
    >>> display = PredictionGridDisplay.from_predictions(
    ...     X, ["ray", "ray", "trout", "trout"], y_proba=y_proba, select="confident_mistakes"
    ... )
    >>> display.indices
    array([1, 2])
    >>> display.title
    'The 2 most confident of 2 mistakes in 4 images'

    Numbers, such as weights:

    >>> display = PredictionGridDisplay.from_predictions(
    ...     X, [1.0, 2.5, 3.0, 4.0], [1.5, 2.5, 2.0, 4.1], select="largest_errors"
    ... )
    >>> display.indices
    array([2, 0, 3, 1])
    """

    images: list[np.ndarray]
    y_true: np.ndarray
    y_pred: np.ndarray
    confidence: np.ndarray | None = None
    indices: np.ndarray | None = None
    names: Mapping[Any, str] | None = None
    n_cols: int = 6
    title: str | None = None
    errors: np.ndarray | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ImagesLike,
        y: ArrayLike,
        *,
        select: str = "random",
        label: object = None,
        n_rows: int = 6,
        n_cols: int = 6,
        display_labels: Iterable[object] | None = None,
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | str | None = "auto",
        random_state: RandomState = None,
        ax: Axes | np.ndarray | None = None,
        im_kw: dict[str, object] | None = None,
        text_kw: dict[str, object] | None = None,
    ) -> Self:
        """Predict with a fitted classifier or regressor, and draw some of the images.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier or regressor of images, such as `make_fish_pipeline` makes. Probabilities are
            shown if it has ``predict_proba``. It sees only what is drawn where `select` allows it.
        X : array-like or sequence
            Images, as `KerasFeatureTransformer` describes them.
        y : array-like of shape (n_samples,)
            Their true labels or numbers.
        select : {"random", "first", "confident_mistakes", "least_certain", "largest_errors"}, \
                default="random"
            Which images: drawn at random; the first ones; the wrong predictions, the most probable first;
            or the predictions of the lowest probability, the lowest first, which need probabilities; of
            numbers, those that are farthest off.
        label : label or str, default=None
            Choose from the images of this true label alone; a name in `display_labels` serves as well.
        n_rows, n_cols : int, default=6
            The size of the grid; fewer images make fewer rows.
        display_labels : array-like of shape (n_classes,), default=None
            Names to show for ``estimator.classes_``; by default the labels themselves.
        image_shape : tuple of int, default=None
            (height, width) or (height, width, channels) of the images of a 2-D `X`; by default what the
            estimator's transformer was given.
        input_range : {"auto"}, tuple of (low, high) or None, default="auto"
            Values of black and white in `X` where it is not uint8; None takes values as they are. "auto" is
            what the estimator's transformer was given, or else (0, 255).
        random_state : int, RandomState instance or None, default=None
            Seeds ``select="random"``.
        ax, im_kw, text_kw : optional
            As in `plot`.

        Returns
        -------
        PredictionGridDisplay
            The display, plotted.
        """
        check_is_fitted(estimator)

        def predict(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
            chosen = safe_indexing(X, rows)
            y_pred = check_one_target(estimator.predict(chosen), "y_pred")
            if names is None or not hasattr(estimator, "predict_proba"):
                return y_pred, None
            return y_pred, find_confidence(y_pred, estimator.predict_proba(chosen), estimator.classes_)

        names = None
        if is_classifier(estimator):
            names = name_classes(estimator.classes_, display_labels)
        elif is_regressor(estimator):
            _refuse_labels(label, display_labels)
        else:
            raise ValueError(f"estimator must be a classifier or a regressor. Got {estimator!r}.")
        gathered = _gather_grid(
            X,
            y,
            predict,
            names=names,
            pixels=find_pixels(estimator, image_shape, input_range),
            select=select,
            label=label,
            n_images=n_rows * n_cols,
            random_state=random_state,
        )
        return cls(**gathered, n_cols=n_cols).plot(ax=ax, im_kw=im_kw, text_kw=text_kw)

    @classmethod
    def from_predictions(
        cls,
        X: ImagesLike,
        y_true: ArrayLike,
        y_pred: Any = None,
        *,
        y_proba: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        select: str = "random",
        label: object = None,
        n_rows: int = 6,
        n_cols: int = 6,
        display_labels: Iterable[object] | None = None,
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | None = (0, 255),
        random_state: RandomState = None,
        ax: Axes | np.ndarray | None = None,
        im_kw: dict[str, object] | None = None,
        text_kw: dict[str, object] | None = None,
    ) -> Self:
        """Draw some of the images of given predictions.

        Parameters
        ----------
        X : array-like or sequence
            Images, as `KerasFeatureTransformer` describes them.
        y_true : array-like of shape (n_samples,)
            Their true labels or numbers.
        y_pred : array-like of shape (n_samples,), default=None
            Their predicted labels; by default the most probable ones of `y_proba`. Where these or `y_true`
            have fractions, they are numbers.
        y_proba : array-like of shape (n_samples, n_classes), default=None
            Predicted probabilities, the columns in the order of `classes`.
        classes : array-like of shape (n_classes,), default=None
            The labels; by default those that occur in `y_true` and `y_pred`, sorted.
        select, label, n_rows, n_cols : optional
            As in `from_estimator`; "least_certain" needs `y_proba`.
        display_labels : array-like of shape (n_classes,), default=None
            Names to show for `classes`; by default the labels themselves.
        image_shape : tuple of int, default=None
            (height, width) or (height, width, channels) of the images of a 2-D `X`.
        input_range : tuple of (low, high) or None, default=(0, 255)
            Values of black and white in `X` where it is not uint8; None takes values as they are.
        random_state, ax, im_kw, text_kw : optional
            As in `from_estimator`.

        Returns
        -------
        PredictionGridDisplay
            The display, plotted.
        """
        if y_pred is None and y_proba is None:
            raise ValueError("Predictions must be given. Got neither y_pred nor y_proba: pass one or both.")
        check_consistent_length(X, y_true, y_pred, y_proba)
        y_pred = None if y_pred is None else check_one_target(y_pred, "y_pred")
        names = confidence = None
        fractions = (np.asarray(y).dtype.kind == "f" and np.mod(y, 1).any() for y in (y_true, y_pred))
        if y_proba is None and (select == "largest_errors" or any(fractions)):
            _refuse_labels(label, display_labels, classes)
        else:
            if classes is None:
                classes = np.union1d(y_true, y_true if y_pred is None else y_pred)
            classes = np.asarray(classes)
            names = name_classes(classes, display_labels)
            if y_proba is not None:
                proba = check_proba(y_proba, classes)
                y_pred = classes[proba.argmax(axis=1)] if y_pred is None else y_pred
                confidence = find_confidence(y_pred, proba, classes)
        gathered = _gather_grid(
            X,
            y_true,
            lambda rows: (y_pred[rows], None if confidence is None else confidence[rows]),
            names=names,
            pixels={"image_shape": image_shape, "input_range": input_range},
            select=select,
            label=label,
            n_images=n_rows * n_cols,
            random_state=random_state,
        )
        return cls(**gathered, n_cols=n_cols).plot(ax=ax, im_kw=im_kw, text_kw=text_kw)

    def plot(
        self, ax: Any = None, *, im_kw: dict[str, Any] | None = None, text_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Axes of `matplotlib.pyplot.subplots` to divide into a grid, or at least one axes for each image.
            By default a new figure is made.
        im_kw : dict, default=None
            Keyword arguments for `matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Keyword arguments for the text above the images.

        Returns
        -------
        PredictionGridDisplay
            This display.
        """
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.text import Text

        n_images = len(self.images)
        n_cols = max(1, min(self.n_cols, n_images))
        n_rows = max(1, -(-n_images // n_cols))
        figsize = (max(1.4 * n_cols, 5), 1.7 * n_rows + 0.3)
        self.figure_, self.bounding_ax_, self.axes_ = make_axes(
            ax, (n_rows, n_cols), n_images, figsize=figsize, hspace=0.4
        )
        if not n_images:
            text = {"ha": "center", "va": "center", "parse_math": False}
            self.axes_.flat[0].text(0.5, 0.5, self.title or "No images", **text)
        elif ax is None and self.title:
            self.figure_.suptitle(self.title, size="medium", parse_math=False)
        texts = [self._describe(index) for index in range(n_images)]
        n_characters = max((len(line) for text in texts for line in text.split("\n")), default=1)
        for index, axes in enumerate(self.axes_.flat[:n_images]):
            axes.imshow(self.images[index], **(im_kw or {}))
            axes.set(xticks=[], yticks=[])
            # In pixels. A figure of our own has yet to be laid out, and the grid will fill it.
            width = self.figure_.bbox.width / n_cols if ax is None else axes.bbox.width
            size = np.clip(72 / self.figure_.dpi * width / (_CHARACTER_WIDTH * n_characters), 4, 9)
            style = {"loc": "left", "fontsize": size, "pad": 4, "parse_math": False}
            axes.set_title(texts[index], **(style | normalize_kwargs(text_kw or {}, Text)))
            self._mark(axes, index)
        return self

    def _mark(self, axes: Any, index: int) -> None:
        """Frame an image, and put on its corner whether its prediction is right, too high or too low."""
        from matplotlib.path import Path

        # A path, because few fonts have a check mark.
        check: Any = Path([(-1, 0), (-0.3, -0.7), (1, 0.8)])
        if self.errors is None:
            right = self.y_pred[index] == self.y_true[index]
            mark, is_second, width = (check, False, 1) if right else ("x", True, 3)
        else:
            error = self.errors[index]
            mark, is_second, width = "^" if error > 0 else "v" if error else None, error > 0, 1
        color = palette(axes)[int(is_second)]
        axes.spines[:].set(color=color, linewidth=width)
        if mark is not None:
            style = {"transform": axes.transAxes, "clip_on": False, "zorder": 5, "markeredgecolor": "white"}
            axes.plot(1, 0, marker="o", markersize=11, color=color, **style)
            axes.plot(1, 0, marker=mark, markersize=5, markeredgewidth=1.5, markerfacecolor="none", **style)

    def _describe(self, index: int) -> str:
        """Return what is written above an image."""
        if self.errors is not None:
            true, pred = (format_number(numbers[index]) for numbers in (self.y_true, self.y_pred))
            return f"true: {true}\npred: {pred} ({format_number(self.errors[index], digits=2, sign=True)})"
        names = self.names or {}
        true, pred = (
            _shorten(str(names.get(label, label))) for label in (self.y_true[index], self.y_pred[index])
        )
        probability = "" if self.confidence is None else f" {self.confidence[index]:.2f}"
        return f"true: {true}\npred: {pred}{probability}"


def _gather_grid(
    X: ImagesLike,
    y: ArrayLike,
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]],
    *,
    names: dict[Any, str] | None,
    pixels: dict[str, Any],
    select: str,
    label: object,
    n_images: int,
    random_state: RandomState,
) -> dict[str, Any]:
    """Return what a `PredictionGridDisplay` shows, by the names of its parameters.

    `predict` maps positions in `X` to what is predicted and to its probabilities, or None; it is asked for no
    more than `select` and `label` need. `names` maps labels to what is written for them; None of a
    regression. `pixels` is how `check_images` reads images; `PredictionGridDisplay` describes the rest.
    """
    kind = "regression" if names is None else "classification"
    if select not in _SELECTIONS[kind]:
        known = ", ".join(map(repr, _SELECTIONS[kind]))
        raise ValueError(f"select must be one of {known} for {kind}. Got {select!r}.")
    y = as_targets(y, "y") if names is None else check_one_target(y, "y")
    check_consistent_length(X, y)
    rows, pool = np.arange(len(y)), f"{len(y):,} images"
    if names is not None and label is not None:
        label = find_label(label, names)
        rows = np.flatnonzero(y == label)
        pool = f"{len(rows):,} images of {names[label]}"
    if not len(rows):
        raise ValueError(f"There must be images to choose from. Got none whose true label is {label!r}.")
    if select == "random":
        rows = check_random_state(random_state).permutation(rows)
    if select in ("random", "first"):
        rows = rows[:n_images]
    y_pred, confidence = predict(rows)
    if names is None:
        y_pred = as_targets(y_pred, "y_pred")
    n_wrong = np.sum(y_pred != y[rows])
    order = _rank(select, y[rows], y_pred, confidence)[:n_images]
    chosen, y_pred = rows[order], y_pred[order]
    images = check_images(safe_indexing(X, chosen), **pixels) if len(chosen) else []
    title = {
        "random": f"{len(chosen)} of {pool}, drawn at random",
        "first": f"The first {len(chosen)} of {pool}",
        "confident_mistakes": f"The {len(chosen)} most confident of {n_wrong} mistakes in {pool}",
        "least_certain": f"The {len(chosen)} least certain predictions for {pool}",
        "largest_errors": f"The {len(chosen)} largest errors of {pool}",
    }[select]
    errors = None
    if names is None:
        errors = y_pred - y[chosen]
        title += f": {format_number(np.abs(errors).mean(), digits=3)} off on average"
    elif not len(chosen):
        title = f"No mistakes in {pool}"
    elif select != "confident_mistakes":
        title += f": {np.sum(y_pred != y[chosen])} mistaken"
    return {
        "images": [make_thumbnail(image) for image in images],
        "y_true": y[chosen],
        "y_pred": y_pred,
        "confidence": None if confidence is None else confidence[order],
        "errors": errors,
        "indices": chosen,
        "names": names,
        "title": title,
    }


def _rank(select: str, y: np.ndarray, y_pred: np.ndarray, confidence: np.ndarray | None) -> np.ndarray:
    """Return which of the predicted images are shown, in their order."""
    if select in ("random", "first"):
        return np.arange(len(y))
    if select == "largest_errors":
        return np.argsort(-np.abs(y_pred - y), kind="stable")
    if confidence is None:
        raise ValueError(f"select={select!r} needs probabilities. Pass y_proba, or choose select='random'.")
    if select == "least_certain":
        return np.argsort(confidence, kind="stable")
    order = np.argsort(-confidence, kind="stable")
    return order[(y_pred != y)[order]]


def _refuse_labels(*given: object) -> None:
    if any(each is not None for each in given):
        raise ValueError("label, display_labels and classes are for classes. Got predicted numbers.")


def _shorten(name: str) -> str:
    """Leave out the middle of a long name: names of one kind often begin alike."""
    half = (_LONGEST_NAME - 1) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1 - half]}…{name[-half:]}"

"""PredictionGridDisplay: images with their true and predicted classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.axes import make_axes, palette
from fishsk.features import check_images, resize_image
from fishsk.inspection._evaluation import find_confidence
from fishsk.inspection._settings import find_setting, name_classes

_SELECTIONS = ("random", "first", "confident_mistakes", "least_certain")
_LONGEST_SIDE = 256  # pixels: more than a cell of the grid shows, and a photograph takes 30 MB
_LONGEST_NAME = 24  # characters
_CHARACTER_WIDTH = 0.6  # of the font's size


class PredictionGridDisplay:
    """A grid of images with their true and predicted labels.

    Use `from_estimator` or `from_predictions` to create one. A wrong prediction has a cross and a heavy
    frame, a right one a check mark and a light frame: they are told apart without their colors.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, 3), uint8
        The images that are shown, RGB in 0 to 255.
    y_true, y_pred : ndarray of shape (n_images,)
        Their true and predicted labels.
    confidence : ndarray of shape (n_images,), default=None
        The probability that was predicted for `y_pred`, in 0 to 1.
    indices : ndarray of shape (n_images,), default=None
        Where the images stand in the data they were chosen from.
    names : dict of label to str, default=None
        What to write for a label; by default the label itself.
    n_cols : int, default=6
        Number of images in a row.
    title : str, default=None
        The title of a figure that `plot` makes.

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
    sklearn.metrics.ConfusionMatrixDisplay : How often which class was taken for which.

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
    """

    def __init__(
        self, *, images, y_true, y_pred, confidence=None, indices=None, names=None, n_cols=6, title=None
    ):
        self.images = images
        self.y_true = y_true
        self.y_pred = y_pred
        self.confidence = confidence
        self.indices = indices
        self.names = names
        self.n_cols = n_cols
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        select="random",
        label=None,
        n_rows=6,
        n_cols=6,
        display_labels=None,
        image_shape=None,
        input_range="auto",
        random_state=None,
        ax=None,
        im_kw=None,
        text_kw=None,
    ):
        """Let a fitted classifier predict, and draw some of the images.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier of images, such as `make_fish_pipeline` makes. Probabilities are shown if it
            has ``predict_proba``. It sees only the images that are drawn where `select` allows it.
        X : array-like or sequence
            Images, as `VGG16FeatureTransformer` describes them.
        y : array-like of shape (n_samples,)
            Their true labels.
        select : {"random", "first", "confident_mistakes", "least_certain"}, default="random"
            Which images: drawn at random; the first ones; the wrong predictions, the most probable first;
            or the predictions of the lowest probability, the lowest first. The last two need probabilities.
        label : label or str, default=None
            Choose from the images of this true label alone; a name in `display_labels` serves as well.
        n_rows, n_cols : int, default=6
            The size of the grid; fewer images make fewer rows.
        display_labels : array-like of shape (n_classes,), default=None
            What to write for each of ``estimator.classes_``; by default the label itself.
        image_shape : tuple of int, default=None
            (height, width) or (height, width, channels) of the images of a 2-D `X`; by default what the
            estimator's transformer was given.
        input_range : {"auto"}, tuple of (low, high) or None, default="auto"
            What black and white are in `X` that is not uint8; None takes values as they are. "auto" is what
            the estimator's transformer was given, or else (0, 255).
        random_state : int, RandomState instance or None, default=None
            Seeds ``select="random"``.
        ax : matplotlib Axes or array-like of Axes, default=None
            As for `plot`.
        im_kw, text_kw : dict, default=None
            As for `plot`.

        Returns
        -------
        PredictionGridDisplay
            The display, plotted.
        """

        def predict(rows):
            chosen = safe_indexing(X, rows)
            y_pred = np.asarray(estimator.predict(chosen))
            if not hasattr(estimator, "predict_proba"):
                return y_pred, None
            return y_pred, find_confidence(y_pred, estimator.predict_proba(chosen), estimator.classes_)

        check_is_fitted(estimator)
        if not is_classifier(estimator):
            raise ValueError(f"estimator must be a classifier. Got {estimator!r}.")
        settings = estimator.get_params()
        if image_shape is None:
            image_shape = find_setting(settings, "image_shape", None)
        if isinstance(input_range, str):
            input_range = find_setting(settings, "input_range", (0, 255))
        gathered = gather_predictions(
            X,
            y,
            predict,
            classes=estimator.classes_,
            select=select,
            label=label,
            n_images=n_rows * n_cols,
            display_labels=display_labels,
            image_shape=image_shape,
            input_range=input_range,
            random_state=random_state,
        )
        return cls(**gathered, n_cols=n_cols).plot(ax=ax, im_kw=im_kw, text_kw=text_kw)

    @classmethod
    def from_predictions(
        cls,
        X,
        y_true,
        y_pred=None,
        *,
        y_proba=None,
        classes=None,
        select="random",
        label=None,
        n_rows=6,
        n_cols=6,
        display_labels=None,
        image_shape=None,
        input_range=(0, 255),
        random_state=None,
        ax=None,
        im_kw=None,
        text_kw=None,
    ):
        """Draw some of the images of given predictions.

        Parameters
        ----------
        X : array-like or sequence
            Images, as `VGG16FeatureTransformer` describes them.
        y_true : array-like of shape (n_samples,)
            Their true labels.
        y_pred : array-like of shape (n_samples,), default=None
            Their predicted labels; by default the most probable ones of `y_proba`.
        y_proba : array-like of shape (n_samples, n_classes), default=None
            Predicted probabilities, the columns in the order of `classes`.
        classes : array-like of shape (n_classes,), default=None
            The labels; by default those that occur in `y_true` and `y_pred`, sorted.
        select : {"random", "first", "confident_mistakes", "least_certain"}, default="random"
            Which images: drawn at random; the first ones; the wrong predictions, the most probable first;
            or the predictions of the lowest probability, the lowest first. The last two need `y_proba`.
        label : label or str, default=None
            Choose from the images of this true label alone; a name in `display_labels` serves as well.
        n_rows, n_cols : int, default=6
            The size of the grid; fewer images make fewer rows.
        display_labels : array-like of shape (n_classes,), default=None
            What to write for each of `classes`; by default the label itself.
        image_shape : tuple of int, default=None
            (height, width) or (height, width, channels) of the images of a 2-D `X`.
        input_range : tuple of (low, high) or None, default=(0, 255)
            What black and white are in `X` that is not uint8; None takes values as they are.
        random_state : int, RandomState instance or None, default=None
            Seeds ``select="random"``.
        ax : matplotlib Axes or array-like of Axes, default=None
            As for `plot`.
        im_kw, text_kw : dict, default=None
            As for `plot`.

        Returns
        -------
        PredictionGridDisplay
            The display, plotted.
        """
        if y_pred is None and y_proba is None:
            raise ValueError("Predictions must be given. Got neither y_pred nor y_proba: pass one or both.")
        if classes is None:
            given = (y_true,) if y_pred is None else (y_true, y_pred)
            classes = np.unique(np.concatenate([column_or_1d(labels) for labels in given]))
        classes = np.asarray(classes)
        if y_proba is not None:
            y_proba = np.asarray(y_proba)
            if y_proba.ndim != 2 or y_proba.shape[1] != len(classes):
                raise ValueError(
                    f"y_proba must have one column for each of the classes {classes.tolist()!r}. Got shape "
                    f"{y_proba.shape}. Pass classes, in the order of the columns."
                )
        y_pred = classes[y_proba.argmax(axis=1)] if y_pred is None else column_or_1d(y_pred)
        check_consistent_length(X, y_true, y_pred, y_proba)
        confidence = None if y_proba is None else find_confidence(y_pred, y_proba, classes)

        def predict(rows):
            return y_pred[rows], None if confidence is None else confidence[rows]

        gathered = gather_predictions(
            X,
            y_true,
            predict,
            classes=classes,
            select=select,
            label=label,
            n_images=n_rows * n_cols,
            display_labels=display_labels,
            image_shape=image_shape,
            input_range=input_range,
            random_state=random_state,
        )
        return cls(**gathered, n_cols=n_cols).plot(ax=ax, im_kw=im_kw, text_kw=text_kw)

    def plot(self, ax=None, *, im_kw=None, text_kw=None):
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
        self.figure_, self.bounding_ax_, self.axes_ = make_axes(
            ax,
            (n_rows, n_cols),
            n_images,
            figsize=(max(1.4 * n_cols, 5), 1.7 * n_rows + 0.3),
            hspace=0.4,
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
            axes.set_title(texts[index], **(style | normalize_kwargs(text_kw, Text)))
            _mark_cell(axes, self.y_pred[index] == self.y_true[index])
        return self

    def _describe(self, index):
        """Return what is written above an image."""
        names = self.names or {}
        true, pred = (
            _shorten(str(names.get(label, label))) for label in (self.y_true[index], self.y_pred[index])
        )
        probability = "" if self.confidence is None else f" {self.confidence[index]:.2f}"
        return f"true: {true}\npred: {pred}{probability}"


def gather_predictions(
    X: Any,
    y: Any,
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]],
    *,
    classes: np.ndarray,
    select: str = "random",
    label: Any = None,
    n_images: int = 36,
    display_labels: Any = None,
    image_shape: tuple | None = None,
    input_range: tuple | None = (0, 255),
    random_state: Any = None,
) -> dict[str, Any]:
    """Return what a `PredictionGridDisplay` shows, by the names of its parameters.

    `predict` maps positions in `X` to predicted labels and to their probabilities, or None; it is asked for
    no more than `select` and `label` need. `from_predictions` describes the other parameters.
    """
    if select not in _SELECTIONS:
        raise ValueError(f"select must be one of {', '.join(map(repr, _SELECTIONS))}. Got {select!r}.")
    y = column_or_1d(y)
    check_consistent_length(X, y)
    names = name_classes(classes, display_labels)
    found = None if label is None else _find_label(label, names)
    rows = np.arange(len(y)) if label is None else np.flatnonzero(y == found)
    n_candidates = len(rows)
    if not n_candidates:
        raise ValueError(f"There must be images to choose from. Got none whose true label is {label!r}.")
    if select == "random":
        rows = check_random_state(random_state).permutation(rows)
    if select in ("random", "first"):
        rows = rows[:n_images]
    y_pred, confidence = predict(rows)
    wrong = y_pred != y[rows]
    if select in ("random", "first"):
        order = np.arange(len(rows))
    elif confidence is None:
        raise ValueError(f"select={select!r} needs probabilities. Pass y_proba, or choose select='random'.")
    elif select == "confident_mistakes":
        order = np.argsort(-confidence, kind="stable")
        order = order[wrong[order]]
    else:
        order = np.argsort(confidence, kind="stable")
    chosen = rows[order[:n_images]]
    y_pred = y_pred[order[:n_images]]
    images: Sequence = []
    if len(chosen):
        images = check_images(safe_indexing(X, chosen), image_shape=image_shape, input_range=input_range)
    pool = f"{n_candidates} images" if label is None else f"{n_candidates} images of {names[found]}"
    mistaken = f"{(y_pred != y[chosen]).sum()} mistaken"
    title = {
        "random": f"{len(chosen)} of {pool}, drawn at random: {mistaken}",
        "first": f"The first {len(chosen)} of {pool}: {mistaken}",
        "confident_mistakes": f"The {len(chosen)} most confident of {wrong.sum()} mistakes in {pool}",
        "least_certain": f"The {len(chosen)} least certain predictions for {pool}: {mistaken}",
    }[select]
    if not len(chosen):
        title = f"No mistakes in {pool}"
    return {
        "images": [_thumbnail(image) for image in images],
        "y_true": y[chosen],
        "y_pred": y_pred,
        "confidence": None if confidence is None else confidence[order[:n_images]],
        "indices": chosen,
        "names": names,
        "title": title,
    }


def _find_label(label: Any, names: Mapping[Any, str]) -> Any:
    """Return the label that `label` is, or whose name it is."""
    if label in names:
        return label
    for known, name in names.items():
        if name == label:
            return known
    raise ValueError(
        f"label must be one of {list(names)!r} or of their names {list(names.values())!r}. Got {label!r}."
    )


def _thumbnail(image: np.ndarray) -> np.ndarray:
    """Return an image as uint8, and not larger than a grid can show."""
    height, width = image.shape[:2]
    scale = _LONGEST_SIDE / max(height, width)
    if scale < 1:
        image = resize_image(image, (max(1, round(scale * height)), max(1, round(scale * width))))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _shorten(name: str) -> str:
    """Leave out the middle of a long name: names of one kind often begin alike."""
    half = (_LONGEST_NAME - 1) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1 - half]}…{name[-half:]}"


def _mark_cell(axes: Any, right: bool) -> None:
    """Frame an image, and put a check mark or a cross on its corner."""
    from matplotlib.path import Path

    color = palette(axes)[0 if right else 1]
    axes.spines[:].set(color=color, linewidth=1 if right else 3)
    # Paths, because few fonts have a check mark.
    check = Path([(-1, 0), (-0.3, -0.7), (1, 0.8)])
    cross = Path([(-0.8, -0.8), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8)], [1, 2, 1, 2])
    style = {"transform": axes.transAxes, "clip_on": False, "zorder": 5}
    axes.plot(1, 0, marker="o", markersize=11, color=color, markeredgecolor="white", **style)
    style |= {"markersize": 5, "markeredgewidth": 1.5, "markeredgecolor": "white"}
    axes.plot(1, 0, marker=check if right else cross, markerfacecolor="none", **style)

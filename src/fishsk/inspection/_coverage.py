"""AccuracyCoverageDisplay: how accurate a classifier is if it answers only above a probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.axes import make_ax, palette
from fishsk.inspection._classification import (
    ClassificationEvaluation,
    accuracy_interval,
    check_proba,
    evaluate_classification,
)
from fishsk.inspection._evaluation import evaluate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fishsk._utils.typing import ArrayLike, ImagesLike

_N_POINTS = 200  # of a curve: more cannot be seen
_LEAST_GAP = 0.045  # of coverage between two marks that are labeled
PROBABILITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Answers:
    """Coverage and accuracy if only predictions above a probability count as answers."""

    probability: float  # the least of an answer
    coverage: float  # the share of images that get an answer
    accuracy: float  # the share of right ones among the answers; NaN if there are none
    interval: tuple[float, float]  # of 95 %, Wilson's
    n_mistakes: int  # wrong answers that remain


def answer_above(evaluation: ClassificationEvaluation, probability: float) -> Answers:
    """Return what becomes of predictions if only those of at least a probability are answers."""
    right = (evaluation.y_true == evaluation.y_pred)[evaluation.confidence >= probability]
    return Answers(
        probability=float(probability),
        coverage=len(right) / len(evaluation.y_true),
        accuracy=float(right.mean()) if len(right) else float("nan"),
        interval=accuracy_interval(right),
        n_mistakes=int((~right).sum()),
    )


def gather_coverage(
    evaluation: ClassificationEvaluation, probabilities: Sequence[float] = PROBABILITIES
) -> dict[str, Any]:
    """Return the numbers of an `AccuracyCoverageDisplay`, of predictions that have probabilities."""
    steps = np.unique(evaluation.confidence)[::-1]
    steps = steps[np.linspace(0, len(steps) - 1, min(_N_POINTS, len(steps))).astype(int)]
    curve = [answer_above(evaluation, step) for step in steps]
    marks = [answer_above(evaluation, probability) for probability in sorted(probabilities)]
    return {
        "probability": steps,
        "coverage": np.array([each.coverage for each in curve]),
        "accuracy": np.array([each.accuracy for each in curve]),
        "interval": np.array([each.interval for each in curve]),
        "marks": [mark for mark in marks if mark.coverage > 0],
    }


@dataclass(kw_only=True, eq=False, repr=False)
class AccuracyCoverageDisplay:
    """Accuracy of a classifier that answers only above a probability, against the share that it answers.

    Use `from_estimator` or `from_predictions` to create one. At the right end, all images get an answer; to
    the left, those remain whose predicted class is the more probable [1]_. A classifier whose probabilities
    tell right from wrong has a curve that rises to the left.

    Parameters
    ----------
    probability : ndarray of shape (n_points,)
        The smallest probability of an answer, the highest first.
    coverage, accuracy : ndarray of shape (n_points,)
        The share of images that get an answer, and the share of these that is right.
    interval : ndarray of shape (n_points, 2)
        The 95 % interval of the accuracy (Wilson's).
    marks : list of Answers
        Points that are marked, with their probability where there is room; the lowest probability first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the curve.
    figure_ : matplotlib Figure
        The figure of the curve.
    line_ : matplotlib Line2D
        The curve.
    band_ : matplotlib PolyCollection
        The interval of the accuracy.

    See Also
    --------
    find_unfamiliar : Images unlike those of training, which probabilities do not reveal.
    sklearn.calibration.CalibrationDisplay : Whether predicted probabilities match observed frequencies.

    References
    ----------
    .. [1] Y. Geifman and R. El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017,
       https://arxiv.org/abs/1705.08500

    Examples
    --------
    >>> from fishsk import AccuracyCoverageDisplay
    >>> y_proba = [[0.9, 0.1], [0.2, 0.8], [0.55, 0.45], [0.6, 0.4]]
    >>> display = AccuracyCoverageDisplay.from_predictions(["ray", "trout", "trout", "ray"], y_proba)
    >>> display.accuracy
    array([1.  , 1.  , 1.  , 0.75])
    """

    probability: np.ndarray
    coverage: np.ndarray
    accuracy: np.ndarray
    interval: np.ndarray
    marks: Sequence[Answers] = ()

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ImagesLike,
        y: ArrayLike,
        *,
        probabilities: Sequence[float] = PROBABILITIES,
        ax: Axes | None = None,
        line_kw: dict[str, object] | None = None,
        fill_between_kw: dict[str, object] | None = None,
    ) -> Self:
        """Let a fitted classifier predict, and draw the curve.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier with ``predict_proba``.
        X : array-like or sequence
            The samples, such as images, that it predicts. None of them should have been in training.
        y : array-like of shape (n_samples,)
            The true labels.
        probabilities : sequence of float, default=(0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
            Which points of the curve to mark.
        ax, line_kw, fill_between_kw : optional
            As in `plot`.

        Returns
        -------
        AccuracyCoverageDisplay
            The display, plotted.

        Raises
        ------
        ValueError
            If the estimator is no classifier, or gives no probabilities.
        """
        check_is_fitted(estimator)
        if not is_classifier(estimator) or not hasattr(estimator, "predict_proba"):
            raise ValueError(f"estimator must be a classifier with predict_proba. Got {estimator!r}.")
        display = cls(**gather_coverage(evaluate(estimator, X, y), probabilities))
        return display.plot(ax=ax, line_kw=line_kw, fill_between_kw=fill_between_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        probabilities: Sequence[float] = PROBABILITIES,
        ax: Axes | None = None,
        line_kw: dict[str, object] | None = None,
        fill_between_kw: dict[str, object] | None = None,
    ) -> Self:
        """Draw the curve of given predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            The true labels.
        y_proba : array-like of shape (n_samples, n_classes)
            Predicted probabilities, the columns in the order of `classes`.
        classes : array-like of shape (n_classes,), default=None
            The labels; by default those of `y_true`, sorted.
        probabilities, ax, line_kw, fill_between_kw : optional
            As in `from_estimator`.

        Returns
        -------
        AccuracyCoverageDisplay
            The display, plotted.
        """
        classes = np.unique(y_true) if classes is None else np.asarray(classes)
        y_proba = check_proba(y_proba, classes)
        display = cls(**gather_coverage(evaluate_classification(y_true, y_proba, classes), probabilities))
        return display.plot(ax=ax, line_kw=line_kw, fill_between_kw=fill_between_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kw: dict[str, object] | None = None,
        fill_between_kw: dict[str, object] | None = None,
    ) -> Self:
        """Draw the curve, its interval and its marks.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default a new figure is made.
        line_kw : dict, default=None
            Keyword arguments for the line.
        fill_between_kw : dict, default=None
            Keyword arguments for the band.

        Returns
        -------
        AccuracyCoverageDisplay
            This display.
        """
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D
        from matplotlib.ticker import PercentFormatter

        self.ax_ = axes = make_ax(ax, figsize=(6.4, 4.4))
        self.figure_ = axes.figure
        color = palette(axes)[0]
        style = {"color": color, "linewidth": 1.8} | normalize_kwargs(line_kw or {}, Line2D)
        (self.line_,) = axes.plot(self.coverage, self.accuracy, **style)
        band = {"color": style["color"], "alpha": 0.2, "linewidth": 0}
        band |= normalize_kwargs(fill_between_kw or {}, PolyCollection)
        self.band_ = axes.fill_between(self.coverage, *self.interval.T, **band)
        labeled = 0.0
        for mark in reversed(self.marks):  # from left to right
            axes.plot(mark.coverage, mark.accuracy, "o", color=style["color"])
            if mark.coverage - labeled >= _LEAST_GAP:
                labeled = mark.coverage
                axes.annotate(
                    f"{mark.probability:g}",
                    (mark.coverage, mark.accuracy),
                    xytext=(0, -14),
                    textcoords="offset points",
                    ha="center",
                    fontsize="small",
                )
        axes.set(xlabel="Share of images that get an answer", ylabel="Accuracy of the answers")
        axes.set(xlim=(0, 1.03), ylim=(min(0.9, self.accuracy.min() - 0.1), 1.01))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        return self

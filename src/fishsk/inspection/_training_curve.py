"""TrainingCurveDisplay: how a head's training went, epoch by epoch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from fishsk._utils.axes import make_axes, palette
from fishsk.inspection._estimators import fitted_head

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D

_PANELS = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "mean_absolute_error": "Mean absolute\nerror",
    "learning_rate": "Learning\nrate",
}


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingCurveDisplay:
    """Training curves of one head, or of several as mean and band.

    Use `from_estimator` or `from_history` to create one. The panels share their epochs, which the figure
    counts from 1: loss, accuracy or mean absolute error, and the learning rate where it was recorded. The
    epoch of the lowest validation loss and the span of overfitting are marked.

    Parameters
    ----------
    curves : dict of str to ndarray of shape (n_runs, n_epochs)
        Values recorded after each epoch: "loss", and any of "accuracy", "mean_absolute_error", these with
        ``"val_"`` before them, and "learning_rate". NaN after the end of a run that was shorter than others.
    means, stds : dict of str to ndarray of shape (n_epochs,)
        Mean and standard deviation of `curves` over the runs; NaN from where the first run ended.
    best_epochs, overfit_epochs : list of int or None
        For each run, counted from 0, the epoch of its lowest validation loss and the one in which it began
        to overfit; None where there is none, or where there was no validation.
    run_name : str, default="run"
        Name of one of several runs, such as "fold".

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        The panels: loss, and accuracy, mean absolute error and learning rate where they were recorded.
    bounding_ax_ : matplotlib Axes or None
        The axes that `plot` was given to divide.
    figure_ : matplotlib Figure
        The figure of the panels.
    lines_ : dict of str to matplotlib Line2D
        The mean of each curve, or the curve itself where there is one run.
    bands_ : dict of str to matplotlib PolyCollection
        One standard deviation around the means; empty where there is one run.

    See Also
    --------
    PredictionGridDisplay : Images with their true and predicted labels.
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of training samples.

    Examples
    --------
    >>> from fishsk import TrainingCurveDisplay
    >>> history = {
    ...     "loss": [1.5, 0.9, 0.6, 0.4],
    ...     "val_loss": [1.3, 1.0, 0.9, 1.1],
    ...     "learning_rate": [1e-3, 1e-3, 1e-3, 5e-4],
    ... }
    >>> display = TrainingCurveDisplay.from_history(history)
    >>> display.best_epochs
    [2]
    >>> len(display.axes_)  # loss, learning rate
    2
    """

    curves: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    stds: dict[str, np.ndarray]
    best_epochs: list[int | None]
    overfit_epochs: list[int | None]
    run_name: str = "run"

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        run_name: str | None = None,
        ax: Axes | np.ndarray | None = None,
        line_kw: dict[str, object] | None = None,
        fill_between_kw: dict[str, object] | None = None,
    ) -> Self:
        """Draw the training of one or several fitted estimators.

        Parameters
        ----------
        estimator : estimator, list of estimators, or dict
            A fitted `KerasHeadClassifier` or `KerasHeadRegressor` (in a `TransformedTargetRegressor`, too), a
            fitted pipeline that ends in one, a fitted search over either (its best estimator is drawn), a
            list of any of these, or what ``cross_validate(..., return_estimator=True)`` returned.
        run_name : str, default=None
            Name of one of several runs; by default "fold" for the dict of `cross_validate`, else "run".
        ax, line_kw, fill_between_kw : optional
            As in `plot`.

        Returns
        -------
        TrainingCurveDisplay
            The display, plotted.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If an estimator has not been fitted.
        TypeError
            If an estimator keeps no history of its training.
        """
        is_of_folds = isinstance(estimator, Mapping)
        if is_of_folds and "estimator" not in estimator:
            raise ValueError(
                f"A dict must hold fitted estimators under 'estimator'. Got the keys {sorted(estimator)!r}. "
                "Pass return_estimator=True to cross_validate, or draw a history with from_history."
            )
        estimator = estimator["estimator"] if is_of_folds else estimator
        estimators = list(estimator) if isinstance(estimator, list | tuple | np.ndarray) else [estimator]
        heads = [fitted_head(each) for each in estimators]
        return cls.from_history(
            [head.history_ for head in heads],
            overfit_epoch=[getattr(head, "overfit_epoch_", None) for head in heads],
            run_name=run_name or ("fold" if is_of_folds else "run"),
            ax=ax,
            line_kw=line_kw,
            fill_between_kw=fill_between_kw,
        )

    @classmethod
    def from_history(
        cls,
        history: Any,
        *,
        overfit_epoch: Any = None,
        run_name: str = "run",
        ax: Axes | np.ndarray | None = None,
        line_kw: dict[str, object] | None = None,
        fill_between_kw: dict[str, object] | None = None,
    ) -> Self:
        """Draw the curves of one or several training histories.

        Parameters
        ----------
        history : dict of str to list of float, or list of such dicts
            Values recorded after each epoch, as in ``KerasHeadClassifier.history_`` and in Keras's
            ``History.history``: "loss", and any of "accuracy", "mean_absolute_error", these with ``"val_"``
            before them, and "learning_rate".
        overfit_epoch : int or None, or list of these, default=None
            The epoch, counted from 0, in which overfitting began; for several histories a list.
        run_name : str, default="run"
            Name of one of several histories, such as "fold" or "candidate".
        ax, line_kw, fill_between_kw : optional
            As in `plot`.

        Returns
        -------
        TrainingCurveDisplay
            The display, plotted.
        """
        histories = history
        if isinstance(history, Mapping):
            histories, overfit_epoch = [history], [overfit_epoch]
        if not histories or any(len(history.get("loss", ())) == 0 for history in histories):
            raise ValueError(
                "A history must be a dict of lists, 'loss' among them, of at least one epoch. Got "
                f"{[dict(history) for history in histories]!r}. Pass KerasHeadClassifier.history_."
            )
        overfit_epochs = [None] * len(histories) if overfit_epoch is None else overfit_epoch
        check_consistent_length(histories, overfit_epochs)
        names = [name for key in _PANELS for name in (key, f"val_{key}") if all(name in h for h in histories)]
        n_epochs = max(len(history["loss"]) for history in histories)
        curves = {name: np.full((len(histories), n_epochs), np.nan) for name in names}
        for name, runs in curves.items():
            for run, history in zip(runs, histories, strict=True):
                if len(history[name]) != len(history["loss"]):
                    raise ValueError(
                        f"All lists of a history must be of one length. Got {len(history['loss'])} values of "
                        f"'loss' and {len(history[name])} of {name!r}."
                    )
                run[: len(history[name])] = history[name]
            runs[~np.isfinite(runs)] = np.nan  # infinite values would warn in std, and when drawn
        best = [
            None if np.isnan(run).all() else int(np.nanargmin(run))
            for run in curves.get("val_loss", np.full((len(histories), 1), np.nan))
        ]
        display = cls(
            curves=curves,
            means={name: values.mean(axis=0) for name, values in curves.items()},
            stds={name: values.std(axis=0) for name, values in curves.items()},
            best_epochs=best,
            overfit_epochs=list(overfit_epochs),
            run_name=run_name,
        )
        return display.plot(ax=ax, line_kw=line_kw, fill_between_kw=fill_between_kw)

    def plot(
        self,
        ax: Axes | np.ndarray | None = None,
        *,
        line_kw: dict[str, object] | None = None,
        fill_between_kw: dict[str, object] | None = None,
    ) -> Self:
        """Draw the curves.

        Of several runs each is a thin line, with their mean and a band of one standard deviation as far as
        all of them went.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes, default=None
            Axes of `matplotlib.pyplot.subplots` to divide into panels, or one axes for each panel. By
            default a new figure is made.
        line_kw : dict, default=None
            Keyword arguments for the lines of loss and accuracy.
        fill_between_kw : dict, default=None
            Keyword arguments for the bands.

        Returns
        -------
        TrainingCurveDisplay
            This display.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        panels = [key for key in _PANELS if key in self.curves]
        heights = [0.9 if key == "learning_rate" else 2.2 for key in panels]
        figsize = (6.4, 0.8 + sum(heights))
        self.figure_, self.bounding_ax_, axes = make_axes(
            ax, (len(panels), 1), len(panels), figsize=figsize, height_ratios=heights
        )
        self.axes_ = axes.ravel()[: len(panels)]
        self.lines_: dict[str, Line2D] = {}
        self.bands_: dict[str, PolyCollection] = {}
        stacked = ax is None or self.bounding_ax_ is not None
        overfit = [epoch + 1 for epoch in self.overfit_epochs if epoch is not None]
        for panel, axes in zip(panels, self.axes_, strict=True):
            if panel == "learning_rate":
                self._plot_learning_rate(axes)
            else:
                self._plot_metric(axes, panel, line_kw or {}, fill_between_kw or {})
            axes.set_ylabel(_PANELS[panel])
            end = self.curves["loss"].shape[1] + 0.5
            axes.set_xlim(0.5, end)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if stacked and panel != panels[-1]:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("Epoch")
            if overfit:
                start, color = statistics.median_low(overfit), plt.rcParams["text.color"]
                shade = axes.axvspan(start, end, color=color, alpha=0.1, linewidth=0)
                axes.axvline(start, color=color, linewidth=0.8, linestyle=":")
        if stacked:
            self.figure_.align_ylabels(self.axes_)
        # The legend is above the first panel, where it covers no data.
        axes = self.axes_[0]
        handles = [line for key, line in self.lines_.items() if key.endswith("loss")]
        labels = ["training", "validation"][: len(handles)]
        if any(epoch is not None for epoch in self.best_epochs):
            handles += axes.plot([], [], **self._best_style(axes))
            labels.append(f"lowest validation loss: epoch {_count_epochs(self.best_epochs, self.run_name)}")
        if overfit:
            handles.append(shade)
            labels.append(f"overfitting from epoch {_count_epochs(self.overfit_epochs, self.run_name)}")
        n_runs = len(self.curves["loss"])
        axes.legend(
            handles,
            labels,
            title=f"Mean of {n_runs} {self.run_name}s, and one standard deviation" if n_runs > 1 else None,
            alignment="left",
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            ncols=2,
            fontsize="small",
            frameon=False,
        )
        return self

    def _plot_metric(
        self, axes: Axes, panel: str, line_kw: dict[str, Any], fill_between_kw: dict[str, Any]
    ) -> None:
        """Draw the training and the validation curves of one metric, and mark the best epochs."""
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.collections import PolyCollection
        from matplotlib.lines import Line2D

        for key, color, linestyle in zip((panel, f"val_{panel}"), palette(axes), ("--", "-"), strict=True):
            if key not in self.curves:
                continue
            runs, mean, std = self.curves[key], self.means[key], self.stds[key]
            epochs = np.arange(1, len(mean) + 1)
            # A dot, because a run of one epoch has no line to see.
            style: dict[str, Any] = {"color": color, "linestyle": linestyle, "linewidth": 1.8}
            style |= {"marker": "." if len(mean) == 1 else None} | normalize_kwargs(line_kw, Line2D)
            if len(runs) > 1:
                axes.plot(epochs, runs.T, color=style["color"], linewidth=0.6, alpha=0.6)
                band: dict[str, Any] = {"color": style["color"], "alpha": 0.2, "linewidth": 0}
                band |= normalize_kwargs(fill_between_kw, PolyCollection)
                self.bands_[key] = axes.fill_between(epochs, mean - std, mean + std, **band)
            (self.lines_[key],) = axes.plot(epochs, mean, **style)
        for run, best in zip(self.curves.get(f"val_{panel}", ()), self.best_epochs, strict=False):
            if best is not None:
                axes.plot(best + 1, run[best], **self._best_style(axes))

    def _plot_learning_rate(self, axes: Axes) -> None:
        """Draw the steps of each run's learning rate, whose values become the ticks if they are few."""
        import matplotlib.pyplot as plt
        from matplotlib.ticker import NullLocator

        rates = self.curves["learning_rate"]
        style = {"color": plt.rcParams["text.color"], "linewidth": plt.rcParams["lines.linewidth"]}
        style["alpha"] = 1 if len(rates) == 1 else 0.5
        for run in rates:
            axes.stairs(run, np.arange(len(run) + 1) + 0.5, baseline=None, **style)
        values = np.unique([float(f"{rate:.3g}") for rate in rates[np.isfinite(rates)]])
        if values.size and values[0] > 0:
            axes.set_yscale("log")
            axes.margins(y=0.25)
            if len(values) <= 4:
                axes.set_yticks(values, [f"{value:g}" for value in values], fontsize="small")
                axes.yaxis.set_minor_locator(NullLocator())

    def _best_style(self, axes: Axes) -> dict[str, Any]:
        size, width = (7, 1.8) if len(self.best_epochs) == 1 else (4, 1)
        ring = {"marker": "o", "markersize": size, "markeredgewidth": width, "linestyle": "none", "zorder": 3}
        return ring | {"color": palette(axes)[1], "markerfacecolor": axes.get_facecolor()}


def _count_epochs(epochs: Sequence[int | None], run_name: str) -> str:
    """Return some epochs in words, counted from 1."""
    known = [epoch + 1 for epoch in epochs if epoch is not None]
    notes = []
    if min(known) < max(known):
        notes.append(f"median of {min(known)} to {max(known)}")
    if len(known) < len(epochs):
        notes.append(f"{len(known)} of {len(epochs)} {run_name}s")
    return f"{statistics.median_low(known)}" + (f" ({'; '.join(notes)})" if notes else "")

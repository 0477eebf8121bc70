"""Axes and colors that the displays share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

# Wong, Nature Methods 8:441 (2011): color-blind eyes tell them apart. The second pair is for dark grounds.
PALETTE_ON_LIGHT, PALETTE_ON_DARK = ("#0072B2", "#D55E00"), ("#56B4E9", "#E69F00")


def make_ax(ax: Axes | None, *, figsize: tuple[float, float]) -> Any:
    """Return an axes, or that of a new figure."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=figsize, layout="constrained").add_subplot() if ax is None else ax


def make_axes(
    ax: Axes | ArrayLike | None,
    shape: tuple[int, int],
    n_axes: int,
    *,
    figsize: tuple[float, float],
    **grid_kw: object,
) -> tuple[Figure, Axes | None, np.ndarray]:
    """Return (figure, divided axes or None, array of axes) as scikit-learn's displays understand `ax`."""
    import matplotlib.pyplot as plt

    if ax is None:
        figure = plt.figure(figsize=figsize, layout="constrained")
        axes = figure.subplots(*shape, squeeze=False, height_ratios=grid_kw.get("height_ratios"))
    elif isinstance(ax, plt.Axes):
        if not ax.axison or ax.get_subplotspec() is None:
            raise ValueError(
                "ax must be an axes of matplotlib.pyplot.subplots that is switched on; a display switches "
                f"off what it divides. Got {ax!r}. Pass display.axes_ to draw into the same panels again."
            )
        ax.set_axis_off()
        grid = ax.get_subplotspec().subgridspec(*shape, **grid_kw)
        grid.figure = ax.figure  # a GridSpec may have been made without one
        axes = grid.subplots(squeeze=False)
    else:
        axes, ax = np.asarray(ax, dtype=object), None
        if axes.size < n_axes:
            raise ValueError(
                f"ax must hold at least {n_axes} axes. Got {axes.size}. Pass more, or one axes to divide."
            )
    for surplus in axes.flat[n_axes:]:
        surplus.set_axis_off()
    return axes.flat[0].figure, ax, axes


def palette(axes: Axes) -> tuple[str, str]:
    """Return the two colors of a figure that stand out on its ground."""
    from matplotlib.colors import to_rgb

    is_light = np.mean(to_rgb(axes.figure.get_facecolor())) > 0.5
    return PALETTE_ON_LIGHT if is_light else PALETTE_ON_DARK

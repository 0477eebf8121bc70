"""write_comparison: one HTML file that shows what a new classifier fixed and what it broke."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from fishsk._utils.files import write_atomically
from fishsk._version import __version__
from fishsk.features import check_images
from fishsk.inspection import Comparison, NumberComparison, name_images
from fishsk.report._figures import encode_image
from fishsk.report._number_comparison import render_number_comparison
from fishsk.report._render import render_page

_SECTIONS = {"classes": "By class", "fixed": "Fixed", "broken": "Broken"}


def write_comparison(
    comparison: Comparison | NumberComparison,
    X: Any,
    path: str | os.PathLike,
    *,
    names: tuple[str, str] = ("Old", "New"),
    title: str | None = None,
    image_names: Sequence[str] | None = None,
    image_shape: tuple[int, ...] | None = None,
    input_range: Any = (0, 255),
    max_images: int = 60,
) -> Path:
    """Write what `compare_pipelines` found as one self-contained HTML file.

    The page holds the two accuracies, their difference with its interval and test, a table by class, and the
    images that only one of the two recognized; of regressors, mean absolute errors, and the images on which
    one is nearer to the truth. It has no script, and loads nothing.

    Parameters
    ----------
    comparison : Comparison or NumberComparison
        What `compare_pipelines` returned.
    X : array-like or sequence
        The images that it was given.
    path : path-like
        The file to write. It appears whole or not at all.
    names : (str, str), default=("Old", "New")
        What to call the two.
    title : str, default=None
        The title of the page.
    image_names : sequence of str, default=None
        What to call each image; by default its path, or its number in `X`.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the images of a 2-D `X`.
    input_range : tuple of (low, high) or None, default=(0, 255)
        What black and white are in `X` that is not uint8; None takes values as they are.
    max_images : int, default=60
        How many of the images that were fixed, and that were broken, the page shows at most.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If `X` does not hold as many images as were compared.
    OSError
        If the file cannot be written.

    See Also
    --------
    compare_pipelines : The numbers.
    write_report : A page on one classifier.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.svm import SVC
    >>> from fishsk import compare_pipelines, write_comparison
    >>> X, y = load_digits(return_X_y=True)
    >>> old, new = GaussianNB().fit(X[:900], y[:900]), SVC().fit(X[:900], y[:900])
    >>> comparison = compare_pipelines(old, new, X[900:], y[900:])
    >>> pixels = {"image_shape": (8, 8), "input_range": (0, 16)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_comparison(comparison, X[900:], Path(folder) / "comparison.html", **pixels)
    ...     path.read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    check_consistent_length(X, comparison.y_true, image_names)
    path = Path(path)
    images = check_images(X, image_shape=image_shape, input_range=input_range)
    name_a, name_b = map(str, names)
    all_names = name_images(X, np.arange(len(images))) if image_names is None else image_names
    album: dict[str, dict[str, Any]] = {}

    def show(row: int) -> dict[str, Any]:
        key = f"image-{row}"
        album[key] = encode_image(images[row])
        return {"image": {"id": key} | album[key], "name": str(all_names[row])}

    common: dict[str, Any] = {
        "title": f"{name_a} and {name_b} on {comparison.n_samples:,} images" if title is None else title,
        "p_value": "<0.001" if comparison.p_value < 0.001 else f"{comparison.p_value:.3f}",
        "images": album,
        "written": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        "version": __version__,
    }
    both = name_a, name_b
    if isinstance(comparison, NumberComparison):
        page = render_number_comparison(comparison, both, show, max_images, **common)
    else:
        page = _render_classes(comparison, both, show, max_images, **common)
    write_atomically(path, [page.encode()])
    return path


def _render_classes(
    comparison: Comparison,
    names: tuple[str, str],
    show: Callable[[int], dict[str, Any]],
    max_images: int,
    **context: Any,
) -> str:
    """Return the page of two classifiers."""
    name_a, name_b = names
    groups = [
        {
            "id": kind,
            "title": _SECTIONS[kind],
            "right": name,
            "count": len(rows),
            "shown": [show(row) | _describe(comparison, row) for row in rows[:max_images].tolist()],
        }
        for kind, name, rows in (("fixed", name_b, comparison.fixed), ("broken", name_a, comparison.broken))
    ]
    return render_page(
        "comparison.html",
        sections=_SECTIONS,
        name_a=name_a,
        name_b=name_b,
        whole=comparison,
        n_right_a=round(comparison.accuracy_a * comparison.n_samples),
        n_right_b=round(comparison.accuracy_b * comparison.n_samples),
        verdict=_judge(comparison),
        has_probabilities=not np.isnan(comparison.confidence_b).any(),
        classes=[{"name": str(label)} | vars(found) for label, found in comparison.per_class.items()],
        groups=groups,
        **context,
    )


def _describe(comparison: Comparison, row: int) -> dict[str, Any]:
    """Return the true label of an image, and both answers with their probabilities."""
    shown: dict[str, Any] = {"true": str(comparison.y_true[row])}
    for side in "ab":
        confidence = getattr(comparison, f"confidence_{side}")[row]
        shown[f"answer_{side}"] = str(getattr(comparison, f"y_pred_{side}")[row])
        shown[f"confidence_{side}"] = None if np.isnan(confidence) else f"{confidence:.2f}"
    return shown


def _judge(comparison: Comparison) -> str:
    """Return in a word what the test says at 5 %."""
    if comparison.difference == 0:
        return "same"
    if comparison.p_value >= 0.05:
        return "unsure"
    return "better" if comparison.difference > 0 else "worse"

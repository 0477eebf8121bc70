"""write_comparison: one HTML file that shows what a new classifier fixed and what it broke."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from fishsk.features import check_images
from fishsk.inspection import ClassificationComparison, RegressionComparison, format_number
from fishsk.report._figures import Album
from fishsk.report._render import format_p, format_percent, format_points, format_signed, shorten, write_page

_EVEN = "They differ in the same number of images each way, or in none."


def write_comparison(
    comparison: ClassificationComparison | RegressionComparison,
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
    """Write the result of `compare_pipelines` as one self-contained HTML file.

    The page holds the two accuracies, their difference with its interval and test, a table by class, and the
    images that only one of the two recognized; of regressors, mean absolute errors, and the images on which
    one is nearer to the truth. It has no script, and loads nothing.

    Parameters
    ----------
    comparison : ClassificationComparison or RegressionComparison
        The result of `compare_pipelines`.
    X : array-like or sequence
        The images that it was given.
    path : path-like
        The file to write. It appears whole or not at all.
    names : (str, str), default=("Old", "New")
        Names of the two.
    title : str, default=None
        The title of the page.
    image_names : sequence of str, default=None
        Name of each image; by default its path, or its number in `X`.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_predictions`.
    max_images : int, default=60
        Largest number of images that the page shows of those fixed, and of those broken.

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
    images = check_images(X, image_shape=image_shape, input_range=input_range)
    name_a, name_b = map(str, names)
    album = Album()
    if isinstance(comparison, RegressionComparison):
        page, answers = _describe_regression(comparison, name_a, name_b)
    else:
        page, answers = _describe_classification(comparison, name_a, name_b)
    for group in page["groups"]:
        group["count"] = len(group["rows"])
        group["shown"] = [
            {
                "image": album.add("image", images, row),
                "name": images.name(row) if image_names is None else str(image_names[row]),
                **{name: each[row] for name, each in answers.items()},
            }
            for row in group["rows"][:max_images].tolist()
        ]
    return write_page(
        path,
        "comparison.html",
        title=f"{name_a} and {name_b} on {comparison.n_samples:,} images" if title is None else title,
        sections=({"classes": "By class"} if page["classes"] else {})
        | {group["id"]: group["title"] for group in page["groups"]},
        name_a=name_a,
        name_b=name_b,
        whole=comparison,
        images=album.images,
        **page,
    )


def _describe_classification(
    comparison: ClassificationComparison, name_a: str, name_b: str
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return what the page of two classifiers says, and the truth and both answers of each image."""
    n_a, n_b = (
        round(share * comparison.n_samples) for share in (comparison.accuracy_a, comparison.accuracy_b)
    )
    better = None
    if comparison.p_value < 0.05:
        better = name_b if comparison.difference > 0 else name_a
    verdict = _judge(better) if comparison.difference else _EVEN
    order = "" if np.isnan(comparison.confidence_b).any() else f"; those of which “{name_b}” is surest first"
    page = {
        "lead": f"“{name_b}” recognizes {n_b:,} of {comparison.n_samples:,} images, “{name_a}” {n_a:,}. "
        + verdict,
        "tiles": [
            (name_b, format_percent(comparison.accuracy_b), "accuracy"),
            (name_a, format_percent(comparison.accuracy_a), "accuracy"),
            _show_difference("Difference in points", comparison, format_points),
            (
                "McNemar's test",
                format_p(comparison.p_value),
                f"p, exact: {comparison.n_fixed} fixed, {comparison.n_broken} broken",
            ),
        ],
        "note": None,
        "classes": [{"name": str(label)} | vars(found) for label, found in comparison.per_class.items()],
        "groups": [
            {
                "id": id,
                "title": title,
                "rows": rows,
                "which": f"that only “{name}” recognized",
                "order": order,
            }
            for id, title, rows, name in (
                ("fixed", "Fixed", comparison.fixed, name_b),
                ("broken", "Broken", comparison.broken, name_a),
            )
        ],
    }
    answers = {"true": [*map(str, comparison.y_true)]}
    for side in "ab":
        predicted, confidence = (getattr(comparison, f"{name}_{side}") for name in ("y_pred", "confidence"))
        answers[f"answer_{side}"] = [
            f"{label}" if np.isnan(sure) else f"{label} {sure:.2f}"
            for label, sure in zip(predicted, confidence, strict=True)
        ]
    return page, answers


def _describe_regression(
    comparison: RegressionComparison, name_a: str, name_b: str
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return what the page of two regressors says, and the truth and both answers of each image."""
    mae_a, mae_b = (shorten(error) for error in (comparison.mae_a, comparison.mae_b))
    low, high = comparison.interval
    better = None if low <= 0 <= high else name_b if high < 0 else name_a
    page = {
        "lead": f"“{name_b}” is {mae_b} off on average over {comparison.n_samples:,} images, “{name_a}” "
        f"{mae_a}. {_judge(better)}",
        "tiles": [
            (name_b, mae_b, "mean absolute error"),
            (name_a, mae_a, "mean absolute error"),
            _show_difference("Difference", comparison, format_signed),
            (
                "Wilcoxon's test",
                format_p(comparison.p_value),
                f"p: {comparison.n_nearer} nearer, {comparison.n_farther} farther",
            ),
        ],
        "note": f"Below 0, “{name_b}” is better. Interval: percentiles over bootstrap resamples of the "
        "images, each with both errors.",
        "classes": [],
        "groups": [
            {
                "id": id,
                "title": title,
                "rows": rows,
                "which": f"on which “{name_b}” is {id} {preposition} the true number",
                "order": ", the largest difference first",
            }
            for id, preposition, title, rows in (
                ("nearer", "to", "Nearer to the truth", comparison.nearer),
                ("farther", "from", "Farther from it", comparison.farther),
            )
        ],
    }
    names = {"true": "y_true", "answer_a": "y_pred_a", "answer_b": "y_pred_b"}
    return page, {key: [*map(format_number, getattr(comparison, name))] for key, name in names.items()}


def _show_difference(
    title: str,
    comparison: ClassificationComparison | RegressionComparison,
    write: Callable[[float], str],
) -> tuple[str, str, str]:
    interval = "\u00a0to\u00a0".join(map(write, comparison.interval))
    return title, write(comparison.difference), f"95 % interval {interval}"


def _judge(better: str | None) -> str:
    """Return in a sentence what the test says at 5 %."""
    if better is None:
        return "So small a difference may well be chance."
    return f"“{better}” is better, on images like these, beyond what chance explains."

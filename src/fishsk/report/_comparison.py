"""write_comparison: one HTML file that shows what a new classifier fixed and what it broke."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from fishsk.features import check_images
from fishsk.inspection import ClassificationComparison, RegressionComparison, format_number, name_images
from fishsk.report._figures import encode_image
from fishsk.report._render import format_p, format_percent, format_points, format_signed, shorten, write_page


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
    """Write what `compare_pipelines` found as one self-contained HTML file.

    The page holds the two accuracies, their difference with its interval and test, a table by class, and the
    images that only one of the two recognized; of regressors, mean absolute errors, and the images on which
    one is nearer to the truth. It has no script, and loads nothing.

    Parameters
    ----------
    comparison : ClassificationComparison or RegressionComparison
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
    images = check_images(X, image_shape=image_shape, input_range=input_range)
    name_a, name_b = map(str, names)
    all_names = name_images(X, np.arange(len(images))) if image_names is None else image_names
    album: dict[str, dict[str, Any]] = {}
    if isinstance(comparison, RegressionComparison):
        kind = _describe_regression(comparison, name_a, name_b)
    else:
        kind = _describe_classification(comparison, name_a, name_b)
    for group in kind["groups"]:
        rows = group["rows"]
        group |= {"count": len(rows), "shown": []}
        for row in rows[:max_images].tolist():
            key = f"image-{row}"
            album[key] = encode_image(images[row])
            shown = {"image": {"id": key} | album[key], "name": str(all_names[row])}
            group["shown"].append(shown | _describe_answers(comparison, row))
    return write_page(
        path,
        "comparison.html",
        title=f"{name_a} and {name_b} on {comparison.n_samples:,} images" if title is None else title,
        sections=({"classes": "By class"} if kind["classes"] else {})
        | {group["id"]: group["title"] for group in kind["groups"]},
        name_a=name_a,
        name_b=name_b,
        whole=comparison,
        images=album,
        **kind,
    )


def _describe_classification(
    comparison: ClassificationComparison, name_a: str, name_b: str
) -> dict[str, Any]:
    """Return what the page of two classifiers says."""
    n_right_a, n_right_b = (
        round(accuracy * comparison.n_samples) for accuracy in (comparison.accuracy_a, comparison.accuracy_b)
    )
    order = "" if np.isnan(comparison.confidence_b).any() else f"; those of which “{name_b}” is surest first"
    return {
        "lead": f"“{name_b}” recognizes {n_right_b:,} of {comparison.n_samples:,} images, “{name_a}” "
        f"{n_right_a:,}. {_judge_classifiers(comparison, name_a, name_b)}",
        "tiles": [
            (name_b, format_percent(comparison.accuracy_b), "accuracy"),
            (name_a, format_percent(comparison.accuracy_a), "accuracy"),
            (
                "Difference in points",
                format_points(comparison.difference),
                "95 % interval " + "\u00a0to\u00a0".join(map(format_points, comparison.interval)),
            ),
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
                "id": kind,
                "title": kind.capitalize(),
                "rows": rows,
                "which": f"that only “{name}” recognized",
                "order": order,
            }
            for kind, rows, name in (
                ("fixed", comparison.fixed, name_b),
                ("broken", comparison.broken, name_a),
            )
        ],
    }


def _describe_regression(comparison: RegressionComparison, name_a: str, name_b: str) -> dict[str, Any]:
    """Return what the page of two regressors says."""
    mae_a, mae_b = (shorten(error) for error in (comparison.mae_a, comparison.mae_b))
    low, high = comparison.interval
    better = None if low <= 0 <= high else name_b if high < 0 else name_a
    return {
        "lead": f"“{name_b}” is {mae_b} off on average over {comparison.n_samples:,} images, “{name_a}” "
        f"{mae_a}. {_judge(better)}",
        "tiles": [
            (name_b, mae_b, "mean absolute error"),
            (name_a, mae_a, "mean absolute error"),
            (
                "Difference",
                format_signed(comparison.difference),
                "95 % interval " + "\u00a0to\u00a0".join(map(format_signed, comparison.interval)),
            ),
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
                "id": kind,
                "title": title,
                "rows": rows,
                "which": f"on which “{name_b}” is {kind} {preposition} the true number",
                "order": ", the largest difference first",
            }
            for kind, preposition, title, rows in (
                ("nearer", "to", "Nearer to the truth", comparison.nearer),
                ("farther", "from", "Farther from it", comparison.farther),
            )
        ],
    }


def _describe_answers(
    comparison: ClassificationComparison | RegressionComparison, row: int
) -> dict[str, str]:
    """Return the truth about an image, and both answers, with their probabilities where there are any."""
    if isinstance(comparison, RegressionComparison):
        values = (comparison.y_true, comparison.y_pred_a, comparison.y_pred_b)
        return dict(
            zip(("true", "answer_a", "answer_b"), (format_number(each[row]) for each in values), strict=True)
        )
    shown = {"true": str(comparison.y_true[row])}
    for side in "ab":
        confidence = getattr(comparison, f"confidence_{side}")[row]
        sure = "" if np.isnan(confidence) else f" {confidence:.2f}"
        shown[f"answer_{side}"] = f"{getattr(comparison, f'y_pred_{side}')[row]}{sure}"
    return shown


def _judge_classifiers(comparison: ClassificationComparison, name_a: str, name_b: str) -> str:
    """Return in a sentence what the test says at 5 %."""
    if comparison.difference == 0:
        return "They differ in the same number of images each way, or in none."
    return _judge(None if comparison.p_value >= 0.05 else name_b if comparison.difference > 0 else name_a)


def _judge(better: str | None) -> str:
    if better is None:
        return "So small a difference may well be chance."
    return f"“{better}” is better, on images like these, beyond what chance explains."

"""write_comparison and write_drift: an HTML file on two models, and one on two sets of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_consistent_length

from fishsk._utils.files import StrPath
from fishsk.features import check_images
from fishsk.inspection import (
    ClassificationComparison,
    ImageDrift,
    PairedDifference,
    RegressionComparison,
    format_number,
)
from fishsk.report._figures import Album
from fishsk.report._render import write_page

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike


def write_comparison(
    comparison: ClassificationComparison | RegressionComparison,
    X: ImagesLike,
    path: StrPath,
    *,
    names: tuple[str, str] = ("Old", "New"),
    title: str | None = None,
    image_names: Sequence[str] | None = None,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | None = (0, 255),
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
    album, (low, high) = Album(), comparison.interval
    per_class: dict[str, PairedDifference] = {}
    if isinstance(comparison, RegressionComparison):
        is_by_confidence, titles = False, {"nearer": "Nearer to the truth", "farther": "Farther from it"}
        is_chance, is_b_better = low <= 0 <= high, high < 0
        numbers = (comparison.y_true, comparison.y_pred_a, comparison.y_pred_b)
        answers = [[*map(format_number, each)] for each in numbers]
    else:
        titles = {"fixed": "Fixed", "broken": "Broken"}
        is_chance, is_b_better = comparison.p_value >= 0.05, comparison.difference > 0
        is_by_confidence = not np.isnan(comparison.confidence_b).any()
        per_class = {str(label): found for label, found in comparison.per_class.items()}
        answers = [[*map(str, comparison.y_true)]]
        for side in "ab":
            pairs = zip(
                *(getattr(comparison, f"{name}_{side}") for name in ("y_pred", "confidence")), strict=True
            )
            answers.append([f"{label}" + ("" if np.isnan(sure) else f" {sure:.2f}") for label, sure in pairs])
    groups = []
    for id, heading in titles.items():
        rows = getattr(comparison, id)
        shown = [
            {
                "image": album.add("image", images, row),
                "name": images.name(row) if image_names is None else str(image_names[row]),
                "answers": [each[row] for each in answers],
            }
            for row in rows[:max_images].tolist()
        ]
        groups.append({"id": id, "title": heading, "count": len(rows), "shown": shown})
    return write_page(
        path,
        "comparison.html",
        title=title or f"{name_a} and {name_b} on {comparison.n_samples:,} images",
        sections=({"classes": "By class"} if per_class else {}) | titles,
        of_regression="nearer" in titles,
        name_a=name_a,
        name_b=name_b,
        is_by_confidence=is_by_confidence,
        better=None if is_chance else name_b if is_b_better else name_a,
        whole=comparison,
        classes=per_class,
        groups=groups,
        images=album.images,
    )


def write_drift(
    drift: ImageDrift,
    X_train: ImagesLike,
    X_new: ImagesLike,
    path: StrPath,
    *,
    level: float = 0.05,
    title: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | None = (0, 255),
    max_images: int = 24,
) -> Path:
    """Write the result of `compare_images` as one self-contained HTML file.

    The page holds the tests, the share of images that are unlike training, the classes whose share moved, and
    the images that moved most, each beside the training image nearest to it. It has no script, and loads
    nothing.

    Parameters
    ----------
    drift : ImageDrift
        The result of `compare_images`.
    X_train, X_new : array-like or sequence
        The images that it was given.
    path : path-like
        The file to write. It appears whole or not at all.
    level : float, default=0.05
        The p value up to which the page speaks of drift.
    title : str, default=None
        The title of the page.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_predictions`.
    max_images : int, default=24
        Largest number of images that the page shows.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the number of images is not that of `drift`.
    OSError
        If the file cannot be written.

    See Also
    --------
    compare_images : The numbers.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fishsk import compare_images, make_fish_pipeline, write_drift
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(120, random_state=0)
    >>> pipeline = make_fish_pipeline(weights="cifar95", random_state=0).fit(X[:80], y[:80])
    >>> drift = compare_images(X[:80], X[80:], pipeline)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_drift(drift, X[:80], X[80:], Path(folder) / "drift.html")
    ...     path.read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    for X, n_images in ((X_train, drift.n_train), (X_new, drift.n_new)):
        check_consistent_length(X, range(n_images))
    train, new = (check_images(X, image_shape=image_shape, input_range=input_range) for X in (X_train, X_new))
    album = Album()
    moved = [
        {
            "new": {"image": album.add("new", new, row), "name": new.name(row)},
            "train": {"image": album.add("train", train, near), "name": train.name(near)},
            "distance": f"{drift.distance[row]:.2f}",
            "is_unfamiliar": bool(drift.distance[row] > drift.threshold),
        }
        for row, near in ((row, int(drift.nearest[row])) for row in drift.moved[:max_images].tolist())
    ]
    return write_page(
        path,
        "drift.html",
        title=title or f"Have the images drifted? {drift.n_new:,} new beside {drift.n_train:,} of training",
        sections=({"classes": "Classes"} if drift.classes else {}) | {"moved": "What moved most"},
        has_drifted=drift.p_value <= level,
        drift=drift,
        moved=moved,
        images=album.images,
    )

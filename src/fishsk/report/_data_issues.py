"""write_data_issues: one HTML file that shows what may spoil a data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_consistent_length

from fishsk._utils.files import StrPath
from fishsk.features import check_images
from fishsk.inspection import DataIssue, DataIssues
from fishsk.report._figures import Album
from fishsk.report._render import write_page

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike

_N_TOGETHER = 4  # pictures of one group
_WITHOUT_PICTURES = {"unreadable", "unknown_class"}


def write_data_issues(
    issues: DataIssues,
    X: ImagesLike,
    path: StrPath,
    *,
    X_test: ImagesLike | None = None,
    title: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | None = (0, 255),
    max_images: int = 24,
) -> Path:
    """Write the result of `find_data_issues` as one self-contained HTML file.

    The page holds a table of what was found, and of each kind the images, the worst first. It has no script,
    and loads nothing.

    Parameters
    ----------
    issues : DataIssues
        The result of `find_data_issues`.
    X : array-like or sequence
        The images that it was given.
    path : path-like
        The file to write. It appears whole or not at all.
    X_test : array-like or sequence, default=None
        The test images that it was given, if there were any.
    title : str, default=None
        The title of the page.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_predictions`.
    max_images : int, default=24
        Largest number of images, or groups of images, that the page shows of each kind.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the number of images is not that of `issues`.
    OSError
        If the file cannot be written.

    See Also
    --------
    find_data_issues : The findings as plain records.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fishsk import find_data_issues, write_data_issues
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(50, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_data_issues(find_data_issues(X, y), X, Path(folder) / "check.html")
    ...     path.read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    is_train = ~issues.is_test
    n_train = int(np.sum(is_train))
    check_consistent_length(X, issues.y[is_train])
    train = test = check_images(X, image_shape=image_shape, input_range=input_range)
    if X_test is not None:
        check_consistent_length(X_test, issues.y[issues.is_test])
        test = check_images(X_test, image_shape=image_shape, input_range=input_range)
    album = Album()

    def show(row: int, has_picture: bool) -> dict[str, object]:
        image = None
        if has_picture:
            kind, images, index = ("train", train, row) if row < n_train else ("test", test, row - n_train)
            image = album.add(kind, images, index)
        is_test = bool(issues.is_test[row])
        return {"name": issues.names[row], "label": str(issues.y[row]), "is_test": is_test, "image": image}

    def describe(issue: DataIssue) -> dict[str, object]:
        has_pictures = issue.kind not in _WITHOUT_PICTURES and any(found.rows for found in issue.found)
        return vars(issue) | {
            "has_pictures": has_pictures,
            "are_groups": any(len(found.rows) > 1 for found in issue.found),
            "shown": [
                {
                    "detail": found.detail,
                    "images": [show(row, has_pictures) for row in found.rows[:_N_TOGETHER]],
                    "n_more": max(0, len(found.rows) - _N_TOGETHER),
                }
                for found in issue.found[:max_images]
            ],
        }

    readable = issues.facts.error == ""
    sizes = "of no"
    if readable.any():
        sides = (side[readable] for side in (issues.facts.width, issues.facts.height))
        ends = [(side.min(), side.max()) for side in sides]
        sizes = " x ".join(f"{low}" if low == high else f"{low} to {high}" for low, high in ends)
    return write_page(
        path,
        "data_issues.html",
        title=title or f"Is it sound? A check of {len(issues.y):,} images",
        sections={},
        issues=[describe(issue) for issue in issues.issues],
        n_train=n_train,
        n_test=len(issues.y) - n_train,
        levels=Counter(issue.level for issue in issues.issues),
        classes=[
            (str(label), *(int(np.sum((issues.y == label) & each)) for each in (is_train, issues.is_test)))
            for label in np.unique(issues.y).tolist()
        ],
        sizes=sizes,
        images=album.images,
    )

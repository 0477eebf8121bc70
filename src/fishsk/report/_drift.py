"""write_drift: one HTML file that shows how new images differ from those of training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sklearn.utils import check_consistent_length

from fishsk.features import check_images
from fishsk.inspection import ImageDrift
from fishsk.report._figures import Album
from fishsk.report._render import write_page


def write_drift(
    drift: ImageDrift,
    X_train: Any,
    X_new: Any,
    path: str | os.PathLike,
    *,
    level: float = 0.05,
    title: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    input_range: Any = (0, 255),
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
        title=f"Have the images drifted? {drift.n_new:,} new ones beside {drift.n_train:,} of training"
        if title is None
        else title,
        sections=({"classes": "Classes"} if drift.classes else {}) | {"moved": "What moved most"},
        has_drifted=drift.p_value <= level,
        drift=drift,
        moved=moved,
        images=album.images,
    )

"""The images of the demo: real fish where they can be had, drawn ones elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from fishsk._utils.files import expand
from fishsk.datasets import FISH_NAMES, fetch_fish, load_image_folder, make_fish_images

_N_DRAWN = 1500
_PATIENCE = 5.0  # seconds without an answer, after which the demo goes on with drawn fish
_DOWNLOAD_SECONDS = 60.0  # seconds for the whole of CIFAR-100, 161 MB


@dataclass(frozen=True)
class FishData:
    """Training and test images with their class names, and where they come from."""

    source: str
    X_train: Any
    y_train: np.ndarray
    X_test: Any
    y_test: np.ndarray
    origins: list[str]


def find_fish(data: str | None, *, offline: bool, random_state: int) -> FishData:
    """Return the images that were asked for, else real fish that can be had within seconds, else drawn ones.

    Parameters
    ----------
    data : str or None
        A folder that holds ``cifar-100-binary``, or one folder per class: a quarter is kept for the test.
    offline : bool
        Whether not to try the network.
    random_state : int
        Seeds the drawn fish and the split of a folder.

    Returns
    -------
    FishData
        Training and test images with their labels, and where they come from.
    """
    if data is not None and not (expand(data) / "cifar-100-binary").is_dir():
        folder = load_image_folder(data)
        y = np.asarray(folder.target_names)[folder.target]
        return _split(f"the folder {data}", folder.images, y, random_state)
    try:
        return _real_fish(data, offline=offline)
    except OSError as error:
        if data is not None:
            raise
        reason = "--offline was given" if offline else str(error).splitlines()[0]
    X, y = make_fish_images(_N_DRAWN, random_state=random_state)
    source = f"SYNTHETIC fish, drawn by fishsk, for want of real ones ({reason})"
    return _split(source, X, np.asarray(FISH_NAMES)[y], random_state)


def _real_fish(data: str | None, *, offline: bool) -> FishData:
    """Return CIFAR-100's fish; the second request finds what the first has fetched."""
    train, test = (
        fetch_fish(
            subset=subset,
            data_home=data,
            download_if_missing=not offline and data is None,
            timeout=_PATIENCE,
            retries=0,
            max_seconds=_DOWNLOAD_SECONDS,
        )
        for subset in ("train", "test")
    )
    names = np.asarray(train.target_names)
    origins = [f"image {index}" for index in range(len(test.images))]
    source = f"real fish of CIFAR-100, {train.source}"
    return FishData(source, train.images, names[train.target], test.images, names[test.target], origins)


def _split(source: str, X: Any, y: np.ndarray, random_state: int) -> FishData:
    """Keep a quarter of the images for the test, of every class alike."""
    indices = np.arange(len(X))
    train, test = train_test_split(indices, test_size=0.25, stratify=y, random_state=random_state)
    origins = [str(X[index]) if isinstance(X[index], str) else f"image {index}" for index in test]
    return FishData(source, X[train], y[train], X[test], y[test], origins)

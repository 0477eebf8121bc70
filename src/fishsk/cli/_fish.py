"""The images of the demo: real fish where they can be had, drawn ones elsewhere."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from fishsk._utils.files import expand
from fishsk.datasets import FISH_NAMES, fetch_fish, load_image_folder, make_fish_images

_N_DRAWN = 1500
_PATIENCE = 5.0  # seconds without an answer, after which the demo goes on with drawn fish
_DOWNLOAD_SECONDS = 60.0  # seconds for the whole of CIFAR-100, 161 MB


def find_fish(
    data: str | None, *, offline: bool, random_state: int
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return the images that were asked for, else real fish that can be had within seconds, else drawn ones.

    They are, in this order, where they come from, images to train and to test, the names of their classes,
    and what each test image is called. `data` holds ``cifar-100-binary``, or one folder per class: a quarter
    of these is kept for the test, and of drawn ones. `random_state` seeds the drawing and that split.
    """
    if data is not None and not (expand(data) / "cifar-100-binary").is_dir():
        folder = load_image_folder(data)
        source, X, names, y = f"the folder {data}", folder.images, folder.target_names, folder.target
    else:
        try:
            # CIFAR-100's fish; the second request finds what the first has fetched.
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
        except OSError as error:
            if data is not None:
                raise
            reason = "--offline was given" if offline else str(error).splitlines()[0]
        else:
            y_train, y_test = (np.asarray(FISH_NAMES)[each.target] for each in (train, test))
            source = f"real fish of CIFAR-100, {train.source}"
            origins = [f"image {index}" for index in range(len(y_test))]
            return source, train.images, test.images, y_train, y_test, origins
        source = f"SYNTHETIC fish, drawn by fishsk, for want of real ones ({reason})"
        X, y = make_fish_images(_N_DRAWN, random_state=random_state)
        names = FISH_NAMES
    y = np.asarray(names)[y]
    *parts, _, tested = train_test_split(
        X, y, np.arange(len(X)), test_size=0.25, stratify=y, random_state=random_state
    )
    origins = [str(X[index]) if isinstance(X[index], str) else f"image {index}" for index in tested]
    return source, *parts, origins

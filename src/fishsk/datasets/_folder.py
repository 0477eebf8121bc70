"""Images in folders, one folder per class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from fishsk.features import IMAGE_SUFFIXES, read_image


def load_image_folder(path: str | os.PathLike, *, on_error: str = "raise", return_X_y: bool = False) -> Any:
    """Load the paths and the labels of images that lie in one folder per class.

    The layout is that of scikit-learn's :func:`~sklearn.datasets.load_files` and of Keras'
    ``image_dataset_from_directory``::

        path/
            ray/
                ray_1.jpg
                ray_2.png
            shark/
                2025/shark_1.jpg

    The names of the sub-folders are the classes, in sorted order. Images are what has one of the usual
    suffixes (bmp, gif, jpeg, jpg, pgm, png, ppm, tif, tiff, webp, in any case), at any depth below a class
    folder. Hidden files and folders are ignored. Symbolic links below `path` are not followed, so that no
    loop and nothing outside the folder is ever read; a warning counts them.

    Every image is decoded once to know that it can be, and forgotten: the images are returned as paths, which
    `VGG16FeatureTransformer` reads when it needs them, so that folders larger than memory can be used.

    Parameters
    ----------
    path : str or path-like
        The folder of the class folders.
    on_error : {"raise", "skip"}, default="raise"
        What to do about files that are empty, corrupt, truncated, of more pixels than fit, or unreadable:
        raise one ValueError that lists all of them, or leave them out of images and labels alike, with one
        warning that lists all of them.
    return_X_y : bool, default=False
        If True, return ``(images, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples,), str
            The path of each image, sorted by class, then by name: pass them as `X` to any estimator of
            fishsk, and shuffle where you split.
        target : ndarray of shape (n_samples,), int64
            An index into `target_names`.
        target_names : list of str
            The names of the class folders, sorted. A class folder without images keeps its place.
        filenames : ndarray of shape (n_samples,), str
            The same as `images`, under the name that :func:`~sklearn.datasets.load_files` gives it.
        DESCR : str
            Where the images are from, and how many of each class there are.

    (images, target) : tuple if `return_X_y=True`

    Raises
    ------
    OSError
        If there is no such folder, or one in it cannot be listed.
    ValueError
        If it has no class folders, or no images in them; or if images cannot be read and `on_error` is
        "raise".

    Warns
    -----
    UserWarning
        About class folders without images, links that were not followed, and files that were skipped.

    See Also
    --------
    fetch_cifar100_fish : Photographs of five kinds of fish.
    make_fish_images : Drawings of five kinds of fish.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import cv2
    >>> from fishsk.datasets import load_image_folder, make_fish_images
    >>> X, y = make_fish_images(10, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i, (image, label) in enumerate(zip(X, y)):
    ...         file = Path(folder, f"kind {label}", f"{i}.png")
    ...         file.parent.mkdir(exist_ok=True)
    ...         _ = cv2.imwrite(str(file), image[:, :, ::-1])
    ...     fish = load_image_folder(folder)
    >>> fish.target_names
    ['kind 0', 'kind 1', 'kind 2', 'kind 3', 'kind 4']
    >>> fish.target
    array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f'on_error must be "raise" or "skip". Got {on_error!r}.')
    root = Path(path).expanduser()
    paths, labels, target_names, links = list_image_folder(path)
    warn_of_links(links, stacklevel=3)

    errors = find_errors(paths)
    bad = [error for error in errors if error is not None]
    report = "\n".join([f"{len(bad)} of {len(paths)} images cannot be read:", *bad])
    if bad and (on_error == "raise" or len(bad) == len(paths)):
        raise ValueError(f'{report}\nMend or remove them, or pass on_error="skip" to go on without them.')
    if bad:
        warnings.warn(f"{report}\nThey are left out. Mend or remove them to silence this.", stacklevel=2)
    kept = [error is None for error in errors]
    images, target = np.array(paths, dtype=str)[kept], np.array(labels, dtype=np.int64)[kept]

    counts = dict(zip(target_names, np.bincount(target, minlength=len(target_names)).tolist(), strict=True))
    if not len(images):
        raise ValueError(
            f"The class folders of {str(root)!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). "
            f"Got none in {target_names}."
        )
    if 0 in counts.values():
        empty = [name for name, count in counts.items() if not count]
        warnings.warn(f"The class folders {empty} hold no images. Remove them to silence this.", stacklevel=2)
    if return_X_y:
        return images, target
    described = "\n".join(f"- {name}: {count} images" for name, count in counts.items())
    return Bunch(
        images=images,
        target=target,
        target_names=target_names,
        filenames=images,
        DESCR=f"Images from the folder {str(root)!r}, one sub-folder per class.\n\n{described}\n",
    )


def list_image_folder(path: str | os.PathLike) -> tuple[list[str], list[int], list[str], list[str]]:
    """Return the paths of images in class folders, their labels, the classes' names, and links; open none.

    Raises
    ------
    OSError
        If there is no such folder, or one in it cannot be listed.
    ValueError
        If it has no class folders.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise NotADirectoryError(
            f"path must be an existing folder with one sub-folder per class. Got {str(path)!r}."
        )
    target_names, links = _list_classes(root)
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(target_names):
        found = list(find_images(root / name, links))
        paths += found
        labels += [label] * len(found)
    return paths, labels, target_names, links


def _list_classes(root: Path) -> tuple[list[str], list[str]]:
    """Return the sorted names of the class folders, and the paths of the links beside them."""
    entries = _visible(root)
    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    if not names:
        raise ValueError(
            f"{str(root)!r} must hold one sub-folder per class, with the images of the class in it, such as "
            f"{str(root / 'ray' / '1.jpg')!r} and {str(root / 'shark' / '2.jpg')!r}. It holds no sub-folder."
        )
    return names, [entry.path for entry in entries if entry.is_symlink()]


def find_images(folder: Path | str, links: list[str]) -> Iterator[str]:
    """Yield the paths of the images at any depth below `folder`, sorted; add links to `links` instead."""
    for entry in _visible(folder):
        if entry.is_symlink():
            links.append(entry.path)
        elif entry.is_dir():
            yield from find_images(entry.path, links)
        elif entry.is_file() and entry.name.lower().endswith(IMAGE_SUFFIXES):
            yield entry.path


def warn_of_links(links: list[str], *, stacklevel: int = 2) -> None:
    """Warn once of all the links that `find_images` left out."""
    if links:
        warnings.warn(
            f"{len(links)} symbolic links are not followed, the first is {links[0]!r}. "
            "Put copies in their place, or remove them.",
            stacklevel=stacklevel,
        )


def _visible(folder: Path | str) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)


def find_errors(paths: list[str]) -> list[str | None]:
    """Return why each of the files cannot be read as an image, or None where it can."""

    def find_error(path: str) -> str | None:
        try:
            read_image(path)
        except (OSError, ValueError) as error:
            return str(error)
        return None

    # Decoders work outside the interpreter lock.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(find_error, paths))

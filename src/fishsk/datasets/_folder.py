"""Images in folders, one folder per class."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from fishsk._utils.files import expand
from fishsk.features import IMAGE_SUFFIXES, read_image

# Files that operating systems leave in folders: skipped without a warning.
_LITTER = {".ds_store", "desktop.ini", "thumbs.db"}
# Folders that systems and network drives put beside photographs, with copies, thumbnails or deleted files.
_SYSTEM_FOLDERS = {
    "#recycle",
    "$recycle.bin",
    "@eadir",
    "__macosx",
    "lost+found",
    "system volume information",
}
# Names of the parts of a data set, each of which holds the folders of the classes.
_PARTS = {"dev", "test", "testing", "train", "training", "val", "valid", "validation"}


def load_image_folder(
    path: str | os.PathLike,
    *,
    target_names: Sequence[str] | None = None,
    on_error: str = "raise",
    check_files: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load the paths and the labels of images that lie in one folder per class.

    The layout is that of scikit-learn's :func:`~sklearn.datasets.load_files` and of Keras'
    ``image_dataset_from_directory``::

        path/
            ray/
                ray_1.jpg
                ray_2.png
            shark/
                2025/shark_1.jpg

    The names of the sub-folders are the classes, in sorted order, in Unicode's composed form (NFC), whatever
    form the disk has them in. Files whose ending is that of a format that `read_image` reads (such as avif,
    bmp, gif, jfif, jpeg, jpg, png, tiff, webp, in any case) are images, at any depth below a class folder. A
    warning counts all other files by their endings, hidden ones too, except those that operating systems
    leave in folders (``.DS_Store``, ``Thumbs.db``, ``desktop.ini``, ``._*``). Symbolic links below `path` are
    not followed, so that no loop and nothing outside the folder is ever read; the warning counts them, too.

    Every image is decoded once to know that it can be, unless `check_files` is False, and forgotten: the
    images are returned as paths, which transformers read when they need them, so that folders larger than
    memory can be used.

    Parameters
    ----------
    path : str or path-like
        The folder of the class folders.
    target_names : sequence of str, default=None
        The classes, of which some may have no folder here, such as those of the training images: then labels
        mean the same classes, whatever folders there are. None takes the folders, sorted.
    on_error : {"raise", "skip"}, default="raise"
        How to handle files that are empty, corrupt, truncated, too large, or unreadable: raise one ValueError
        that lists all of them, or leave them out of images and labels alike, with one warning that lists all
        of them.
    check_files : bool, default=True
        False opens no file: the transformer then raises an error at the first bad one.
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
            The names of the class folders, sorted, or `target_names`. One without images keeps its place.
        filenames : ndarray of shape (n_samples,), str
            The same as `images`, under the name that :func:`~sklearn.datasets.load_files` gives it.
        left_out : dict of str to str
            Each file in the folder that is no image here, and why: its ending, or what is wrong with it.
        DESCR : str
            Origin of the images, and the number of each class.

    (images, target) : tuple if `return_X_y=True`
        Both arrays alone.

    Raises
    ------
    OSError
        If there is no such folder, or one in it cannot be listed.
    ValueError
        If it has no class folders, or no images in them, or one that is not in `target_names`; or if images
        cannot be read and `on_error` is "raise".

    Warns
    -----
    UserWarning
        About class folders without images, links that were not followed, files that were not looked at or
        skipped, classes whose names differ in capitals alone, and parts of a data set taken for classes.

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
    root = expand(path)
    if not root.is_dir():
        raise NotADirectoryError(
            f"path must be an existing folder with one sub-folder per class. Got {str(path)!r}."
        )
    left_out: dict[str, str] = {}
    classes: dict[str, list[str]] = {}  # the folders of each: a Mac and a PC write one name in two forms
    for entry in _list_entries(root, left_out):
        if entry.is_dir():
            classes.setdefault(normalize_name(entry.name), []).append(entry.path)
        else:
            left_out[entry.path] = f"{_name_ending(entry)} beside the class folders"
    if not classes:
        raise ValueError(
            f"{str(root)!r} must hold one sub-folder per class, with the images of the class in it, such as "
            f"{str(root / 'ray' / '1.jpg')!r} and {str(root / 'shark' / '2.jpg')!r}. It holds no sub-folder."
        )
    found = [
        (image, name)
        for name in sorted(classes)
        for folder in classes[name]
        for image in find_images(folder, left_out)
    ]
    warn_of_left_out(left_out, stacklevel=3)
    target_names = sorted(classes) if target_names is None else [*map(normalize_name, target_names)]
    if unknown := sorted(classes.keys() - set(target_names)):
        raise ValueError(
            f"The class folders of {str(root)!r} must be among target_names, {target_names}. "
            f"Got also {unknown}."
        )
    warn_of_spellings(classes, f"Folder {str(root)!r}")
    if len(classes) > 1 and {name.casefold() for name in classes} <= _PARTS:
        warnings.warn(
            f"The folders in {str(root)!r} are named {sorted(classes)}, and taken for classes. Pass one of "
            "them if these are parts of a data set.",
            stacklevel=2,
        )
    errors = find_errors([image for image, _ in found]) if check_files else [None] * len(found)
    good = [found[at] for at in tell_faults(errors, "images cannot be read", on_error)]
    left_out |= {image: error for (image, _), error in zip(found, errors, strict=True) if error is not None}
    images = np.array([image for image, _ in good], dtype=str)
    target = np.array([target_names.index(name) for _, name in good], dtype=np.int64)
    if not len(images):
        raise ValueError(
            f"The class folders of {str(root)!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). "
            f"Got none in {sorted(classes)}."
        )
    counts = dict(zip(target_names, np.bincount(target, minlength=len(target_names)).tolist(), strict=True))
    if empty := [name for name in sorted(classes) if not counts[name]]:
        warnings.warn(f"The class folders {empty} hold no images. Remove them to silence this.", stacklevel=2)
    if return_X_y:
        return images, target
    described = "\n".join(f"- {name}: {count} images" for name, count in counts.items())
    return Bunch(
        images=images,
        target=target,
        target_names=target_names,
        filenames=images,
        left_out=left_out,
        DESCR=f"Images from the folder {str(root)!r}, one sub-folder per class.\n\n{described}\n",
    )


def tell_faults(
    faults: Sequence[str | None],
    what: str,
    on_error: str,
    *,
    n_listed: int | None = None,
    remedy: str = 'on_error="skip"',
    may_be_none: bool = False,
) -> list[int]:
    """Return which images or rows have no fault, and raise an error or warn of the others.

    `n_listed` limits what is told of them; `remedy` is how to go on without them. It is an error, too, if all
    have faults, unless `may_be_none`.
    """
    good = [at for at, fault in enumerate(faults) if fault is None]
    found = [fault for fault in faults if fault is not None]
    listed = found[:n_listed]
    if len(listed) < len(found):
        listed.append(f"... and {len(found) - len(listed):,} more")
    report = "\n".join([f"{len(found):,} of {len(faults):,} {what}:", *listed])
    if found and (on_error == "raise" or not (good or may_be_none)):
        raise ValueError(f"{report}\nFix or remove them, or pass {remedy} to go on without them.")
    if found:
        warnings.warn(f"{report}\nThey are left out. Fix or remove them to silence this.", stacklevel=3)
    return good


def find_images(folder: Path | str, left_out: dict[str, str]) -> Iterator[str]:
    """Yield the paths of the images at any depth below `folder`, sorted; add all else to `left_out`."""
    for entry in _list_entries(folder, left_out):
        if entry.is_dir():
            yield from find_images(entry.path, left_out)
        elif entry.is_file() and entry.name.lower().endswith(IMAGE_SUFFIXES):
            yield entry.path
        else:
            left_out[entry.path] = _name_ending(entry)


def warn_of_left_out(left_out: dict[str, str], *, stacklevel: int = 2) -> None:
    """Warn once of all that `find_images` left out, counted by why."""
    if left_out:
        warnings.warn(
            f"{describe_left_out(left_out)} Rename those that are images, or save them in another format; "
            "put copies in the place of links; remove the others to silence this.",
            stacklevel=stacklevel,
        )


def describe_left_out(left_out: Mapping[str, str]) -> str:
    """Return how many files were not looked at, by why, in a sentence."""
    reasons = Counter(left_out.values())
    counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    n_files = reasons.total()
    return f"{n_files:,} {'file was' if n_files == 1 else 'files were'} not looked at: {counts}."


def warn_of_spellings(names: Iterable[str], what: str, *, stacklevel: int = 3) -> None:
    """Warn of classes whose names differ in nothing but capitals and spaces, those of no width too."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        seen = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
        spellings.setdefault(" ".join(seen.casefold().split()), []).append(name)
    alike = [group for group in spellings.values() if len(group) > 1]
    if alike:
        warnings.warn(
            f"{what}: the classes {' and '.join(map(repr, alike[0]))} differ in capitals or spaces alone, "
            "and are learned apart. Give them one name, or names that differ.",
            stacklevel=stacklevel,
        )


def normalize_name(name: str) -> str:
    """Return the name of a class in Unicode's composed form: a Mac's zip holds names in the other one."""
    return unicodedata.normalize("NFC", name)


def _list_entries(folder: Path | str, left_out: dict[str, str]) -> list[os.DirEntry]:
    """Return what is in a folder, sorted; links and what is hidden are added to `left_out` instead."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    kept = []
    for entry in found:
        if entry.is_symlink():
            left_out[entry.path] = "symbolic link"
        elif entry.name.lower() in _LITTER or entry.name.startswith("._"):  # what macOS keeps of a file
            continue
        elif entry.name.lower() in _SYSTEM_FOLDERS and entry.is_dir():
            left_out[entry.path] = "folder of the system"
        elif entry.name.startswith("."):
            left_out[entry.path] = "hidden folder" if entry.is_dir() else "hidden"
        else:
            kept.append(entry)
    return kept


def _name_ending(entry: os.DirEntry) -> str:
    if not entry.is_file():
        return "no regular file"  # a pipe, a socket, a device
    return Path(entry.name).suffix.lower() or "without an ending"


def find_errors(paths: list[str]) -> list[str | None]:
    """Return why each of the files cannot be read as an image, or None where it can."""

    def find_error(path: str) -> str | None:
        try:
            read_image(path)
        except (OSError, ValueError) as error:
            return str(error)
        return None

    # Decoders work outside the interpreter lock, and within the budget of pixels that all readers share.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(find_error, paths))

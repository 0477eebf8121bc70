"""The five fish classes of CIFAR-100: from an unpacked folder, a checked cache, or the official archive."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import warnings
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from sklearn.utils import Bunch

from fishsk._utils.downloads import download
from fishsk._utils.files import expand, write_atomically

_BASE_URL = "https://www.cs.toronto.edu/~kriz/"
_ARCHIVE = "cifar-100-binary.tar.gz"
_MD5 = "03b5dce01913d631647c71ecec9e9cb8"  # the digest that the authors publish beside the archive
_REMEDY = f"Unpack {_ARCHIVE} again, or remove the folder to have it downloaded."

_FOLDER = "cifar-100-binary"
_CACHE = "cifar-100-fish"
_PARTS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}

_RECORD = 2 + 3 * 32 * 32  # coarse label, fine label, and the red, green and blue planes
_FISH_COARSE = 1
_FISH_FINE = {1: "aquarium_fish", 32: "flatfish", 67: "ray", 73: "shark", 91: "trout"}
FISH_NAMES = tuple(_FISH_FINE.values())


def fetch_cifar100_fish(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load the five fish classes of CIFAR-100 (classification), and download them if necessary.

    ==============   =========================
    Classes                                  5
    Samples total       2500 train + 500 test
    Image            32 x 32 pixels, RGB uint8
    ==============   =========================

    They are looked for in `data_home`, in this order:

    1. a folder ``cifar-100-binary``, the unpacked official archive: used as it is, never written to;
    2. ``cifar-100-fish``, the cache that this function made: 9 MB, verified by its checksum;
    3. ``cifar-100-binary.tar.gz``, the official archive, put there by hand;
    4. the official archive on the web: 161 MB, verified by its checksum, deleted once the cache is made.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Which images; "all" is the training images followed by the test images.
    data_home : str or path-like, default=None
        The folder of the data and of the cache. None means the folder that the environment variable
        ``FISHSK_DATA`` names, or ``fishsk/data`` in the user's cache directory if there is none.
    download_if_missing : bool, default=True
        If False, raise an OSError if the data are not there instead of downloading them.
    return_X_y : bool, default=False
        If True, return ``(images, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples, 32, 32, 3), uint8
            Red, green, blue, 0 to 255.
        target : ndarray of shape (n_samples,), int64
            0 to 4, an index into `target_names`.
        target_names : list of str
            aquarium_fish, flatfish, ray, shark, trout.
        source : str
            Where these images were read from.
        DESCR : str
            The description of the data set.

    (images, target) : tuple if `return_X_y=True`
        Both arrays alone.

    Raises
    ------
    OSError
        If the images are not there and cannot be downloaded. The message says how to work offline.
    ValueError
        If `subset` is unknown, or an unpacked folder holds something other than CIFAR-100 records.

    See Also
    --------
    make_fish_images : Draw fish of these five kinds, without any download.
    load_image_folder : Load your own images.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    https://www.cs.toronto.edu/~kriz/cifar.html

    Examples
    --------
    >>> from fishsk.datasets import fetch_cifar100_fish
    >>> fish = fetch_cifar100_fish()  # doctest: +SKIP
    >>> fish.images.shape  # doctest: +SKIP
    (2500, 32, 32, 3)
    >>> fish.target_names  # doctest: +SKIP
    ['aquarium_fish', 'flatfish', 'ray', 'shark', 'trout']
    """
    fish = fetch_fish(subset=subset, data_home=data_home, download_if_missing=download_if_missing)
    return (fish.images, fish.target) if return_X_y else fish


def fetch_fish(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    **patience: Any,
) -> Bunch:
    """Do the work of `fetch_cifar100_fish`, with the patience of `download` in the caller's hands."""
    if subset not in _PARTS:
        raise ValueError(f"subset must be one of {list(_PARTS)}. Got {subset!r}.")
    default = platformdirs.user_cache_path("fishsk", appauthor=False) / "data"
    home = expand(data_home or os.environ.get("FISHSK_DATA") or default)
    parts = _PARTS[subset]
    folder, archive, cache = home / _FOLDER, home / _ARCHIVE, home / _CACHE
    if folder.is_dir():
        source, records = str(folder), _read_folder(folder, parts)
    elif cached := _read_cache(cache, parts):
        source, records = str(cache), cached
    elif _is_official(archive):
        source, records = str(archive), _read_archive(archive)
        _write_cache(cache, records)
    elif download_if_missing:
        source, records = _BASE_URL + _ARCHIVE, _download(home, patience)
        _write_cache(cache, records)
    else:
        raise OSError(f"Data not found and `download_if_missing` is False. {_offline_advice(home)}")
    rows = np.concatenate([records[part] for part in parts])
    return Bunch(
        images=np.ascontiguousarray(rows[:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)),
        target=np.searchsorted(list(_FISH_FINE), rows[:, 1]),
        target_names=list(FISH_NAMES),
        source=source,
        DESCR=files(__package__).joinpath("descr", "cifar100_fish.rst").read_text(encoding="utf-8"),
    )


def _offline_advice(home: Path) -> str:
    return (
        f"To work offline, get {_BASE_URL}{_ARCHIVE} (MD5 {_MD5}) by other means and put it, or the folder "
        f"{_FOLDER!r} unpacked from it, into {str(home)!r}, or into another folder that `data_home` or the "
        "environment variable FISHSK_DATA names. Or draw fish: fishsk.datasets.make_fish_images()."
    )


def _read_fish(content: bytes, origin: str) -> np.ndarray:
    """Return the fish among records, (n, 3074) uint8, after a look at what they are labeled."""
    if n_more := len(content) % _RECORD:
        raise ValueError(
            f"{origin!r} must hold whole records of {_RECORD} bytes. Got {n_more} bytes more: it is cut, or "
            f"no CIFAR-100 file. {_REMEDY}"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, _RECORD)
    fish = records[records[:, 0] == _FISH_COARSE]
    if (labels := np.unique(fish[:, 1]).tolist()) != list(_FISH_FINE):
        raise ValueError(
            f"{origin!r} must hold images of the fine labels {list(_FISH_FINE)} under coarse label "
            f"{_FISH_COARSE}. Got {labels}. {_REMEDY}"
        )
    return fish


def _read_folder(folder: Path, parts: Sequence[str]) -> dict[str, np.ndarray]:
    paths = {part: folder / f"{part}.bin" for part in parts}
    return {part: _read_fish(path.read_bytes(), str(path)) for part, path in paths.items()}


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    """Read the two files of records by their exact names; nothing is extracted."""
    wanted = {f"{_FOLDER}/{part}.bin": part for part in _PARTS["all"]}
    records = {}
    with tarfile.open(path, "r|gz") as archive:
        for member in archive:
            if member.isfile() and member.name in wanted:
                stream = archive.extractfile(member)
                assert stream is not None  # it is a file
                records[wanted[member.name]] = _read_fish(stream.read(), f"{path}:{member.name}")
    if len(records) < len(wanted):
        raise ValueError(f"{str(path)!r} must hold {list(wanted)}. Got {list(records)} only.")
    return records


def _is_official(archive: Path) -> bool:
    if not archive.is_file():
        return False
    with open(archive, "rb") as stream:
        digest = hashlib.file_digest(stream, "md5").hexdigest()
    if digest != _MD5:
        warnings.warn(
            f"{str(archive)!r} is not the official archive and is not used: its MD5 must be {_MD5}. "
            f"Got {digest}. Remove it to silence this warning.",
            stacklevel=4,
        )
    return digest == _MD5


def _read_cache(folder: Path, parts: Sequence[str]) -> dict[str, np.ndarray] | None:
    """Return the cached records, or None where they are missing or corrupt."""
    records = {}
    for part in parts:
        path = folder / f"{part}.bin"
        try:
            content = path.read_bytes()
            rows, digest = content[:-32], content[-32:]
            if hashlib.sha256(rows).digest() != digest:
                raise ValueError(f"{str(path)!r} does not have the checksum that it was written with.")
            records[part] = np.frombuffer(rows, dtype=np.uint8).reshape(-1, _RECORD)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            warnings.warn(f"The cached CIFAR-100 fish are damaged and made anew. {error}", stacklevel=4)
            return None
    return records


def _write_cache(folder: Path, records: dict[str, np.ndarray]) -> None:
    """Write each part with its checksum, whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, rows in records.items():
            content = rows.tobytes()
            write_atomically(folder / f"{part}.bin", [content, hashlib.sha256(content).digest()])
    except OSError as error:
        warnings.warn(
            f"The CIFAR-100 fish could not be kept in {str(folder)!r}, and are read anew each time: {error}. "
            "Set `data_home` to a folder that can be written to.",
            stacklevel=4,
        )


def _download(home: Path, patience: dict[str, Any]) -> dict[str, np.ndarray]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        # A folder of its own: two processes never share an archive, and nothing is left behind.
        with tempfile.TemporaryDirectory(prefix="fishsk-download-", dir=home) as folder:
            url, known_hash = _BASE_URL + _ARCHIVE, f"md5:{_MD5}"
            return _read_archive(download(url, Path(folder), known_hash=known_hash, **patience))
    except (OSError, ValueError) as error:
        raise OSError(
            f"Could not download {_BASE_URL}{_ARCHIVE}: {error}\n{_offline_advice(home)}"
        ) from error

"""Weights: files known by their digests, downloads into Keras's own folder, and kernels that are drawn."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

import numpy as np

from fishsk._utils.downloads import download
from fishsk._utils.files import expand
from fishsk.features._recipes import BACKBONES


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again only when its time or size has changed."""
    stat = path.stat()
    return _remembered_sha256(path.resolve(), stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=16)
def _remembered_sha256(path: Path, mtime_ns: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def draw_kernel(random_state: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a He normal kernel; the stream of RandomState is frozen by NumPy's policy (NEP 19)."""
    n_in = np.prod(shape[:2] if shape[-1] == 1 else shape[:-1])  # of a depthwise kernel, or any other
    return (random_state.standard_normal(shape) * np.sqrt(2 / n_in)).astype(np.float32)


def fetch_imagenet(name: str, url: str, known_hash: str | None, *, network: str) -> Path:
    """Return the file of ImageNet weights in Keras's own folder, downloaded where it is not there yet."""
    folder = expand(os.environ.get("KERAS_HOME") or "~/.keras") / "models"
    try:
        return download(url, folder, name=name, known_hash=known_hash)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
        shipped = "weights='cifar95', which ships with fishsk, or " if network == "VGG16" else ""
        raise OSError(
            f"The ImageNet weights of {network} could not be downloaded from {url} ({error}). To work "
            f"offline, pass {shipped}a backbone that needs no download, {' or '.join(map(repr, BACKBONES))}; "
            f"or put the file at {str(folder / name)!r}."
        ) from error

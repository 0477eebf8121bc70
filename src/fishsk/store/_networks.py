"""Networks that take long to make, as quantized ones do: kept beside the rows, checked, evicted like them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fishsk._utils.files import expand, write_atomically
from fishsk.store._folders import NETWORKS, check_owner, default_max_bytes, evict, sha256_of
from fishsk.store._shards import discard, warn_once


def keep_network(
    folder: str | os.PathLike[str] | None, subject: dict[str, Any], make: Callable[[], bytes]
) -> bytes:
    """Return the network of a subject: what a cache folder keeps of it, or else what is made and kept there.

    Parameters
    ----------
    folder : path-like or None
        The cache folder; None keeps nothing.
    subject : dict
        What the network is made from, as JSON can hold it.
    make : callable
        Returns the network.
    """
    if folder is None:
        return make()
    content = read_network(folder, subject)
    if content is None:
        content = make()
        write_network(folder, subject, content)
    return content


def read_network(folder: str | os.PathLike[str], subject: dict[str, Any]) -> bytes | None:
    """Return what a cache folder keeps of a subject, or None where nothing is as it was written.

    Parameters
    ----------
    folder : path-like
        The cache folder; it need not exist.
    subject : dict
        What the network was made from, as JSON can hold it.

    Raises
    ------
    PermissionError
        If the folder belongs to another user, who could have written anything.
    """
    path = _find(folder, subject)
    check_owner(path.parent)
    try:
        head, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        warn_once(path, "%s cannot be read (%s). What it holds is made again.", error)
        return None
    if head != _describe(subject, content):
        discard(path, "it is not what was written")
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # the least recently used is evicted first
    return content


def write_network(folder: str | os.PathLike[str], subject: dict[str, Any], content: bytes) -> None:
    """Write what `read_network` will return; where the folder cannot be written, a warning is logged.

    Parameters
    ----------
    folder, subject
        As in `read_network`.
    content : bytes
        The network.
    """
    path = _find(folder, subject)
    try:
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, [_describe(subject, content), b"\n", content])
        evict(expand(folder), default_max_bytes())
    except OSError as error:
        warn_once(path, "%s cannot be written (%s), and is made again by the next process.", error)


def _find(folder: str | os.PathLike[str], subject: dict[str, Any]) -> Path:
    check_owner(expand(folder))
    return expand(folder) / NETWORKS / f"{sha256_of(subject)[:32]}.network"


def _describe(subject: dict[str, Any], content: bytes) -> bytes:
    """Return the first line of a file: what it is, for people too, and the digest of what follows."""
    return json.dumps(
        {"sha256": hashlib.sha256(content).hexdigest(), "subject": subject}, sort_keys=True
    ).encode()

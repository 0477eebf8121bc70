"""Networks and their descriptions, which take long to make: kept beside the rows, and evicted like them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable

from fishsk._utils.files import expand, write_atomically
from fishsk.store._folders import NETWORKS, check_owner, default_max_bytes, evict, sha256_of
from fishsk.store._shards import discard, warn_once


def keep(
    folder: str | os.PathLike[str] | None,
    subject: dict[str, object],
    make: Callable[[], bytes],
    *,
    kind: str = "network",
) -> bytes:
    """Return what a cache folder keeps of a subject as it was written, or else what is made and kept there.

    `subject`, which JSON can hold, says what `make` makes it from. A folder of None keeps nothing; where one
    cannot be written, a warning is logged. PermissionError if it is another user's, who could have written
    anything.
    """
    if folder is None:
        return make()
    root = expand(folder)
    path = root / NETWORKS / f"{sha256_of(subject)[:32]}.{kind}"
    check_owner(root, path.parent)
    try:
        head, _, content = path.read_bytes().partition(b"\n")
        if head == _describe(subject, content):
            with contextlib.suppress(OSError):
                os.utime(path)  # the least recently used is evicted first
            return content
        discard(path, "it is not what was written")
    except FileNotFoundError:
        pass
    except OSError as error:
        warn_once(path, "%s cannot be read (%s). What it holds is made again.", error)
    content = make()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, [_describe(subject, content), b"\n", content])
        evict(root, default_max_bytes())
    except OSError as error:
        warn_once(path, "%s cannot be written (%s), and is made again by the next process.", error)
    return content


def _describe(subject: dict[str, object], content: bytes) -> bytes:
    """Return the first line of a file: what it is, for people too, and the digest of what follows."""
    return json.dumps(
        {"sha256": hashlib.sha256(content).hexdigest(), "subject": subject}, sort_keys=True
    ).encode()

"""Notes beside the rows: facts that take long to find out, such as the layers of a network."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from fishsk._utils.files import expand, write_atomically
from fishsk.store._folders import NOTES, check_owner, parse_settings, sha256_of


def read_note(folder: str | os.PathLike[str], subject: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a cache folder says of a subject, or None where it says nothing that is as it was written.

    Parameters
    ----------
    folder : path-like
        The cache folder; it need not exist.
    subject : dict
        What the note is about, as JSON can hold it.

    Raises
    ------
    PermissionError
        If the folder belongs to another user, who could have written anything.
    """
    path = _find(folder, subject)
    check_owner(path.parent)
    with contextlib.suppress(OSError):
        document = parse_settings(path.read_bytes())
        if document.get("subject") == subject:
            return document.get("facts")
    return None


def write_note(folder: str | os.PathLike[str], subject: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write what `read_note` will return; where the folder cannot be written, nothing is.

    Parameters
    ----------
    folder, subject
        As in `read_note`.
    facts : dict
        As JSON can hold it.
    """
    path = _find(folder, subject)
    document: dict[str, Any] = {"subject": subject, "facts": facts}
    document["sha256"] = sha256_of(document)
    with contextlib.suppress(OSError):
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, [json.dumps(document, indent=1, sort_keys=True).encode()])


def _find(folder: str | os.PathLike[str], subject: dict[str, Any]) -> Path:
    check_owner(expand(folder))
    return expand(folder) / NOTES / f"{sha256_of(subject)[:32]}.json"

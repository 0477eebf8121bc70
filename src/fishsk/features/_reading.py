"""Files that are read once by several calls, and those among them that cannot be read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fishsk.features._decoding import digest_file, read_bytes

_MAX_BYTES = 2**28  # of files that are kept, since they may have to be decoded; others are read again
_open: list[Reading] = []


class Reading:
    """What is known of files: each is what it was when it was first read.

    Attributes
    ----------
    errors : dict of str to str
        Why files cannot be read, by their paths.
    """

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}
        self._digests: dict[str, bytes] = {}
        self._contents: dict[str, bytes] = {}
        self._n_bytes = 0
        self._lock = threading.Lock()

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """Return the bytes of a file."""
        content = self._contents.get(os.fspath(path))
        return read_bytes(path) if content is None else content

    def digest(self, path: str | os.PathLike[str]) -> bytes:
        """Return the digest of a file."""
        name = os.fspath(path)
        if name not in self._digests:
            content = read_bytes(path)
            self._digests[name] = digest_file(content)
            with self._lock:
                if name not in self._contents and self._n_bytes + len(content) <= _MAX_BYTES:
                    self._contents[name] = content
                    self._n_bytes += len(content)
        return self._digests[name]


@contextmanager
def read_once() -> Iterator[Reading]:
    """Let all calls of `transform` in this process read each file once, and go on past what they cannot read.

    Yields
    ------
    Reading
        Its `errors` tell which files those are; their features are 0, and nothing is stored of them.
    """
    reading = Reading()
    _open.append(reading)
    try:
        yield reading
    finally:
        _open.remove(reading)


def read(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file."""
    return _open[-1].read(path) if _open else read_bytes(path)


def digest(path: str | os.PathLike[str]) -> bytes:
    """Return the digest of a file."""
    return _open[-1].digest(path) if _open else digest_file(read_bytes(path))


def forgive(name: str, error: Exception | str) -> bool:
    """Return whether somebody wants to know which files cannot be read, and is told this one."""
    if _open:
        _open[-1].errors[name] = str(error)
    return bool(_open)


def find_error(name: str) -> str | None:
    """Return why a file could not be read, where that was forgiven."""
    return _open[-1].errors.get(name) if _open else None

"""Digests and errors of files, shared within a command so that each file is opened once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_open: list[Reading] = []


class Reading:
    """Digests, contents and errors of files, by path, as each was when it was first read."""

    def __init__(self) -> None:
        self.digests: dict[str, bytes] = {}  # a row that is stored under one needs no file
        self.contents: dict[str, bytes] = {}  # looked at, until whoever needs their pixels takes them
        self.errors: dict[str, str] = {}  # why files cannot be read, as far as that was forgiven
        self._sharing: Sequence[object] = ()
        self._goes_on = False
        self._rows: dict[int, np.ndarray] = {}
        self._seen: object = None

    @property
    def is_open(self) -> bool:
        """Whether it is kept for further calls."""
        return self in _open

    @contextmanager
    def share(self, transformers: Sequence[object], *, go_on: bool = True) -> Iterator[None]:
        """Let transformers that see the same images go over them together.

        With `go_on` they go past files that are bad: their features are 0, nothing is stored of them, and
        `errors` tells which they are. Inside of another such context this one changes nothing.
        """
        if self._sharing:
            yield
            return
        self._sharing, self._goes_on = transformers, go_on
        try:
            yield
        finally:
            self._sharing, self._goes_on, self._seen = (), False, None
            self._rows.clear()

    def find_sharers(self, transformer: object) -> list[Any]:
        """Return the others that go over the same images as a transformer."""
        if not any(each is transformer for each in self._sharing):
            return []
        return [each for each in self._sharing if each is not transformer]

    def keep(self, images: object, transformers: Sequence[object], rows: Sequence[np.ndarray]) -> None:
        """Keep rows of images until the transformers are asked for them."""
        self._seen = images
        self._rows = {id(each): row for each, row in zip(transformers, rows, strict=True)}

    def take(self, images: object, transformer: object) -> np.ndarray | None:
        """Return the rows that were made of just these images for a transformer, once, or None."""
        return self._rows.pop(id(transformer), None) if images is self._seen else None

    def forgive(self, name: str, error: Exception | str) -> bool:
        """Return whether somebody wants to know which files cannot be read, and is told this one."""
        if self._goes_on:
            self.errors[name] = str(error)
        return self._goes_on


@contextmanager
def read_once() -> Iterator[Reading]:
    """Let calls in this process open each image file once, unless they need its pixels again."""
    reading = Reading()
    _open.append(reading)
    try:
        yield reading
    finally:
        _open.remove(reading)


def find_reading() -> Reading:
    """Return the innermost reading that is open; where none is, one that knows nothing, and is not kept."""
    return _open[-1] if _open else Reading()

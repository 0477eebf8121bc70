"""What a command knows of files, so that each is opened once: their digests, and why some cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_open: list[Reading] = []


class Reading:
    """What is known of files, each of which is what it was when it was first read.

    Attributes
    ----------
    digests : dict of str to bytes
        Those of files that were read, by their paths. A row that is stored under one needs no file.
    contents : dict of str to bytes
        Small files that were looked at, until whoever needs their pixels takes them.
    errors : dict of str to str
        Why files cannot be read, as far as that was forgiven.
    """

    def __init__(self) -> None:
        self.digests: dict[str, bytes] = {}
        self.contents: dict[str, bytes] = {}
        self.errors: dict[str, str] = {}
        self._sharing: Sequence[Any] = ()
        self._goes_on = False
        self._rows: dict[int, Any] = {}
        self._seen: Any = None

    @contextmanager
    def share(self, transformers: Sequence[Any], *, go_on: bool = True) -> Iterator[None]:
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

    def find_sharers(self, transformer: Any) -> list[Any]:
        """Return the others that go over the same images as a transformer."""
        if not any(each is transformer for each in self._sharing):
            return []
        return [each for each in self._sharing if each is not transformer]

    def keep(self, images: Any, transformers: Sequence[Any], rows: Sequence[Any]) -> None:
        """Keep rows of images until the transformers are asked for them."""
        self._seen = images
        self._rows = {id(each): row for each, row in zip(transformers, rows, strict=True)}

    def take(self, images: Any, transformer: Any) -> Any:
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


def find_reading() -> Reading | None:
    """Return the innermost reading that is open."""
    return _open[-1] if _open else None

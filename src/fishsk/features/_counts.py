"""How many images ran through networks, and how many were known: for programs that want to see it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_lock = threading.Lock()
_open: list[ImageCount] = []


@dataclass(eq=False)
class ImageCount:
    """Images of the calls of `transform` since the count was opened."""

    n_extracted: int = 0
    n_known: int = 0


@contextmanager
def count_images() -> Iterator[ImageCount]:
    """Count what `report_images` is told while the context is open."""
    count = ImageCount()
    with _lock:
        _open.append(count)
    try:
        yield count
    finally:
        with _lock:
            _open.remove(count)


def report_images(*, n_extracted: int = 0, n_known: int = 0) -> None:
    """Add to all counts that are open."""
    with _lock:
        for count in _open:
            count.n_extracted += n_extracted
            count.n_known += n_known

"""The cache of compiled models: fits with the same graph use one in turn, so that it is traced once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fishsk.head._trainer import Trainer

_MAX_KEPT = 8  # trainers of a process that wait for the next fit
_MAX_KEPT_BYTES = 2**29


@dataclass(frozen=True)
class Graph:
    """What a traced graph depends on, as text, and the size of the weights and of the optimizer's state."""

    text: str
    n_bytes: int


class _Entry:
    """The trainer of one graph, while no fit has it; who holds the lock has it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.trainer: Trainer | None = None


_entries: dict[Graph, _Entry] = {}  # the last one is the last used
_lock = threading.Lock()
_this_thread = threading.local()


@contextmanager
def use_cached(graph: Graph, build: Callable[[], Trainer]) -> Iterator[Trainer]:
    """Give the trainer with this graph, when no other thread is fitting with it; `build` makes one.

    Threads wait for each other, so that a process has one trainer of each graph. A fit inside a fit, as a
    callback may start it, never waits, which could be for ever: it gets another one. The last few are kept,
    up to half a gigabyte of them: TensorFlow never gives back the some megabytes of a graph. One whose fit
    has failed, or whose model a callback has changed, is not used again.
    """
    with _lock:
        entry = _entries.pop(graph, None) or _Entry()
        _entries[graph] = entry
    is_inner = getattr(_this_thread, "is_fitting", False)
    if not entry.lock.acquire(blocking=not is_inner):
        yield build()
        return
    try:
        _this_thread.is_fitting = True
        trainer, entry.trainer = entry.trainer or build(), None
        yield trainer
        entry.trainer = trainer if trainer.is_intact else None
    finally:
        _this_thread.is_fitting = is_inner
        entry.lock.release()
    _forget_oldest()


def _forget_oldest() -> None:
    """Forget the trainers that were not used for longest, above the limits."""
    with _lock:
        idle = [graph for graph, entry in _entries.items() if not entry.lock.locked()]
        while len(idle) > 1 and (
            len(idle) > _MAX_KEPT or sum(graph.n_bytes for graph in idle) > _MAX_KEPT_BYTES
        ):
            del _entries[idle.pop(0)]

"""Where networks wait for the next fit that has the same graph, so that a process traces each graph once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_MAX_KEPT = 8  # networks of a process that wait for the next fit
_MAX_KEPT_BYTES = 2**29


class _Shelf:
    """Where the network of one graph waits for its next fit; who holds the lock has it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.network: Any = None


_shelves: dict[Any, _Shelf] = {}
_shelves_lock = threading.Lock()
_this_thread = threading.local()


@contextmanager
def borrow(graph: Any, build: Callable[[], Any]) -> Iterator[Any]:
    """Lend the network with this graph, when no other thread is fitting it; `build` makes one.

    A graph can be hashed and knows its `n_bytes`. A network knows whether it `is_intact`.

    Threads wait for each other, so that a process has one network of each graph. A fit inside a fit, as a
    callback may start it, never waits, which could be for ever: it gets a network of its own. The last few
    are kept, up to half a gigabyte of them: TensorFlow never gives back the some megabytes of a graph. One
    whose fit has failed, or whose model a callback has changed, is not used again.
    """
    with _shelves_lock:
        shelf = _shelves.pop(graph, None) or _Shelf()
        _shelves[graph] = shelf  # the last one is the last used
    is_inner = getattr(_this_thread, "is_fitting", False)
    if not shelf.lock.acquire(blocking=not is_inner):
        yield build()
        return
    try:
        _this_thread.is_fitting = True
        network, shelf.network = shelf.network or build(), None
        yield network
        shelf.network = network if network.is_intact else None
    finally:
        _this_thread.is_fitting = is_inner
        shelf.lock.release()
    _clear_shelves()


def _clear_shelves() -> None:
    """Forget the networks that were not used for longest, above the limits."""
    with _shelves_lock:
        idle = [graph for graph, shelf in _shelves.items() if not shelf.lock.locked()]
        while len(idle) > 1 and (
            len(idle) > _MAX_KEPT or sum(graph.n_bytes for graph in idle) > _MAX_KEPT_BYTES
        ):
            del _shelves[idle.pop(0)]

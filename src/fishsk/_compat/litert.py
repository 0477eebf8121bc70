"""LiteRT, which fishsk runs without what it says besides."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # else a forked process could wait for a thread that it lacks
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def make_interpreter(content: bytes, *, n_threads: int) -> Any:
    """Return the interpreter of a network.

    The first one of a process writes a line about its delegate to the process's standard error, which no
    setting of LiteRT 2 turns off.
    """
    with _lock, _silent_errors():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=content, num_threads=n_threads)
        interpreter.allocate_tensors()
    return interpreter


@contextlib.contextmanager
def _silent_errors() -> Iterator[None]:
    """Let what libraries write to standard error vanish."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

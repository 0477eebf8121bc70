"""LiteRT, which fishsk runs without what it says besides."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

_lock = threading.Lock()
_made: weakref.WeakSet[Any] = weakref.WeakSet()


def make_interpreter(content: bytes, *, n_threads: int) -> Any:
    """Return the interpreter of a network.

    The first one of a process writes a line about its delegate to the process's standard error, which no
    setting of LiteRT 2 turns off.
    """
    with _lock, _silent_errors():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=content, num_threads=n_threads)
        interpreter.allocate_tensors()
        _made.add(interpreter)
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


def _start_afresh() -> None:
    """Let the parent's interpreters live as long as a forked process: it crashes where one is removed.

    To remove an interpreter is to wait for its threads, which only the parent has.
    """
    global _lock
    _lock = threading.Lock()
    for interpreter in _made:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(interpreter))
    _made.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

"""Stores that a process keeps, for services that ask for one image at a time.

To open a store is to read and check the index of every shard, 36 bytes a row. A process does it once: at each
later use, what it keeps looks for another owner, another format and the shards of other processes. It holds
no file open.

To force a row to disk takes longer than to compute it. `KeptStore.write_behind` leaves that to a thread,
which takes all rows that have come meanwhile at once.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fishsk.store._folders import default_max_bytes
from fishsk.store._store import FeatureStore

_MAX_STORES = 8
_MAX_INDEX_BYTES = 256 * 2**20
_PAUSE_SECONDS = 0.2  # between two writes of the thread: small shards cost more than they hold

_lock = threading.Lock()
_kept: dict[tuple[str, str, int, int], KeptStore] = {}  # the least recently used first


class KeptStore:
    """A `FeatureStore` that threads share, and that can write behind its callers.

    Parameters
    ----------
    store : FeatureStore
        Where the rows are.
    """

    def __init__(self, store: FeatureStore):
        self.store = store
        self._waiting: dict[bytes, np.ndarray] = {}
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()

    @property
    def is_writing(self) -> bool:
        """Whether rows are on their way to the disk."""
        return self._thread is not None

    def read(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Look rows up, as `FeatureStore.read` does, also among those that are on their way to the disk."""
        with _lock:
            waiting = dict(self._waiting)
        rows, found = self.store.read(keys)
        for index in np.flatnonzero(~found).tolist() if waiting else ():
            if (row := waiting.get(keys[index])) is not None:
                rows[index], found[index] = row, True
        _forget_beyond_limits()
        return rows, found

    def write(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add rows: once this returns they outlive the process, and a power cut."""
        self.store.write(keys, rows)

    def write_behind(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add a few rows, which this process can read at once, and which soon outlive it.

        A thread writes them, at most a fraction of a second later: a process that is killed before loses
        them. One that ends in any other way waits for the thread.
        """
        with _lock:
            self._waiting.update(zip(keys, np.array(rows), strict=True))
            if self._thread is not None:
                return
            self._hurry.clear()
            self._thread = threading.Thread(target=self._write_waiting, name="fishsk-store")
            try:
                self._thread.start()
                return
            except RuntimeError:  # the interpreter is ending, or there are too many threads
                self._thread = None
                self._waiting.clear()
        self.store.write(keys, rows)

    def flush(self) -> None:
        """Wait until all rows are written."""
        with _lock:
            thread = self._thread
        if thread is not None:
            self._hurry.set()
            thread.join()

    def _write_waiting(self) -> None:
        written: dict[bytes, np.ndarray] = {}
        try:
            while True:
                with _lock:
                    for key in written:
                        del self._waiting[key]
                    written = dict(self._waiting)
                    if not written:
                        self._thread = None
                        return
                self.store.write(list(written), np.stack(list(written.values())))
                self._pause()
        except BaseException:
            with _lock:
                self._waiting.clear()
                self._thread = None
            raise

    def _pause(self) -> None:
        deadline = time.monotonic() + _PAUSE_SECONDS
        while time.monotonic() < deadline and threading.main_thread().is_alive():
            if self._hurry.wait(_PAUSE_SECONDS / 10):
                break


def open_store(folder: str | os.PathLike[str], settings: dict[str, Any], n_features: int) -> KeptStore:
    """Return the store of a folder and of settings, from those that this process keeps where it is there.

    Parameters
    ----------
    folder, settings, n_features
        As in `FeatureStore`, whose errors this raises.

    Returns
    -------
    KeptStore
        With the size limit of now.
    """
    folder = os.path.abspath(folder)
    max_bytes = default_max_bytes()
    key = (folder, json.dumps(settings, sort_keys=True), n_features, max_bytes)
    with _lock:
        kept = _kept.pop(key, None)
        if kept is not None:
            _kept[key] = kept
    if kept is not None:
        kept.store.check()
        return kept
    store = FeatureStore(folder, settings, n_features, max_bytes=max_bytes)
    with _lock:
        kept = _kept.setdefault(key, KeptStore(store))
    _forget_beyond_limits()
    return kept


def flush() -> None:
    """Wait until what this process writes behind its callers is written."""
    with _lock:
        stores = list(_kept.values())
    for kept in stores:
        kept.flush()


def _forget_beyond_limits() -> None:
    """Forget the least recently used stores, but for those that still have rows to write."""
    with _lock:
        n_stores = len(_kept)
        n_bytes = sum(kept.store.n_index_bytes for kept in _kept.values())
        for key, kept in list(_kept.items()):
            if n_stores <= _MAX_STORES and n_bytes <= _MAX_INDEX_BYTES:
                break
            if not kept.is_writing:
                del _kept[key]
                n_stores -= 1
                n_bytes -= kept.store.n_index_bytes


def _start_afresh() -> None:
    """Forget what belongs to the parent process and to its threads."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

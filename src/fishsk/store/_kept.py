"""Stores that a process keeps, for services that ask for one image at a time.

To open a store is to read and check the index of every shard, 36 bytes a row. A process does it once: at each
later use, what it keeps looks for another owner, another format and the shards of other processes. It holds
no file open.

To force a row to disk takes longer than to compute it, so that of a burst of single rows only one in a second
is waited for: `KeptStore.write_few`. No thread writes behind anybody's back: whoever removes the cache folder
between two calls, as `tempfile.TemporaryDirectory` does, meets nobody in it.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fishsk._utils.files import expand
from fishsk.store._folders import default_max_bytes
from fishsk.store._store import FeatureStore

_MAX_STORES = 8
_MAX_INDEX_BYTES = 256 * 2**20
_BURST_SECONDS = 1.0
_MAX_WAITING_BYTES = 4 * 2**20

_lock = threading.Lock()
_kept: dict[tuple[str, str, int, int], KeptStore] = {}  # the least recently used first


class KeptStore:
    """A `FeatureStore` that threads share, and that writes the rows of a burst together.

    Parameters
    ----------
    store : FeatureStore
        Where the rows are.
    """

    def __init__(self, store: FeatureStore):
        self.store = store
        self._waiting: dict[bytes, np.ndarray] = {}
        self._written = -np.inf  # when `write_few` last wrote
        self.is_kept = True  # else nobody would write what waits

    def read(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Look rows up, as `FeatureStore.read` does, also among those that are not on disk yet."""
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

    def write_few(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add a few rows: at once, or where that was done less than a second ago, together with the next.

        What waits is read as if it were on disk, by this process. The next call after that second writes it,
        and so does the end of the process; a kill loses it.
        """
        with _lock:
            self._waiting.update(zip(keys, np.array(rows), strict=True))
            n_bytes = 4 * self.store.n_features * len(self._waiting)
            in_burst = time.monotonic() - self._written < _BURST_SECONDS
            if in_burst and n_bytes < _MAX_WAITING_BYTES and self.is_kept:
                return
            self._written = time.monotonic()  # for other threads, while this one writes
        self.flush()
        self._written = time.monotonic()

    def flush(self) -> None:
        """Write what waits."""
        with _lock:
            waiting = dict(self._waiting)
        if waiting:
            self.store.write(list(waiting), np.stack(list(waiting.values())))
            with _lock:
                for key in waiting:
                    self._waiting.pop(key, None)


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
    folder = os.path.abspath(expand(folder))
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
    """Write what this process has not written yet, but not into folders that were removed meanwhile."""
    with _lock:
        stores = list(_kept.values())
    for kept in stores:
        if kept.store.exists():
            kept.flush()


def _forget_beyond_limits() -> None:
    """Forget the least recently used stores; their rows that wait are written first."""
    with _lock:
        n_bytes = sum(kept.store.n_index_bytes for kept in _kept.values())
        forgotten = []
        for key, kept in list(_kept.items()):
            if len(_kept) <= _MAX_STORES and n_bytes <= _MAX_INDEX_BYTES:
                break
            forgotten.append(_kept.pop(key))
            kept.is_kept = False
            n_bytes -= kept.store.n_index_bytes
    for kept in forgotten:
        if kept.store.exists():
            kept.flush()


def _start_afresh() -> None:
    """Forget what belongs to the parent process and to its threads."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


atexit.register(flush)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

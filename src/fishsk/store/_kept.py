"""Stores that a process keeps, for services that ask for one image at a time.

To open a store is to read and check the index of every shard, 36 bytes a row. A process does it once: at each
later use, what it keeps looks for another owner, another format and the shards of other processes. It holds
no file open.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from fishsk._utils.files import expand
from fishsk.store._folders import default_max_bytes
from fishsk.store._store import FeatureStore

_MAX_STORES = 8
_MAX_INDEX_BYTES = 256 * 2**20

_lock = threading.Lock()
_kept: dict[tuple[str, str, int, int], FeatureStore] = {}  # the least recently used first


def open_store(folder: str | os.PathLike[str], settings: dict[str, Any], n_features: int) -> FeatureStore:
    """Return the store of a folder and of settings, from those that this process keeps where it is there.

    Parameters and errors are those of `FeatureStore`; the size limit is that of now.
    """
    folder = os.path.abspath(expand(folder))
    max_bytes = default_max_bytes()
    key = (folder, json.dumps(settings, sort_keys=True), n_features, max_bytes)
    with _lock:
        store = _kept.get(key)
    if store is None:
        store = FeatureStore(folder, settings, n_features, max_bytes=max_bytes)
    else:
        store.check()
    with _lock:
        _kept.pop(key, None)
        _kept[key] = store
        n_bytes = sum(each.n_index_bytes for each in _kept.values())
        for oldest in list(_kept):
            if len(_kept) <= _MAX_STORES and n_bytes <= _MAX_INDEX_BYTES:
                break
            n_bytes -= _kept.pop(oldest).n_index_bytes
    return store


def _start_afresh() -> None:
    """Forget the lock, which a thread of the parent process may hold."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)

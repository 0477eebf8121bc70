"""The feature store: one checked row per image content, on disk, shared by processes.

A cache folder holds one sub-folder per settings, named by their digest. There `settings.json` says what the
rows were computed with, for human readers, and the rows are in shards.

Shards are immutable and their names are never used twice, so the store is safe without a lock: a shard
appears whole, and is removed only once a younger one with its rows is on disk (or for being corrupt, or the
least recently used). Two processes that merge the same shards leave two valid copies; the next merge makes
them one. A reader goes on with the shards it has mapped, whatever becomes of their names; only on Windows,
where mapped files cannot be removed, merged shards stay until a later merge or eviction.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fishsk._utils.files import sweep, sync_folder, write_atomically
from fishsk.store._shards import (
    FORMAT,
    Shard,
    as_keys,
    checksums,
    cut,
    discard,
    list_shards,
    merge_shards,
    warn_once,
    write_shard,
)

_DEFAULT_MAX_BYTES = 10 * 2**30
_MAX_SHARDS = 32
_MAX_SHARD_BYTES = 256 * 2**20
_SETTINGS = "settings.json"


class FeatureStore:
    """Rows of float32 features under 32-byte keys, in files that any number of processes share.

    The store is a cache: whatever is wrong with a row or a file, the row counts as missing and a warning is
    logged. It judges bytes, not numbers: what was written comes back bit for bit, NaN and infinity included.

    Parameters
    ----------
    folder : path-like
        The cache folder. It is created, for its owner alone, by the first `write`.
    settings : dict
        All that changes a number besides the key, as JSON can hold it. Only stores of equal settings and
        `n_features` share rows.
    n_features : int
        The length of a row.
    max_bytes : int, default=None
        The size of the cache folder, over all settings, above which `write` removes the least recently used
        shards. None reads the environment variable FISHSK_CACHE_LIMIT; without it, it means 10 GiB.

    Raises
    ------
    ValueError
        If the rows of these settings were written in a newer format, or a parameter is out of range.
    PermissionError
        If the folder belongs to another user, who could have put any numbers there.
    NotADirectoryError
        If `folder` is a file.

    See Also
    --------
    cache_info : What a cache folder holds.

    Examples
    --------
    >>> import hashlib, tempfile
    >>> import numpy as np
    >>> from fishsk.store._store import FeatureStore
    >>> keys = [hashlib.sha256(content).digest() for content in (b"trout", b"shark")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = FeatureStore(folder, {"pooling": "avg"}, n_features=2)
    ...     store.write(keys[:1], np.array([[1, 2]], dtype=np.float32))
    ...     rows, found = store.read(keys)
    >>> rows[found], found
    (array([[1., 2.]], dtype=float32), array([ True, False]))
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: dict[str, Any],
        n_features: int,
        *,
        max_bytes: int | None = None,
    ):
        if n_features < 1:
            raise ValueError(f"n_features must be at least 1. Got {n_features!r}.")
        if max_bytes is None:
            max_bytes = _default_max_bytes()
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1; cache=None stores nothing. Got {max_bytes!r}.")
        self.n_features = n_features
        self.max_bytes = max_bytes
        document = {"n_features": n_features, "settings": settings}
        self._root = Path(folder)
        self._folder = self._root / _sha256(document)[:32]
        document["format"] = FORMAT
        document["sha256"] = _sha256(document)
        self._settings_json = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
        self._shards: dict[Path, Shard] = {}
        self._ignored: set[Path] = set()  # corrupt, unreadable, or merged into another
        self._unweighed_bytes = max_bytes  # written since the folder's size was compared with the limit
        _check_owner(self._root)
        _check_owner(self._folder)
        self._check_settings()
        sweep(self._folder)

    def read(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Look rows up.

        Parameters
        ----------
        keys : sequence of bytes
            Digests of 32 bytes; they may repeat.

        Returns
        -------
        rows : ndarray of shape (len(keys), n_features), float32
            The rows, each verified by its checksum; NaN where nothing was found.
        found : ndarray of shape (len(keys),), bool
            Which keys the store holds.
        """
        wanted = as_keys(keys)
        rows = np.empty((len(wanted), self.n_features), dtype=np.float32)
        found = np.zeros(len(wanted), dtype=bool)
        left = np.argsort(wanted)  # the shards' own order, so that each is read from front to back
        for shard in self._refresh():
            hits, at = shard.find(wanted[left])
            if not hits.size:
                continue
            for part in cut(np.arange(len(hits)), self.n_features):
                block, valid = shard.take(at[part])
                if not valid.all():
                    block, part = block[valid], part[valid]
                rows[left[hits[part]]] = block
                found[left[hits[part]]] = True
            shard.touch()
            if not found[left[hits]].all():
                with contextlib.suppress(OSError):  # drops the corrupt rows, where the folder may be written
                    self._merge([shard])
            left = left[~found[left]]
        rows[~found] = np.nan
        return rows, found

    def write(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Add rows: once this returns they outlive the process, and a power cut.

        Without room or permission nothing is stored and a warning is logged, one per process and folder.

        Parameters
        ----------
        keys : sequence of bytes
            Digests of 32 bytes. Of equal keys the first is stored.
        rows : ndarray of shape (len(keys), n_features), float32
            What `read` will return.

        Raises
        ------
        ValueError
            If keys or rows are not of this form.
        """
        wanted = as_keys(keys)
        rows = np.asarray(rows)
        if rows.dtype != np.float32 or rows.shape != (len(wanted), self.n_features):
            raise ValueError(
                f"rows must be float32 of shape {(len(wanted), self.n_features)}. "
                f"Got {rows.dtype} of shape {rows.shape}."
            )
        if not wanted.size:
            return
        unique, first = np.unique(wanted, return_index=True)
        parts = list(cut(first, self.n_features))
        sums = np.concatenate([checksums(rows[part]) for part in parts])
        try:
            self._make_folder()
            blocks = (rows[part] for part in parts)
            self._unweighed_bytes += write_shard(self._folder, unique, sums, blocks, self.n_features)
            self._compact()
            if self._unweighed_bytes > self.max_bytes // 128:
                _evict(self._root, self.max_bytes)
                self._unweighed_bytes = 0
        except OSError as error:
            warn_once(
                self._root,
                "Features cannot be stored in %s (%s), and are computed again when they are next needed. "
                "Free the disk, name another folder with cache=..., or silence this with cache=None.",
                error,
            )

    def _refresh(self) -> list[Shard]:
        """Open what appeared in the folder and forget what vanished; the largest shards come first."""
        for _ in range(10):  # between listing and opening, a merge elsewhere may rename what is there
            try:
                paths = set(list_shards(self._folder)) - self._ignored
            except OSError as error:
                warn_once(self._folder, "Stored features in %s cannot be read: %s.", error)
                return []
            if paths == self._shards.keys():
                break
            shards = {path: shard for path, shard in self._shards.items() if path in paths}
            for path in paths - shards.keys():
                try:
                    shards[path] = Shard(path, self.n_features)
                except FileNotFoundError:
                    pass
                except OSError as error:
                    self._ignored.add(path)
                    warn_once(path, "%s cannot be read (%s). What it holds is computed again.", error)
                except ValueError as error:
                    self._ignored.add(path)
                    discard(path, error)
            self._shards = shards
        return sorted(self._shards.values(), key=lambda shard: -len(shard.keys))

    def _compact(self) -> None:
        """Merge the smaller half of many small shards: as like meets like, a row is seldom rewritten."""
        limit = min(_MAX_SHARD_BYTES, self.max_bytes // 16)  # eviction takes whole shards
        small = [shard for shard in reversed(self._refresh()) if shard.n_bytes < limit // 2]
        if len(small) > _MAX_SHARDS:
            half = small[: len(small) // 2 + 1]
            totals = itertools.accumulate(shard.n_bytes for shard in half)
            self._merge([shard for shard, total in zip(half, totals, strict=True) if total <= limit])

    def _merge(self, shards: list[Shard]) -> None:
        merge_shards(shards)
        self._ignored.update(shard.path for shard in shards)

    def _make_folder(self) -> None:
        new = not self._folder.exists()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if new:
            _check_owner(self._root)  # it may have been made by someone else just now
            _check_owner(self._folder)
            sync_folder(self._root)
        if not (self._folder / _SETTINGS).exists():
            write_atomically(self._folder / _SETTINGS, [self._settings_json])

    def _check_settings(self) -> None:
        path = self._folder / _SETTINGS
        try:
            content = path.read_bytes()
        except OSError:
            return
        if content == self._settings_json:
            return
        found = _parse_settings(content).get("format", FORMAT)
        if found != FORMAT:
            raise ValueError(
                f"The feature cache must have format {FORMAT}. {str(path)!r} says format {found!r}: "
                "a newer fishsk wrote it. Upgrade, or name another folder with cache=... or FISHSK_CACHE."
            )
        discard(path, "it is not what was written")


def default_folder() -> Path:
    """Return the folder of ``cache="auto"``: FISHSK_CACHE, or one in the user's cache directory."""
    if folder := os.environ.get("FISHSK_CACHE"):
        return Path(folder)
    import platformdirs

    return platformdirs.user_cache_path("fishsk", appauthor=False) / "features"


def cache_info(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Describe what a cache folder holds.

    Parameters
    ----------
    folder : path-like
        The cache folder; it need not exist.

    Returns
    -------
    info : dict
        ``folder``, ``max_bytes`` (the default limit), ``n_rows``, ``n_shards``, ``n_bytes``, and ``stores``,
        a list of one dict per settings: ``settings``, ``n_features``, ``n_rows``, ``n_shards``, ``n_bytes``.
        Unreadable shards have no rows.
    """
    stores: list[dict[str, Any]] = []
    for store_folder in _list_stores(Path(folder)):
        n_rows = n_shards = n_bytes = 0
        for path in list_shards(store_folder):
            with contextlib.suppress(OSError, ValueError):
                n_bytes += path.stat().st_size
                n_shards += 1
                n_rows += len(Shard(path).keys)
        document: dict[str, Any] = {}
        with contextlib.suppress(OSError):
            document = _parse_settings((store_folder / _SETTINGS).read_bytes())
        described = {key: document.get(key) for key in ("settings", "n_features")}
        stores.append({**described, "n_rows": n_rows, "n_shards": n_shards, "n_bytes": n_bytes})
    totals = {key: sum(store[key] for store in stores) for key in ("n_rows", "n_shards", "n_bytes")}
    return {"folder": str(folder), "max_bytes": _default_max_bytes(), **totals, "stores": stores}


def clear_cache(folder: str | os.PathLike[str]) -> int:
    """Remove all stored rows, and nothing else, from a cache folder.

    Parameters
    ----------
    folder : path-like
        The cache folder; it need not exist.

    Returns
    -------
    n_bytes : int
        The size of what was removed.

    Raises
    ------
    OSError
        If the folder belongs to another user, or a file cannot be removed.
    """
    _check_owner(Path(folder))
    n_bytes = 0
    for store_folder in _list_stores(Path(folder)):
        for path in list_shards(store_folder):
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                path.unlink()
                n_bytes += size
        sweep(store_folder)
        if os.listdir(store_folder) == [_SETTINGS]:  # no rows of a newer format, no writer at work
            (store_folder / _SETTINGS).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            store_folder.rmdir()
    return n_bytes


def verify_cache(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Check every row of a cache folder against its checksum, and remove what is corrupt.

    Parameters
    ----------
    folder : path-like
        The cache folder; it need not exist.

    Returns
    -------
    report : dict
        ``n_rows``, the number of valid rows; ``n_corrupt``, that of corrupt rows; ``n_unreadable``, that of
        shards whose rows cannot even be counted; ``files``, the names of all corrupt or unreadable shards.
    """
    _check_owner(Path(folder))
    report: dict[str, Any] = {"n_rows": 0, "n_corrupt": 0, "n_unreadable": 0, "files": []}
    for path in itertools.chain.from_iterable(map(list_shards, _list_stores(Path(folder)))):
        try:
            shard = Shard(path)
        except FileNotFoundError:  # merged or evicted since it was listed
            continue
        except (OSError, ValueError) as error:
            report["n_unreadable"] += 1
            report["files"].append(str(path))
            if isinstance(error, ValueError):
                discard(path, error)
            continue
        n_valid = len(shard.find_valid())
        report["n_rows"] += n_valid
        if n_valid < len(shard.keys):
            report["n_corrupt"] += len(shard.keys) - n_valid
            report["files"].append(str(path))
            with contextlib.suppress(OSError):
                merge_shards([shard])
    return report


def _evict(root: Path, max_bytes: int) -> None:
    """Remove the least recently used shards until the cache folder is within its limit."""
    shards = []
    for folder in _list_stores(root):
        sweep(folder)
        for path in list_shards(folder):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                shards.append((status.st_mtime_ns, status.st_size, path))
    excess = sum(size for _, size, _ in shards) - max_bytes
    for _, size, path in sorted(shards):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def _list_stores(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if re.fullmatch("[0-9a-f]{32}", path.name))
    except FileNotFoundError:
        return []


def _check_owner(folder: Path) -> None:
    try:
        status = os.stat(folder)
    except OSError:  # absent, or out of reach: `read` and `write` will say so
        return
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"The feature cache must be a folder. Got the file {str(folder)!r}.")
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise PermissionError(
            f"The feature cache must belong to user {os.geteuid()}, who runs this. {str(folder)!r} belongs "
            f"to user {status.st_uid}. Name your own with cache=... or FISHSK_CACHE, or pass cache=None."
        )


def _default_max_bytes() -> int:
    text = os.environ.get("FISHSK_CACHE_LIMIT") or str(_DEFAULT_MAX_BYTES)
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise ValueError(
            f"FISHSK_CACHE_LIMIT must be a number of bytes, such as 2e9. Got {text!r}."
        ) from None


def _sha256(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _parse_settings(content: bytes) -> dict[str, Any]:
    """Return a settings document, or {} for a corrupt one: a flipped bit must not look like a format."""
    try:
        document = json.loads(content)
        if document.pop("sha256") == _sha256(document):
            return document
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    return {}

"""The cache folder: its limit and owner, a sub-folder for each setting, and networks beside them.

What is there is counted, verified, evicted and cleared while other processes write and do the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fishsk._utils.files import expand, sweep, write_atomically
from fishsk.store._shards import Rows, Shard, discard, list_shards, merge_shards, warn_once

SETTINGS = "settings.json"
_NETWORKS = "networks"


def default_folder() -> Path:
    """Return the folder of ``cache="auto"``: FISHSK_CACHE, or one in the user's cache directory."""
    if folder := os.environ.get("FISHSK_CACHE"):
        return expand(folder)
    import platformdirs

    return platformdirs.user_cache_path("fishsk", appauthor=False) / "features"


def evict(root: Path, max_bytes: int) -> None:
    """Remove the least recently used shards and networks until the cache folder is within its limit."""
    for folder in [root / _NETWORKS, *list_stores(root)]:
        sweep(folder)
    files = []
    for path in [*list_networks(root), *list_rows(root)]:
        with contextlib.suppress(FileNotFoundError):  # other processes evict, merge and clear too
            status = os.stat(path)
            files.append((status.st_mtime_ns, status.st_size, path))
    excess = sum(size for _, size, _ in files) - max_bytes
    for _, size, path in sorted(files):
        if excess <= 0:
            break
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        excess -= size


def list_stores(root: Path) -> list[Path]:
    """Return the folders of the settings in a cache folder, among whatever else lies there."""
    try:
        return sorted(
            path for path in root.iterdir() if re.fullmatch("[0-9a-f]{32}", path.name) and path.is_dir()
        )
    except FileNotFoundError:
        return []


def list_rows(root: Path) -> list[Path]:
    """Return the shards of all settings in a cache folder."""
    return [folder / name for folder in list_stores(root) for name in list_shards(folder)]


def list_networks(root: Path) -> list[Path]:
    """Return the files of the networks in a cache folder, and of their descriptions."""
    return sorted([*(root / _NETWORKS).glob("*.network"), *(root / _NETWORKS).glob("*.description")])


def check_owner(*folders: Path) -> None:
    """Refuse what is no folder, or is another user's, who could have put any numbers there."""
    for folder in folders:
        try:
            status = os.stat(folder)
        except OSError:  # absent, or out of reach: `read` and `write` will say so
            return
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(f"The feature cache must be a folder. Got the file {str(folder)!r}.")
        if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
            raise PermissionError(
                f"The feature cache must belong to user {os.geteuid()}, who runs this. {str(folder)!r} "
                f"belongs to user {status.st_uid}. Name your own with cache=... or FISHSK_CACHE, or pass "
                "cache=None."
            )


def default_max_bytes() -> int:
    """Return the limit of FISHSK_CACHE_LIMIT, or 10 GiB."""
    text = os.environ.get("FISHSK_CACHE_LIMIT") or 10 * 2**30
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise ValueError(
            f"FISHSK_CACHE_LIMIT must be a number of bytes, such as 2e9. Got {text!r}."
        ) from None


def sha256_of(document: dict[str, object]) -> str:
    """Return the digest of what JSON can hold, in whatever order its keys are."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def parse_settings(content: bytes) -> dict[str, object]:
    """Return a settings document, or {} for a corrupt one: a flipped bit must not look like a format."""
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        document = json.loads(content)
        if document.pop("sha256") == sha256_of(document):
            return document
    return {}


def keep(
    folder: str | os.PathLike[str] | None,
    subject: dict[str, object],
    make: Callable[[], bytes],
    *,
    kind: str = "network",
) -> bytes:
    """Return what a cache folder keeps of a subject as it was written, or else what is made and kept there.

    `subject`, which JSON can hold, says what `make` makes it from. A folder of None keeps nothing; where one
    cannot be written, a warning is logged. PermissionError if it is another user's, who could have written
    anything.
    """
    if folder is None:
        return make()
    root = expand(folder)
    path = root / _NETWORKS / f"{sha256_of(subject)[:32]}.{kind}"
    check_owner(root, path.parent)
    try:
        head, _, content = path.read_bytes().partition(b"\n")
        if head == _describe(subject, content):
            with contextlib.suppress(OSError):
                os.utime(path)  # the least recently used is evicted first
            return content
        discard(path, "it is not what was written")
    except FileNotFoundError:
        pass
    except OSError as error:
        warn_once(path, "%s cannot be read (%s). What it holds is made again.", error)
    content = make()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, [_describe(subject, content), b"\n", content])
        evict(root, default_max_bytes())
    except OSError as error:
        warn_once(path, "%s cannot be written (%s), and is made again by the next process.", error)
    return content


def _describe(subject: dict[str, object], content: bytes) -> bytes:
    """Return the first line of a file: what it is, for people too, and the digest of what follows."""
    return json.dumps(
        {"sha256": hashlib.sha256(content).hexdigest(), "subject": subject}, sort_keys=True
    ).encode()


def cache_info(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Describe what a cache folder holds, which need not exist.

    That is ``folder``, ``max_bytes`` (the default limit), ``n_rows``, ``n_shards``, ``n_networks``,
    ``n_bytes`` (of all files), and ``stores``, a list of one dict per settings: ``settings``, ``n_features``,
    ``n_rows``, ``n_shards``, ``n_bytes``. Unreadable shards have no rows.
    """
    root = expand(folder)
    stores: list[dict[str, Any]] = []
    for store_folder in list_stores(root):
        n_rows = n_shards = n_bytes = 0
        for name in list_shards(store_folder):
            path = store_folder / name
            with contextlib.suppress(OSError, ValueError):
                n_bytes += path.stat().st_size
                n_shards += 1
                n_rows += len(Shard(path).keys)
        document: dict[str, object] = {}
        with contextlib.suppress(OSError):
            document = parse_settings((store_folder / SETTINGS).read_bytes())
        described = {key: document.get(key) for key in ("settings", "n_features")}
        stores.append({**described, "n_rows": n_rows, "n_shards": n_shards, "n_bytes": n_bytes})
    totals = {key: sum(store[key] for store in stores) for key in ("n_rows", "n_shards", "n_bytes")}
    networks = list_networks(root)
    for path in networks:
        with contextlib.suppress(FileNotFoundError):
            totals["n_bytes"] += path.stat().st_size
    totals["n_networks"] = sum(path.suffix == ".network" for path in networks)
    return {"folder": str(folder), "max_bytes": default_max_bytes(), **totals, "stores": stores}


def clear_cache(folder: str | os.PathLike[str]) -> int:
    """Remove all stored rows and networks, and nothing else, from a cache folder; return their bytes.

    OSError if the folder belongs to another user, or a file cannot be removed.
    """
    root = expand(folder)
    check_owner(root)
    n_bytes = 0
    for path in [*list_rows(root), *list_networks(root)]:
        with contextlib.suppress(FileNotFoundError):  # other processes merge, evict and clear too
            size = path.stat().st_size
            path.unlink()
            n_bytes += size
    for store_folder in list_stores(root):
        sweep(store_folder)
        with contextlib.suppress(OSError):  # a folder that a writer has filled again stays
            if os.listdir(store_folder) == [SETTINGS]:  # no rows of a newer format, no writer at work
                os.unlink(store_folder / SETTINGS)
            store_folder.rmdir()
    sweep(root / _NETWORKS)
    with contextlib.suppress(OSError):  # not there, or a file has come meanwhile
        (root / _NETWORKS).rmdir()
    return n_bytes


def verify_cache(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Check every row of a cache folder against its checksum, and remove what is corrupt.

    Returned are ``n_rows``, the number of valid rows; ``n_corrupt``, that of corrupt ones;
    ``n_unreadable``, that of shards whose rows cannot even be counted; ``files``, the names of such shards.
    What the system refuses to read stays. What other processes remove meanwhile is none of these.
    """
    root = expand(folder)
    check_owner(root)
    report: dict[str, Any] = {"n_rows": 0, "n_corrupt": 0, "n_unreadable": 0, "files": []}
    for path in list_rows(root):
        try:
            shard = Shard(path)
            valid = Rows(shard).find_valid()
        except FileNotFoundError:  # merged or evicted since it was listed
            continue
        except (OSError, ValueError) as error:
            report["n_unreadable"] += 1
            report["files"].append(str(path))
            if isinstance(error, ValueError):
                discard(path, error)
            continue
        report["n_rows"] += len(valid)
        if len(valid) < len(shard.keys):
            report["n_corrupt"] += len(shard.keys) - len(valid)
            report["files"].append(str(path))
            with contextlib.suppress(OSError):
                merge_shards([shard])
    return report

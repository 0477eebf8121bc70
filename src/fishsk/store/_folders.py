"""Where features are kept: the cache folder, its limit and owner, and a sub-folder for each setting."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from fishsk._utils.files import expand, sweep
from fishsk.store._shards import list_shards

SETTINGS = "settings.json"
NETWORKS = "networks"
_DEFAULT_MAX_BYTES = 10 * 2**30


def default_folder() -> Path:
    """Return the folder of ``cache="auto"``: FISHSK_CACHE, or one in the user's cache directory."""
    if folder := os.environ.get("FISHSK_CACHE"):
        return expand(folder)
    import platformdirs

    return platformdirs.user_cache_path("fishsk", appauthor=False) / "features"


def evict(root: Path, max_bytes: int) -> None:
    """Remove the least recently used shards and networks until the cache folder is within its limit."""
    for folder in [root / NETWORKS, *list_stores(root)]:
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
    return sorted([*(root / NETWORKS).glob("*.network"), *(root / NETWORKS).glob("*.description")])


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
    text = os.environ.get("FISHSK_CACHE_LIMIT") or str(_DEFAULT_MAX_BYTES)
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise ValueError(
            f"FISHSK_CACHE_LIMIT must be a number of bytes, such as 2e9. Got {text!r}."
        ) from None


def sha256_of(document: dict[str, Any]) -> str:
    """Return the digest of what JSON can hold, in whatever order its keys are."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def parse_settings(content: bytes) -> dict[str, Any]:
    """Return a settings document, or {} for a corrupt one: a flipped bit must not look like a format."""
    try:
        document = json.loads(content)
        if document.pop("sha256") == sha256_of(document):
            return document
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    return {}

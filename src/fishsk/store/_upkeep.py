"""Looking after what is kept: counted, verified, cleared, while other processes write and clear as well."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from fishsk._utils.files import expand, sweep
from fishsk.store._folders import (
    NETWORKS,
    SETTINGS,
    check_owner,
    default_max_bytes,
    list_networks,
    list_rows,
    list_stores,
    parse_settings,
)
from fishsk.store._shards import Rows, Shard, discard, list_shards, merge_shards


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
        document: dict[str, Any] = {}
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
    sweep(root / NETWORKS)
    with contextlib.suppress(OSError):  # not there, or a file has come meanwhile
        (root / NETWORKS).rmdir()
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

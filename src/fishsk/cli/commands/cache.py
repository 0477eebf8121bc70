"""``cache``: look after the features kept on disk."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "look after the features kept on disk"
EXAMPLES = """\
examples:
  python -m fishsk cache info
  python -m fishsk cache verify        read every row and check its sum; exits with 1 if one is wrong
  python -m fishsk cache clear
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "action",
        choices=["info", "verify", "clear"],
        help="count what is kept, check every row of it, or remove it all",
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Count, verify or remove the features kept on disk."""
    from fishsk.store import default_folder

    folder = default_folder()
    screen.fact("Folder", str(folder), folder=folder)
    return {"info": _show_info, "verify": _verify, "clear": _clear}[arguments.action](screen, folder)


def _show_info(screen: Screen, folder: Any) -> int:
    from fishsk.store import cache_info

    info = cache_info(folder)
    screen.facts |= info
    limit = info["max_bytes"]
    rows = f"{info['n_rows']:,} rows of features, one for each view of an image"
    screen.fact("Kept", f"{rows}, in {info['n_shards']:,} files")
    if info["n_networks"]:
        screen.fact("Networks", f"{info['n_networks']:,} in int8")
    screen.fact("Size", f"{_mebibytes(info['n_bytes'])} of {_mebibytes(limit)}")
    if info["stores"]:
        screen.table(
            [_describe_store(store) for store in info["stores"]],
            header=("rows", "features", "size", "files", "image size", "network", "weights", "layers"),
            right=[0, 1, 2, 3, 4],
        )
    return 0


def _verify(screen: Screen, folder: Any) -> int:
    from fishsk.store import verify_cache

    found = verify_cache(folder)
    screen.facts |= found
    screen.fact("Valid", f"{found['n_rows']:,} rows")
    screen.fact("Corrupt", f"{found['n_corrupt']:,} rows")
    screen.fact("Unreadable", f"{found['n_unreadable']:,} files")
    for path in found["files"]:
        screen.say(f"  {path}")
    if found["files"]:
        screen.say("What was corrupt is removed, and computed again when it is next needed.")
    return 1 if found["n_corrupt"] or found["n_unreadable"] else 0


def _clear(screen: Screen, folder: Any) -> int:
    from fishsk.store import clear_cache

    freed = clear_cache(folder)
    screen.fact("Freed", _mebibytes(freed), n_bytes_freed=freed)
    return 0


def _describe_store(store: dict[str, Any]) -> list[str]:
    settings = store["settings"] or {}
    return [
        f"{store['n_rows']:,}",
        "unknown" if store["n_features"] is None else f"{store['n_features']:,}",
        _mebibytes(store["n_bytes"]),
        f"{store['n_shards']:,}",
        " x ".join(map(str, settings.get("image_size", []))),
        str(settings.get("backbone", "VGG16")),
        str(settings.get("weights", "unknown"))[:12],
        ", ".join(settings.get("layers", [])),
    ]


def _mebibytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB"

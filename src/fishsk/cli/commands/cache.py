"""Look after the features kept on disk.

examples:
  python -m fishsk cache info
  python -m fishsk cache verify        read every row and check its sum; exits with 1 if one is wrong
  python -m fishsk cache clear
"""

from __future__ import annotations

import argparse

from fishsk.cli._screen import Screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=["info", "verify", "clear"],
        help="count what is kept, check every row of it, or remove it all",
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    from fishsk.store import cache_info, clear_cache, default_folder, verify_cache

    folder = default_folder()
    screen.fact("Folder", str(folder), folder=folder)
    if arguments.action == "clear":
        freed = clear_cache(folder)
        screen.fact("Freed", _mebibytes(freed), n_bytes_freed=freed)
        return 0
    found = (cache_info if arguments.action == "info" else verify_cache)(folder)
    screen.facts |= found
    if arguments.action == "verify":
        screen.fact("Valid", f"{found['n_rows']:,} rows")
        screen.fact("Corrupt", f"{found['n_corrupt']:,} rows")
        screen.fact("Unreadable", f"{found['n_unreadable']:,} files")
        for path in found["files"]:
            screen.say(f"  {path}")
        if found["files"]:
            screen.say("Corrupt rows are removed. They are computed again when they are next needed.")
        return 1 if found["n_corrupt"] or found["n_unreadable"] else 0
    rows = f"{found['n_rows']:,} rows of features, one for each view of an image"
    screen.fact("Kept", f"{rows}, in {found['n_shards']:,} files")
    if found["n_networks"]:
        screen.fact("Networks", f"{found['n_networks']:,} in int8")
    screen.fact("Size", f"{_mebibytes(found['n_bytes'])} of {_mebibytes(found['max_bytes'])}")
    table = []
    for store in found["stores"]:
        settings = store["settings"] or {}
        table.append(
            (
                f"{store['n_rows']:,}",
                "unknown" if store["n_features"] is None else f"{store['n_features']:,}",
                _mebibytes(store["n_bytes"]),
                f"{store['n_shards']:,}",
                " x ".join(map(str, settings.get("image_size", []))),
                settings.get("backbone", "VGG16"),
                str(settings.get("weights", "unknown"))[:12],
                ", ".join(settings.get("layers", [])),
            )
        )
    if table:
        header = ("rows", "features", "size", "files", "image size", "network", "weights", "layers")
        screen.table(table, header=header, right=range(5))
    return 0


def _mebibytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB"

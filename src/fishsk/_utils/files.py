"""Files that appear whole or not at all, and the sweeping up after processes that died."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

StrPath = str | os.PathLike[str]

_STALE_SECONDS = 3600
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"


def expand(path: StrPath) -> Path:
    """Return a path that users wrote, with their home in the place of ``~``."""
    return Path(path).expanduser()


def write_atomically(
    path: Path, chunks: Iterable[bytes], *, durable: bool = True, overwrite: bool = True
) -> None:
    """Write a file so that whatever happens, a power cut too, leaves all of it under its name, or nothing.

    Where it need not be `durable`, a power cut may leave anything. Without `overwrite` a file that is there,
    or appears meanwhile, stays, and FileExistsError is raised.
    """
    temporary = path.with_name(f"{path.name}.{os.urandom(4).hex()}.{_HOST}.{os.getpid()}.tmp")
    try:
        with open(temporary, "xb") as file:
            for chunk in chunks:
                file.write(chunk)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            _rename_new(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        sync_folder(path.parent)


def _rename_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links, such as a memory card
        if path.exists():
            raise FileExistsError(f"{str(path)!r} is there already.") from None
        os.replace(temporary, path)
        return
    os.unlink(temporary)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut, where the system can sync folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove temporary files of this machine's dead processes, and all that are an hour old."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if match := re.fullmatch(r".+\.([0-9a-f]{8})\.([0-9]{1,9})\.tmp", entry.name):
                with contextlib.suppress(OSError):
                    orphaned = match[1] == _HOST and not _is_alive(int(match[2]))
                    if orphaned or time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                        os.unlink(entry)


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # where os.kill(pid, 0) would send Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

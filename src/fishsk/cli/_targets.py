"""Files and folders that a command will write: checked before the work, and never lost after it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from fishsk._utils.files import expand


def prepare_file(path: str | Path) -> Path:
    """Return `path` if a file can be written there, after making its folder.

    Raises
    ------
    OSError
        If it cannot, with what to pass instead.
    """
    path = expand(path)
    if path.is_dir():
        raise IsADirectoryError(f"The file to write must not be a folder. Got {str(path)!r}. Add a name.")
    prepare_folder(path.parent)
    return path


def prepare_folder(folder: str | Path) -> Path:
    """Return `folder` if files can be written in it, after making it.

    Raises
    ------
    OSError
        If they cannot, with what to pass instead.
    """
    folder = expand(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"Files must be writable in the folder {str(folder)!r}: {error.strerror}. Name another place."
        ) from error
    return folder


def write_or_keep(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file; if that fails after all, keep it elsewhere, and say where.

    Parameters
    ----------
    path : Path
        Where to write.
    write : callable
        Takes a path, and writes there.

    Raises
    ------
    OSError
        If the file was not written to `path`; the message says where it is.
    """
    try:
        write(path)
    except OSError as error:
        kept = Path(tempfile.mkdtemp(prefix="fishsk-")) / path.name
        write(kept)
        raise OSError(
            f"{str(path)!r} can no longer be written ({error.strerror or error}). "
            f"The result is kept in {str(kept)!r}: move it where you want it."
        ) from error

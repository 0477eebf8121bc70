"""Files and folders that a command will write: checked before the work, and never lost after it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fishsk._utils.files import expand, write_atomically

# What the ending of a file to write can say that it is.
CARDS = (".md",)
EXPORTS = (".tflite", ".onnx", ".xml", ".keras")
MODELS = (".fishsk",)
PAGES = (".html", ".htm")
PICTURES = (".png", ".jpg", ".pdf", ".svg")
TABLES = (".csv",)
FRAMES = (".parquet",)
_FILES = (
    *CARDS,
    *EXPORTS,
    *FRAMES,
    *MODELS,
    *PAGES,
    *PICTURES,
    *TABLES,
    ".jpeg",
    ".json",
)  # which no folder is named after


def prepare_file(path: str | Path, endings: Sequence[str]) -> Path:
    """Return `path` if a file can be written there, after making its folder.

    Parameters
    ----------
    path : path-like
        The file to write.
    endings : sequence of str
        Those that say what the command can write, the usual one first.

    Raises
    ------
    OSError
        If it cannot be written, with what to pass instead.
    ValueError
        If it ends otherwise.
    """
    path = expand(path)
    if path.is_dir():
        raise IsADirectoryError(f"The file to write must not be a folder. Got {str(path)!r}. Add a name.")
    if path.suffix.lower() not in endings:
        known = endings[0] if len(endings) == 1 else f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise ValueError(f"The file to write must end in {known}. Got {str(path)!r}.")
    _make_folder(path.parent)
    return path


def prepare_folder(folder: str | Path) -> Path:
    """Return `folder` if files can be written in it, after making it.

    Raises
    ------
    OSError
        If they cannot, with what to pass instead.
    ValueError
        If it is named like a file.
    """
    folder = expand(folder)
    if folder.suffix.lower() in _FILES and not folder.is_dir():
        raise ValueError(
            f"Several files are written, into a folder. Got {str(folder)!r}, which is named like a file. "
            f"Pass {str(folder.with_suffix(''))!r}."
        )
    return _make_folder(folder)


def _make_folder(folder: Path) -> Path:
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


def check_parquet(path: Path | None) -> None:
    """Raise an ImportError if a file is to be Parquet, and nothing can write it."""
    if path is not None and path.suffix.lower() in FRAMES and find_spec("pyarrow") is None:
        raise ImportError('Parquet files need pyarrow. Run: python -m pip install "fishsk[parquet]"')


def to_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return columns of the same length as CSV, with six digits of each float."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([f"{value:.6f}" if isinstance(value, float) else value for value in row])
    return text.getvalue()


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of the same length as Parquet or as CSV; names that are no text keep their bytes."""
    if path.suffix.lower() not in FRAMES:
        write_atomically(path, [to_csv(columns).encode("utf-8", "surrogateescape")])
        return
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({name: [*map(to_text, values)] for name, values in columns.items()}), sink)
    write_atomically(path, [sink.getvalue()])


def to_text(value: Any) -> Any:
    """Return text as UTF-8 can hold it, with a question mark for a byte of a name that is none."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns as CSV; names that are no text keep their bytes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, [text.getvalue().encode("utf-8", "surrogateescape")])

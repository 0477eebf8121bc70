"""Files and folders that a command will write: checked before the work, and never lost after it."""

from __future__ import annotations

import contextlib
import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from fishsk._utils.files import expand, write_atomically
from fishsk.cli._screen import Screen

# Kinds of files to write, by their endings.
CARDS = (".md",)
EXPORTS = (".tflite", ".onnx", ".xml", ".keras")
FRAMES = (".parquet",)
MODELS = (".fishsk",)
PAGES = (".html", ".htm")
PICTURES = (".png", ".jpg", ".pdf", ".svg")
TABLES = (".csv",)
# Names that are no names of folders.
_FILES = (*CARDS, *EXPORTS, *FRAMES, *MODELS, *PAGES, *PICTURES, *TABLES, ".jpeg", ".json")


def prepare_file(path: str | Path, endings: Sequence[str]) -> Path:
    """Return `path` if a file can be written there, after making its folder, or raise what to pass instead.

    `endings` say what the command can write, the usual one first.
    """
    path = expand(path)
    if path.is_dir():
        raise IsADirectoryError(f"The file to write must not be a folder. Got {str(path)!r}. Add a name.")
    if path.suffix.lower() not in endings:
        known = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise ValueError(f"The file to write must end in {known}. Got {str(path)!r}.")
    _make_folder(path.parent)
    if path.suffix.lower() in FRAMES and find_spec("pyarrow") is None:
        raise ImportError('Parquet files need pyarrow. Run: python -m pip install "fishsk[parquet]"')
    return path


def prepare_folder(folder: str | Path) -> Path:
    """Return `folder` if files can be written in it, after making it, or raise what to pass instead."""
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


def write_or_keep(screen: Screen, title: str, path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file, and print where; if that fails after all, keep it elsewhere and say where."""
    is_page = path.suffix.lower() in PAGES
    with screen.stage(title.lower()) if is_page else contextlib.nullcontext():
        try:
            write(path)
        except OSError as error:
            kept = Path(tempfile.mkdtemp(prefix="fishsk-")) / path.name
            write(kept)
            raise OSError(
                f"{str(path)!r} can no longer be written ({error.strerror or error}). "
                f"The result is kept in {str(kept)!r}: move it where you want it."
            ) from error
    screen.fact(title, f"{path}{' (open it in a browser)' if is_page else ''}", **{title.lower(): path})


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV, with six digits of each float."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        [f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row] for row in rows
    )
    return text.getvalue()


def write_table(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write rows as Parquet or as CSV, in which names that are no text keep their bytes."""
    if path.suffix.lower() in FRAMES:
        import pyarrow as pa
        from pyarrow import parquet

        sink = pa.BufferOutputStream()
        columns = {
            name: [*map(to_utf8, values)]
            for name, values in zip(header, zip(*rows, strict=True), strict=True)
        }
        parquet.write_table(pa.table(columns), sink)
        content = sink.getvalue()
    else:
        content = to_csv([header, *rows]).encode("utf-8", "surrogateescape")
    write_atomically(path, [content])


def to_utf8(value: object) -> object:
    """Return text as UTF-8 can hold it, with a question mark for a byte of a name that is none."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value

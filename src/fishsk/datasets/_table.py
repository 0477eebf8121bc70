"""A table of images: paths, boxes in them, and numbers, classes or tags."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from fishsk._utils.files import expand
from fishsk.datasets._cells import CODE, are_spelled, as_number, find_tags, place_box, split_tags
from fishsk.datasets._folder import find_errors, normalize_name, tell_faults, warn_of_spellings

_DELIMITERS = (",", ";", "\t")
_TASKS = ("auto", "classification", "regression", "tags")
_BOX = ("x", "y", "width", "height")
_MANY = 10  # rows, among which two different numbers are likely classes
_N_LISTED = 20  # rows in an error; a table may have thousands that are wrong


def load_image_table(
    path: str | os.PathLike,
    *,
    target: str | Sequence[str] | None,
    path_column: str = "path",
    task: str = "auto",
    box_columns: Sequence[str] | None = _BOX,
    on_error: str = "raise",
    check_files: bool = True,
    return_X_y: bool = False,
) -> Any:
    r"""Load the paths of images and their targets from a table (CSV).

    The first row names the columns::

        path,weight,species,tags
        2025/trout_1.jpg,1.25,trout,river;young
        2025/ray_1.jpg,3.9,ray,

    A column of numbers, such as ages, weights or counts, makes a regression; one of text a classification. A
    column named ``tags`` holds any number of labels of an image, separated by semicolons, and an empty cell
    none; a list of columns, each of 0 and 1, is another way to write them. Numbers are written as CSV has
    them: ``12``, ``-1.5``, ``2e-3``. Fields are separated by commas, semicolons or tabs, and the text is
    UTF-8, as spreadsheets write it; names are read in Unicode's composed form (NFC).

    Where the table has the columns x, y, width and height, each row is a box in an image, and all else of the
    image is left out, as after a detector. Several rows may be boxes of one file; a row whose four cells are
    empty is a whole image.

    Every image is decoded once to know that it can be, unless `check_files` is False, and forgotten: the
    images are returned as paths, which transformers read when they need them.

    Parameters
    ----------
    path : str or path-like
        The table. A relative path in it starts at the table's folder.
    target : str, sequence of str or None
        The column to learn; of tags several columns of 0 and 1, whose names are the tags. None loads images
        alone.
    path_column : str, default="path"
        The column of the images' paths.
    task : {"auto", "regression", "classification", "tags"}, default="auto"
        Kind of `target`. "auto" is tags of several columns, or of one named "tags", a regression where all
        values are numbers, and a classification where none is; classes that are written as numbers need
        "classification", and tags in a column of another name need "tags". It refuses a column whose values
        look like numbers in another spelling, such as ``1,5``, ``1 000`` or ``12 kg``.
    box_columns : sequence of four str or None, default=("x", "y", "width", "height")
        The columns of the left and the upper edge of a box, and of its sides: pixels of the image as it
        stands upright, or fractions of it, see `join_box`. A table that has none of the default ones has no
        boxes; None reads no boxes, even if the table has these columns.
    on_error : {"raise", "skip"}, default="raise"
        How to handle rows without a path or a target, with a target that is no finite number in a regression,
        with a box that is none or reaches out of the image by more than a pixel, or whose file cannot be
        read: raise one ValueError that names rows and columns, or leave them out, with one warning that names
        them.
    check_files : bool, default=True
        False only looks whether files are there, and opens none: the transformer then raises an error at the
        first bad one.
    return_X_y : bool, default=False
        If True, return ``(images, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples,), str
            The path of each image, in the order of the rows; of a box as `join_box` writes it.
        target : ndarray of shape (n_samples,) or (n_samples, n_tags), or None
            The numbers, float64; of a classification an index into `target_names`, int64; of tags 1 where an
            image has the tag, 0 elsewhere, int64.
        target_names : list of str
            The name of the column; the names of the classes or of the tags, sorted (of several columns in
            their order).
        task : {"regression", "classification", "tags"} or None
            Kind of the target.
        n_boxes : int
            How many of the images are boxes.
        rows : ndarray of shape (n_samples,), int64
            The row of each image in the table, counted as a spreadsheet does: 2 is the first below the names.
        left_out : dict of str to str
            Each row that was left out, and why.
        DESCR : str
            Origin of the images, and the target.

    (images, target) : tuple if `return_X_y=True`
        Both arrays alone.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If the table lacks a column, or holds no rows; if rows cannot be used and `on_error` is "raise"; or if
        "auto" cannot tell what the column is for.

    Warns
    -----
    UserWarning
        About rows that were left out, images that come with different targets, classes whose names differ in
        capitals alone, and a column of two different numbers that "auto" takes for numbers.

    See Also
    --------
    load_image_folder : Images in one folder per class.
    make_fish_images : Drawn fish, whose length is known.

    Notes
    -----
    The columns of a pandas or polars frame need no reader: ``pipeline.fit(frame["path"], frame["weight"])``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import cv2
    >>> from fishsk.datasets import load_image_table, make_fish_images
    >>> X, y = make_fish_images(3, target="length", random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lines = ["path,length"]
    ...     for i, (image, length) in enumerate(zip(X, y)):
    ...         _ = cv2.imwrite(str(Path(folder, f"{i}.png")), image[:, :, ::-1])
    ...         lines.append(f"{i}.png,{length:.1f}")
    ...     table = Path(folder, "fish.csv")
    ...     _ = table.write_text("\n".join(lines))
    ...     fish = load_image_table(table, target="length")
    >>> fish.task, fish.target
    ('regression', array([16.1, 18.1, 17.3]))
    """
    for name, value, known in (("on_error", on_error, ("raise", "skip")), ("task", task, _TASKS)):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}. Got {value!r}.")
    path = expand(path)
    columns = [target] if isinstance(target, str) else list(target or [])
    if box_columns is not None and len(box_columns) != 4:
        raise ValueError(f"box_columns must name x, y, width and height. Got {box_columns!r}.")
    rows = _read_rows(path, path_column, columns, box_columns or ())
    kind, values, wrong = _read_targets(rows, task, path, columns)
    files = [_find_file(path.parent, row.path) if row.path else "" for row in rows]
    placed = [place_box(file, box_columns or _BOX, row.box) for file, row in zip(files, rows, strict=True)]
    sought = [image for image, _ in placed] if check_files else files
    names = [name for name in sought if name]
    if check_files:
        errors = iter(find_errors(names))
    else:
        errors = iter(None if os.path.exists(name) else f"there is no file {name!r}" for name in names)
    faults = []
    for row, name, (_, of_box), of_target in zip(rows, sought, placed, wrong, strict=True):
        error = next(errors) if name else "must be the path of an image. Got an empty field"
        found = of_box or ((path_column, error) if error else of_target)
        if row.is_too_long:
            words = "the row has more cells than there are names of columns; quote what holds a separator"
            found = path_column, words
        faults.append(None if found is None else f"row {row.number}, column {found[0]!r}: {found[1]}")
    good = tell_faults(faults, f"rows of {str(path)!r} cannot be used", on_error, n_listed=_N_LISTED)
    kept = [rows[at] for at in good]
    X = np.array([placed[at][0] for at in good], dtype=str)
    _warn_of_contradictions(kept, X, path)
    y, target_names, described = _encode(kind, [values[at] for at in good], columns, path)
    if return_X_y:
        return X, y
    n_boxes = sum(any(row.box) for row in kept)
    boxes = f", {n_boxes:,} of them boxes," if n_boxes else ""
    learned = f", column {', '.join(map(repr, columns))}" if columns else ""
    return Bunch(
        images=X,
        target=y,
        target_names=target_names,
        task=kind,
        left_out={f"row {row.number}": fault for row, fault in zip(rows, faults, strict=True) if fault},
        rows=np.array([row.number for row in kept], dtype=np.int64),
        n_boxes=n_boxes,
        DESCR=f"{len(X):,} images{boxes} from the table {str(path)!r}{learned}.\n\n{described}\n",
    )


class _Row(NamedTuple):
    """A row as it is written, less spaces around its cells."""

    number: int  # as a spreadsheet counts
    path: str
    values: tuple[str, ...]
    box: tuple[str, ...] = ()
    is_too_long: bool = False  # it has more cells than there are names, such as one with a comma in a name


def _read_rows(path: Path, path_column: str, targets: Sequence[str], boxes: Sequence[str]) -> list[_Row]:
    """Return the rows of a table below the names of its columns; empty ones are passed over."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} must be a table in UTF-8 ({error}). In a spreadsheet, save it as CSV UTF-8."
        ) from None
    n_before = 0
    if re.match(r"sep=[,;\t]\r?\n", text):  # what Excel is told by its own first row
        text, n_before = text.partition("\n")[2], 1
    path_column, *targets = map(normalize_name, (path_column, *targets))
    needed = [path_column, *targets, *([] if tuple(boxes) == _BOX else map(normalize_name, boxes))]
    names: list[str] = []
    for mark in _DELIMITERS:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), [])
        first = [normalize_name(name.strip()) for name in first]
        if set(needed) <= set(first):  # the mark that finds all is the one that separates
            break
        names = max(names, first, key=len)
    else:
        missing = next((name for name in needed[::-1] if name not in names), path_column)
        hint = " Pass path_column to name that of the paths." if missing == path_column else ""
        raise ValueError(f"{str(path)!r} must have a column {missing!r}. Got {names}.{hint}")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        table = [[cell.strip() for cell in row] for row in lines]
    except csv.Error as error:
        raise ValueError(
            f"{str(path)!r} must be a table (CSV): {error} after line {lines.line_num + n_before}. Look for "
            "a quotation mark without its partner."
        ) from None
    for name in needed:
        if first.count(name) > 1:
            raise ValueError(f"{str(path)!r} must have one column {name!r}. Got {first.count(name)}.")
    width = len(first)
    boxes = [normalize_name(name) for name in boxes]
    if not set(boxes) <= set(first) or set(boxes) & set(targets):
        boxes = []
    places = [[first.index(name) for name in names] for names in ([path_column], targets, boxes)]
    rows = []
    for number, row in enumerate(table[1:], start=2 + n_before):
        cells = row + [""] * width
        (name,), values, box = (tuple(cells[place] for place in each) for each in places)
        if any(row):
            rows.append(_Row(number, name, values, box, any(row[width:])))
    if not rows:
        raise ValueError(f"{str(path)!r} must hold a row for each image below its names. Got none.")
    return rows


def _find_file(folder: Path, written: str) -> str:
    """Return the path of a file as it is written, or as the disk has it, which another system may write."""
    names = [written, written.replace("\\", "/")]
    names += [unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in names]
    paths = [str(folder / expand(name)) for name in names]
    return next(filter(os.path.exists, paths), paths[0])


def _warn_of_contradictions(rows: Sequence[_Row], images: np.ndarray, path: Path) -> None:
    """Warn of images that come with different targets."""
    first: dict[str, _Row] = {}
    found = [
        (first[image], row)
        for row, image in zip(rows, images.tolist(), strict=True)
        if first.setdefault(image, row).values != row.values
    ]
    if found:
        one, other = found[0]
        told = [f"row {row.number} ({', '.join(row.values)!r})" for row in (other, one)]
        warnings.warn(
            f"{len(found):,} rows of {str(path)!r} contradict an earlier row of the same image, first "
            f"{' '.join(told)}. Remove the wrong ones.",
            stacklevel=3,
        )


def _read_targets(
    rows: Sequence[_Row], task: str, path: Path, columns: Sequence[str]
) -> tuple[str | None, list, list[tuple[str, str] | None]]:
    """Return what columns are for, the target of each row, and which column of it is wrong, and why."""
    if not columns:
        return None, [None] * len(rows), [None] * len(rows)
    if task == "tags" or (task == "auto" and (len(columns) > 1 or columns[0].casefold() == "tags")):
        found = [find_tags(columns, row.values) for row in rows]
        return "tags", [tags for tags, _ in found], [fault for _, fault in found]
    if len(columns) > 1:
        raise ValueError(f"Several columns are tags, of 0 and 1. Got {columns} and task={task!r}.")
    cells = [row.values[0] for row in rows]
    numbers = [as_number(cell) for cell in cells]
    if task == "auto":
        task = _guess_task(rows, numbers, f"Column {columns[0]!r} of {str(path)!r}")
    is_wrong = [
        not cell or (task == "regression" and n is None) for cell, n in zip(cells, numbers, strict=True)
    ]
    wrong = [(columns[0], _explain(cell)) if bad else None for cell, bad in zip(cells, is_wrong, strict=True)]
    return task, numbers if task == "regression" else [*map(normalize_name, cells)], wrong


def _explain(cell: str) -> str:
    """Return why a cell is no target."""
    if not cell:
        return "must not be empty"
    hint = ""
    if as_number(cell.replace(",", ".")) is not None:
        hint = "; write a point for the decimal comma"
    elif are_spelled([cell]):
        hint = "; write digits and a point alone"
    return f"must be a finite number, such as 12.5. Got {cell!r}{hint}"


def _guess_task(rows: Sequence[_Row], numbers: Sequence[float | None], column: str) -> str:
    """Return whether a column holds numbers or names of classes; raise an error where it may be either."""
    others = [row for row, number in zip(rows, numbers, strict=True) if row.values[0] and number is None]
    n_numbers = len(rows) - numbers.count(None)

    def name(row: _Row) -> str:
        return f"{row.values[0]!r} in row {row.number}"

    if others and are_spelled([row.values[0] for row in others]):
        raise ValueError(
            f"{column} looks like numbers in another spelling, such as {name(others[0])}. Write numbers as "
            "1234.5, with a point for decimals, nothing between thousands and no unit; or pass "
            'task="classification" if these are names of classes.'
        )
    if others and n_numbers:
        raise ValueError(
            f"{column} must hold numbers, or names of classes. Got both: {n_numbers:,} rows have numbers, "
            f'row {others[0].number} has {others[0].values[0]!r}. Pass task="regression" to find the rows '
            'that are no numbers, or task="classification".'
        )
    if n_numbers and (codes := [row for row in rows if CODE.match(row.values[0])]):
        raise ValueError(
            f"{column} looks like codes, such as {name(codes[0])}, which lose digits as numbers. Pass "
            'task="classification" if these are names of classes, or task="regression" if they are numbers.'
        )
    if listed := [row for row in others if len(split_tags(row.values[0])) > 1]:
        raise ValueError(
            f'{column} looks like tags, such as {name(listed[0])}. Pass task="tags" if an image may have '
            'several, or task="classification" if these are names.'
        )
    if n_numbers >= _MANY and len(set(numbers)) == 2:
        warnings.warn(
            f"{column} holds two different numbers, and is learned as numbers. Pass "
            'task="classification" if these are classes, or task="regression" to silence this.',
            stacklevel=4,
        )
    return "regression" if n_numbers else "classification"


def _encode(
    task: str | None, values: list, columns: Sequence[str], path: Path
) -> tuple[np.ndarray | None, list[str], str]:
    """Return targets as numbers, the names of what they mean, and how many there are in words."""
    y: np.ndarray
    if task is None:
        return None, [], ""
    if task == "regression":
        y = np.array(values, dtype=np.float64)
        return y, [*columns], f"{columns[0]}: {y.min():g} to {y.max():g}, {y.mean():g} on average"
    if task == "tags":
        named = [{normalize_name(tag) for tag in tags} for tags in values]
        names = [*columns] if len(columns) > 1 else sorted(set().union(*named))
        if len(names) < 2:
            raise ValueError(
                f"Column {columns[0]!r} of {str(path)!r} must hold at least two different tags. Got {names}. "
                'For one tag alone write two classes, such as "yes" and "no", and pass task="classification".'
            )
        y = np.array([[name in tags for name in names] for tags in named], dtype=np.int64)
        counts = y.sum(axis=0)
    else:
        found, y, counts = np.unique(np.array(values, dtype=str), return_inverse=True, return_counts=True)
        y, names = y.astype(np.int64), found.tolist()
    warn_of_spellings(names, f"Column {', '.join(map(repr, columns))} of {str(path)!r}", stacklevel=4)
    described = [f"- {name}: {n} images" for name, n in zip(names, counts.tolist(), strict=True)]
    return y, names, "\n".join(described)

"""A table of images: one column of paths, and one of numbers or of classes."""

from __future__ import annotations

import csv
import errno
import io
import math
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
from fishsk.datasets._folder import find_errors, normalize_name, warn_of_spellings

_DELIMITERS = (",", ";", "\t")
_TASKS = ("auto", "classification", "regression")
# A number as CSV has it: neither underscores nor the digits of other scripts, which Python's float takes.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# What loses something as a number: zeros at its front, or more digits than a float has.
_CODE = re.compile(r"[+-]?(0[0-9]|[0-9]{16})")
# A number in another spelling: a currency, digits of any script with marks between them, a unit.
_SPELLED = re.compile(
    r"(?P<before>[$\u20ac\u00a3\u00a5~<>\s]*)[+\u2212-]?\d+([.,_'\u2019\s]\d+)*[.,]?"
    r"(?P<after>\s*[^\W\d_]{0,5}[%\u00b0\u20ac$/]*[^\W\d_]{0,2}[\u00b2\u00b3]?)"
)
_MANY = 10  # rows, among which two different numbers are likely classes
_N_LISTED = 20  # rows in an error; a table may have thousands that are wrong


def load_image_table(
    path: str | os.PathLike,
    *,
    target: str,
    path_column: str = "path",
    task: str = "auto",
    on_error: str = "raise",
    check_files: bool = True,
    return_X_y: bool = False,
) -> Any:
    r"""Load the paths of images, and what is known of each, from a table (CSV).

    The first row names the columns::

        path,weight,species
        2025/trout_1.jpg,1.25,trout
        2025/ray_1.jpg,3.9,ray

    A column of numbers, such as ages, weights or counts, makes a regression; one of text a classification.
    Numbers are written as CSV has them: ``12``, ``-1.5``, ``2e-3``. Fields are separated by commas,
    semicolons or tabs, and the text is UTF-8, as spreadsheets write it; names are read in Unicode's composed
    form (NFC).

    Every image is decoded once to know that it can be, unless `check_files` is False, and forgotten: the
    images are returned as paths, which `VGG16FeatureTransformer` reads when it needs them.

    Parameters
    ----------
    path : str or path-like
        The table. A relative path in it starts at the table's folder.
    target : str
        The column to learn.
    path_column : str, default="path"
        The column of the images' paths.
    task : {"auto", "regression", "classification"}, default="auto"
        What `target` is for. "auto" is a regression where all of its values are numbers, and a classification
        where none is; classes that are written as numbers need "classification". It refuses a column whose
        values look like numbers in another spelling, such as ``1,5``, ``1 000`` or ``12 kg``.
    on_error : {"raise", "skip"}, default="raise"
        What to do about rows without a path or a target, with a target that is no finite number in a
        regression, or whose file cannot be read: raise one ValueError that names rows and columns, or leave
        them out, with one warning that names them.
    check_files : bool, default=True
        False only looks whether files are there, and opens none: whoever reads the images raises an error at
        the first one that is bad.
    return_X_y : bool, default=False
        If True, return ``(images, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples,), str
            The path of each image, in the order of the rows.
        target : ndarray of shape (n_samples,)
            The numbers, float64; of a classification an index into `target_names`, int64.
        target_names : list of str
            The name of the column; of a classification the names of the classes, sorted.
        task : {"regression", "classification"}
            Which of them it is.
        rows : ndarray of shape (n_samples,), int64
            The row of each image in the table, counted as a spreadsheet does: 2 is the first below the names.
        left_out : dict of str to str
            Each row that was left out, and why.
        DESCR : str
            Where the images are from, and what the target is.

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
    rows = _read_rows(path, normalize_name(path_column), normalize_name(target))
    images = [_find_file(path.parent, row.path) if row.path else "" for row in rows]
    task, numbers = _find_task(rows, task, path, target)
    errors = (find_errors if check_files else _find_missing)([image for image in images if image])
    faults = _find_faults(rows, images, errors, numbers, path_column, target)
    good = np.array([fault is None for fault in faults])
    found = [fault for fault in faults if fault is not None]
    listed = found[:_N_LISTED]
    if len(found) > _N_LISTED:
        listed.append(f"... and {len(found) - _N_LISTED:,} more")
    report = "\n".join([f"{len(found):,} of {len(rows):,} rows of {str(path)!r} cannot be used:", *listed])
    if found and (on_error == "raise" or not good.any()):
        raise ValueError(
            f'{report}\nFix or remove these rows, or pass on_error="skip" to go on without them.'
        )
    if found:
        warnings.warn(f"{report}\nThey are left out. Fix them to silence this.", stacklevel=2)
    X = np.array(images, dtype=str)[good]
    _warn_of_contradictions([row for row, is_good in zip(rows, good, strict=True) if is_good], X, path)
    if task == "regression":
        y, names = np.array(numbers, dtype=np.float64)[good], [target]
        described = f"{target}: {y.min():g} to {y.max():g}, {y.mean():g} on average"
    else:
        values = [normalize_name(row.value) for row in rows]
        labels, y = np.unique(np.array(values, dtype=str)[good], return_inverse=True)
        y, names = y.astype(np.int64), labels.tolist()
        warn_of_spellings(names, f"Column {target!r} of {str(path)!r}")
        counts = zip(names, np.bincount(y).tolist(), strict=True)
        described = "\n".join(f"- {name}: {count} images" for name, count in counts)
    if return_X_y:
        return X, y
    return Bunch(
        images=X,
        target=y,
        target_names=names,
        task=task,
        left_out={
            f"row {row.number}": fault for row, fault in zip(rows, faults, strict=True) if fault is not None
        },
        rows=np.array([row.number for row in rows], dtype=np.int64)[good],
        DESCR=f"{len(X):,} images from the table {str(path)!r}, column {target!r}.\n\n{described}\n",
    )


class _Row(NamedTuple):
    """A row as it is written, less spaces: its number as a spreadsheet counts, the path and the target.

    `is_too_long` tells a row that has more cells than there are names, such as one with a comma in a name.
    """

    number: int
    path: str
    value: str
    is_too_long: bool = False


def _read_rows(path: Path, path_column: str, target: str) -> list[_Row]:
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
    names: list[str] = []
    for mark in _DELIMITERS:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), [])
        first = [normalize_name(name.strip()) for name in first]
        if path_column in first and target in first:  # the mark that finds both is the one that separates
            break
        names = max(names, first, key=len)
    else:
        missing = target if target not in names else path_column
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
    for name in (path_column, target):
        if first.count(name) > 1:
            raise ValueError(f"{str(path)!r} must have one column {name!r}. Got {first.count(name)}.")
    width = len(first)
    rows = [
        _Row(number, cells[first.index(path_column)], cells[first.index(target)], any(row[width:]))
        for number, row in enumerate(table[1:], start=2 + n_before)
        for cells in [row + [""] * width]
        if any(row)
    ]
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
        if first.setdefault(image, row).value != row.value
    ]
    if found:
        one, other = found[0]
        warnings.warn(
            f"{len(found):,} rows of {str(path)!r} contradict an earlier row of the same image, first row "
            f"{other.number} ({other.value!r}) row {one.number} ({one.value!r}). Remove the wrong ones.",
            stacklevel=3,
        )


def _find_task(rows: Sequence[_Row], task: str, path: Path, target: str) -> tuple[str, list[float | None]]:
    """Return what a column is for, and of a regression its values, None where one is no number."""
    numbers = [_as_number(row.value) for row in rows]
    if task == "auto":
        others = [row for row, number in zip(rows, numbers, strict=True) if row.value and number is None]
        n_numbers = len(rows) - numbers.count(None)
        column = f"Column {target!r} of {str(path)!r}"
        if others and _are_spelled([row.value for row in others]):
            raise ValueError(
                f"{column} looks like numbers in another spelling, such as {others[0].value!r} in row "
                f"{others[0].number}. Write numbers as 1234.5, with a point for decimals, nothing between "
                'thousands and no unit; or pass task="classification" if these are names of classes.'
            )
        if others and n_numbers:
            raise ValueError(
                f"{column} must hold numbers, or names of classes. Got both: {n_numbers:,} rows have "
                f"numbers, row {others[0].number} has {others[0].value!r}. Pass "
                'task="regression" to find the rows that are no numbers, or task="classification".'
            )
        if n_numbers and (codes := [row for row in rows if _CODE.match(row.value)]):
            raise ValueError(
                f"{column} looks like codes, such as {codes[0].value!r} in row {codes[0].number}, which lose "
                'digits as numbers. Pass task="classification" if these are names of classes, or '
                'task="regression" if they are numbers.'
            )
        task = "regression" if n_numbers else "classification"
        if n_numbers >= _MANY and len(set(numbers)) == 2:
            warnings.warn(
                f"{column} holds two different numbers, and is learned as numbers. Pass "
                'task="classification" if these are classes, or task="regression" to silence this.',
                stacklevel=3,
            )
    return task, numbers if task == "regression" else [0.0] * len(rows)


def _as_number(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value) and math.isfinite(float(value)) else None


def _are_spelled(values: Sequence[str]) -> bool:
    """Tell numbers with a decimal comma, marks between thousands, one unit, or digits of another script."""
    found = [_SPELLED.fullmatch(value) for value in values]
    around = {(each["before"], each["after"]) for each in found if each}
    return all(found) and (len(around) == 1 or all(not after or after[0].isspace() for _, after in around))


def _find_missing(paths: list[str]) -> list[str | None]:
    """Return what opening each of the files would say if it is not there, or None where it is."""
    words = os.strerror(errno.ENOENT)
    return [None if os.path.exists(path) else f"[Errno {errno.ENOENT}] {words}: {path!r}" for path in paths]


def _find_faults(
    rows: Sequence[_Row],
    images: list[str],
    errors: list[str | None],
    numbers: list[float | None],
    path_column: str,
    target: str,
) -> list[str | None]:
    """Return what is wrong with each row, or None; `errors` are those of the files that are named."""
    faults: list[str | None] = []
    unreadable = iter(errors)
    for row, image, number in zip(rows, images, numbers, strict=True):
        error = next(unreadable) if image else "must be the path of an image. Got an empty field"
        column, fault = path_column, error
        if row.is_too_long:
            fault = "the row has more cells than there are names of columns; quote what holds a separator"
        elif error is None:
            column = target
            if not row.value:
                fault = "must not be empty"
            elif number is None:
                fault = f"must be a finite number, such as 12.5. Got {row.value!r}"
                if _as_number(row.value.replace(",", ".")) is not None:
                    fault += "; write a point for the decimal comma"
                elif _are_spelled([row.value]):
                    fault += "; write digits and a point alone"
        faults.append(None if fault is None else f"row {row.number}, column {column!r}: {fault}")
    return faults

"""Cells of a table read as numbers, in whatever spelling, as tags and as boxes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from fishsk.features import join_box

# A number as CSV has it: neither underscores nor the digits of other scripts, which Python's float takes.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# Text that would lose something as a number: leading zeros, or more digits than a float has.
CODE = re.compile(r"[+-]?(0[0-9]|[0-9]{16})")
# A number in another spelling: a currency, digits of any script with marks between them, a unit.
_SPELLED = re.compile(
    r"(?P<before>[$\u20ac\u00a3\u00a5~<>\s]*)[+\u2212-]?\d+([.,_'\u2019\s]\d+)*[.,]?"
    r"(?P<after>\s*[^\W\d_]{0,5}[%\u00b0\u20ac$/]*[^\W\d_]{0,2}[\u00b2\u00b3]?)"
)
_YES = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


def as_number(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value) and math.isfinite(float(value)) else None


def are_spelled(values: Sequence[str]) -> bool:
    """Tell numbers with a decimal comma, marks between thousands, one unit, or digits of another script."""
    found = [_SPELLED.fullmatch(value) for value in values]
    around = {(each["before"], each["after"]) for each in found if each}
    return all(found) and (len(around) == 1 or all(not after or after[0].isspace() for _, after in around))


def split_tags(cell: str) -> list[str]:
    """Return the tags that a cell names, separated by semicolons; an empty one names none."""
    return [tag for part in cell.split(";") if (tag := part.strip())]


def find_tags(columns: Sequence[str], cells: Sequence[str]) -> tuple[list[str], tuple[str, str] | None]:
    """Return the tags of a row, and which column is wrong, and why, or None.

    A single column names them; of several each is a tag, and holds 0 or 1.
    """
    if len(columns) == 1:
        tags = split_tags(cells[0])
        twice = next((tag for tag in tags if tags.count(tag) > 1), None)
        return tags, None if twice is None else (columns[0], f"names the tag {twice!r} twice")
    for column, cell in zip(columns, cells, strict=True):
        if cell.lower() not in _YES:
            return [], (column, f"must be 0 or 1. Got {cell!r}")
    return [column for column, cell in zip(columns, cells, strict=True) if _YES[cell.lower()]], None


def place_box(path: str, columns: Sequence[str], cells: Sequence[str]) -> tuple[str, tuple[str, str] | None]:
    """Return the path of the box that cells hold, and which column is wrong, and why, or None.

    Cells that are all empty, or none, leave the whole image.
    """
    if not any(cells):
        return path, None
    numbers: list[float] = []
    for column, cell in zip(columns, cells, strict=True):
        if (number := as_number(cell)) is None:
            words = "must be a finite number, or all four of a row empty for the whole image"
            return path, (column, f"{words}. Got {cell!r}" if cell else f"{words}. Got an empty field")
        if number <= 0 and column in columns[2:]:
            return path, (column, f"a box must be larger than 0. Got {number:g}")
        numbers.append(number)
    return join_box(path, *numbers), None

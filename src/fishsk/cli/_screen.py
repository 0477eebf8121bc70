"""Output of commands: text and tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fishsk._utils.versions import check_tensorflow

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


class Screen:
    """Text for people and, with `as_json`, JSON for programs; then the text goes to standard error."""

    def __init__(self, *, as_json: bool = False):
        from rich.console import Console

        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self.facts: dict[str, object] = {}  # what machines are told
        self.seconds: dict[str, float] = {}  # how long each stage took

    def say(self, text: str = "") -> None:
        """Print words as they are."""
        self.console.print(to_text(text))

    def fact(self, title: str, text: str, **facts: object) -> None:
        """Print one titled line, and keep its numbers for machines."""
        self.say(f"{title + ':':13}{text}")
        self.facts |= facts

    def table(
        self, rows: Sequence[Sequence[object]], *, header: Sequence[str], right: Sequence[int] = ()
    ) -> None:
        """Print a table of `str` or rich's Text; `right` are the columns that are aligned to the right.

        A table that is wider than the terminal becomes one block of lines a row; nothing is cut.
        """
        table = make_table(rows, header=header, right=right)
        if self.fits(table):
            self.console.print(table)
            return
        width = max(map(len, header))
        for row in rows:
            self.say()
            for title, cell in zip(header, row, strict=True):
                self.say(f"  {title:{width}}  {cell}")
        self.say()

    def fits(self, table: Table) -> bool:
        """Return whether the terminal is wide enough for a table."""
        options = self.console.options.update(max_width=10**6)
        return self.console.measure(table, options=options).maximum <= self.console.width

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the seconds of a stage, and turn a spinner while it runs."""
        with self.measured(name), self.console.status(f"{name} ..."):
            yield

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure the seconds of a stage that draws a progress bar of its own."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start

    def show_facts(self) -> None:
        """Print what machines are told, once; a command that goes on for long does it itself."""
        if self.as_json and self.facts:
            print(json.dumps(to_plain(self.facts), indent=2, allow_nan=False), flush=True)
            self.facts = {}

    def show_seconds(self) -> None:
        """Print the seconds of each stage so far."""
        stages = self.seconds | {"together": sum(self.seconds.values())}
        rows = [(name, f"{seconds:.1f}") for name, seconds in stages.items()]
        self.table(rows, header=("Seconds of each stage", ""), right=[1])
        self.facts["seconds"] = self.seconds


def load_tensorflow(screen: Screen) -> None:
    """Import TensorFlow, without what its C++ writes to standard error whatever the log level is.

    Commands that train call it before they import whatever imports TensorFlow. Those that only answer do not:
    most models answer without it.
    """
    check_tensorflow()
    with screen.stage("load TensorFlow"), open(os.devnull, "wb") as nowhere:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def make_table(rows: Sequence[Sequence[object]], *, header: Sequence[str], right: Sequence[int]) -> Table:
    """Return a table of text, as `Screen.table` prints it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column, title in enumerate(header):
        table.add_column(to_text(title), justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else to_text(cell) for cell in row))
    return table


def pick(found: object, *names: str) -> dict[str, object]:
    """Return some attributes by their names, as facts."""
    return {name: getattr(found, name) for name in names}


def to_text(value: object) -> Text:
    """Return what a user named as rich's text: no markup, no emoji codes, no terminal's control codes."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(value)))


def to_plain(value: object) -> object:
    """Return a fact as JSON can hold it; what is no number is null."""
    if isinstance(value, dict):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        return to_plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)

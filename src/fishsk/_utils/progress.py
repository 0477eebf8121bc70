"""A progress bar on standard error, for what takes long."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text


class ProgressBar:
    """A bar, how much is done of how much, how fast, and how long it will take.

    It is a context manager. In a terminal it is drawn while it is open; in a file it is one line, at the end.
    A `total` of None is not known; of the unit "bytes" it is shown in kB, MB or GB. A bar whose `shown` is
    None is shown on terminals only.
    """

    def __init__(self, description: str, total: int | None, *, unit: str, shown: bool | None = True):
        console = Console(stderr=True, highlight=False)
        if unit == "bytes":
            columns: list[ProgressColumn] = [DownloadColumn(), TransferSpeedColumn()]
        else:
            columns = [_Count(unit)]
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *columns,
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not (console.is_terminal if shown is None else shown),
        )
        self._task = self._progress.add_task(description, total=total)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, done: int) -> None:
        """Count what has been done since the last call."""
        self._progress.advance(self._task, done)

    def move_to(self, done: int) -> None:
        """Set how much is done in all."""
        self._progress.update(self._task, completed=done)


class _Count(ProgressColumn):
    """How much is done of how much, and how fast."""

    def __init__(self, unit: str):
        self._unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f" of {task.total:,.0f}"
        text = f"{task.completed:,.0f}{total} {self._unit}"
        speed = task.finished_speed or task.speed
        if speed is not None:
            text += f" {speed:,.{0 if speed >= 10 else 1}f} {self._unit}/s"
        return Text(text)

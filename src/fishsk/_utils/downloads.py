"""One way to download: to a name that appears whole and verified, or not at all, and never without an end."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from pathlib import Path

from fishsk._utils.progress import ProgressBar

TIMEOUT = 8.0  # seconds

_lock = threading.Lock()  # a second thread that wants the same file waits, and finds it


def download(
    url: str,
    folder: Path,
    *,
    known_hash: str | None,
    name: str | None = None,
    timeout: float | None = None,
    retries: int = 2,
    max_seconds: float = math.inf,
) -> Path:
    """Return the file of a URL in a folder, downloaded where it is not there with this hash.

    A hash is such as ``"md5:03b5dc..."``; None takes any file of that name. An attempt ends when the server
    does not answer for `timeout` seconds, of which None is `TIMEOUT`, or sends no byte for as long; `retries`
    is how often to start again, also after wrong bytes. `max_seconds` limits the whole. OSError or ValueError
    if it cannot be downloaded, or the hash of what came is another.
    """
    import pooch

    name = name or url.rpartition("/")[2]
    files = pooch.create(folder, "", registry={name: known_hash}, urls={name: url}, retry_if_failed=retries)
    with _lock, contextlib.closing(_Bar(name, max_seconds)) as bar:
        downloader = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=2**16,
            timeout=TIMEOUT if timeout is None else timeout,
            headers={"Accept-Encoding": "identity"},  # bytes that a proxy has compressed could not be counted
        )
        return Path(files.fetch(name, downloader=downloader))


class _Bar(ProgressBar):
    """A bar as pooch calls it, shown on terminals from the first byte on; it ends what takes too long."""

    def __init__(self, name: str, max_seconds: float) -> None:
        super().__init__(name, None, unit="bytes", shown=None)
        self._ends = time.monotonic() + max_seconds

    def _start(self, total: int) -> None:
        self._progress.reset(self._task, total=total or None)
        self._progress.start()

    total = property(fset=_start)

    def update(self, n_bytes: int) -> None:
        if time.monotonic() > self._ends:
            raise TimeoutError("it takes longer than it may.")  # after which pooch does not try again
        self.advance(n_bytes)

    def reset(self) -> None:
        self.move_to(0)

    def close(self) -> None:
        self._progress.stop()

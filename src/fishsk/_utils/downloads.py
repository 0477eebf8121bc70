"""One way to download: to a name that appears whole and verified, or not at all, and never without an end."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from fishsk._utils.files import adopt
from fishsk._utils.progress import ProgressBar

TIMEOUT = 8.0  # seconds

_lock = threading.Lock()  # a second thread that wants the same file waits, and finds it


def download(
    url: str,
    folder: Path,
    *,
    known_hash: str | None,
    n_bytes: int | None = None,
    name: str | None = None,
    timeout: float = TIMEOUT,
    retries: int = 2,
    max_seconds: float | None = None,
) -> Path:
    """Return the file of a URL in a folder, downloaded where it is not there with this hash.

    A hash is such as ``"md5:03b5dc..."``; None takes any file of that name. With a hash, what came before the
    connection was cut is kept, and the next call, of another process too, asks for the rest. `n_bytes` is for
    the progress bar, which is shown on terminals. `timeout` is in seconds without a single new byte, retries
    and name resolution included, `max_seconds` limits the whole. `retries` is how often to start again after
    an error, a cut connection or wrong bytes. OSError or ValueError if it cannot be downloaded, or the hash
    of what came is another.
    """
    import pooch

    name = name or url.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    files = pooch.create(folder, "", registry={name: known_hash}, urls={name: url}, retry_if_failed=retries)
    part = None if known_hash is None else folder / name
    with _lock:
        downloader = _Downloader(name, n_bytes, timeout, max_seconds, part)
        return Path(files.fetch(name, downloader=downloader))


class _Answer(NamedTuple):
    """The head of a server's answer: whether it is the rest that was asked for, and how long."""

    is_rest: bool
    n_bytes: int | None


class _Downloader:
    """A downloader for pooch that gives up when nothing has come for `timeout` seconds, over all attempts.

    The time-outs of requests bound neither the resolution of names, nor the addresses of a host that are
    tried one after the other, nor the whole: hence a thread receives, and this one waits with a limit. Beside
    the `target`, unless it is None, the first bytes are kept until the others come.
    """

    def __init__(
        self, name: str, n_bytes: int | None, timeout: float, max_seconds: float | None, target: Path | None
    ):
        self.target = target
        self.name = name
        self.n_bytes = n_bytes
        self.timeout = timeout
        self.silence_ends = time.monotonic() + timeout
        self.ends = float("inf") if max_seconds is None else time.monotonic() + max_seconds

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        path = Path(output_file) if self.target is None else adopt(self.target)
        received: queue.SimpleQueue[_Answer | bytes | Exception | None] = queue.SimpleQueue()
        abandoned = threading.Event()
        bar = ProgressBar(self.name, self.n_bytes, unit="bytes", shown=None)
        with bar, open(path, "wb" if self.target is None else "ab") as stream:
            receiver = threading.Thread(
                target=self._receive, args=(url, stream.tell(), received, abandoned), daemon=True
            )
            receiver.start()
            try:
                while (item := self._wait(received)) is not None:
                    if isinstance(item, Exception):
                        raise item
                    if isinstance(item, bytes):
                        stream.write(item)
                        bar.advance(len(item))
                        self.silence_ends = time.monotonic() + self.timeout
                        continue
                    if not item.is_rest:
                        stream.truncate(0)
                    if item.n_bytes is not None:
                        bar.expect(stream.tell() + item.n_bytes)
                    bar.move_to(stream.tell())
            except OSError as error:
                if getattr(getattr(error, "response", None), "status_code", None) == 416:
                    stream.truncate(0)  # more than the server has
                raise
            finally:
                abandoned.set()
        if self.target is not None:
            os.replace(path, output_file)

    def _wait(self, received: queue.SimpleQueue) -> _Answer | bytes | Exception | None:
        end = min(self.silence_ends, self.ends)
        left = end - time.monotonic()
        with contextlib.suppress(queue.Empty):
            if left > 0:
                return received.get(timeout=left)
        # A TimeoutError is none of the errors after which pooch tries again.
        if end == self.ends:
            raise TimeoutError("it takes longer than it may.")
        raise TimeoutError(f"nothing came for {self.timeout:g} seconds.")

    def _receive(self, url: str, start: int, received: queue.SimpleQueue, abandoned: threading.Event) -> None:
        from pooch import HTTPDownloader

        def tell(response: Any, **_: Any) -> None:
            if response.status_code not in (200, 206):  # a redirect, or an error that is raised below
                return
            length = response.headers.get("Content-Length", "")
            received.put(_Answer(response.status_code == 206, int(length) if length.isdecimal() else None))

        class Sink:
            def write(self, chunk: bytes) -> None:
                if abandoned.is_set():
                    raise OSError("nobody waits for this download any more.")
                received.put(chunk)

            def flush(self) -> None:
                pass

        # Bytes of a file that a proxy has compressed could not be counted.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            downloader = HTTPDownloader(
                chunk_size=2**16, timeout=self.timeout, headers=headers, hooks={"response": tell}
            )
            downloader(url, Sink(), None)
            received.put(None)
        except Exception as error:  # it belongs to the thread that waits
            received.put(error)

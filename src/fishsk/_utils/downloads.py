"""One way to download: to a name that appears whole and verified, or not at all, and never without an end."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from pathlib import Path

from fishsk._utils.progress import ProgressBar

TIMEOUT = 8.0  # seconds


def download(
    url: str,
    folder: Path,
    *,
    known_hash: str,
    n_bytes: int,
    timeout: float = TIMEOUT,
    retries: int = 2,
    max_seconds: float | None = None,
) -> Path:
    """Return the file of a URL in a folder, downloaded where it is not there with this hash.

    Parameters
    ----------
    url : str
        Its last part is the file's name.
    folder : Path
        It is made where it is missing.
    known_hash : str
        Such as ``"md5:03b5dc..."``.
    n_bytes : int
        The size, for the progress bar, which is shown on terminals.
    timeout : float, default=8.0
        Seconds without a single new byte, retries and name resolution included, after which to give up.
    retries : int, default=2
        How often to start again after an error, a cut connection or wrong bytes.
    max_seconds : float, default=None
        Seconds that the whole download may take. None means no limit.

    Raises
    ------
    OSError, ValueError
        If it cannot be downloaded, or the hash of what came is another.
    """
    import pooch

    base, _, name = url.rpartition("/")
    folder.mkdir(parents=True, exist_ok=True)
    files = pooch.create(folder, f"{base}/", registry={name: known_hash}, retry_if_failed=retries)
    downloader = _Downloader(name, n_bytes, timeout, max_seconds)
    return Path(files.fetch(name, downloader=downloader))


class _Downloader:
    """A downloader for pooch that gives up when nothing has come for `timeout` seconds.

    The time-outs of requests bound neither the resolution of names, nor the addresses of a host that are
    tried one after the other, nor the whole: hence a thread receives, and this one waits with a limit.

    Parameters
    ----------
    name : str
        What is downloaded, for the progress bar.
    n_bytes : int
        How much that is.
    timeout : float
        Seconds without a new byte, over all attempts.
    max_seconds : float or None
        Seconds from now on that all attempts together may take.
    """

    def __init__(self, name: str, n_bytes: int, timeout: float, max_seconds: float | None):
        self.name = name
        self.n_bytes = n_bytes
        self.timeout = timeout
        self.silence_ends = time.monotonic() + timeout
        self.ends = float("inf") if max_seconds is None else time.monotonic() + max_seconds

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        received: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        abandoned = threading.Event()
        receiver = threading.Thread(target=self._receive, args=(url, received, abandoned), daemon=True)
        receiver.start()
        bar = ProgressBar(self.name, self.n_bytes, unit="bytes", shown=None)
        try:
            with bar, open(output_file, "wb") as stream:
                while (item := self._wait(received)) is not None:
                    if isinstance(item, Exception):
                        raise item
                    stream.write(item)
                    bar.advance(len(item))
                    self.silence_ends = time.monotonic() + self.timeout
        finally:
            abandoned.set()

    def _wait(self, received: queue.SimpleQueue) -> bytes | Exception | None:
        end = min(self.silence_ends, self.ends)
        left = end - time.monotonic()
        with contextlib.suppress(queue.Empty):
            if left > 0:
                return received.get(timeout=left)
        # A TimeoutError is none of the errors after which pooch tries again.
        if end == self.ends:
            raise TimeoutError("it takes longer than it may.")
        raise TimeoutError(f"nothing came for {self.timeout:g} seconds.")

    def _receive(self, url: str, received: queue.SimpleQueue, abandoned: threading.Event) -> None:
        from pooch import HTTPDownloader

        class Sink:
            def write(self, chunk: bytes) -> None:
                if abandoned.is_set():
                    raise OSError("nobody waits for this download any more.")
                received.put(chunk)

            def flush(self) -> None:
                pass

        try:
            HTTPDownloader(chunk_size=2**16, timeout=self.timeout)(url, Sink(), None)
            received.put(None)
        except Exception as error:  # it belongs to the thread that waits
            received.put(error)

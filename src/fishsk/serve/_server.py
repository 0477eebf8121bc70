"""The server: a socket, and one process or several that answer on it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import joblib

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
_THREADS = ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_SECONDS = 10  # in which what has begun is answered, when the end is asked for


def open_port(port: int, host: str = HOST) -> socket.socket:
    """Return a socket that listens on an address of this machine; port 0 is any free one.

    OSError if the port is taken, or the address is none of this machine's; ValueError if there is no such
    port.
    """
    if not 0 <= port < 2**16:
        raise ValueError(f"The port must be in 0 to 65535. Got {port}.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        raise OSError(
            f"Port {port} of {host} cannot be used: {error.strerror}. Pass another, or 0 for any free one."
        ) from error
    # Its connections inherit it. asyncio sets it only where the protocol was named when the socket was made;
    # without it the second packet of an answer waits 40 ms for the client.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def find_address(listening: socket.socket) -> str:
    """Return the address of a socket that listens, as people type it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run_server(app: Any, listening: socket.socket) -> None:
    """Serve an ASGI application until the process is interrupted, or told to end."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_SECONDS,
    )
    # uvicorn raises the signal again when it has answered what it was answering.
    with _handled(signal.SIG_IGN, signal.SIGTERM), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    listening.close()


def run_workers(
    make_app: Callable[[], Any], listening: socket.socket, n_workers: int, *, tell: Callable[[], None]
) -> None:
    """Serve an application by several processes, each with a model and its share of the cores.

    `make_app` can be pickled, and is called in each process; `tell` is called when all are ready. Of the
    socket, which they share, the system gives a connection to one that waits for any. ValueError if a process
    cannot begin; it says why.
    """
    stopped = threading.Event()
    workers: list[_Worker] = []
    with _share_cores(n_workers), _handled(lambda *_: stopped.set(), signal.SIGINT, signal.SIGTERM):
        try:
            while len(workers) < n_workers and not stopped.is_set():
                workers.append(_Worker(make_app, listening))
                if len(workers) in (1, n_workers):  # what the first one makes, the others find in the cache
                    for worker in workers:
                        worker.wait(stopped)
            if not stopped.is_set():
                tell()
            while not stopped.wait(0.5):
                for place, worker in enumerate(workers):
                    if not worker.process.is_alive():
                        logger.warning("%s. Another one begins.", worker.explain_end())
                        workers[place] = _Worker(make_app, listening)
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.process.join(_SECONDS + 1)
                worker.process.kill()
            listening.close()


class _Worker:
    """A process that answers."""

    def __init__(self, make_app: Callable[[], Any], listening: socket.socket) -> None:
        context = multiprocessing.get_context("spawn")
        self._ready = context.Event()
        self._errors, errors = context.Pipe(duplex=False)
        work = (make_app, listening, self._ready, errors)
        self.process = context.Process(target=_work, args=work, daemon=True)
        self.process.start()
        errors.close()

    def wait(self, stopped: threading.Event) -> None:
        """Return when it is ready, or all shall stop; ValueError if it ended."""
        while not self._ready.wait(0.1) and not stopped.is_set():
            if not self.process.is_alive():
                raise ValueError(self.explain_end())

    def explain_end(self) -> str:
        """Return why it ended."""
        self.process.join()
        with contextlib.suppress(EOFError):
            return self._errors.recv()
        return f"A process of the service ended, with exit status {self.process.exitcode}"


def _work(make_app: Callable[[], Any], listening: socket.socket, ready: Any, errors: Any) -> None:
    """Answer in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all: the first process ends the others
    try:
        app = make_app()
    except (ValueError, OSError, ImportError, MemoryError) as error:
        errors.send(str(error))
        return
    ready.set()
    run_server(app, listening)


@contextlib.contextmanager
def _share_cores(n_workers: int) -> Iterator[None]:
    """Let processes that begin meanwhile use their share of the cores, unless the user says how many."""
    added = {
        name: str(max(1, joblib.cpu_count() // n_workers)) for name in _THREADS if name not in os.environ
    }
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextlib.contextmanager
def _handled(handler: Any, *numbers: int) -> Iterator[None]:
    """Let signals be handled otherwise meanwhile."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)

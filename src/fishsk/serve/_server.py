"""The server: a socket, and one process or several that answer on it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import joblib

if TYPE_CHECKING:
    from starlette.types import ASGIApp

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


def run_server(app: ASGIApp, listening: socket.socket) -> None:
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
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    listening.close()


def run_workers(
    make_app: Callable[[], ASGIApp], listening: socket.socket, n_workers: int, *, tell: Callable[[], None]
) -> None:
    """Serve an application by several processes, each with a model and its share of the cores.

    `make_app` can be pickled, and is called in each process, first in one that ends: its error is raised
    here, and what it makes, the others find in the cache. Then `tell` is called. Of the socket, which they
    share, the system gives a connection to one that waits for any.
    """
    for name in _THREADS:
        os.environ.setdefault(name, str(max(1, joblib.cpu_count() // n_workers)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as first:
        first.submit(_make, make_app).result()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())

    def start() -> BaseProcess:
        worker = context.Process(target=_answer, args=(make_app, listening), daemon=True)
        worker.start()
        return worker

    workers = [start() for _ in range(n_workers)]
    try:
        tell()
        while not stopped.wait(0.5):
            for place, worker in enumerate(workers):
                if not worker.is_alive():
                    logger.warning("A process ended, status %s. Another one begins.", worker.exitcode)
                    workers[place] = start()
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(_SECONDS + 1)
            worker.kill()
        listening.close()


def _make(make_app: Callable[[], ASGIApp]) -> None:
    """Make the application, which cannot leave its process."""
    make_app()


def _answer(make_app: Callable[[], ASGIApp], listening: socket.socket) -> None:
    """Answer in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all: the first process ends the others
    run_server(make_app(), listening)

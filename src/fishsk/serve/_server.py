"""The server of the page, on the loopback interface alone."""

from __future__ import annotations

import socket
from typing import Any

HOST = "127.0.0.1"


def open_port(port: int) -> socket.socket:
    """Return a socket that listens on this machine's loopback interface; port 0 is any free one.

    Raises
    ------
    OSError
        If the port is taken.
    ValueError
        If there is no such port.
    """
    if not 0 <= port < 2**16:
        raise ValueError(f"The port must be in 0 to 65535. Got {port}.")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise OSError(
            f"Port {port} of {HOST} cannot be used: {error.strerror}. Pass another, or 0 for any free one."
        ) from error


def run_server(app: Any, listening: socket.socket) -> None:
    """Serve an ASGI application until the process is interrupted."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:  # which uvicorn raises again when it has answered what it was answering
        pass
    finally:
        listening.close()

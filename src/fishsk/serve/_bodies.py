"""Bodies of requests: read within limits, and split into files where they hold several."""

from __future__ import annotations

import asyncio
import email
import email.message
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BYTES = 25_000_000  # of an image file; its pixels are limited by `fishsk.features.read_image`
MAX_TOGETHER = 4 * MAX_BYTES  # of a request that sends several
MAX_IMAGES = 256  # of a request
_MAX_HELD = 2**28  # bytes of all requests that are not answered yet
_SECONDS = 60.0  # to send a request


class Bodies:
    """Read the bodies of requests; all that are held at a time have a bounded number of bytes."""

    def __init__(self) -> None:
        self._n_held = 0

    @asynccontextmanager
    async def hold(self, request: Request, max_bytes: int) -> AsyncIterator[bytes]:
        """Yield what was sent; HTTPException if it is too much or too slow, or there is no room for it."""
        from starlette.exceptions import HTTPException

        too_large = HTTPException(413, f"A request must have at most {max_bytes:,} bytes here.")
        content = bytearray()
        try:
            if int(request.headers.get("Content-Length", 0)) > max_bytes:
                raise too_large
            async with asyncio.timeout(_SECONDS):
                async for chunk in request.stream():
                    content += chunk
                    self._n_held += len(chunk)
                    if len(content) > max_bytes:
                        raise too_large
                    if self._n_held > _MAX_HELD:
                        raise HTTPException(503, "Too much is sent at once. Ask again.", {"Retry-After": "1"})
            yield bytes(content)
        except TimeoutError:
            raise HTTPException(408, f"A request must be sent within {_SECONDS:g} seconds.") from None
        finally:
            self._n_held -= len(content)


def take_apart(content_type: str, content: bytes) -> list[tuple[str | None, bytes]]:
    """Return the image files of a body: itself, or the parts of a form (multipart/form-data, RFC 7578).

    With each comes what its sender calls it. ValueError if it is no such form, or holds none, or too many.
    """
    header = email.message.Message()
    header["Content-Type"] = content_type
    if header.get_content_type() != "multipart/form-data":
        return [(None, content)]
    boundary = header.get_boundary()
    pieces = (b"\r\n" + content).split(b"\r\n--" + boundary.encode("latin-1")) if boundary else []
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("A form must have a boundary, and end with it: it was cut, or is none.")
    if not 1 <= len(pieces) - 2 <= MAX_IMAGES:
        raise ValueError(f"A form must hold 1 to {MAX_IMAGES} images. Got {len(pieces) - 2}.")
    return [_read_part(piece) for piece in pieces[1:-1]]


def _read_part(piece: bytes) -> tuple[str | None, bytes]:
    """Return the file that a part of a form holds, of its headers and its content."""
    head, is_whole, content = piece.partition(b"\r\n\r\n")
    if not is_whole:
        raise ValueError("Each part of a form must have headers, and an empty line after them.")
    headers = email.message_from_bytes(head.lstrip())
    name = headers.get_filename() or headers.get_param("name", header="Content-Disposition")
    return name if isinstance(name, str) else None, content

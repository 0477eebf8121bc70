"""Who may ask: this machine's own names, or whoever has the token."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TOKEN = "FISHSK_TOKEN"  # the environment variable
_OPEN = "/health"  # tells nothing, to programs that only look whether this one lives
_NAMES = {"localhost", "127.0.0.1", "::1"}
_SHORTEST = 16  # letters of a token
_MAKE = "python -c 'import secrets; print(secrets.token_urlsafe())'"


def check_token(token: str | None, host: str) -> str | None:
    """Return the token that requests must bring, None where there is none; empty is none.

    ValueError if it is too short or cannot be sent, or other machines could ask `host` without one; OSError
    if there is no such host.
    """
    if token and (len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token):
        raise ValueError(
            f"{TOKEN} must have at least {_SHORTEST} letters and digits without spaces. Make one by {_MAKE}"
        )
    found = socket.getaddrinfo(host or "0.0.0.0", None)  # no name means all addresses
    if not token and not all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found):
        raise ValueError(
            f"--host {host} lets other machines ask, who must send a token. Set {TOKEN} to one, such as "
            f"{_MAKE} prints, or leave --host out."
        )
    return token or None


class Guard:
    """Refuse what must not be answered, before anything else sees it.

    A token comes as ``Authorization: Bearer TOKEN``, or as the password of a browser (Basic). Without one,
    requests to this machine's own names alone are answered: a foreign name that was made to lead here (DNS
    rebinding) is refused.
    """

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        from starlette.datastructures import Headers
        from starlette.responses import JSONResponse

        app = self._app
        is_request = scope["type"] == "http"
        if is_request and (refused := self._refuse(scope["method"], scope["path"], Headers(scope=scope))):
            status, text = refused
            wanted = {"WWW-Authenticate": 'Bearer, Basic realm="fishsk"'} if status == 401 else None
            app = JSONResponse({"error": text}, status, wanted)
        await app(scope, receive, send)

    def _refuse(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return the status and the reason of a refusal, or None."""
        if self._token is None and urlsplit(f"//{headers.get('host', '')}").hostname not in _NAMES:
            return 400, f"Without {TOKEN}, only http://127.0.0.1 and http://localhost are answered."
        if self._token is not None and path != _OPEN and not self._has_token(headers):
            return 401, f"Send the token that {TOKEN} holds, as 'Authorization: Bearer TOKEN'."
        # Browsers say so where a page of another site makes them ask.
        if method == "POST" and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "Pages of other sites are not answered."
        return None

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        kind, _, sent = headers.get("authorization", "").partition(" ")
        content = sent.strip().encode("latin-1", "replace")
        if kind.lower() == "basic":
            try:
                content = base64.b64decode(content).partition(b":")[2]
            except binascii.Error:
                return False
        elif kind.lower() != "bearer":
            return False
        assert self._token is not None
        return hmac.compare_digest(content, self._token.encode())

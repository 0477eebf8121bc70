"""The web application: one page, and two answers to the image that a browser sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TYPE_CHECKING, Any

from fishsk._version import __version__
from fishsk.report import render_page
from fishsk.serve._answers import Answers

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MAX_BYTES = 25_000_000  # of an image file; its pixels are limited by `fishsk.features.read_image`
_IMAGE = "application/octet-stream"  # other sites cannot make a browser send it here without asking first
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(answers: Answers, *, title: str = "fishsk", max_bytes: int = MAX_BYTES) -> Starlette:
    """Return the web application that shows what a model says of an image.

    It loads nothing from elsewhere, keeps no image, and answers only requests to this machine's own names.

    Parameters
    ----------
    answers : Answers
        What is said of an image.
    title : str, default="fishsk"
        The title of the page.
    max_bytes : int, default=25_000_000
        The largest image file that is taken.

    Returns
    -------
    starlette.applications.Starlette
        An ASGI application.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import HTMLResponse, PlainTextResponse, Response
    from starlette.routing import Route

    script = (resources.files("fishsk.serve") / "templates" / "serve.js").read_text(encoding="utf-8")
    page = _render(
        "serve.html",
        title=title,
        sections={},
        images={},
        labels=[str(label) for label in answers.labels],
        step_names=answers.step_names,
        has_train=answers.train is not None,
        max_bytes=max_bytes,
        version=__version__,
    )

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    async def show_script(request: Request) -> Response:
        return Response(script, media_type="text/javascript", headers=_HEADERS)

    def answer_with(template: str, find: Callable[..., dict[str, Any]]) -> Callable[..., Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            content = await _read_body(request, max_bytes)
            asked = {
                name: value for name, value in request.query_params.items() if name in ("target", "against")
            }
            try:
                found = await run_in_threadpool(find, content, **asked)
            except ValueError as error:
                raise HTTPException(422, str(error)) from error
            return HTMLResponse(_render(template, **found), headers=_HEADERS)

        return answer

    async def show_error(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return PlainTextResponse(error.detail, error.status_code, headers=_HEADERS)
        return PlainTextResponse(f"This is a bug in fishsk: {error!r}", 500, headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/serve.js", show_script),
            Route("/prediction", answer_with("prediction.html", answers.predict), methods=["POST"]),
            Route("/explanation", answer_with("explanation.html", answers.explain), methods=["POST"]),
        ],
        # A foreign name that was made to lead here is refused (DNS rebinding).
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        exception_handlers={HTTPException: show_error, Exception: show_error},
    )


def _render(template: str, **context: Any) -> str:
    return render_page(template, package="fishsk.serve", **context)


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """Return what was sent, and stop reading where it is too much."""
    from starlette.exceptions import HTTPException

    if request.headers.get("Content-Type") != _IMAGE:
        raise HTTPException(415, f"Send the bytes of an image file as {_IMAGE}.")
    too_large = HTTPException(413, f"An image file must have at most {max_bytes:,} bytes.")
    if int(request.headers.get("Content-Length", 0)) > max_bytes:
        raise too_large
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > max_bytes:
            raise too_large
    return bytes(content)

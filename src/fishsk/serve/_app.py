"""The web application: answers to programs in JSON, and one page for people."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING

from fishsk._version import __version__
from fishsk.report import render_page
from fishsk.serve._answers import Answers, explain_error
from fishsk.serve._batches import Batches
from fishsk.serve._bodies import MAX_BYTES, MAX_TOGETHER, Bodies, take_apart
from fishsk.serve._guard import Guard
from fishsk.serve._openapi import describe_service

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_IMAGE = "application/octet-stream"  # other sites cannot make a browser send it here without asking first
# What programs send an image as: nothing is what requests says of bytes, the last one curl --data-binary.
_KINDS = ("", _IMAGE, "application/x-www-form-urlencoded")
_render = partial(render_page, package="fishsk.serve")
_ASKED = ("target", "against")  # of an explanation
_PAGE = ("/", "/serve.js", "/prediction", "/explanation")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(answers: Answers, *, title: str = "fishsk", token: str | None = None) -> Starlette:
    """Return the web application, by ASGI, that says what a model sees in images.

    It loads nothing from elsewhere, and keeps no image. `token` is what each request must bring; None answers
    requests to this machine's own names alone.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect
    from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
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
        max_bytes=MAX_BYTES,
        version=__version__,
    )
    description = describe_service(answers, token is not None)
    bodies, batches = Bodies(), Batches(answers.classify)

    async def predict(request: Request) -> Response:
        content_type = request.headers.get("Content-Type", "")
        kind = content_type.partition(";")[0].strip().lower()
        is_form = kind == "multipart/form-data"
        if not is_form and kind not in _KINDS and not kind.startswith("image/"):
            raise HTTPException(415, f"Send the bytes of an image as {_IMAGE}, or several as a form.")
        start = time.perf_counter()
        async with bodies.hold(request, MAX_TOGETHER if is_form else MAX_BYTES) as content:
            try:
                sent = take_apart(content_type, content)
            except ValueError as error:
                raise HTTPException(400, str(error)) from error
            futures = [asyncio.wrap_future(batches.submit(image)) for _, image in sent]
            found = await asyncio.gather(*futures)
        images = [{"name": name} | answer for (name, _), answer in zip(sent, found, strict=True)]
        answer = {"images": images, "seconds": time.perf_counter() - start}
        if any("error" not in image for image in images):
            return JSONResponse(answer, headers=_HEADERS)
        return JSONResponse({"error": images[0]["error"]} | answer, 422, headers=_HEADERS)

    async def show_health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "fishsk": __version__, "waiting": batches.n_waiting})

    def answer_with(
        template: str, find: Callable[..., dict[str, object]]
    ) -> Callable[..., Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if request.headers.get("Content-Type") != _IMAGE:
                raise HTTPException(415, f"Send the bytes of an image file as {_IMAGE}.")
            asked = {name: request.query_params[name] for name in _ASKED if name in request.query_params}
            async with bodies.hold(request, MAX_BYTES) as content:
                try:
                    found = await run_in_threadpool(find, content, **asked)
                except ValueError as error:
                    raise HTTPException(422, explain_error(error)) from error
            return HTMLResponse(_render(template, **found), headers=_HEADERS)

        return answer

    async def show_error(request: Request, error: Exception) -> Response:
        status, text, headers = 500, f"This is a bug in fishsk: {error!r}", dict[str, str]()
        if isinstance(error, HTTPException):
            status, text, headers = error.status_code, error.detail, dict(error.headers or {})
        if request.url.path in _PAGE:
            return PlainTextResponse(text, status, headers=_HEADERS | headers)
        return JSONResponse({"error": text}, status, headers=_HEADERS | headers)

    routes = {
        "/predict": ("POST", predict),
        "/health": ("GET", show_health),
        "/openapi.json": ("GET", JSONResponse(description, headers=_HEADERS)),
        "/": ("GET", HTMLResponse(page, headers=_HEADERS)),
        "/serve.js": ("GET", Response(script, media_type="text/javascript", headers=_HEADERS)),
        "/prediction": ("POST", answer_with("prediction.html", answers.predict)),
        "/explanation": ("POST", answer_with("explanation.html", answers.explain)),
    }
    # A request that was cut is no error to log, and nobody reads its answer.
    return Starlette(
        routes=[
            Route(path, answer, methods=[method], include_in_schema=path not in _PAGE)
            for path, (method, answer) in routes.items()
        ],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers=dict.fromkeys((HTTPException, ClientDisconnect, Exception), show_error),
    )

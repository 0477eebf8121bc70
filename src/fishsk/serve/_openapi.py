"""The description of the service for programs, in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1.html)."""

from __future__ import annotations

from collections.abc import Mapping

from fishsk._version import __version__
from fishsk.serve._answers import Answers
from fishsk.serve._bodies import MAX_BYTES, MAX_IMAGES, MAX_TOGETHER

_ERRORS = {
    400: "The name by which this service was asked is none of its own.",
    401: "The token is missing, or another.",
    403: "A page of another site asked.",
    408: "The request was not sent in time.",
    413: "The request is too large.",
    415: "The request is no image.",
    422: "No image of the request can be read.",
    503: "Too much is sent at once: ask again.",
}
_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_FLAG = {"type": "boolean"}


def describe_service(answers: Answers, has_token: bool) -> dict[str, object]:
    """Return the description of the routes for programs, whose requests may need a token."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    names = [str(label) for label in answers.labels]
    answer: dict[str, object] = {}
    if answers.tags:
        answer["tags"] = {"type": "array", "items": {"enum": names}}
    elif names:
        answer["class"] = {"enum": names}
    else:
        answer["number"] = _NUMBER
    if hasattr(answers.pipeline, "predict_proba"):
        answer["probabilities"] = _make_object(dict.fromkeys(names, share))
        if not answers.tags:
            answer["probability"] = share | {"description": "That of the class."}
            answer["unsure"] = _FLAG | {"description": "Whether the probability is below --min-probability."}
    if answers.train is not None:
        answer["unfamiliar"] = _FLAG | {"description": "Whether no training image is like it."}
    name = {"type": ["string", "null"], "description": "The name of the file, where it was sent."}
    schemas = {
        "Answer": _make_object({"name": name} | answer),
        "BadImage": _make_object({"name": name, "error": _TEXT}),
        "Answers": _make_object({"images": _list_of("Answer", "BadImage"), "seconds": _NUMBER}),
        "Error": _make_object({"error": _TEXT}),
        "BadImages": _make_object({"error": _TEXT, "images": _list_of("BadImage"), "seconds": _NUMBER}),
        "Health": _make_object({"status": {"const": "ok"}, "fishsk": _TEXT, "waiting": {"type": "integer"}}),
    }
    image = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    images = _make_object({"images": {"type": "array", "items": image["schema"], "maxItems": MAX_IMAGES}})
    predict = {
        "operationId": "predict",
        "summary": "Say what is seen in one image or several",
        "description": f"An image file of at most {MAX_BYTES:,} bytes is the body, or each part of a form "
        f"is one, {MAX_TOGETHER:,} bytes together. An image of several that cannot be read has an error "
        "in its place.",
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": image,
                "image/*": image,
                "multipart/form-data": {"schema": images},
            },
        },
        "responses": {"200": _respond("The answer for each image, in their order.", "Answers")}
        | {
            str(status): _respond(text, "BadImages" if status == 422 else "Error")
            for status, text in _ERRORS.items()
            if has_token or status != 401
        },
    }
    health = {
        "operationId": "health",
        "summary": "Say whether the service answers; needs no token",
        "responses": {"200": _respond("It does.", "Health")},
        "security": [],
    }
    openapi = {
        "operationId": "openapi",
        "summary": "This description",
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {}}}},
    }
    scheme = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if has_token else {}
    return {
        "openapi": "3.1.1",
        "info": {"title": "fishsk serve", "version": __version__},
        "paths": {
            "/predict": {"post": predict},
            "/health": {"get": health},
            "/openapi.json": {"get": openapi},
        },
        "components": {"schemas": schemas} | scheme,
        "security": [{"token": []}] if has_token else [],
    }


def _make_object(properties: Mapping[str, object]) -> dict[str, object]:
    """Return the schema of an object that has just these entries."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list_of(*names: str) -> dict[str, object]:
    kinds = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return {"type": "array", "items": {"anyOf": kinds}}


def _respond(text: str, name: str) -> dict[str, object]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}

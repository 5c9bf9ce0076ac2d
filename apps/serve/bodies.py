"""Read request bodies within limits, parse them strictly, and validate them against a model."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeVar, cast

from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.requests import ClientDisconnect, Request

from hdc.apps.json.reading.strict import deeper_than, parse_bytes
from hdc.apps.serve import models
from hdc.apps.serve.answers import RefusedError, unprocessable
from hdc.apps.serve.limits import Limits
from hdc.checks import shown

B = TypeVar("B", bound=models.Body)

REFERENCES = "#/components/schemas/{model}"

STATUSES = {
    400: "A parameter is wrong, or the body is no JSON.",
    401: "A token is missing or wrong.",
    403: "The token is for reading only, or the server serves no changes.",
    404: "There is no such index or row.",
    408: "The body came too slowly.",
    409: "Somebody else has changed or is changing the index.",
    413: "The body is too long.",
    422: "The body is JSON, and not what was asked for.",
    429: "Too many requests wait; Retry-After says when to try again.",
    504: "It took too long.",
}
"""Descriptions of error statuses."""

LINGER_BYTES, LINGER_SECONDS = 16 << 20, 2.0
"""How much of a body that is too long is still read, so that the client sees the error before the connection closes."""


def described(model: type[models.Body]) -> dict[str, Any]:
    """Return what OpenAPI says of a request with such a body, and of the failures that a body brings."""

    def content(of: type[BaseModel]) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": REFERENCES.format(model=of.__name__)}}}

    refused = {str(s): {"description": STATUSES[s], "content": content(models.Failure)} for s in (408, 413, 422)}
    return {"requestBody": {"required": True, "content": content(model)}, "responses": refused}


def answers(model: type[BaseModel], *statuses: int, ok: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of answers: a model, and the failures that every request may meet, and more."""
    return {ok: {"model": model, "description": (model.__doc__ or "").strip()}, **failures(*statuses)}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the failures that every request may meet, and of more."""
    always = {400, 401, 404, 429, 504, *statuses}
    return {status: {"model": models.Failure, "description": STATUSES[status]} for status in sorted(always)}


def with_bodies(app: FastAPI, names: Sequence[str]) -> FastAPI:
    """Let an application's OpenAPI name its indexes, and have the schemas of bodies, which are not read by FastAPI."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema: dict[str, Any] = made()
            bodies = [(model, "validation") for model in _all(models.Body)]
            _, definitions = models_json_schema(bodies, ref_template=REFERENCES)
            known = schema.setdefault("components", {}).setdefault("schemas", {})
            known |= {name: known.get(name, value) for name, value in definitions["$defs"].items()}
            for operation in (one for path in schema["paths"].values() for one in path.values()):
                for parameter in operation.get("parameters", ()):
                    if (parameter["in"], parameter["name"]) == ("path", "index"):
                        parameter["schema"]["enum"] = list(names)
            return schema  # which FastAPI remembers, and returns the next time
        return cast(dict[str, Any], app.openapi_schema)

    app.openapi = openapi
    return app


def _all(model: type[models.Body]) -> list[type[models.Body]]:
    return [found for child in model.__subclasses__() for found in (child, *_all(child))]


async def body_of(request: Request, model: type[B], limits: Limits) -> B:
    """Return the validated body of a request.

    Raises
    ------
    RefusedError
        408 if it comes too slowly, 413 if it is too long, 422 if it does not fit the model.
    DocumentError
        If it is not JSON; the message says where.
    """
    value = await json_of(request, limits)
    try:
        return cast(B, model.model_validate(value))
    except ValidationError as error:
        raise invalid(error) from None


async def json_of(request: Request, limits: Limits) -> Any:
    """Return the JSON value of a body; raises as :func:`body_of` does."""
    value = parse_bytes(await _read(request, limits), "body")
    if deeper_than(value, limits.depth):
        raise unprocessable(f"the body is nested deeper than {limits.depth} levels")
    return value


async def _read(request: Request, limits: Limits) -> bytes:
    """Return the bytes of a body."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and len(said) < 20 and int(said) > limits.body_bytes and "expect" in request.headers:
        raise _too_long(limits)  # nothing was sent yet
    body, stream = bytearray(), request.stream()
    try:
        async with asyncio.timeout(limits.read_seconds):
            async for part in stream:
                body += part
                if len(body) > limits.body_bytes:
                    break
            else:
                return bytes(body)
    except TimeoutError:
        raise RefusedError(408, "the body came too slowly", "TimeoutError", {"connection": "close"}) from None
    except ClientDisconnect:
        raise RefusedError(400, "the client left", "ClientDisconnect") from None
    await _linger(stream, len(body))
    raise _too_long(limits)


async def _linger(stream: AsyncGenerator[bytes], read: int) -> None:
    """Read on within limits; a client that is still sending when its connection closes would see no response."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            async for part in stream:
                read += len(part)
                if read > LINGER_BYTES:
                    return
    except (TimeoutError, ClientDisconnect):
        return


def _too_long(limits: Limits) -> RefusedError:
    message = f"the body is longer than {limits.body_bytes:,} bytes"
    return RefusedError(413, message, "BodyTooLarge", {"connection": "close"})


def invalid(error: Any) -> RefusedError:
    """Return the error, 422, for a pydantic error: the first three problems."""
    return unprocessable("; ".join(map(_said, error.errors()[:3])))


def _said(error: Any) -> str:
    """Return a problem in one line: where it is, what is wrong, and what was given."""
    place = ".".join(map(str, error["loc"])) or "body"
    given = "" if error["type"] in ("missing", "extra_forbidden") else f", not {shown(error['input'])}"
    return f"{place}: {error['msg']}{given}"

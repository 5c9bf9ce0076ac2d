"""Read request bodies within limits, parse them strictly, and validate them against a model."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from hdc.apps.json.reading.strict import deeper_than, parse_bytes
from hdc.apps.serve import models
from hdc.apps.serve.answers import RefusedError, unprocessable
from hdc.apps.serve.limits import Limits
from hdc.checks import shown

B = TypeVar("B", bound=models.Body)

LINGER_BYTES, LINGER_SECONDS = 16 << 20, 2.0
"""How much of a body that is too long is still read, so that the client sees the error before the connection closes."""


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
    content = await _read(request, limits)
    if not content:
        raise RefusedError(400, "the body is empty; send a JSON value", "DocumentError")
    value = parse_bytes(content, "body")
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
        raise RefusedError(408, "the body arrived too slowly", "TimeoutError", {"connection": "close"}) from None
    except ClientDisconnect:
        raise RefusedError(400, "the client closed the connection", "ClientDisconnect") from None
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
    if error["type"] == "extra_forbidden":
        return f"{place}: there is no such field"
    given = "" if error["type"] == "missing" else f", not {shown(error['input'])}"
    return f"{place}: {error['msg']}{given}"

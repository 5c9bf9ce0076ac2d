"""Bodies of requests: read within bounds, parsed strictly, and checked against a model."""

import asyncio
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request

from hdc.apps.json.reading.strict import deeper_than, parse_bytes
from hdc.apps.serve.answers import RefusedError, unprocessable
from hdc.apps.serve.limits import Limits
from hdc.checks import shown


class Body(BaseModel):
    """A body in JSON: a name that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


B = TypeVar("B", bound=Body)


def described(model: type[Body]) -> dict[str, Any]:
    """Return what OpenAPI says of a request with such a body."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def body_of(request: Request, model: type[B], limits: Limits) -> B:
    """Return the body of a request.

    Raises
    ------
    RefusedError
        408 if it comes too slowly, 413 if it is too long, 422 if it is not of the model.
    DocumentError
        If it is no JSON; the text says where.
    """
    value = parse_bytes(await _read(request, limits), "body")
    if deeper_than(value, limits.depth):
        raise unprocessable(f"the body is nested deeper than {limits.depth} levels")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise unprocessable("; ".join(map(_said, error.errors(include_url=False)[:3]))) from None


async def _read(request: Request, limits: Limits) -> bytes:
    """Return the bytes of a body."""
    try:
        async with asyncio.timeout(limits.read_seconds):
            body = bytearray()
            async for part in request.stream():
                body += part
                if len(body) > limits.body_bytes:
                    raise too_long(limits)
            return bytes(body)
    except TimeoutError:
        raise RefusedError(408, "the body came too slowly", "TimeoutError", {"connection": "close"}) from None
    except ClientDisconnect:
        raise RefusedError(400, "the client left", "Disconnected") from None


def too_long(limits: Limits) -> RefusedError:
    """Return the error for a body that is longer than bodies may be."""
    message = f"the body is longer than {limits.body_bytes:,} bytes"
    return RefusedError(413, message, "BodyTooLarge", {"connection": "close"})


def _said(error: Any) -> str:
    """Return what pydantic found, in one line: where, what, and what was given."""
    place = ".".join(map(str, error["loc"])) or "body"
    given = "" if error["type"] in ("missing", "extra_forbidden") else f", not {shown(error['input'])}"
    return f"{place}: {error['msg']}{given}"

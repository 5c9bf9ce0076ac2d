"""JSON responses: values, written by orjson, and errors, ``{"error": {"type": …, "message": …}}``."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

from hdc.errors import ConflictError, FileFormatError, HDCError

JSON = "application/json"


class RefusedError(HDCError):
    """A request that is rejected with an HTTP status.

    Parameters
    ----------
    status : int
    message : str
    kind : str
        Type of the error in the response.
    headers : mapping, optional
        Headers of the response.
    """

    def __init__(self, status: int, message: str, kind: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.headers = status, kind, headers


def not_found(message: str) -> RefusedError:
    """Return the error for an index or a row that does not exist."""
    return RefusedError(404, message, "NotFoundError")


def unprocessable(message: str) -> RefusedError:
    """Return the error for a body that is JSON but invalid for the request."""
    return RefusedError(422, message, "ValidationError")


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a value as JSON. NumPy's arrays and scalars become JSON; NaN becomes null."""
    return Response(written(value), status, headers, JSON)


def written(value: Any) -> bytes:
    """Return a value as JSON text in UTF-8."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # orjson cannot write an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()


def failed(error: Exception) -> Response:
    """Return the response to an error: its message if the package raised it on purpose, otherwise no details."""
    if isinstance(error, RefusedError):
        return _failure(error.status, error.kind, str(error), error.headers)
    return _failure(status_of(error), *said(error))


def said(error: Exception) -> tuple[str, str]:
    """Return type and message of an error for a client: no details unless the package raised it on purpose."""
    if isinstance(error, HDCError | OSError):
        return type(error).__name__, str(error)
    return "InternalError", "the server failed; its log says where"


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, ConflictError | BlockingIOError):
        return 409
    return 400 if isinstance(error, HDCError) and not isinstance(error, FileFormatError) else 500


def _failure(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return answer({"error": {"type": kind, "message": message}}, status, headers)


def _plain(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        return json.loads(orjson.dumps(value))
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"an answer cannot have a {type(value).__name__}")

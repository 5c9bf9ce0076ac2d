"""Apply to every request: access checks, response headers, metrics and logs; internal errors are not disclosed."""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hdc.apps.serve.answers import RefusedError, failed
from hdc.apps.serve.metrics import Metrics
from hdc.apps.serve.tokens import Tokens

LOG = logging.getLogger("hdc.serve")
ACCESS = logging.getLogger("hdc.serve.access")

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
]
"""Headers of every response: a browser loads and runs only what this server sends, and shows it in no frame."""

GUARDED = ("/api/", "/metrics", "/openapi.json")
"""Paths that need a token; the page and ``/health`` show nothing of an index."""

HEADER = "send the header Authorization: Bearer TOKEN"

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names of the local machine."""


@dataclass(frozen=True)
class Access:
    """Who may send requests.

    Attributes
    ----------
    tokens : Tokens
    hosts : collection of str, optional
        Host names that requests may use; None for any. This stops DNS rebinding, where a page of another site uses its
        own name for this machine.
    origins : collection of str
        Other sites whose pages may send requests; ``"*"`` for all.
    """

    tokens: Tokens = field(default_factory=Tokens)
    hosts: Collection[str] | None = LOOPBACK
    origins: Collection[str] = ()

    def check(self, scope: Scope) -> None:
        """Raise RefusedError, or store in the scope what the request may do.

        Raises
        ------
        RefusedError
            400 for a wrong host name, 401 for a missing or wrong token, 403 for a page of another site.
        """
        host, origin, token = _headers(scope["headers"])
        if self.hosts is not None and _name(host) not in self.hosts:
            raise RefusedError(
                400,
                f"this server does not answer to the name {host[:100]!r}; start it with --allow-host NAME if it should",
                "HostError",
            )
        if origin and origin not in self.origins and "*" not in self.origins and origin.partition("://")[2] != host:
            raise RefusedError(
                403,
                f"pages of {origin[:100]!r} may not ask; --cors ORIGIN allows them",
                "OriginError",
            )
        access = self.tokens.access(token)
        scope["access"] = access
        if access == "none" and scope["path"].startswith(GUARDED):
            said = (
                "this token is wrong"
                if token
                else "this server needs a token; send the header Authorization: Bearer TOKEN"
            )
            raise RefusedError(401, said, "TokenError", {"www-authenticate": "Bearer"})


def require_write(scope: Scope) -> None:
    """Raise RefusedError if a request may not change anything: 401 without a token, 403 with a read token."""
    if scope["access"] == "write":
        return
    if _headers(scope["headers"])[2]:
        raise RefusedError(403, "this token is for reading only; changes need the token HDC_TOKEN", "TokenError")
    said = {"www-authenticate": "Bearer"}
    raise RefusedError(401, f"changes need a token; {HEADER}", "TokenError", said)


class Guard:
    """Wraps an application with checks, metrics and logs.

    Parameters
    ----------
    app : ASGI application
    access : Access
    metrics : Metrics
    log : bool
        Log each request in one line.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics, *, log: bool = False) -> None:
        self._app, self._access, self._metrics, self._log = app, access, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, length = time.perf_counter(), 0, 0

        async def sent(message: Message) -> None:
            nonlocal status, length
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": with_headers(message.get("headers", ()))}
            else:
                length += len(message.get("body", b""))
            await send(message)

        self._metrics.under_way.inc()
        try:
            await self._answer(scope, receive, sent, lambda: status)
        finally:
            self._metrics.under_way.dec()
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.count(method, _route(scope), status, seconds)
            if self._log:
                client = scope["client"][0] if scope["client"] else "-"
                said = client, scope["method"], _shown(scope), status, length, 1000 * seconds
                ACCESS.info("%s %s %s %d %d B %.1f ms", *said)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, status: Any) -> None:
        response: Response
        try:
            self._access.check(scope)
            await self._app(scope, receive, send)
            return
        except RefusedError as error:
            response = failed(error)
        except Exception as error:
            LOG.exception("%s %s failed", scope["method"], _shown(scope))
            response = failed(error)
        if not status():
            await response(scope, receive, send)


def with_headers(given: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response, with those of :data:`HEADERS` that it lacks."""
    names = {name for name, _ in given}
    return [*given, *(pair for pair in HEADERS if pair[0] not in names)]


def _headers(headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, str, bytes]:
    """Return host, origin and authorization of a request; a repeated header is an error."""
    found = {b"host": b"", b"origin": b"", b"authorization": b""}
    for name, value in headers:
        if name in found:
            if found[name] not in (b"", value):
                raise RefusedError(400, f"the header {name.decode()} was sent twice", "HeaderError")
            found[name] = value
    return found[b"host"].decode("latin-1").lower(), found[b"origin"].decode("latin-1").lower(), found[b"authorization"]


def _name(host: str) -> str:
    """Return a host name without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and port.isascii() else host


def _route(scope: Scope) -> str:
    """Return the template of a request's route."""
    route = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    if path is not None:
        return str(path) or "page"
    return "page" if "endpoint" in scope else "none"


def _shown(scope: Scope) -> str:
    """Return the path of a request for a log, always in one line."""
    path = scope["path"][:500]
    return path if path.isprintable() and " " not in path else repr(path)

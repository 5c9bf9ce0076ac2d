"""Deadlines for connections: uvicorn has none for clients that send or read very slowly.

Uvicorn closes a connection that is idle between two requests. But it waits forever for the rest of unfinished headers
and for clients that do not read a response, and its header parser accepts any number of bytes. Here each connection
records when its request started and since when data waits to be read. One task checks all connections twice a second
and closes those that are late.
"""

import asyncio
import contextlib
import signal
from collections.abc import Generator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hdc.apps.serve.answers import RefusedError, failed
from hdc.apps.serve.bodies import LINGER_BYTES
from hdc.apps.serve.guard import HEADERS
from hdc.apps.serve.limits import Limits

LOOK_SECONDS = 0.5
"""Seconds between two checks of all connections."""

SPARE_SECONDS = 1.0
"""Extra seconds after the time for a body, by which the application has rejected it."""

CHUNKED = 8
"""Most bytes on the wire per byte of a body, in chunks of one byte."""

PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Server(uvicorn.Server):
    """A server with deadlines for connections that stops at a signal without raising it again.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    options
        Options of :class:`uvicorn.Config`.
    """

    def __init__(self, app: ASGIApp, limits: Limits, **options: Any) -> None:
        class Bounded(Connection):
            bounds = limits

        settings: dict[str, Any] = {
            "http": Bounded,
            "ws": "none",
            "lifespan": "on",
            "loop": "asyncio",
            "access_log": False,
            "log_config": None,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": limits.connections,
            "timeout_keep_alive": max(1, round(limits.idle_seconds)),
            "timeout_graceful_shutdown": max(1, round(limits.seconds)),
        }
        super().__init__(uvicorn.Config(app, **{**settings, **options}))
        self._limits = limits

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Start the server and the checks of connections."""
        await super().startup(sockets)
        self._looking = asyncio.create_task(self._look())

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """Stop: finish the responses under way, and close idle connections."""
        await super().shutdown(sockets)
        self._looking.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop at SIGINT and SIGTERM. Uvicorn would raise the signal again, so the code after it would not run."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(ValueError):  # outside the main thread, which gets all signals
                for number in (signal.SIGINT, signal.SIGTERM):
                    stack.callback(signal.signal, number, signal.signal(number, self.handle_exit))
            yield

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look(now)


class Connection(HttpToolsProtocol):
    """A connection with deadlines for sending and reading by the client."""

    bounds: Limits

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._begun: float | None = None  # start of the unfinished request, or of its connection
        self._in_head, self._head_bytes = True, 0  # all bytes since the headers started
        self._bytes, self._most = 0, self.bounds.header_bytes + CHUNKED * self.bounds.body_bytes + LINGER_BYTES
        self._unread: float | None = None  # since when data waits for the client to read it

    def connection_made(self, transport: Any) -> None:
        """Start the deadline for a request."""
        super().connection_made(transport)
        self._begun = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Accept bytes within the limits for headers and bodies."""
        if self._begun is None:
            self._begun = self.loop.time()
        if self._in_head:
            self._head_bytes += len(data)
        self._bytes += len(data)
        if self._bytes > self._most:
            self.transport.abort()
            return
        super().data_received(data)
        if self._in_head and self._head_bytes > self.bounds.header_bytes and not self.transport.is_closing():
            self._refuse(431, self._too_long())

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self._in_head = True
        if self._begun is None:  # the same bytes also ended the previous request
            self._begun = self.loop.time()

    def on_headers_complete(self) -> None:
        """Start the response, or reject headers that are too long."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._in_head, self._head_bytes = False, 0
        if size > self.bounds.header_bytes:
            self.app = self._refused
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Record that the request is complete."""
        super().on_message_complete()
        self._begun, self._in_head, self._bytes = None, True, 0

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(400, RefusedError(400, "this is no request of HTTP/1.1", "HTTPError"))

    def look(self, now: float) -> None:
        """Cut off a client that is late."""
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            return
        if self.transport.get_write_buffer_size():
            self._unread = now if self._unread is None else self._unread
            if now - self._unread > self.bounds.write_seconds:
                self.transport.abort()
                return
        else:
            self._unread = None
        if self._begun is None:
            return
        late = now - self._begun - self.bounds.read_seconds
        if self._in_head and late > 0:
            message = f"the headers did not come within {self.bounds.read_seconds:g} s"
            self._refuse(408, RefusedError(408, message, "TimeoutError"))
        elif late > SPARE_SECONDS:
            self.transport.abort()

    def _too_long(self) -> RefusedError:
        return RefusedError(431, f"the headers have more than {self.bounds.header_bytes:,} bytes", "HeaderError")

    async def _refused(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = self._too_long()
        response = failed(RefusedError(error.status, str(error), error.kind, {"connection": "close"}))
        await response(scope, receive, send)

    def _refuse(self, status: int, error: RefusedError) -> None:
        """Write a complete response and close the connection."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:  # otherwise another response is half sent
            response = failed(error)
            headers = [*response.raw_headers, (b"connection", b"close"), *HEADERS]
            head = b"".join(b"%s: %s\r\n" % pair for pair in headers)
            self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, PHRASES[status], head, bytes(response.body)))
        self.transport.close()

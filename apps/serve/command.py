"""``hdc serve``: serve indexes over HTTP, with a web page to search them."""

import argparse
import contextlib
import ipaddress
import logging
import socket
import sys
import threading
from typing import Any

from hdc import checks
from hdc.apps.json.cli.options import size
from hdc.errors import BackendUnavailableError, ParameterError

PORT = 8765

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def register(subparsers: Any) -> None:
    """Add ``serve`` to the parser of ``hdc``."""
    parser = subparsers.add_parser(
        "serve",
        help="serve indexes over HTTP, with a page to search them",
        description="Serve indexes to programs and, with a page, to people. Changes that another process writes are "
        "shown within a second.",
    )
    parser.add_argument(
        "indexes",
        nargs="+",
        metavar="INDEX",
        help="folder of an index; NAME=FOLDER to name it in addresses; demo for the data sets of the package",
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="serve tools for language-model agents instead (MCP), over standard input and output",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (127.0.0.1); at any other, clients need a token"
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"port to listen at; 0 chooses a free one ({PORT})")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--writable", action="store_true", help="let clients that send the token change indexes")
    parser.add_argument(
        "--token-file", metavar="FILE", help="file with the token that allows everything (else HDC_TOKEN is read)"
    )
    parser.add_argument(
        "--read-token-file", metavar="FILE", help="file with a token that allows reading (else HDC_READ_TOKEN is read)"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name that this server answers to; may be repeated",
    )
    parser.add_argument(
        "--cors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a site whose pages may send requests; may be repeated",
    )
    parser.add_argument(
        "--encoder",
        action="append",
        default=[],
        metavar="NAME=MODULE:FUNCTION",
        help="function that turns texts into vectors for the index NAME of embeddings; the server imports and runs it",
    )
    _add_limits(parser)
    parser.add_argument(
        "--access-log",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="log each request in one line (the default)",
    )
    parser.set_defaults(run=run)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument("--max-body", type=size, metavar="BYTES", help="most bytes of a request, such as 64K or 2M (1M)")
    group.add_argument("--max-k", type=int, metavar="N", help="most hits or rows of an answer (1000)")
    group.add_argument("--max-batch", type=int, metavar="N", help="most queries or documents of a request (100)")
    group.add_argument("--seconds", type=float, metavar="S", help="most seconds per request (10)")
    group.add_argument(
        "--threads", type=int, metavar="N", help="searches that run at once (one per processor, at least 2)"
    )
    group.add_argument("--waiting", type=int, metavar="N", help="most requests that wait for a thread (128)")
    group.add_argument("--connections", type=int, metavar="N", help="most open connections (1000)")
    group.add_argument(
        "--refresh-seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds between two looks for changes; 0 for never (1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc serve``."""
    if arguments.mcp:
        return run_tools(arguments)
    try:
        from hdc.apps.serve.app import create_app
        from hdc.apps.serve.connections import Server
    except ImportError as error:
        raise BackendUnavailableError(
            f"hdc serve needs {error.name}, which is not installed: pip install 'hdc-toolkit[serve]'"
        ) from error
    from hdc.apps.serve.guard import LOOPBACK, Access
    from hdc.apps.serve.indexes import Served
    from hdc.apps.serve.limits import Limits
    from hdc.apps.serve.opening import encoders, opened_indexes
    from hdc.apps.serve.tokens import Tokens

    checks.integer(arguments.port, "--port", 0, 65535)  # the system would take the number modulo 65536
    loopback = _is_loopback(arguments.host)
    tokens = Tokens.given(arguments.token_file, arguments.read_token_file, open=loopback)
    if arguments.writable and tokens.all is None:
        raise ParameterError("--writable needs a token: set HDC_TOKEN in the environment, or give --token-file FILE")
    limits = Limits(**_limits(arguments))
    hosts = [*LOOPBACK, *map(str.lower, arguments.allow_host)] if loopback or arguments.allow_host else None
    access = Access(tokens, hosts, tuple(origin.rstrip("/").lower() for origin in arguments.cors))
    _log(arguments.access_log)
    made = encoders(arguments.encoder)
    settings = {"refresh_seconds": arguments.refresh_seconds, "encoders": made, "writable": arguments.writable}
    with socket_at(arguments.host, arguments.port) as listening:
        indexes = opened_indexes(arguments.indexes, writable=arguments.writable)
        with Served(indexes, limits, **settings) as served:
            served.start()
            server = Server(create_app(served, access, log=arguments.access_log), limits)
            address = _address(listening)
            print(f"serving {', '.join(opened.name for opened in served)} at {address} (Ctrl-C ends it)", flush=True)
            if arguments.open:
                import webbrowser

                # a browser of the terminal ends when its page is closed, and asks the server that runs below
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            server.run(sockets=[listening])
    return 0


def run_tools(arguments: argparse.Namespace) -> int:
    """Run ``hdc serve --mcp`` until standard input ends. Only the protocol writes to standard output."""
    if arguments.writable or arguments.open:
        raise ParameterError("--mcp serves tools that only read, and no page; leave out --writable and --open")
    try:
        from hdc.apps.serve.agent_tools import made_tools
    except ImportError as error:
        raise BackendUnavailableError(
            f"hdc serve --mcp needs {error.name}, which is not installed: pip install 'hdc-toolkit[mcp]'"
        ) from error
    from hdc.apps.serve.indexes import Served
    from hdc.apps.serve.limits import Limits
    from hdc.apps.serve.opening import encoders, opened_indexes

    _log(False)
    made = {"refresh_seconds": arguments.refresh_seconds, "encoders": encoders(arguments.encoder)}
    with Served(opened_indexes(arguments.indexes), Limits(**_limits(arguments)), **made) as served:
        served.start()
        made_tools(served).run("stdio")
    return 0


def _limits(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the limits from the command line."""
    names = {"max_body": "body_bytes", "max_k": "k", "max_batch": "batch"}
    options = ("max_body", "max_k", "max_batch", "seconds", "threads", "waiting", "connections")
    given = {names.get(name, name): getattr(arguments, name) for name in options}
    return {name: value for name, value in given.items() if value is not None}


def socket_at(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises
    ------
    OSError
        If another program uses the address, or it does not belong to this machine.
    """
    with contextlib.ExitStack() as stack:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listening = stack.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            raise OSError(f"cannot listen at {host}:{port}: {getattr(error, 'strerror', None) or error}") from error
        stack.pop_all()
        return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _log(requests: bool) -> None:
    """Log errors, and requests if wanted, as lines on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name in ("hdc.serve", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING)
    logging.getLogger("hdc.serve.access").setLevel(logging.INFO if requests else logging.WARNING)

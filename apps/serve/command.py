"""``hdc serve``: indexes over HTTP, and a page to search them with."""

import argparse
from typing import Any

from hdc.errors import BackendUnavailableError


def register(subparsers: Any) -> None:
    """Add ``serve`` to the parser of ``hdc``."""
    parser = subparsers.add_parser("serve", help="serve indexes over HTTP, with a page to search them")
    parser.add_argument("indexes", nargs="+", metavar="INDEX", help="a folder, or NAME=FOLDER, or demo")
    parser.add_argument("--host", default="127.0.0.1", help="(127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (8765)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc serve``."""
    try:
        import uvicorn

        from hdc.apps.serve.app import create_app
    except ImportError as error:
        raise BackendUnavailableError("hdc serve needs more libraries: pip install 'hdc-toolkit[serve]'") from error
    from hdc.apps.serve.indexes import Served
    from hdc.apps.serve.opening import opened_indexes

    served = Served(opened_indexes(arguments.indexes))
    config = uvicorn.Config(create_app(served), host=arguments.host, port=arguments.port, log_level="warning")
    try:
        uvicorn.Server(config).run()
    finally:
        served.close()
    return 0

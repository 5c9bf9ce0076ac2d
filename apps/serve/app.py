"""The application: routes, the page, and what holds for every request."""

import importlib
import logging
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import hdc
from hdc.apps.serve.answers import RefusedError, failed
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.routes import ROUTERS
from hdc.errors import HDCError

LOG = logging.getLogger("hdc.serve")

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
"""Headers of every answer: a browser runs and loads nothing but what this server has, and shows it in no frame."""


def create_app(served: Served) -> ASGIApp:
    """Return the application that serves indexes.

    Parameters
    ----------
    served : Served
    """
    app = FastAPI(title="hdc serve", version=hdc.__version__, docs_url=None, redoc_url=None)
    for kind in (HDCError, OSError, Exception):
        app.add_exception_handler(kind, _failed)
    app.add_exception_handler(HTTPException, _refused)
    for name in ROUTERS:
        app.include_router(importlib.import_module(f"hdc.apps.serve.routes.{name}").router(served))
    app.mount("/", StaticFiles(directory=str(files("hdc.apps.serve") / "page"), html=True))
    return with_headers(app)


def with_headers(app: ASGIApp) -> ASGIApp:
    """Return an application whose answers have :data:`HEADERS`."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, sent if scope["type"] == "http" else send)

    return guarded


async def _failed(request: Request, error: Exception) -> Response:
    if not isinstance(error, HDCError | OSError):
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return failed(error)


async def _refused(request: Request, error: Any) -> Response:
    return failed(RefusedError(error.status_code, str(error.detail), "HTTPError", error.headers))

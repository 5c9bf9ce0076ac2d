"""The ASGI application: routes, the web page, and what applies to every request."""

import contextlib
import importlib
from collections.abc import AsyncGenerator, Sequence
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

import hdc
from hdc.apps.serve.answers import RefusedError, failed, not_found
from hdc.apps.serve.bodies import invalid
from hdc.apps.serve.description import TAGS, describe, failures
from hdc.apps.serve.guard import Access, Guard
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.metrics import CONTENT_TYPE, Metrics
from hdc.apps.serve.routes import ROUTERS
from hdc.errors import HDCError

DESCRIPTION = """\
Search documents, embeddings and codes. Requests and answers are JSON.

If a request is refused or fails, the answer is `{"error": {"type": ..., "message": ...}}`. The message says what was
given, what was expected and what to do.

The examples ask `hdc serve demo`; those of vectors ask an index of vectors with 8 numbers each.
"""

NOWHERE = "there is nothing at this address; /openapi.json lists the addresses, and the page is at /"


def create_app(served: Served, access: Access | None = None, *, log: bool = False) -> ASGIApp:
    """Return the ASGI application that serves indexes.

    Parameters
    ----------
    served : Served
        It starts with the application. You close it.
    access : Access, optional
        Who may send requests. By default programs and pages of this machine may read.
    log : bool
        Log each request to the logger ``hdc.serve.access``.
    """
    access, metrics = access or Access(), Metrics(served)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        served.start()
        yield

    app = FastAPI(
        title="hdc serve",
        description=DESCRIPTION,
        version=hdc.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        generate_unique_id_function=lambda route: route.name,
    )
    for kind in (HDCError, OSError, Exception):
        app.add_exception_handler(kind, _failed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)

    @app.get(
        "/metrics",
        tags=["service"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Metrics as Prometheus reads."}, **failures()},
    )
    async def get_metrics() -> Response:
        """Return metrics for Prometheus.

        Counts requests by route and status, with a histogram of times, and has gauges of rows, generation and failures
        of each index.
        """
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    routers = [importlib.import_module(f"hdc.apps.serve.routes.{name}").router(served) for name in ROUTERS]
    for router in routers:
        app.include_router(router)
    elsewhere = Elsewhere([route for router in routers for route in router.routes])
    app.router.routes.append(Route("/api/{rest:path}", elsewhere, include_in_schema=False))
    app.mount("/", StaticFiles(directory=str(files("hdc.apps.serve") / "page"), html=True))
    describe(app, [opened.name for opened in served], open=access.tokens.open)
    guarded: ASGIApp = Guard(app, access, metrics, log=log)
    if access.origins:
        headers = ["authorization", "content-type"]
        methods = ["GET", "POST", "PUT", "DELETE"]
        guarded = CORSMiddleware(guarded, list(access.origins), methods, headers, max_age=600)
    return guarded


class Elsewhere:
    """What answers where no route does: at another address of ``/api/``, or by another method.

    Parameters
    ----------
    routes : sequence of Route
        That are there.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse: 405 with the methods that the address takes, 404 if it takes none."""
        alike = [route for route in self._routes if route.matches(scope)[0] is Match.PARTIAL]
        methods = ", ".join(sorted({method for route in alike for method in getattr(route, "methods", ())}))
        if not methods:
            raise not_found(NOWHERE)
        message = f"this address takes {methods}, not {scope['method']}"
        raise RefusedError(405, message, "HTTPError", {"allow": methods})


async def _failed(request: Request, error: Exception) -> Response:
    return failed(error)


async def _invalid(request: Request, error: Any) -> Response:
    return failed(invalid(error))


async def _refused(request: Request, error: Any) -> Response:
    if error.status_code == 404:
        return failed(not_found(NOWHERE))
    return failed(RefusedError(error.status_code, str(error.detail), "HTTPError", error.headers))

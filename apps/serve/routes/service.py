"""What there is, and how it is."""

from fastapi import APIRouter
from starlette.responses import Response

import hdc
from hdc.apps.serve import models
from hdc.apps.serve.answers import answer
from hdc.apps.serve.bodies import answers, failures
from hdc.apps.serve.indexes import Served


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["service"])

    @routes.get("/health", responses={200: {"model": models.Health}})
    async def health() -> Response:
        """Say whether the server answers; ``degraded`` if an index cannot be refreshed, and is shown as it was.

        An index is ``warming`` while its first searches may take longer.
        """
        states = {opened.name: opened.state for opened in served}
        status = "degraded" if "failing" in states.values() else "ok"
        return answer({"status": status, "version": hdc.__version__, "indexes": states})

    @routes.get("/api/indexes", responses={200: {"model": list[models.Info]}, **failures()})
    async def indexes() -> Response:
        """List the indexes."""
        return answer([opened.info() for opened in served])

    @routes.get("/api/{index}", responses=answers(models.Info))
    async def info(index: str) -> Response:
        """Say what an index has, and how it is searched."""
        return answer(served[index].info())

    return routes

"""What there is, and how it is."""

import time

from fastapi import APIRouter
from starlette.responses import Response

import hdc
from hdc.apps.serve import results
from hdc.apps.serve.answers import answer
from hdc.apps.serve.description import answers
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.routes.search import moment


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["service"])

    @routes.get("/health", responses={200: {"model": results.Health, "description": results.Health.__doc__}})
    async def health() -> Response:
        """Return the state of the server and of each index.

        Needs no token. The status is 200 as long as the server answers, also while an index is ``warming`` or
        ``failing``. A failing index is served as it was before.
        """
        states = {opened.name: opened.state for opened in served}
        status = "degraded" if "failing" in states.values() else "ok"
        return answer({"status": status, "version": hdc.__version__, "indexes": states})

    @routes.get("/api/indexes", responses=answers(list[results.Info]))
    async def list_indexes() -> Response:
        """List the indexes.

        Returns the descriptions of all indexes, in the order of the command line.
        """
        return answer([opened.info() for opened in served])

    @routes.get("/api/{index}", responses=answers(results.Info))
    async def describe_index(index: str) -> Response:
        """Describe an index.

        Returns its kind, its number of rows, whether you can change it, and how it is searched. ``failure`` is there if
        the index is ``failing``, and says why.
        """
        return answer(served[index].info())

    @routes.post("/api/{index}/refresh", responses=answers(results.Refreshed))
    async def refresh(index: str) -> Response:
        """Show the changes of another process.

        The server looks for changes by itself, every second by default. Call this to see them at once.
        """
        began, opened = time.perf_counter(), served[index]
        now = await served.run(opened.refresh)
        return moment(began, opened.generation, {"changed": now, "rows": len(opened.index)})

    return routes

"""What there is, and how it is."""

from fastapi import APIRouter
from starlette.responses import Response

from hdc.apps.serve.answers import answer
from hdc.apps.serve.indexes import Served


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.get("/health")
    async def health() -> Response:
        """Say whether the server can answer."""
        return answer({"status": "ok", "indexes": {opened.name: opened.failure or "ok" for opened in served}})

    @routes.get("/api/indexes")
    async def indexes() -> Response:
        """List the indexes."""
        return answer([opened.info() for opened in served])

    @routes.get("/api/{index}")
    async def info(index: str) -> Response:
        """Say what an index holds."""
        return answer(served[index].info())

    return routes

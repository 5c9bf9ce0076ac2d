"""Searches."""

import time
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from hdc.apps.json import Hit
from hdc.apps.serve.answers import answer, unprocessable
from hdc.apps.serve.bodies import Body, body_of, described
from hdc.apps.serve.indexes import Served


class Search(Body):
    """What is searched for, and how."""

    query: Any = None
    words: str | None = None
    k: Annotated[int, Field(ge=1)] = 10
    where: str | list[str] | None = None
    explain: bool = False


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.post("/api/{index}/search", openapi_extra=described(Search))
    async def search(index: str, request: Request) -> Response:
        """Find the rows nearest to a query."""
        began = time.perf_counter()
        asked = await body_of(request, Search, served.limits)
        query = asked.query if asked.words is None else {"*": asked.words}
        if served[index].kind != "json":
            raise unprocessable("only JSON indexes so far")

        def found(opened: Any) -> dict[str, Any]:
            hits = opened.search(query, asked.k, where=asked.where)
            return {"hits": [hit_of(opened, query, hit, asked.explain) for hit in hits], "notes": hits.notes}

        result, generation = await served.read(index, found)
        took = round(1000 * (time.perf_counter() - began), 3)
        return answer({**result, "took_ms": took, "generation": generation, "exact": True})

    return routes


def hit_of(index: Any, query: Any, hit: Hit, explain: bool) -> dict[str, Any]:
    """Return a hit as JSON, its document as the text that the index has."""
    entry: dict[str, Any] = {"score": hit.score, "id": hit.id, "source": hit.source, "measure": hit.measure}
    if hit.key is not None:
        entry["key"] = hit.key
    if explain:
        entry["reasons"] = [reason.to_dict() for reason in index.explain(query, hit)]
    return {**entry, "document": orjson.Fragment(hit.text)}

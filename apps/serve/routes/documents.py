"""Rows: a single row, the rows that meet conditions, and values decoded from a row's vector."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hdc.apps.serve import models
from hdc.apps.serve.answers import not_found, unprocessable
from hdc.apps.serve.bodies import answers, body_of, described
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.kinds.kind import Kind
from hdc.apps.serve.routes.search import documents, moment

By = Annotated[
    Literal["key", "id"] | None,
    Query(description="What names the row. Left out: its key in an index of documents with keys, else its id."),
]


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["rows"])

    @routes.get("/api/{index}/documents/{name:path}", responses=answers(models.Row))
    async def document(index: str, name: str, by: By = None) -> Response:
        """Return one row, with its document if it has one."""
        began, ways = time.perf_counter(), served[index].ways
        result, generation = await served.read(index, lambda _: ways.rows([number_of(ways, name, by)], True)[0])
        return moment(began, generation, result)

    @routes.post("/api/{index}/filter", openapi_extra=described(models.Filter), responses=answers(models.Page, 422))
    async def filtered(index: str, request: Request) -> Response:
        """Return a page of the rows that meet all conditions, and their total number."""
        began, body = time.perf_counter(), await body_of(request, models.Filter, served.limits)
        if body.limit > served.limits.k:
            raise unprocessable(f"limit must be {served.limits.k} at most here, not {body.limit}")
        ways = served[index].ways

        def found(_: Any) -> dict[str, Any]:
            ids = ways.filtered(body.where)
            part = ids[body.offset : body.offset + body.limit].tolist()
            return {"total": len(ids), "rows": ways.rows(part, body.documents) if part else []}

        result, generation = await served.read(index, found)
        return moment(began, generation, result)

    @routes.post("/api/{index}/decode", openapi_extra=described(models.Decode), responses=answers(models.Decoded, 422))
    async def decode(index: str, request: Request) -> Response:
        """Decode the values at a path from a document's vector, as ``hdc json decode`` does."""
        began, body = time.perf_counter(), await body_of(request, models.Decode, served.limits)
        ways = documents(served, index)
        if body.k > served.limits.k:
            raise unprocessable(f"k must be {served.limits.k} at most here, not {body.k}")
        values, generation = await served.read(index, lambda _: ways.decode(body))
        return moment(began, generation, {"values": values})

    return routes


def number_of(ways: Kind, name: str, by: str | None) -> int:
    """Return the id of the row that an address names.

    Raises
    ------
    RefusedError
        404 if there is none.
    """
    if (by or ("key" if getattr(ways.index, "key", None) is not None else "id")) == "key":
        return ways.of_key(name)
    if not (name.isascii() and name.isdecimal() and len(name) <= 20):
        raise not_found(f"there is no {ways.index.ROW} of id {name[:40]!r}; ?by=key looks for a key")
    return ways.of_id(int(name))

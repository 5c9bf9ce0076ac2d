"""Rows: a single row, the rows that meet conditions, and values decoded from a row's vector."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hdc.apps.serve import models, results
from hdc.apps.serve.answers import not_found, unprocessable
from hdc.apps.serve.bodies import body_of
from hdc.apps.serve.description import answers, described
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.kinds.kind import Kind
from hdc.apps.serve.routes.search import documents, moment

By = Annotated[
    Literal["key", "id"] | None,
    Query(
        description="Whether the address has the key or the id of the row. By default it is the key in an index of "
        "documents with keys, and the id in any other."
    ),
]


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["rows"])

    @routes.get("/api/{index}/documents/{name:path}", responses=answers(results.OneRow))
    async def get_row(index: str, name: str, by: By = None) -> Response:
        """Return one row.

        Returns the key of the row and, in an index of documents, its document. Pass ``by=id`` to name a row of an index
        with keys by its id.
        """
        began, ways = time.perf_counter(), served[index].ways
        result, generation = await served.read(index, lambda _: ways.rows([number_of(ways, name, by)], True)[0])
        return moment(began, generation, result)

    @routes.post("/api/{index}/filter", openapi_extra=described(models.Filter), responses=answers(results.Page, 422))
    async def filter_rows(index: str, request: Request) -> Response:
        """List the rows that meet conditions.

        Returns ``limit`` rows by ascending id, after the first ``offset``, and how many there are. Without ``where``
        all rows are listed; indexes of embeddings and codes take no ``where``.
        """
        began, body = time.perf_counter(), await body_of(request, models.Filter, served.limits)
        if body.limit > served.limits.k:
            raise unprocessable(f"limit must be at most {served.limits.k} on this server, not {body.limit}")
        ways = served[index].ways

        def found(_: Any) -> dict[str, Any]:
            ids = ways.filtered(body.where)
            part = ids[body.offset : body.offset + body.limit].tolist()
            return {"total": len(ids), "rows": ways.rows(part, body.documents) if part else []}

        result, generation = await served.read(index, found)
        return moment(began, generation, result)

    @routes.post("/api/{index}/decode", openapi_extra=described(models.Decode), responses=answers(results.Decoded, 422))
    async def decode(index: str, request: Request) -> Response:
        """Decode the value at a path from a vector.

        Reads the vector of a row, or of the document that you send as ``query``, and returns the likely values at the
        path. The document itself is not read. For indexes of documents.
        """
        began, body = time.perf_counter(), await body_of(request, models.Decode, served.limits)
        ways = documents(served, index)
        if body.k > served.limits.k:
            raise unprocessable(f"k must be at most {served.limits.k} on this server, not {body.k}")
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
        raise not_found(f"there is no {ways.index.ROW} with the id {name[:40]!r}; add ?by=key to look for a key")
    return ways.of_id(int(name))

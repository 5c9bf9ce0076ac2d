"""Changes, where indexes are writable and a token says that a client may: durable when they are answered."""

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hdc.apps.serve import models
from hdc.apps.serve.answers import RefusedError, answer, unprocessable
from hdc.apps.serve.bodies import answers, body_of, described, json_of
from hdc.apps.serve.guard import require_write
from hdc.apps.serve.indexes import Opened, Served
from hdc.apps.serve.routes.batch import check_number
from hdc.apps.serve.routes.documents import By, number_of
from hdc.apps.serve.routes.search import documents, moment


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["changes"])

    async def changed(opened: Opened, change: Callable[[], list[int]], status: int = 200) -> Response:
        def locked() -> dict[str, Any]:
            with opened.changing:
                ids = change()
                return {"ids": ids, "rows": len(opened.index), "generation": opened.generation}

        return answer(await served.run(locked), status)

    def writable(index: str, request: Request) -> Opened:
        opened = served[index]
        if not opened.writable:
            raise RefusedError(403, f"{index} is served for reading; start the server with --writable", "ReadOnlyError")
        require_write(request.scope)
        return opened

    @routes.post(
        "/api/{index}/documents",
        status_code=201,
        openapi_extra=described(models.Write),
        responses=answers(models.Changed, 403, 409, 413, 422, ok=201),
    )
    async def add(index: str, request: Request) -> Response:
        """Add rows, all or none; with ``replace``, those of known keys are replaced."""
        opened = writable(index, request)
        body = await body_of(request, models.Write, served.limits)
        for given in (body.documents, body.vectors, body.codes):
            check_number(served, given)
        return await changed(opened, lambda: opened.ways.add(body).tolist(), 201)

    @routes.put("/api/{index}/documents/{name:path}", responses=answers(models.Changed, 403, 409, 413, 422))
    async def put(index: str, name: str, request: Request, by: By = None) -> Response:
        """Replace a document, or, by a key that is not there, add it. The body is the document."""
        opened, ways = writable(index, request), documents(served, index)
        document = await json_of(request, served.limits)

        def change() -> list[int]:
            if by == "id" or ways.index.key is None:
                number = number_of(ways, name, "id")
                ways.index.update([number], [document])
                return [number]
            if (own := ways.key_of(document)) != name:
                raise unprocessable(f"the document has the key {own!r}, and the address {name!r}")
            return ways.add(models.Write(documents=[document], replace=True)).tolist()  # type: ignore[no-any-return]

        return await changed(opened, change)

    @routes.delete("/api/{index}/documents/{name:path}", responses=answers(models.Changed, 403, 409))
    async def delete(index: str, name: str, request: Request, by: By = None) -> Response:
        """Remove a row."""
        opened = writable(index, request)

        def change() -> list[int]:
            number = number_of(opened.ways, name, by)
            opened.index.remove([number])
            return [number]

        return await changed(opened, change)

    @routes.post("/api/{index}/refresh", responses=answers(models.Refreshed))
    async def refresh(index: str, request: Request) -> Response:
        """Go on to what a writer has changed; the server does so by itself every second."""
        began, opened = time.perf_counter(), served[index]
        now = await served.run(opened.refresh)
        return moment(began, opened.generation, {"changed": now, "rows": len(opened.index)})

    return routes

"""Changes, where indexes are writable and a token says that a client may: durable when they are answered."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hdc.apps.serve import models, results
from hdc.apps.serve.answers import RefusedError, answer, unprocessable
from hdc.apps.serve.bodies import body_of, json_of
from hdc.apps.serve.description import answers, described
from hdc.apps.serve.guard import require_write
from hdc.apps.serve.indexes import Opened, Served
from hdc.apps.serve.routes.batch import check_number
from hdc.apps.serve.routes.documents import By, number_of
from hdc.apps.serve.routes.search import documents

ANY_DOCUMENT = {
    "requestBody": {
        "required": True,
        "description": "The document, any JSON value.",
        "content": {"application/json": {"schema": {}}},
    }
}
"""What OpenAPI says of the body of a document."""


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
        responses=answers(results.Changed, 403, 409, 413, 422, ok=201),
    )
    async def add_rows(index: str, request: Request) -> Response:
        """Add rows.

        Adds all rows of the request or, if one is invalid, none. A key that exists is an error, unless ``replace`` is
        true: then the row with that key is replaced. The rows survive a crash once you have the answer.
        """
        opened = writable(index, request)
        body = await body_of(request, models.Write, served.limits)
        for given in (body.documents, body.vectors, body.codes):
            check_number(served, given)
        return await changed(opened, lambda: opened.ways.add(body).tolist(), 201)

    @routes.put(
        "/api/{index}/documents/{name:path}",
        openapi_extra=ANY_DOCUMENT,
        responses=answers(results.Changed, 403, 408, 409, 413, 422),
    )
    async def put_document(index: str, name: str, request: Request, by: By = None) -> Response:
        """Replace a document.

        The body is the new document. If the address has a key that does not exist, the document is added. The key in
        the document must be the key in the address.
        """
        opened, ways = writable(index, request), documents(served, index)
        document = await json_of(request, served.limits)

        def change() -> list[int]:
            if by == "id" or ways.index.key is None:
                number = number_of(ways, name, "id")
                ways.index.update([number], [document])
                return [number]
            if (own := ways.key_of(document)) != name:
                raise unprocessable(f"the document has the key {own!r}, but the address has {name!r}")
            return ways.add(models.Write(documents=[document], replace=True)).tolist()  # type: ignore[no-any-return]

        return await changed(opened, change)

    @routes.delete("/api/{index}/documents/{name:path}", responses=answers(results.Changed, 403, 409))
    async def delete_row(index: str, name: str, request: Request, by: By = None) -> Response:
        """Remove a row.

        The ids of other rows stay as they are, and the id is not given again.
        """
        opened = writable(index, request)

        def change() -> list[int]:
            number = number_of(opened.ways, name, by)
            opened.index.remove([number])
            return [number]

        return await changed(opened, change)

    return routes

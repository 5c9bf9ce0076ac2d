"""Single searches: by a query or by a row, and explanations."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hdc.apps.serve import models, results
from hdc.apps.serve.answers import answer, unprocessable
from hdc.apps.serve.bodies import body_of
from hdc.apps.serve.description import answers, described
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.kinds.documents import Documents
from hdc.apps.serve.limits import Limits


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["search"])

    @routes.post("/api/{index}/search", openapi_extra=described(models.Search), responses=answers(results.Answer, 422))
    async def search(index: str, request: Request) -> Response:
        """Find the rows nearest to a query.

        What you send depends on the kind of the index. Documents: ``query``, a partial document, or ``words``.
        Embeddings: ``vector``, or ``text`` if the server has an encoder. Codes: ``code``. The best hit comes first.
        """
        began, body = time.perf_counter(), await body_of(request, models.Search, served.limits)
        check(body, served.limits)
        ways = served[index].ways

        def found(_: Any) -> Mapping[str, Any]:
            (result,) = ways.search(ways.queries(body), body)
            return result

        result, generation = await served.read(index, found, seconds(body))
        exact, options = ways.how(body)
        return moment(began, generation, {**result, "exact": exact, "options": options})

    @routes.post("/api/{index}/like", openapi_extra=described(models.Like), responses=answers(results.Answer, 422))
    async def like(index: str, request: Request) -> Response:
        """Find the rows nearest to a row of the index.

        Name the row by ``id`` or ``key``. It is not among the hits. Documents are compared by the cosine of their
        vectors; the search compares likely documents only, so ``exact`` is false.
        """
        began, body = time.perf_counter(), await body_of(request, models.Like, served.limits)
        check(body, served.limits)
        ways = served[index].ways
        result, generation = await served.read(index, lambda _: ways.like(ways.number_of(body), body), seconds(body))
        exact, options = ways.how(body)
        return moment(began, generation, {**result, "exact": exact, "options": options})

    @routes.post(
        "/api/{index}/explain", openapi_extra=described(models.Explain), responses=answers(results.Explanation, 422)
    )
    async def explain(index: str, request: Request) -> Response:
        """Explain the score of one document.

        Returns the score that a search gives the document, and the value that each value of the query matched. For
        indexes of documents. To explain all hits of a search, pass ``explain`` there.
        """
        began, body = time.perf_counter(), await body_of(request, models.Explain, served.limits)
        ways = documents(served, index)
        result, generation = await served.read(index, lambda _: ways.explain(body))
        return moment(began, generation, result)

    return routes


def documents(served: Served, index: str) -> Documents:
    """Return an index of documents.

    Raises
    ------
    RefusedError
        422 if it is of another kind.
    """
    ways = served[index].ways
    if not isinstance(ways, Documents):
        raise unprocessable(f"this is for indexes of documents, and {index} is an index of {ways.NAME}")
    return ways


def check(found: models.Found, limits: Limits) -> None:
    """Raise RefusedError, 422, for more hits than the server returns."""
    if "k" not in found.model_fields_set:
        found.k = min(found.k, limits.k)
    if found.k > limits.k:
        raise unprocessable(f"k must be at most {limits.k} on this server, not {found.k}")


def seconds(found: models.Found) -> float | None:
    """Return the time limit that a request sets."""
    return None if found.timeout_ms is None else found.timeout_ms / 1000


def moment(began: float, generation: int, value: Mapping[str, Any]) -> Response:
    """Return a response with the generation and the time it took."""
    return answer({**value, "took_ms": round(1000 * (time.perf_counter() - began), 3), "generation": generation})

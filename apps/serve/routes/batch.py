"""Several searches at once."""

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hdc.apps.serve import models, results
from hdc.apps.serve.answers import RefusedError
from hdc.apps.serve.bodies import body_of
from hdc.apps.serve.description import answers, described
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.routes.search import check, moment, seconds


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["search"])

    @routes.post(
        "/api/{index}/batch", openapi_extra=described(models.Batch), responses=answers(results.BatchAnswer, 413, 422)
    )
    async def batch(index: str, request: Request) -> Response:
        """Search for several queries at once.

        Takes at most 100 queries by default, and all options of a search, which apply to each of them. All results are
        of one state of the index, even if a writer changes it meanwhile.
        """
        began, body = time.perf_counter(), await body_of(request, models.Batch, served.limits)
        check(body, served.limits)
        for given in (body.queries, body.texts, body.vectors, body.codes):
            check_number(served, given)
        ways = served[index].ways

        def found(_: Any) -> list[Any]:
            queries = ways.queries(body)
            return ways.search(queries, body) if len(queries) else []

        results, generation = await served.read(index, found, seconds(body))
        exact, options = ways.how(body)
        return moment(began, generation, {"results": results, "exact": exact, "options": options})

    return routes


def check_number(served: Served, given: list[Any] | None) -> None:
    """Raise RefusedError, 413, for more queries or rows than a request may have."""
    if given is not None and len(given) > served.limits.batch:
        message = (
            f"one request takes {served.limits.batch} queries or rows at most, not {len(given)}; send more requests"
        )
        raise RefusedError(413, message, "BatchTooLarge")

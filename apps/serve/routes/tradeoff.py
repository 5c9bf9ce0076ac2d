"""Recall and time of searches at several options, measured once for each generation of an index."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from hdc.apps.serve import page_results
from hdc.apps.serve.answers import answer
from hdc.apps.serve.description import answers
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.tradeoff import Tradeoff
from hdc.errors import ConflictError


def router(served: Served) -> APIRouter:
    """Return the routes."""
    measured: dict[str, Tradeoff] = {}
    gate = threading.Semaphore()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        for own in measured.values():
            own.cancel()

    routes = APIRouter(tags=["search"], lifespan=lifespan)

    @routes.get("/api/{index}/tradeoff", responses=answers(page_results.TradeoffState | None))
    async def get_tradeoff(index: str) -> Response:
        """Return the measured recall and time.

        Returns null if the index as it is now was not measured.
        """
        own = measured.get(served[index].name)
        there = own is not None and own.generation == served[index].generation
        return answer(own.to_json() if own is not None and there else None)

    @routes.post("/api/{index}/tradeoff", status_code=202, responses=answers(page_results.TradeoffState, 409, ok=202))
    async def measure_tradeoff(index: str) -> Response:
        """Start measuring recall and time.

        Searches with rows of the index at several values of its option, for at most 20 seconds. Returns at once; ask
        ``GET`` for the points. If the index was measured, its measurement is returned. For indexes of embeddings and
        codes.
        """
        opened = served[index]
        own = measured.get(opened.name)
        if own is not None and own.generation == opened.generation and own.state in ("working", "ready"):
            return answer(own.to_json(), 202)
        new = await served.run(lambda: Tradeoff(opened.index))  # type: ignore[arg-type]
        if not gate.acquire(blocking=False):
            raise ConflictError("a trade-off is being measured; wait until it is done")
        measured[opened.name] = new
        new.begin(new.measure, gate.release)
        return answer(new.to_json(), 202)

    return routes

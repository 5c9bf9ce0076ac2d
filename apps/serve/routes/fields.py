"""What the documents of an index have: their paths, values and histograms, facets of a filter, and two compared."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from hdc.apps.json import JSONIndex
from hdc.apps.serve import models
from hdc.apps.serve.answers import answer, unprocessable
from hdc.apps.serve.bodies import body_of, described, failures
from hdc.apps.serve.comparing import compared
from hdc.apps.serve.conditions import conditions_of
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.kinds.documents import MOST_PATHS

MOST_VALUES = 100
"""Values of a path that one request lists."""

Most = Annotated[int, Field(ge=1, le=MOST_VALUES)]


class Facets(models.Body):
    """Which paths are counted, and in which documents."""

    paths: Annotated[list[str], Field(max_length=50)]
    where: models.Where = None
    among: Annotated[list[int] | None, Field(max_length=100_000)] = None
    most: Most = 10


class Compare(models.Body):
    """Two documents: ids, or keys as texts."""

    a: int | str
    b: int | str


class Predictions:
    """Predictions of what can be decoded, which take seconds: one at a time, and each once per generation."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._made: dict[str, tuple[int, Future[tuple[dict[str, Any], int]]]] = {}

    def of(self, name: str, generation: int, make: Callable[[], tuple[dict[str, Any], int]]) -> dict[str, Any]:
        """Return the prediction for an index, or that it is not done; raises what made it fail."""
        known = self._made.get(name)
        if known is None or (known[0] != generation and known[1].done()):
            known = self._made[name] = generation, self._pool.submit(make)
        if not known[1].done():
            return {"done": False}
        result, made_of = known[1].result()
        return {"done": True, **result, "generation": made_of}


def router(served: Served) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["fields"])
    predictions = Predictions()

    def check(index: str) -> None:
        if served[index].kind != "json":
            raise unprocessable(f"{index} has no documents, so it has no fields; see /api/{index}")

    @routes.get("/api/{index}/fields", responses=failures(422))
    async def fields(index: str, most: Annotated[int, Query(ge=1, le=MOST_VALUES)] = 10) -> Response:
        """Say what documents have at each path: how many, which kinds and values, how numbers spread."""
        check(index)
        result, generation = await served.read(index, lambda opened: described_fields(opened, most))
        return answer({**result, "generation": generation})

    @routes.get("/api/{index}/decodable", responses=failures(422))
    async def decodable(index: str) -> Response:
        """Predict how well the values of each path can be read back out of the vectors; ``done`` says whether it is."""
        check(index)
        opened = served[index]
        return answer(predictions.of(index, opened.generation, lambda: opened.read(predicted)))

    @routes.get("/api/{index}/values", responses=failures(422))
    async def values(
        index: str,
        path: str | None = None,
        prefix: str = "",
        most: Annotated[int, Query(ge=1, le=MOST_VALUES)] = 10,
    ) -> Response:
        """Return values that begin with a text, at a path or at any: most frequent first."""
        check(index)
        found, generation = await served.read(index, lambda opened: suggested(opened, path, prefix, most))
        return answer({"values": found, "generation": generation})

    @routes.post("/api/{index}/facets", openapi_extra=described(Facets), responses=failures(413, 422))
    async def facets(index: str, request: Request) -> Response:
        """Count the values of some paths in the documents that pass."""
        check(index)
        asked = await body_of(request, Facets, served.limits)

        def counted(opened: JSONIndex) -> dict[str, Any]:
            where = conditions_of(asked.where)
            found = opened.facets(asked.paths, where=where, among=asked.among, most=asked.most)
            return {"documents": found.documents, "facets": [facet.to_dict() for facet in found]}

        found, generation = await served.read(index, counted)
        return answer({**found, "generation": generation})

    @routes.post("/api/{index}/compare", openapi_extra=described(Compare), responses=failures(413, 422))
    async def compare(index: str, request: Request) -> Response:
        """Say what two documents share: the cosine of their vectors, and the part of each field in it."""
        check(index)
        asked = await body_of(request, Compare, served.limits)
        result, generation = await served.read(index, lambda opened: compared(opened, asked.a, asked.b))
        return answer({**result, "generation": generation})

    return routes


def described_fields(index: JSONIndex, most: int) -> dict[str, Any]:
    """Return what documents have at each path, and what a typical value there weighs."""
    paths, profile = index.paths(), index.encoder.profile_
    found = []
    for facet in index.facets(paths[:MOST_PATHS], most=most):
        entry = facet.to_dict()
        if profile.documents and facet.values:
            weights = [(profile.rarity(count), count) for _, count in facet.values]
            entry["weight"] = sum(weight * count for weight, count in weights) / sum(count for _, count in weights)
        found.append(entry)
    return {"fields": found, "paths": len(paths), "documents": len(index)}


def suggested(index: JSONIndex, path: str | None, prefix: str, most: int) -> list[dict[str, Any]]:
    """Return values at a path that begin with a text; without a path, texts at any that several documents have."""
    if path is not None:
        return [{"path": path, "value": value, "documents": n} for value, n in index.suggest(path, prefix, most=most)]
    found: list[dict[str, Any]] = [
        {"path": one, "value": value, "documents": count}
        for one in index.paths()[:MOST_PATHS]
        for value, count in index.suggest(one, prefix, most=most)
        if isinstance(value, str) and count > 1
    ]
    return sorted(found, key=lambda entry: -int(entry["documents"]))[:most]


def predicted(index: JSONIndex) -> dict[str, Any]:
    """Return how well the values of each path can be decoded; nothing where nothing was fitted."""
    if not index.encoder.profile_.documents or not len(index):
        return {"dim": index.encoder.dim, "paths": {}}
    capacity = index.capacity()
    rows = {row.path: {"accuracy": row.accuracy, "needed": row.needed} for row in capacity.paths}
    return {"dim": capacity.dim, "target": capacity.target, "accuracy": capacity.accuracy, "paths": rows}

"""What the documents of an index have: their paths, values and histograms, facets of a filter, and two compared."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hdc.apps.json import JSONIndex
from hdc.apps.serve import models, page_results
from hdc.apps.serve.answers import answer, unprocessable
from hdc.apps.serve.bodies import body_of
from hdc.apps.serve.comparing import compared
from hdc.apps.serve.conditions import conditions_of
from hdc.apps.serve.description import answers, described
from hdc.apps.serve.indexes import Served
from hdc.apps.serve.kinds.documents import MOST_PATHS

Most = Annotated[
    int, Query(ge=1, le=models.MOST_VALUES, description="Values to return, most frequent first. Per path in a list.")
]


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
            raise unprocessable(f"{index} has no documents, so it has no fields")

    @routes.get("/api/{index}/fields", responses=answers(page_results.Fields, 422))
    async def list_fields(index: str, most: Most = 10) -> Response:
        """Describe the fields of the documents.

        Returns, for each path, how many documents have it, the kinds of its values, the most frequent values and, for
        numbers, a histogram. The counts are exact. Texts beyond the frequent ones and a sample are not listed.
        """
        check(index)
        result, generation = await served.read(index, lambda opened: described_fields(opened, most))
        return answer({**result, "generation": generation})

    @routes.get("/api/{index}/decodable", responses=answers(page_results.Decodable, 422))
    async def decodable(index: str) -> Response:
        """Predict how well values can be decoded.

        The first request starts the prediction, which takes seconds, and returns ``done: false``. Ask again until
        ``done`` is true; the answer then has the predicted accuracy of each path.
        """
        check(index)
        opened = served[index]
        return answer(predictions.of(index, opened.generation, lambda: opened.read(predicted)))

    @routes.get("/api/{index}/values", responses=answers(page_results.Suggestions, 422))
    async def suggest_values(
        index: str,
        path: Annotated[str | None, Query(description="Path of the values. By default any path.")] = None,
        prefix: Annotated[str, Query(description="What the values begin with. Case does not matter.")] = "",
        most: Most = 10,
    ) -> Response:
        """Suggest values that begin with a text.

        Returns values at ``path`` or, without it, texts of any path that several documents have. A word inside of a
        text counts as a beginning too. Use it to complete what a person types.
        """
        check(index)
        found, generation = await served.read(index, lambda opened: suggested(opened, path, prefix, most))
        return answer({"values": found, "generation": generation})

    @routes.post(
        "/api/{index}/facets",
        openapi_extra=described(models.Facets),
        responses=answers(page_results.FacetCounts, 413, 422),
    )
    async def facets(index: str, request: Request) -> Response:
        """Count the values of paths.

        Counts the values in all documents, in those that meet ``where``, or in those of ``among``.
        """
        check(index)
        asked = await body_of(request, models.Facets, served.limits)

        def counted(opened: JSONIndex) -> dict[str, Any]:
            where = conditions_of(asked.where)
            found = opened.facets(asked.paths, where=where, among=asked.among, most=asked.most)
            return {"documents": found.documents, "facets": [facet.to_dict() for facet in found]}

        found, generation = await served.read(index, counted)
        return answer({**found, "generation": generation})

    @routes.post(
        "/api/{index}/compare",
        openapi_extra=described(models.Compare),
        responses=answers(page_results.Comparison, 413, 422),
    )
    async def compare(index: str, request: Request) -> Response:
        """Compare two documents.

        Returns the cosine of their vectors, and both documents field by field. The documents may have at most 5,000
        values each.
        """
        check(index)
        asked = await body_of(request, models.Compare, served.limits)
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

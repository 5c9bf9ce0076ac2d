"""The map of an index: made in the background, sent as floats, colored by a field, asked for what is in a region."""

import base64
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hdc.apps.json import JSONIndex
from hdc.apps.json.document.paths import parse_path, values_at
from hdc.apps.serve import models, page_results
from hdc.apps.serve.answers import answer, not_found
from hdc.apps.serve.bodies import body_of
from hdc.apps.serve.description import answers, described, failures
from hdc.apps.serve.indexes import Opened, Served
from hdc.apps.serve.projection.axes import spread
from hdc.apps.serve.projection.colors import NOTHING, Colors, colors_of, plain, suitable
from hdc.apps.serve.projection.made import Map
from hdc.apps.serve.projection.making import Maps, folder_of_index
from hdc.apps.serve.projection.region import clip, distinguishing, inside, leaves, polygon_of
from hdc.errors import ParameterError, UnsupportedError

BINARY = "application/octet-stream"

SAMPLE = 400
"""Documents that are read to say what fields there are, or what a region has in common."""

BLOCK = 2048
"""Documents that are parsed at a time."""

HELD = 32
"""Colors that are held."""

MOST_IDS = 100_000
"""Ids of a region that an answer lists."""

LINES = 12
"""Values of a document on a card."""


By = Annotated[models.Method, Query(description="Which map.")]


def router(served: Served) -> APIRouter:
    """Return the routes."""
    gate = threading.Semaphore()
    maps = {opened.name: _maps_of(opened, gate) for opened in served}
    held = _Held()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        for own in maps.values():
            own.cancel()

    routes = APIRouter(tags=["map"], lifespan=lifespan)

    def made(index: str, method: str) -> Map:
        found = maps[served[index].name].current(method)
        if found is None:
            raise not_found(f"{index} has no map yet; make one by POST /api/{index}/map")
        return found

    @routes.get("/api/{index}/map", responses=answers(page_results.MapState, 422))
    async def get_map(index: str, method: By = "pca") -> Response:
        """Return the state of the map.

        Returns whether there is a map of the index as it is now, and the progress of a map that is being made.
        """
        own = maps[served[index].name]
        return answer(await served.run(lambda: own.status(method)))

    @routes.post(
        "/api/{index}/map",
        status_code=202,
        openapi_extra=described(models.MakeMap),
        responses=answers(page_results.MapState, 409, 413, 422, ok=202),
    )
    async def make_map(index: str, request: Request) -> Response:
        """Start making a map.

        Returns at once. Ask ``GET`` for the progress, until its ``state`` is ``ready``. The map is stored beside the
        index, so it is made once.
        """
        asked, own = await body_of(request, models.MakeMap, served.limits), maps[served[index].name]
        await served.run(lambda: own.start(asked.method))
        return answer(await served.run(lambda: own.status(asked.method)), 202)

    @routes.delete("/api/{index}/map", responses=answers(page_results.MapState, 422))
    async def cancel_map(index: str, method: By = "pca") -> Response:
        """Cancel the map that is being made.

        Maps that are ready stay.
        """
        own = maps[served[index].name]
        await served.run(own.cancel)
        return answer(await served.run(lambda: own.status(method)))

    @routes.get(
        "/api/{index}/map/points",
        response_class=Response,
        responses={200: {"content": {BINARY: {}}, "description": "The points and ids."}, **failures(422)},
    )
    async def map_points(index: str, method: By = "pca") -> Response:
        """Return the points of a map.

        The body is binary: x and y of each of n points as little-endian float32, then the n ids as little-endian
        float64; 16 bytes per point. The header ``x-generation`` has the generation of the index that the map is of.
        """
        found = await served.run(lambda: made(index, method))
        body = found.points.astype("<f4").tobytes() + found.ids.astype("<f8").tobytes()
        return Response(body, headers={"x-generation": str(found.generation)}, media_type=BINARY)

    @routes.get("/api/{index}/map/fields", responses=answers(list[page_results.Colorable]))
    async def map_fields(index: str) -> Response:
        """List the fields to color a map by.

        The most useful field comes first. In indexes of embeddings and codes, the field ``key`` is the beginning of
        the keys.
        """
        found, _ = await served.read(index, _fields)
        return answer(found)

    @routes.get("/api/{index}/map/colors", responses=answers(page_results.MapColors, 422))
    async def map_colors(
        index: str,
        field: Annotated[str, Query(description="A path, as ``map/fields`` lists them.")],
        method: By = "pca",
    ) -> Response:
        """Color the points of a map by a field.

        Returns one byte per point, in the order of the points. The first value at the path counts.
        """

        def colored(opened: Any) -> dict[str, Any]:
            points = made(index, method)
            key = index, method, field, str(points.state)
            return _colored(held.get(key) or held.put(key, _colors(opened, points, field)))

        found, generation = await served.read(index, colored)
        return answer({"field": field, "generation": generation, **found})

    @routes.post(
        "/api/{index}/map/region",
        openapi_extra=described(models.Region),
        responses=answers(page_results.RegionRows, 413, 422),
    )
    async def map_region(index: str, request: Request) -> Response:
        """Return the rows in a region of a map.

        Returns the ids inside of a polygon, and the values that its documents have more often than others.
        """
        asked = await body_of(request, models.Region, served.limits)
        corners = polygon_of(asked.polygon)

        def within(opened: Any) -> dict[str, Any]:
            points = made(index, asked.method)
            chosen = inside(points.points, corners)
            ids = points.ids[chosen]
            found = {"count": len(ids), "of": len(chosen), "common": _common(opened, ids, points.ids[~chosen])}
            return {**found, "ids": np.sort(ids)[:MOST_IDS].tolist()} if asked.ids else found

        found, generation = await served.read(index, within)
        return answer({**found, "generation": generation})

    @routes.get("/api/{index}/map/card", responses=answers(page_results.Card, 422))
    async def map_card(index: str, id: Annotated[int, Query(description="Id of a row.")]) -> Response:
        """Summarize a row.

        Returns the first values of its document, cut to a few short lines.
        """
        found, _ = await served.read(index, lambda opened: _card(opened, id))
        return answer(found)

    return routes


def _maps_of(opened: Opened, gate: threading.Semaphore) -> Maps:
    return Maps(lambda: opened.index, folder_of_index(opened.index), gate)


class _Held:
    """Colors that were made last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colors: OrderedDict[Hashable, Colors] = OrderedDict()

    def get(self, key: Hashable) -> Colors | None:
        with self._lock:
            if key in self._colors:
                self._colors.move_to_end(key)
            return self._colors.get(key)

    def put(self, key: Hashable, colors: Colors) -> Colors:
        with self._lock:
            self._colors[key] = colors
            while len(self._colors) > HELD:
                self._colors.popitem(last=False)
        return colors


def _colored(colors: Colors) -> dict[str, Any]:
    named = {"kind": colors.kind, "labels": colors.labels, "others": colors.others, "missing": colors.missing}
    scale = {"low": colors.low, "high": colors.high, "logarithmic": colors.logarithmic}
    return {**named, **scale, "shades": base64.b64encode(colors.shades.tobytes()).decode()}


def _colors(index: Any, points: Map, field: str) -> Colors:
    if not isinstance(index, JSONIndex):
        return colors_of(_groups(index, points, field))
    path, values = parse_path(field), list[Any]()
    for start in range(0, len(points.ids), BLOCK):
        documents = index.documents(points.ids[start : start + BLOCK])
        values += [plain(next(values_at(document, path), NOTHING)) for document in documents]
    return colors_of(values)


def _groups(index: Any, points: Map, field: str) -> list[Any]:
    """Return what rows without documents are grouped by: what their keys begin with."""
    if field != KEY:
        raise UnsupportedError(f"rows of this index have no fields; color them by field={KEY}")
    values: list[Any] = []
    for start in range(0, len(points.ids), BLOCK):
        values += [group_of(key) for key in index.keys(points.ids[start : start + BLOCK])]
    return values


KEY = "key"

SEPARATORS = "/:#|"


def group_of(key: str | None) -> Any:
    """Return what a key begins with, up to a separator; nothing where there is no key.

    Examples
    --------
    >>> group_of("cats/001.jpg"), group_of("7")
    ('cats', '7')
    """
    if key is None:
        return NOTHING
    ends = [key.index(mark) for mark in SEPARATORS if mark in key]
    return key[: min(ends)] if ends else key


def _fields(index: Any) -> list[dict[str, Any]]:
    ids = spread(index.ids(), SAMPLE)
    if not len(ids):
        return []
    if isinstance(index, JSONIndex):
        return suitable(index.documents(ids))
    groups = [{KEY: group_of(key)} for key in index.keys(ids) if key is not None]
    return suitable(groups) if groups else []


def _common(index: Any, ids: Any, others: Any) -> list[dict[str, Any]]:
    if not isinstance(index, JSONIndex) or not len(ids) or not len(others):
        return []
    found = distinguishing(index.documents(spread(ids, SAMPLE)), index.documents(spread(others, SAMPLE)))
    return [{**entry, "value": clip(entry["value"])} for entry in found]


def _card(index: Any, number: int) -> dict[str, Any]:
    try:
        key = index.keys([number])[0]
    except ParameterError as error:
        raise not_found(str(error)) from None
    lines: list[list[Any]] = []
    more = 0
    if isinstance(index, JSONIndex):
        for path, value in leaves(index.document(number)):
            if len(lines) < LINES:
                lines.append([path, clip(value)])
            else:
                more += 1
    return {"id": number, "key": key, "lines": lines, "more": more}

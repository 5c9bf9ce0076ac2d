"""The map of an index: made in the background, sent as floats, colored by a field, asked for what is in a region."""

import base64
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from hdc.apps.json import JSONIndex
from hdc.apps.json.document.paths import parse_path, values_at
from hdc.apps.serve.answers import answer, not_found
from hdc.apps.serve.bodies import body_of, described, failures
from hdc.apps.serve.indexes import Opened, Served
from hdc.apps.serve.models import Body
from hdc.apps.serve.projection.axes import spread
from hdc.apps.serve.projection.colors import NOTHING, Colors, colors_of, plain, suitable
from hdc.apps.serve.projection.made import Map
from hdc.apps.serve.projection.making import Maps, folder_of_index
from hdc.apps.serve.projection.region import clip, distinguishing, inside, leaves, polygon_of
from hdc.errors import ParameterError, UnsupportedError

Method = Literal["pca", "umap"]

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


class Start(Body):
    """Which map to make."""

    method: Method = "pca"


class Region(Body):
    """A polygon on a map, in its coordinates."""

    method: Method = "pca"
    polygon: list[list[float]]
    ids: bool = True


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

    routes = APIRouter(lifespan=lifespan)

    def made(index: str, method: str) -> Map:
        found = maps[served[index].name].current(method)
        if found is None:
            raise not_found(f"{index} has no map yet; POST /api/{index}/map makes one")
        return found

    @routes.get("/api/{index}/map", responses=failures(422))
    async def status(index: str, method: Method = "pca") -> Response:
        """Say whether there is a map, and how far one in the making is."""
        own = maps[served[index].name]
        return answer(await served.run(lambda: own.status(method)))

    @routes.post("/api/{index}/map", status_code=202, openapi_extra=described(Start), responses=failures(409, 413, 422))
    async def start(index: str, request: Request) -> Response:
        """Begin to make a map."""
        asked, own = await body_of(request, Start, served.limits), maps[served[index].name]
        await served.run(lambda: own.start(asked.method))
        return answer(await served.run(lambda: own.status(asked.method)), 202)

    @routes.delete("/api/{index}/map", responses=failures(422))
    async def cancel(index: str, method: Method = "pca") -> Response:
        """Call off the map that is being made."""
        own = maps[served[index].name]
        await served.run(own.cancel)
        return answer(await served.run(lambda: own.status(method)))

    @routes.get(
        "/api/{index}/map/points",
        response_class=Response,
        responses={200: {"content": {BINARY: {}}}, **failures(422)},
    )
    async def points(index: str, method: Method = "pca") -> Response:
        """Return points and ids: n pairs of little-endian float32, then n little-endian float64."""
        found = await served.run(lambda: made(index, method))
        body = found.points.astype("<f4").tobytes() + found.ids.astype("<f8").tobytes()
        return Response(body, headers={"x-generation": str(found.generation)}, media_type=BINARY)

    @routes.get("/api/{index}/map/fields", responses=failures())
    async def fields(index: str) -> Response:
        """List the fields that points can be colored by, the most telling first."""
        found, _ = await served.read(index, _fields)
        return answer(found)

    @routes.get("/api/{index}/map/colors", responses=failures(422))
    async def colors(index: str, field: str, method: Method = "pca") -> Response:
        """Return a byte for each point, in their order: its category, or its number on a scale."""

        def colored(opened: Any) -> dict[str, Any]:
            points = made(index, method)
            key = index, method, field, str(points.state)
            return _colored(held.get(key) or held.put(key, _colors(opened, points, field)))

        found, generation = await served.read(index, colored)
        return answer({"field": field, "generation": generation, **found})

    @routes.post("/api/{index}/map/region", openapi_extra=described(Region), responses=failures(413, 422))
    async def region(index: str, request: Request) -> Response:
        """Return the rows in a polygon, and what their documents have in common that others do not."""
        asked = await body_of(request, Region, served.limits)
        corners = polygon_of(asked.polygon)

        def within(opened: Any) -> dict[str, Any]:
            points = made(index, asked.method)
            chosen = inside(points.points, corners)
            ids = points.ids[chosen]
            found = {"count": len(ids), "of": len(chosen), "common": _common(opened, ids, points.ids[~chosen])}
            return {**found, "ids": np.sort(ids)[:MOST_IDS].tolist()} if asked.ids else found

        found, generation = await served.read(index, within)
        return answer({**found, "generation": generation})

    @routes.get("/api/{index}/map/card", responses=failures(422))
    async def card(index: str, id: int) -> Response:
        """Return a row in a few short lines."""
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
        raise UnsupportedError(f"rows of this index have no fields; color them by field={KEY!r}")
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

"""A query as what segments of postings are asked: lists with weights, in groups that are items of arrays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.paths import MAX_POSITION, Path
from hdc.apps.json.document.rules import Layout, Mode, resolved
from hdc.apps.json.document.structure import ARRAY, leaf_value
from hdc.apps.json.index.taking import exact_number
from hdc.apps.json.values.numbers import CELLS, DECADE_WIDTHS, EXACT_NUMBER, NUMBER, QUANTILE_WIDTHS, Quantities
from hdc.apps.json.values.parts import Number, Spell, column_hash, path_hash, term_hash
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError
from hdc.kernels import PostingQuery
from hdc.search.postings.segment import Segment

WHOLE = 1 << 30
"""About the weight of a whole query in integers."""

MODES: dict[Mode, int] = {"bag": 0, "sequence": 1, "soft": 2, "both": 3}

LIST, EXTRA, COLUMN = 0, 1, 2

FAR = 9.0
"""Deviations from which on nothing is left of a smooth number: exp(-40)."""


class List(NamedTuple):
    """A term at a path, or one of others, and what a document that has one gets."""

    term: int
    path: int
    weight: float
    others: tuple[int, ...] = ()


class Column(NamedTuple):
    """A number, and what a document gets that has an equal one there.

    Attributes
    ----------
    instead : bool
        Whether the column is not the one asked for, but another one that the same item of an array may be in.
    """

    column: int
    number: float
    place: float
    widths: tuple[float, ...]
    weight: float
    instead: bool = False


class Group(NamedTuple):
    """An item of an array, or the document: see :class:`hdc.kernels.PostingQuery`."""

    depth: int
    mode: int
    position: int
    lists: list[List | Column]


class TermQuery:
    """What a query asks of documents.

    Parameters
    ----------
    query : JSON value
    values : Values
    layout : Layout
    overlap : bool
        Whether what a document has beyond the query lowers its score.
    spell : function, optional
        For words that no document has.

    Raises
    ------
    ParameterError
        If the query is no JSON, or asks for nothing that weighs anything.
    """

    def __init__(
        self, query: Any, values: Values, layout: Layout, overlap: bool = False, spell: Spell | None = None
    ) -> None:
        self._spell, self._asked_weight = spell, 0.0
        self._values, self._layout, self._overlap = values, layout, overlap
        self._groups: list[Group] = []
        lists: list[List | Column] = []
        self._add(query, (), 0, lists)
        self._groups.append(Group(0, 0, 0, lists))
        asked = self._asked_weight
        if not asked:
            raise ParameterError("the query asks for nothing that weighs anything: all its paths have weight 0")
        self.asked, self.unit = asked, WHOLE / asked
        self._every = [one for group in self._groups for one in group.lists]
        self._weights = [round(one.weight * self.unit) for one in self._every]
        own = [isinstance(one, List) or not one.instead for one in self._every]
        lost = asked - sum(one.weight for one, counts in zip(self._every, own, strict=True) if counts)
        held = sum(weight for weight, counts in zip(self._weights, own, strict=True) if counts)
        self.whole = held + round(lost * self.unit)
        terms = [(at, one) for at, one in enumerate(self._every) if isinstance(one, List)]
        self._at = [at for at, _ in terms]
        self._terms = np.array([one.term for _, one in terms], np.uint64)
        self._paths = np.array([one.path for _, one in terms], np.uint64)
        self._fixed = self._for_all()

    def _add(self, query: Any, path: Path, depth: int, lists: list[List | Column]) -> None:
        if isinstance(query, dict) and query:
            for key, item in query.items():
                if not isinstance(key, str):
                    raise ParameterError(f"a key must be a string, not {key!r}")
                self._add(item, (*path, key), depth, lists)
        elif isinstance(query, ARRAY) and query:
            mode = resolved(self._layout.arrays[path], query)
            for place, item in enumerate(query):
                own: list[List | Column] = []
                self._add(item, (*path, place if mode == "sequence" else None), depth + 1, own)
                self._groups.append(Group(depth + 1, MODES[mode], place, own))
        else:
            self._add_leaf(path, leaf_value(query, path), lists)

    def _add_leaf(self, path: Path, value: Any, lists: list[List | Column]) -> None:
        factor = self._layout.weights[path] ** 2
        if not factor:
            return
        parts = self._values.parts(path, value, self._spell)
        self._asked_weight += factor * parts.whole
        where, _ = path_hash(path)
        for term in parts.terms:
            terms = [term_hash(term.kind, content) for content in term.contents]
            lists.append(List(terms[0], where, factor * term.weight, tuple(terms[1:])))
        if parts.number is not None:
            self._add_number(path, parts.number, where, factor, lists)

    def _add_number(self, path: Path, number: Number, where: int, factor: float, lists: list[List | Column]) -> None:
        value, exact = exact_number(number.kind, number.value)
        lists += [List(term, where, EXACT_NUMBER * factor * number.weight) for term in exact]
        weight = factor * number.weight * (1 - EXACT_NUMBER if exact else 1)
        lists.append(
            Column(column_hash(path, number.kind), value, number.place, self._widths(path, number.kind), weight)
        )
        for other in self._elsewhere(path):
            placed = self._values.parts(other, number.value).number
            if number.kind == NUMBER and placed is not None:
                lists.append(
                    Column(column_hash(other, NUMBER), value, placed.place, self._widths(other, NUMBER), weight, True)
                )

    def _widths(self, path: Path, kind: Quantities) -> tuple[float, ...]:
        if self._values.options.numbers == "smooth":
            return 0.0, 0.0, 0.0
        return QUANTILE_WIDTHS if self._values.has_scale(path, kind) else DECADE_WIDTHS

    def _elsewhere(self, path: Path) -> list[Path]:
        """Return where else an item of an array may be: by position, where an array has numbers only, or not."""
        if not path or isinstance(path[-1], str) or self._layout.arrays[path[:-1]] != "auto":
            return []
        if path[-1] is None:
            return [(*path[:-1], position) for position in range(MAX_POSITION)]
        return [(*path[:-1], None)] if path[-1] < MAX_POSITION else []

    # ------------------------------------------------------------------ segments

    def of(self, segments: Sequence[Segment]) -> list[PostingQuery]:
        """Return what each segment is asked."""
        return [self._asked(segment) for segment in segments]

    def _for_all(self) -> dict[str, Any]:
        """Return what is the same for all segments."""
        every = self._every
        columns = [one if isinstance(one, Column) else None for one in every]
        return {
            "kind": np.array([LIST if one is None else COLUMN for one in columns], np.uint8),
            "weight": np.array(self._weights, np.int64),
            "nested": np.array([bool((o.path if isinstance(o, List) else o.column) & 1) for o in every], np.bool_),
            "place": np.array([0.0 if one is None else one.place for one in columns], np.float64),
            "value": np.array([0.0 if one is None else one.number for one in columns], np.float64),
            "exact": np.array([0.0 if one is None else _exact(one) for one in columns], np.float64),
            "widths": np.array([(1.0,) * 3 if one is None else one.widths for one in columns]).reshape(-1, 3),
            "cells": CELLS,
            "first": np.cumsum([0, *(len(group.lists) for group in self._groups)], dtype=np.int64),
            "depth": np.array([group.depth for group in self._groups], np.int64),
            "mode": np.array([group.mode for group in self._groups], np.int64),
            "position": np.array([group.position for group in self._groups], np.int64),
            "deepest": max(group.depth for group in self._groups),
            "overlap": self._overlap,
            "whole": self.whole,
            "unit": self.unit * (1 - len(every) / WHOLE),  # an equal document has nothing beyond, rounding aside
        }

    def _asked(self, segment: Segment) -> PostingQuery:
        starts, stops = [0] * len(self._every), [0] * len(self._every)
        scans: list[tuple[int, int, int, int]] = []
        found = segment.lists(self._terms, self._paths)
        for at, start, stop in zip(self._at, *found, strict=True):
            if start < stop:
                starts[at], stops[at] = start, stop
                scans.append((-self._weights[at], at, start, stop))
        extra, end = [NO_EXTRA], 0
        kinds = self._fixed["kind"]
        for at, one in enumerate(self._every):
            if isinstance(one, List) and one.others:
                if kinds is self._fixed["kind"]:
                    kinds = kinds.copy()
                joined = self._joined(segment, one)
                extra.append(joined)
                kinds[at], starts[at], stops[at] = EXTRA, end, end + len(joined)
                scans = [scan for scan in scans if scan[1] != at]
                scans.append((-self._weights[at], at, end, end + len(joined)))
                end += len(joined)
            elif isinstance(one, Column):
                starts[at], stops[at] = segment.column(one.column)
                scans += _column_scans(segment, one, at, self._weights[at], starts[at], stops[at])
        scans.sort()
        scan = np.array(scans, np.int64).reshape(-1, 4)
        return PostingQuery(
            start=np.array(starts, np.int64),
            stop=np.array(stops, np.int64),
            extra=np.concatenate(extra),
            scan=np.ascontiguousarray(scan[:, 1]),
            scan_start=np.ascontiguousarray(scan[:, 2]),
            scan_stop=np.ascontiguousarray(scan[:, 3]),
            bound=np.ascontiguousarray(-scan[:, 0]),
            **{**self._fixed, "kind": kinds},
        )

    @staticmethod
    def _joined(segment: Segment, one: List) -> npt.NDArray[np.uint32]:
        """Return the spots of any of several terms."""
        terms = np.array([one.term, *one.others], np.uint64)
        bounds = zip(*segment.lists(terms, np.full(len(terms), one.path, np.uint64)), strict=True)
        return np.unique(np.concatenate([segment.arrays.postings[start:stop] for start, stop in bounds]))


NO_EXTRA = np.empty(0, np.uint32)


def _exact(one: Column) -> float:
    return 0.0 if one.number != one.number else EXACT_NUMBER


def _column_scans(
    segment: Segment, one: Column, at: int, weight: int, start: int, stop: int
) -> list[tuple[int, int, int, int]]:
    """Return the parts of a column in which a number may find something: near, and on both sides further off."""
    if start == stop:
        return []
    smooth = one.widths[0] == 0
    far, near = (FAR, 1.5) if smooth else (one.widths[0], one.widths[1])
    slack = 1e-9 * (1 + abs(one.place))
    places = segment.arrays.number_place[start:stop]
    edges = [one.place - far - slack, one.place - near - slack, one.place + near + slack, one.place + far + slack]
    a, b, c, d = (start + np.searchsorted(places, edges)).tolist()
    left = weight if near >= far else int(weight * ((1 - EXACT_NUMBER) * (0.325 if smooth else 1 / 3))) + 1
    parts = [(-weight, at, b, c), (-left, at, a, b), (-left, at, c, d)]
    return [part for part in parts if part[2] < part[3]]

"""Segments of postings and queries, drawn at random, on which kernels are compared."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hdc.kernels import NO_ITEM, Array, PostingQuery, PostingSegment

LIST, EXTRA, COLUMN = range(3)

DEEPEST = 3
"""Depth of the items and groups that are drawn."""

VALUES = np.array([-2.0, 0.0, 0.5, 1.0, 1.25, 3.0, np.nan])


class Form(NamedTuple):
    """What is to be drawn.

    Attributes
    ----------
    documents : int
    items : int
        The most that an array has.
    lists : int
        Of each depth, and as many columns of numbers.
    groups : int
        The most that are inside another one.
    weight : int
        The greatest of a list; small ones make equal scores.
    overlap : bool
    smooth : bool
        Whether numbers are near by a Gaussian.
    scales : int
    giant : int
        Items of one document, all of one array.
    """

    documents: int = 20
    items: int = 3
    lists: int = 3
    groups: int = 2
    weight: int = 9
    overlap: bool = False
    smooth: bool = False
    scales: int = 3
    giant: int = 0


def posting_case(rng: np.random.Generator, form: Form) -> tuple[PostingSegment, PostingQuery]:
    """Return a segment and a query of it."""
    cases = PostingCases(rng, form)
    return cases.segment, cases.query()


class PostingCases:
    """A segment, and queries of it.

    Parameters
    ----------
    rng : Generator
    form : Form

    Attributes
    ----------
    segment : PostingSegment
        Its arrays are read-only, as they are in search.
    """

    def __init__(self, rng: np.random.Generator, form: Form) -> None:
        self.rng, self.form = rng, form
        self.document, self.parent, self.place = list[int](), list[int](), list[int]()
        self.depths = list[int]()
        for number in range(form.documents):
            for _ in range(int(rng.integers(0, 3))):
                self._array(number, NO_ITEM, 1, int(rng.integers(0, form.items + 1)))
        if form.giant and form.documents:
            self._array(form.documents - 1, NO_ITEM, 1, form.giant)
        depths = np.array(self.depths, np.int64)
        self.spots = [np.arange(form.documents), *(np.flatnonzero(depths == d) for d in range(1, DEEPEST + 1))]
        self.segment = self._segment()

    def _array(self, number: int, parent: int, depth: int, items: int) -> None:
        for place in range(items):
            item = len(self.document)
            self.document.append(number)
            self.parent.append(parent)
            self.place.append(place)
            self.depths.append(depth)
            if depth < DEEPEST and self.rng.random() < 0.5:
                self._array(number, item, depth + 1, int(self.rng.integers(0, self.form.items + 1)))

    def _segment(self) -> PostingSegment:
        """Draw lists and columns."""
        rng, form = self.rng, self.form
        self.lists = [self._some(depth) for depth in range(DEEPEST + 1) for _ in range(form.lists)]
        self.columns = [self._some(depth) for depth in range(DEEPEST + 1) for _ in range(form.lists)]
        self.starts, self.column_starts = (
            np.cumsum([0, *map(len, held)], dtype=np.int64) for held in (self.lists, self.columns)
        )
        spots, places, values, orders = [], [], [], []
        for column, start in zip(self.columns, self.column_starts, strict=False):
            where = np.sort(
                rng.integers(-3, 4, len(column)) / 2 if rng.random() < 0.5 else rng.normal(size=len(column))
            )
            own = rng.permutation(column)
            spots.append(own)
            places.append(where)
            values.append(rng.choice(VALUES, len(column)))
            orders.append(start + np.argsort(own))
        item_document = np.array(self.document, np.uint32)
        item_start = np.searchsorted(item_document, np.arange(form.documents + 1)).astype(np.int64)
        segment = PostingSegment(
            postings=_joined(self.lists, np.uint32),
            item_start=item_start,
            item_document=item_document,
            item_parent=np.array(self.parent, np.uint32),
            item_place=np.array(self.place, np.uint32),
            most_items=int(np.diff(item_start).max(initial=0)),
            number_spot=_joined(spots, np.uint32),
            number_place=_joined(places, np.float64),
            number_value=_joined(values, np.float64),
            number_order=_joined(orders, np.uint32),
            masses=rng.integers(0, 20, form.documents) / 4,
        )
        for array in segment:
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        return segment

    def _some(self, depth: int) -> Array:
        spots = self.spots[depth]
        return spots[self.rng.random(len(spots)) < self.rng.choice([0.0, 0.2, 0.7, 1.0])]

    def query(self) -> PostingQuery:
        """Draw a query."""
        self.rows = list[dict[str, Any]]()
        self.extra = list[Array]()
        groups: list[tuple[int, int]] = []  # depth, first list behind
        self._group(0, groups)
        held = {name: [row[name] for row in self.rows] for name in _ROW}
        rng, count = self.rng, len(groups)
        arrays: dict[str, Any] = {name: np.array(held[name], dtype) for name, dtype in _ROW.items()}
        widths = np.zeros(self.form.scales) if self.form.smooth else 2.0 ** -np.arange(self.form.scales)
        scans = self._scans(arrays)
        return PostingQuery(
            **arrays,
            extra=_joined(self.extra, np.uint32),
            widths=np.tile(widths, (len(self.rows), 1)).astype(np.float64),
            cells=8,
            first=np.array([0, *(behind for _, behind in groups)], np.int64),
            depth=np.array([depth for depth, _ in groups], np.int64),
            mode=rng.integers(0, 4, count),
            position=rng.integers(0, 4, count),
            deepest=max(depth for depth, _ in groups),
            scan=np.ascontiguousarray(scans[:, 1]),
            scan_start=np.ascontiguousarray(scans[:, 2]),
            scan_stop=np.ascontiguousarray(scans[:, 3]),
            bound=np.ascontiguousarray(-scans[:, 0]),
            overlap=self.form.overlap,
            whole=max(1, int(arrays["weight"].sum())),
            unit=float(self.form.weight),
        )

    def _group(self, depth: int, groups: list[tuple[int, int]]) -> None:
        """Draw a group: those inside it come before it."""
        if depth < DEEPEST:
            for _ in range(int(self.rng.integers(0, self.form.groups + 1))):
                self._group(depth + 1, groups)
        for _ in range(int(self.rng.integers(0, 4))):
            self._row(depth)
        groups.append((depth, len(self.rows)))

    def _row(self, depth: int) -> None:
        rng, kind = self.rng, int(self.rng.integers(0, 3))
        row: dict[str, Any] = {"kind": kind, "weight": int(rng.integers(0, self.form.weight + 1)), "nested": depth > 0}
        row |= {"place": 0.0, "value": 0.0, "exact": 0.0}
        at = depth * self.form.lists + int(rng.integers(0, self.form.lists))
        if kind == EXTRA:
            start = sum(map(len, self.extra))
            self.extra.append(self._some(depth))
            row |= {"start": start, "stop": start + len(self.extra[-1])}
        else:
            starts = self.starts if kind == LIST else self.column_starts
            row |= {"start": int(starts[at]), "stop": int(starts[at + 1])}
        if kind == COLUMN:
            held = self.segment.number_place[row["start"] : row["stop"]]
            value = float(rng.choice(VALUES))
            row["place"] = float(rng.choice(held)) if len(held) and rng.random() < 0.7 else float(rng.normal())
            row |= {"value": value, "exact": 0.0 if np.isnan(value) else 0.1}
        self.rows.append(row)

    def _scans(self, arrays: dict[str, Array]) -> Array:
        """Return the scans, greatest bound first: lists as they are, columns in up to three parts."""
        scans = []
        for at in range(len(self.rows)):
            start, stop, weight = (int(arrays[name][at]) for name in ("start", "stop", "weight"))
            edges = [start, stop]
            if arrays["kind"][at] == COLUMN:
                edges = sorted([*edges, *self.rng.integers(start, stop + 1, 2).tolist()])
            scans += [(-weight, at, a, b) for a, b in pairwise(edges) if a < b]
        return np.array(sorted(scans), np.int64).reshape(-1, 4)


_ROW = {"kind": np.uint8, "start": np.int64, "stop": np.int64, "weight": np.int64, "nested": np.bool_}
_ROW |= dict.fromkeys(("place", "value", "exact"), np.float64)


def _joined(parts: list[Array], dtype: Any) -> Array:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)

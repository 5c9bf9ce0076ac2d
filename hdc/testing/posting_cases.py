"""Segments of postings and queries, drawn at random, on which kernels are compared."""

from typing import Any, NamedTuple

import numpy as np

from hdc.kernels import NO_ITEM, POSTING_GROUP, POSTING_LIST, Array, PostingQuery, PostingSegment

LIST, EXTRA, COLUMN = range(3)

DEEPEST = 3
"""Depth of the items and groups that are drawn."""


class Form(NamedTuple):
    """What is to be drawn.

    Attributes
    ----------
    documents : int
        Of each segment.
    segments : int
    items : int
        The most that an array has.
    lists : int
        Of each depth, and as many columns of numbers. The second one has all that the first one has.
    groups : int
        The most that are inside another one.
    weight : int
        The greatest of a list; small ones make equal scores.
    overlap : bool
    smooth : bool
        Whether numbers are near by a Gaussian.
    giant : int
        Items of one document, all of one array.
    """

    documents: int = 20
    segments: int = 1
    items: int = 3
    lists: int = 3
    groups: int = 2
    weight: int = 9
    overlap: bool = False
    smooth: bool = False
    giant: int = 0


def posting_case(rng: np.random.Generator, form: Form) -> tuple[list[PostingSegment], PostingQuery]:
    """Return segments and a query of them."""
    cases = PostingCases(rng, form)
    return cases.segments, cases.query()


class PostingCases:
    """Segments, and queries of them.

    Parameters
    ----------
    rng : Generator
    form : Form

    Attributes
    ----------
    segments : list of PostingSegment
        Their arrays are read-only, as they are in search.
    """

    def __init__(self, rng: np.random.Generator, form: Form) -> None:
        self.rng, self.form = rng, form
        several = (DEEPEST + 1) * form.lists
        depths = np.repeat(np.arange(DEEPEST + 1), form.lists)
        self.terms = rng.choice(np.iinfo(np.int64).max, several, replace=False).astype(np.uint64) * np.uint64(2)
        self.terms[several // 2 :] = self.terms[several // 2]  # the same at several paths
        self.paths = np.arange(several, dtype=np.uint64) * np.uint64(2) + (depths > 0)
        self.columns = rng.permutation(self.paths)
        self.columns = self.columns - self.columns % np.uint64(2) + (depths > 0)
        drawn = [_Segment(rng, form) for _ in range(form.segments)]
        self.drawn = drawn
        self.segments = [one.segment(self.terms, self.paths, self.columns) for one in drawn]

    def query(self) -> PostingQuery:
        """Draw a query."""
        rng, form = self.rng, self.form
        self.rows, self.extra = list[tuple[Any, ...]](), list[list[Array]]()
        groups: list[tuple[int, int, int, int]] = []
        self._group(0, groups)
        lists = np.array(self.rows, POSTING_LIST)
        parts = [one[number] for number in range(form.segments) for one in self.extra]
        return PostingQuery(
            lists=lists,
            groups=np.array(groups, POSTING_GROUP),
            extra=_joined(parts, np.uint32),
            extra_starts=np.cumsum([0, *map(len, parts)], dtype=np.int64),
            cells=8,
            overlap=form.overlap,
            asked=float(lists["weight"][lists["counted"] == 1].sum()) + float(rng.integers(1, 3)),
            unit=float(rng.choice([1.0, 0.7])),
            mass_unit=float(form.weight),
        )

    def _group(self, depth: int, groups: list[tuple[int, int, int, int]]) -> None:
        """Draw a group: those inside it come before it."""
        rng = self.rng
        if depth < DEEPEST:
            for _ in range(int(rng.integers(0, self.form.groups + 1))):
                self._group(depth + 1, groups)
        for _ in range(int(rng.integers(0, 4))):
            self._row(depth)
        if self.form.lists > 1 and rng.random() < 0.5:  # two of which the second has all that the first has
            self._row(depth, 0)
            self._row(depth, 1)
        groups.append((len(self.rows), depth, int(rng.integers(0, 4)), int(rng.integers(0, 4))))

    def _row(self, depth: int, which: int | None = None) -> None:
        rng = self.rng
        kind = int(rng.integers(0, 3)) if which is None else LIST
        at = depth * self.form.lists + (int(rng.integers(0, self.form.lists)) if which is None else which)
        number, path, within = int(self.terms[at]), int(self.paths[at]), int(which == 1)
        place, value, exact, widths = 0.0, 0.0, 0.0, (1.0, 1.0, 1.0)
        if kind == EXTRA:
            number = len(self.extra)
            self.extra.append([one.some(depth) for one in self.drawn])
        elif kind == COLUMN:
            number, path = int(self.columns[at]), 0
            held = np.concatenate([one.places[at] for one in self.drawn])
            place = float(rng.choice(held)) if len(held) and rng.random() < 0.7 else float(rng.normal())
            value = place if rng.random() < 0.7 else np.nan
            exact, widths = (0.1 if value == value else 0.0), (0.0, 0.0, 0.0) if self.form.smooth else (1.0, 0.5, 0.25)
        weight, counted = float(rng.integers(0, self.form.weight + 1)), int(rng.choice([0, 1, 1, 1, 2]))
        self.rows.append((kind, number, path, within, counted, weight, place, value, exact, widths))


class _Segment:
    """Documents and items, and which of them have what."""

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
        self.lists = [self.some(depth) for depth in range(DEEPEST + 1) for _ in range(form.lists)]
        for depth in range(DEEPEST + 1) if form.lists > 1 else ():
            at = depth * form.lists
            if rng.random() < 0.5:
                self.lists[at + 1] = self.lists[at]
            else:
                self.lists[at + 1] = np.union1d(self.lists[at], self.lists[at + 1])
        self.numbers = [self.some(depth) for depth in range(DEEPEST + 1) for _ in range(form.lists)]
        self.places = [
            np.sort(rng.integers(-6, 7, len(own)) / 4 if rng.random() < 0.5 else rng.normal(size=len(own)))
            for own in self.numbers
        ]

    def _array(self, number: int, parent: int, depth: int, items: int) -> None:
        for place in range(items):
            item = len(self.document)
            self.document.append(number)
            self.parent.append(parent)
            self.place.append(place)
            self.depths.append(depth)
            if depth < DEEPEST and self.rng.random() < 0.5:
                self._array(number, item, depth + 1, int(self.rng.integers(0, self.form.items + 1)))

    def some(self, depth: int) -> Array:
        """Draw some of the spots of a depth, in order."""
        spots = self.spots[depth]
        return spots[self.rng.random(len(spots)) < self.rng.choice([0.0, 0.2, 0.7, 1.0])]

    def segment(self, terms: Array, paths: Array, columns: Array) -> PostingSegment:
        """Return the arrays of lists and columns of such hashes."""
        rng, form = self.rng, self.form
        order, by_column = np.lexsort((paths, terms)), np.argsort(columns)
        lists = [self.lists[at] for at in order]
        spots, places, values, orders, start = list[Array](), list[Array](), list[Array](), list[Array](), 0
        for at in by_column:
            own, where = rng.permutation(self.numbers[at]), self.places[at]
            spots.append(own)
            places.append(where)
            values.append(np.where(rng.random(len(own)) < 0.2, np.nan, where))
            orders.append(start + np.argsort(own))
            start += len(own)
        item_document = np.array(self.document, np.uint32)
        segment = PostingSegment(
            postings=_joined(lists, np.uint32),
            item_start=np.searchsorted(item_document, np.arange(form.documents + 1)).astype(np.int64),
            item_document=item_document,
            item_parent=np.array(self.parent, np.uint32),
            item_place=np.array(self.place, np.uint32),
            number_spot=_joined(spots, np.uint32),
            number_place=_joined(places, np.float64),
            number_value=_joined(values, np.float64),
            number_order=_joined(orders, np.uint32),
            masses=rng.integers(0, 20, form.documents) / 4,
            terms=terms[order],
            paths=paths[order],
            starts=np.cumsum([0, *map(len, lists)], dtype=np.int64),
            columns=columns[by_column],
            column_starts=np.cumsum([0, *map(len, spots)], dtype=np.int64),
        )
        for array in segment:
            array.flags.writeable = False
        return segment


def _joined(parts: list[Array], dtype: Any) -> Array:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)

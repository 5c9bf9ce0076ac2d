"""The best documents of a query by postings: lists of great weight are scanned, the others asked about candidates.

A scan adds up, for each document, a bound of its score: lists, the greatest first, and of numbers those that are
nearest first. Of an item of an array the lists are added up item by item, and the best item counts. As soon as what is
not scanned yet could add less than the k-th best score found so far, no document that was not met can win; of those
that were, the likely ones are looked up in every list, which gives their exact scores, until no other is left that
could win. All weights are integers, so that sums are the same in any order.
"""

import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.addresses import array_at
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.kernels import NO_ITEM, PostingQuery, PostingSegment

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]

TERM, EXTRA, NUMBER = 0, 1, 2
"""Where a list is: in the segment, with the query, or in a column of numbers."""

KIND, HASH, PATH, WITHIN, COUNTED, WEIGHT, PLACE, VALUE, EXACT, WIDTHS = range(10)
"""Words of a record of :data:`hdc.kernels.POSTING_LIST`, which has ``FIELDS``."""

FIELDS, SCALES = 12, 3

BEHIND, DEPTH, MODE, POSITION, GROUP_FIELDS = range(5)
"""Words of a record of :data:`hdc.kernels.POSTING_GROUP`."""

FLAT, SPREAD, ITEMS, RUN = range(4)
"""What is scanned at a time: a list of documents, a list of items, lists of one item, or numbers that are as near."""

PROBE = 32
"""Postings that are scanned in the time that it takes to look up a document in a list."""

TRIAL = 2048
"""Postings of a list from which on it is worth asking, before it is scanned, whether it need be."""

LONGER = 8
"""Times as many postings as the greater lists of its item have make a list that is not added up item by item."""

WINDOW = 1 << 13
"""Items that are added up at a time, or those of one document."""

LOW = 0xFFFFFFFF

ARRAYS: tuple[tuple[str, Any], ...] = (
    ("postings", np.uint32),
    ("item_start", np.int64),
    ("item_document", np.uint32),
    ("item_parent", np.uint32),
    ("item_place", np.uint32),
    ("number_spot", np.uint32),
    ("number_place", np.float64),
    ("number_value", np.float64),
    ("number_order", np.uint32),
    ("masses", np.float64),
    ("terms", np.uint64),
    ("paths", np.uint64),
    ("starts", np.int64),
    ("columns", np.uint64),
    ("column_starts", np.int64),
)
"""Arrays of a segment; a table has the address and the size of each."""


class _Scratch(threading.local):
    """Arrays of a thread, zeros between searches: documents are many, and those that a search touches few."""

    def __init__(self) -> None:
        self.bounds, self.most = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.known, self.touched = np.zeros(0, np.uint8), np.zeros(0, np.uint32)
        self.sums = np.zeros(0, np.int64)

    def of(self, documents: int, items: int) -> tuple[Ints, Ints, Bytes, Marks, Ints]:
        """Return arrays for so many documents of a segment, and items that are added up at a time."""
        if len(self.bounds) < documents:  # one more is touched, as a document is noted before it is known to be new
            self.bounds, self.most = np.zeros(documents, np.int64), np.zeros(documents, np.int64)
            self.known, self.touched = np.zeros(documents, np.uint8), np.zeros(documents + 1, np.uint32)
        if len(self.sums) < items:
            self.sums = np.zeros(items, np.int64)
        return self.bounds, self.most, self.known, self.touched, self.sums


_SCRATCH = _Scratch()


class Postings:
    """Segments prepared for search; see :attr:`hdc.kernels.PostingKernels.prepare`."""

    def __init__(self, segments: Sequence[PostingSegment], rank: Ints) -> None:
        self._held, self._rank = tuple(segments), rank
        self._table = np.array(
            [
                [part for name, _ in ARRAYS for part in (_address(getattr(segment, name)), getattr(segment, name).size)]
                for segment in segments
            ],
            np.int64,
        ).reshape(len(segments), 2 * len(ARRAYS))
        self.count = sum(len(segment.masses) for segment in segments)
        self._documents = max((len(segment.masses) for segment in segments), default=0)
        self._most_items = max((int(np.diff(segment.item_start).max(initial=0)) for segment in segments), default=0)

    def best(self, query: PostingQuery, k: int, allowed: npt.NDArray[np.bool_]) -> tuple[Doubles, Ints]:
        """Return the best documents; see :attr:`hdc.kernels.PostingKernels.prepare`."""
        return _best(
            self._table,
            self._rank,
            self._most_items,
            query.lists.view(np.int64),
            query.lists.view(np.float64),
            query.groups.view(np.int64),
            query.extra,
            query.extra_starts,
            query.cells,
            query.overlap,
            query.asked,
            query.unit,
            query.mass_unit,
            min(k, max(1, self.count)),
            allowed,
            *_SCRATCH.of(self._documents, WINDOW + self._most_items),
        )


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.ctypes.data)


# ---------------------------------------------------------------------- numbers


@inlined
def _closeness(floats: Doubles, row: int, cells: int, place: float, equal: bool) -> float:
    """Return the part of a number's weight that another one holds."""
    exact = floats[row + EXACT]
    part = exact if equal else 0.0
    if floats[row + WIDTHS] <= 0.0:
        apart = place - floats[row + PLACE]
        return float(part + (1.0 - exact) * math.exp(-apart * apart / 2.0))
    for scale in range(SCALES):
        width = floats[row + WIDTHS + scale]
        steps = abs(math.floor(place * cells / width) - math.floor(floats[row + PLACE] * cells / width))
        if steps < cells:
            part += (1.0 - exact) / (cells * SCALES) * (cells - steps)
    return float(part)


@inlined
def _weight(floats: Doubles, row: int, cells: int, weight: int, place: float, equal: bool) -> int:
    return int(weight * _closeness(floats, row, cells, place, equal) + 0.5)


@kernel
def _edge(places: Doubles, start: int, stop: int, cells: int, width: float, cell: float) -> int:
    """Return the first number of a column that is in a cell of a scale or in a later one."""
    about = cell * width / cells
    low, high = start, stop
    while low < high:
        middle = (low + high) >> 1
        if places[middle] < about:
            low = middle + 1
        else:
            high = middle
    if (low == start or math.floor(places[low - 1] * cells / width) < cell) and (
        low == stop or math.floor(places[low] * cells / width) >= cell
    ):
        return low
    low, high = start, stop  # rounding: by the cells themselves
    while low < high:
        middle = (low + high) >> 1
        if math.floor(places[middle] * cells / width) < cell:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _below(places: Doubles, start: int, stop: int, place: float) -> int:
    while start < stop:
        middle = (start + stop) >> 1
        if places[middle] < place:
            start = middle + 1
        else:
            stop = middle
    return start


@kernel
def _edges(places: Doubles, start: int, stop: int, floats: Doubles, row: int, cells: int, edges: Ints) -> int:
    """Note where a column is to be divided, ascending; return how many places there are."""
    count = 0
    place = floats[row + PLACE]
    if floats[row + WIDTHS] <= 0.0:
        for step in range(len(SMOOTH)):
            edges[count] = _below(places, start, stop, place - SMOOTH[step])
            edges[count + 1] = _below(places, start, stop, place + SMOOTH[step])
            count += 2
    else:
        low, high = start, stop
        for scale in range(SCALES):
            width = floats[row + WIDTHS + scale]
            own = math.floor(place * cells / width)
            for step in range(1 - cells, cells + 1):
                edges[count] = _edge(places, low, high, cells, width, own + step)
                count += 1
    for i in range(1, count):
        edge, at = edges[i], i
        while at > 0 and edges[at - 1] > edge:
            edges[at] = edges[at - 1]
            at -= 1
        edges[at] = edge
    return count


SMOOTH = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 9.0)
"""Deviations at which a column is divided around a smooth number; from the last one on nothing is left of it."""


# ---------------------------------------------------------------------- looking up


@inlined
def _first(positions: Marks, start: int, stop: int, spot: Any) -> int:
    """Return the first place in an ascending run that holds ``spot`` or more."""
    while start < stop:
        middle = (start + stop) >> 1
        if positions[middle] < spot:
            start = middle + 1
        else:
            stop = middle
    return start


@inlined
def _first_number(spots: Marks, order: Marks, start: int, stop: int, spot: Any) -> int:
    """Return the first place in a column's order by spots that holds ``spot`` or more."""
    while start < stop:
        middle = (start + stop) >> 1
        if spots[order[middle]] < spot:
            start = middle + 1
        else:
            stop = middle
    return start


@inlined
def _hashed(hashes: npt.NDArray[np.uint64], wanted: Any) -> Any:
    """Return the first place of ascending hashes that holds one or more: near where even hashes would have it."""
    n = len(hashes)
    if n == 0:
        return 0
    low, high, step = 0, n, 16
    guess: Any = np.int64(((wanted >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
    if hashes[guess] < wanted:
        low = guess + 1
        while low + step < n and hashes[low + step] < wanted:
            low += step + 1
            step *= 4
        high = min(n, low + step + 1)
    else:
        high = guess
        while high - step > 0 and hashes[high - step] >= wanted:
            high -= step
            step *= 4
        low = max(0, high - step)
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _near(mode: int, asked: int, place: int) -> float:
    """Return the part of an item's match that is left at another place: bag, sequence, soft, both."""
    if mode == 0:
        return 1.0
    apart = abs(asked - place)
    if mode == 1:
        return 1.0 if apart == 0 else 0.0
    if mode == 2:
        return max(0.0, 1.0 - apart / 3.0)
    return 1.0 if apart == 0 else 0.5


# ---------------------------------------------------------------------- what a segment is asked


class _Segment(NamedTuple):
    """The arrays of a segment; functions take out of it what they read in loops."""

    postings: Marks
    item_start: Ints
    item_document: Marks
    item_parent: Marks
    item_place: Marks
    number_spot: Marks
    number_place: Doubles
    number_value: Doubles
    number_order: Marks
    masses: Doubles
    terms: npt.NDArray[np.uint64]
    paths: npt.NDArray[np.uint64]
    starts: Ints
    columns: npt.NDArray[np.uint64]
    column_starts: Ints


class _Asked(NamedTuple):
    """What a segment is asked.

    Attributes
    ----------
    lists : (l, 7) int64 array
        Those that the segment has, the greatest of each group first: see ``L_KIND`` and the following.
    first : (g + 1,) int64 array
        The lists of each group.
    """

    floats: Doubles
    groups: Ints
    lists: Ints
    first: Ints
    extra: Marks
    cells: int
    overlap: bool
    whole: float
    mass_unit: float
    rank: Ints
    base: int


L_KIND, L_START, L_STOP, L_WEIGHT, L_NESTED, L_ROW, L_CORE, L_FIELDS = range(8)
"""Of a list: its kind, where it is, its weight, whether of items, its record, and whether added up item by item."""

U_KIND, U_BOUND, U_FALL, U_START, U_STOP, U_AT, U_SURE, U_FIELDS = range(8)
"""Of what is scanned at a time: its kind, the most it adds, by how much less the rest then adds, where, of what, and
whether documents have at least what it adds to them."""


@inlined
def _array(table: Ints, number: int, field: int, dtype: Any) -> Any:
    return array_at(table[number, 2 * field], table[number, 2 * field + 1], dtype)


@kernel
def _segment_of(table: Ints, number: int) -> _Segment:
    return _Segment(
        _array(table, number, 0, np.uint32),
        _array(table, number, 1, np.int64),
        _array(table, number, 2, np.uint32),
        _array(table, number, 3, np.uint32),
        _array(table, number, 4, np.uint32),
        _array(table, number, 5, np.uint32),
        _array(table, number, 6, np.float64),
        _array(table, number, 7, np.float64),
        _array(table, number, 8, np.uint32),
        _array(table, number, 9, np.float64),
        _array(table, number, 10, np.uint64),
        _array(table, number, 11, np.uint64),
        _array(table, number, 12, np.int64),
        _array(table, number, 13, np.uint64),
        _array(table, number, 14, np.int64),
    )


@kernel
def _looked_up(
    segment: _Segment, ints: Ints, words: npt.NDArray[np.uint64], weights: Ints, groups: Ints, extra_starts: Ints,
    number: int, lists: Ints, first: Ints, same: Ints,
) -> int:  # fmt: skip
    """Find the lists of a query in a segment; return how much they add at most.

    Lists that are equal, as the one has all that the other one has and is as long, become one.
    """
    terms, paths, starts, columns, column_starts = (
        segment.terms, segment.paths, segment.starts, segment.columns, segment.column_starts,
    )  # fmt: skip
    extras = 0
    for at in range(len(weights)):
        extras += ints[at * FIELDS + KIND] == EXTRA
    count, at, total = 0, 0, 0
    for group in range(len(groups) // GROUP_FIELDS):
        first[group] = count
        while at < groups[group * GROUP_FIELDS + BEHIND]:
            row = at * FIELDS
            kind, start, stop = ints[row + KIND], 0, 0
            if kind == TERM:
                term, path = words[row + HASH], words[row + PATH]
                place = _hashed(terms, term)
                while place < len(terms) and terms[place] == term and paths[place] < path:
                    place += 1
                if place < len(terms) and terms[place] == term and paths[place] == path:
                    start, stop = starts[place], starts[place + 1]
            elif kind == EXTRA:
                own = number * extras + ints[row + HASH]
                start, stop = extra_starts[own], extra_starts[own + 1]
            else:
                column = words[row + HASH]
                place = _hashed(columns, column)
                if place < len(columns) and columns[place] == column:
                    start, stop = column_starts[place], column_starts[place + 1]
            same[at] = -1
            weight = weights[at]
            if start < stop and weight > 0:
                total += weight
                other = -1
                if ints[row + WITHIN] > 0 and kind == TERM:
                    other = same[at - ints[row + WITHIN]]
                if other >= 0 and lists[other, L_STOP] - lists[other, L_START] == stop - start:
                    lists[other, L_WEIGHT] += weight
                    same[at] = other
                else:
                    nested = words[row + HASH] if kind == NUMBER else words[row + PATH]
                    lists[count, L_KIND], lists[count, L_START], lists[count, L_STOP] = kind, start, stop
                    lists[count, L_WEIGHT], lists[count, L_NESTED] = weight, np.int64(nested & np.uint64(1))
                    lists[count, L_ROW], lists[count, L_CORE] = row, 0
                    same[at] = count
                    count += 1
            at += 1
        for one in range(first[group] + 1, count):  # the greatest first
            other = one
            while other > first[group] and lists[other - 1, L_WEIGHT] < lists[other, L_WEIGHT]:
                for field in range(L_FIELDS):
                    held = lists[other, field]
                    lists[other, field], lists[other - 1, field] = lists[other - 1, field], held
                other -= 1
    first[len(groups) // GROUP_FIELDS] = count
    return total


@kernel
def _units_of(segment: _Segment, asked: _Asked, units: Ints, edges: Ints, last: Ints) -> int:
    """Divide lists into what is scanned at a time, the greatest first; return how many there are.

    What of an item is not added up with the rest of it is added as if it were in the best one.
    """
    lists, first, groups = asked.lists, asked.first, asked.groups
    count = 0
    for group in range(len(first) - 1):
        low, high = first[group], first[group + 1]
        depth, mode = groups[group * GROUP_FIELDS + DEPTH], groups[group * GROUP_FIELDS + MODE]
        inner = depth > 0 and group > 0 and groups[(group - 1) * GROUP_FIELDS + DEPTH] > depth
        postings, core = 512, 0
        for at in range(low, high):
            length = lists[at, L_STOP] - lists[at, L_START]
            if depth > 0 and lists[at, L_KIND] != NUMBER and length <= LONGER * postings:
                postings += length
                lists[at, L_CORE] = 1
                core += 1
        together = core > 1 or (core == 1 and mode != 0)
        sure = depth <= 1 and not inner
        if together:
            bound = 0
            for at in range(low, high):
                bound += lists[at, L_WEIGHT] * lists[at, L_CORE]
            units[count, U_KIND], units[count, U_BOUND], units[count, U_FALL] = ITEMS, bound, bound
            units[count, U_START], units[count, U_STOP], units[count, U_AT] = 0, postings - 512, group
            units[count, U_SURE] = sure
            count += 1
        alone = depth == 0 or (high - low == 1 and mode == 0 and sure)
        for at in range(low, high):
            start, stop, weight = lists[at, L_START], lists[at, L_STOP], lists[at, L_WEIGHT]
            if lists[at, L_KIND] == NUMBER:
                before = count
                count = _runs_of(segment, asked, at, units, count, edges)
                for unit in range(before, count):
                    units[unit, U_SURE] = depth == 0
            elif not (together and lists[at, L_CORE]):
                units[count, U_KIND] = SPREAD if depth > 0 else FLAT
                units[count, U_BOUND], units[count, U_FALL] = weight, weight
                units[count, U_START], units[count, U_STOP], units[count, U_AT] = start, stop, at
                units[count, U_SURE] = alone
                count += 1
    for one in range(1, count):
        other = one
        while other > 0 and units[other - 1, U_BOUND] < units[other, U_BOUND]:
            for field in range(U_FIELDS):
                held = units[other, field]
                units[other, field], units[other - 1, field] = units[other - 1, field], held
            other -= 1
    for at in range(len(lists)):
        last[at] = 0
    for unit in range(count - 1, -1, -1):  # a number is in one run only
        if units[unit, U_KIND] == RUN:
            at = units[unit, U_AT]
            units[unit, U_FALL] = units[unit, U_BOUND] - last[at]
            last[at] = units[unit, U_BOUND]
    return count


@kernel
def _runs_of(segment: _Segment, asked: _Asked, at: int, units: Ints, count: int, edges: Ints) -> int:
    """Divide a column into runs of numbers that are as near."""
    places, floats, cells = segment.number_place, asked.floats, asked.cells
    row, weight = asked.lists[at, L_ROW], asked.lists[at, L_WEIGHT]
    place, smooth = floats[row + PLACE], floats[row + WIDTHS] <= 0.0
    many = _edges(places, asked.lists[at, L_START], asked.lists[at, L_STOP], floats, row, cells, edges)
    for i in range(1, many):
        start, stop = edges[i - 1], edges[i]
        if start == stop:
            continue
        here = places[start] <= place <= places[stop - 1]
        nearest = place if here else places[start] if places[start] > place else places[stop - 1]
        slack = 1 if smooth else 0
        bound = _weight(floats, row, cells, weight, nearest, here) + slack
        if bound > slack:
            units[count, U_KIND], units[count, U_BOUND], units[count, U_FALL] = RUN, bound, bound
            units[count, U_START], units[count, U_STOP], units[count, U_AT] = start, stop, at
            count += 1
    return count


# ---------------------------------------------------------------------- exact scores


class _Room(NamedTuple):
    """Arrays that a search writes to."""

    bounds: Ints
    most: Ints
    known: Bytes
    touched: Marks
    sums: Ints
    item_sums: Ints
    item_best: Ints
    marks: Marks
    scores: Doubles
    found: Ints
    greatest: Doubles
    keys: Ints


@inlined
def _held(segment: _Segment, asked: _Asked, at: int, document: int) -> int:
    """Return what a list at the top of documents adds to the score of one."""
    lists = asked.lists
    start, stop = lists[at, L_START], lists[at, L_STOP]
    if lists[at, L_KIND] == NUMBER:
        spots, order = segment.number_spot, segment.number_order
        place = _first_number(spots, order, start, stop, document)
        if place < stop:
            number = order[place]
            if spots[number] == document:
                row = lists[at, L_ROW]
                equal = segment.number_value[number] == asked.floats[row + VALUE]
                return _weight(asked.floats, row, asked.cells, lists[at, L_WEIGHT], segment.number_place[number], equal)
        return 0
    positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
    place = _first(positions, start, stop, document)
    if place < stop and positions[place] == document:
        return int(lists[at, L_WEIGHT])
    return 0


@inlined
def _add(sums: Ints, marks: Marks, depth: int, item: int, weight: int) -> None:
    if weight > 0:
        if sums[item] == 0:
            marks[depth, 0] += 1
            marks[depth, marks[depth, 0]] = item
        sums[item] += weight


@kernel
def _exact(segment: _Segment, asked: _Asked, room: _Room, document: int, total: int, least: float) -> int:
    """Return the weight that a document matches; -1 as soon as it is less than ``least``.

    Parameters
    ----------
    total : int
        What all lists add at most.
    """
    lists, first, groups = asked.lists, asked.first, asked.groups
    matched, rest, last = 0, total, len(first) - 2
    for at in range(first[last], first[last + 1]):
        matched += _held(segment, asked, at, document)
        rest -= lists[at, L_WEIGHT]
        if float(matched + rest) < least:
            return -1
    if last == 0:
        return matched
    sums, best, marks = room.item_sums, room.item_best, room.marks
    low, high = segment.item_start[document], segment.item_start[document + 1]
    for depth in range(marks.shape[0]):
        marks[depth, 0] = 0
    pruned = False
    for group in range(last):
        depth = groups[group * GROUP_FIELDS + DEPTH]
        for at in range(first[group], first[group + 1]):
            start, stop, weight = lists[at, L_START], lists[at, L_STOP], lists[at, L_WEIGHT]
            rest -= weight
            if pruned:
                continue
            if lists[at, L_KIND] == NUMBER:
                spots, order, row = segment.number_spot, segment.number_order, lists[at, L_ROW]
                place = _first_number(spots, order, start, stop, low)
                while place < stop:
                    number = order[place]
                    spot = spots[number]
                    if spot >= high:
                        break
                    equal = segment.number_value[number] == asked.floats[row + VALUE]
                    held = _weight(asked.floats, row, asked.cells, weight, segment.number_place[number], equal)
                    _add(sums, marks, depth, spot - low, held)
                    place += 1
            else:
                positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
                place = _first(positions, start, stop, low)
                while place < stop and positions[place] < high:
                    _add(sums, marks, depth, positions[place] - low, weight)
                    place += 1
        top = 0
        count = marks[depth, 0]
        above = 0
        mode, position = groups[group * GROUP_FIELDS + MODE], groups[group * GROUP_FIELDS + POSITION]
        for i in range(1, count + 1):
            item = marks[depth, i]
            near = _near(mode, position, segment.item_place[low + item])
            held = sums[item] if near == 1.0 else int(sums[item] * near)
            sums[item] = 0
            parent = segment.item_parent[low + item]
            if parent == NO_ITEM:
                top = max(top, held)
            elif depth > 1 and held > 0:
                own = parent - low
                if best[own] == 0:
                    above += 1
                    marks[depth, above] = own  # no later than the item that is read here
                best[own] = max(best[own], held)
        if depth == 1:
            matched += top
        for i in range(1, above + 1):
            own = marks[depth, i]
            _add(sums, marks, depth - 1, own, best[own])
            best[own] = 0
        marks[depth, 0] = 0
        if depth == 1 and float(matched + rest) < least:
            pruned = True
    return -1 if pruned else matched


# ---------------------------------------------------------------------- the best ones


@inlined
def _final(segment: _Segment, asked: _Asked, document: Any, matched: int) -> Any:
    """Return what documents are ordered by: the weight that they hold, or the part of both that they share."""
    if not asked.overlap:
        return float(matched)
    beyond = segment.masses[document] * asked.mass_unit - matched
    return matched * (asked.whole / (asked.whole + max(0.0, beyond)))


@inlined
def _key(asked: _Asked, document: Any) -> Any:
    """Return what documents of equal scores are ordered by, with their position in its lower half."""
    position = asked.base + np.int64(document)
    return (asked.rank[position] << 32 | position) if len(asked.rank) > 0 else position


@inlined
def _before(score: float, key: int, other: float, another: int) -> bool:
    return score > other or (score == other and key < another)


@inlined
def _sink(scores: Doubles, keys: Ints, room: int, score: float, key: int) -> None:
    """Put a pair in the place of the top of a heap that has the worst on top."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= room:
            break
        if child + 1 < room and _before(scores[child], keys[child], scores[child + 1], keys[child + 1]):
            child += 1
        if not _before(score, key, scores[child], keys[child]):
            break
        scores[at], keys[at] = scores[child], keys[child]
        at = child
    scores[at], keys[at] = score, key


@kernel
def _sift(scores: Doubles, keys: Ints, room: int, held: int, score: float, key: int) -> int:
    """Put a pair among the best, a heap with the worst on top; return how many are held."""
    if held == room:
        if _before(score, key, scores[0], keys[0]):
            _sink(scores, keys, room, score, key)
        return held
    at = held
    while at > 0:
        above = (at - 1) >> 1
        if not _before(scores[above], keys[above], score, key):
            break
        scores[at], keys[at] = scores[above], keys[above]
        at = above
    scores[at], keys[at] = score, key
    return held + 1


@kernel
def _sort(scores: Doubles, keys: Ints, held: int) -> None:
    """Bring a heap into order, the best first."""
    for end in range(held - 1, 0, -1):
        score, key = scores[end], keys[end]
        scores[end], keys[end] = scores[0], keys[0]
        _sink(scores, keys, end, score, key)


@kernel
def _least(
    segment: _Segment, asked: _Asked, room: _Room, k: int, allowed: npt.NDArray[np.bool_], count: int
) -> float:  # fmt: skip
    """Return the k-th greatest score that the bounds of documents have already, 0 if there are not so many."""
    bounds, touched, best = room.bounds, room.touched, room.greatest
    if count < k:
        return 0.0
    held = 0
    for i in range(count):
        document = np.int64(touched[i])
        bound = float(bounds[document])
        if held == k and bound <= best[0]:
            continue
        if len(allowed) > 0 and not allowed[asked.base + document]:
            continue
        score = _final(segment, asked, document, bounds[document])
        if held < k or score > best[0]:
            held = _sift(best, room.keys, k, held, score, 0)
    return float(best[0]) if held == k else 0.0


@kernel
def _left(
    segment: _Segment, asked: _Asked, room: _Room, k: int, held: int, allowed: npt.NDArray[np.bool_], count: int,
    rest: int, least: float,
) -> int:  # fmt: skip
    """Forget documents that cannot be among the best any more; return how many are left.

    Parameters
    ----------
    least : float
        The score of the last one of the best, or less.
    """
    bounds, known, touched = room.bounds, room.known, room.touched
    left = 0
    plain = not asked.overlap and len(allowed) == 0
    worst = room.scores[0] if held == k else 0.0
    least = max(least, worst)
    enough = np.int64(least) - rest
    for i in range(count):
        document = np.int64(touched[i])
        bound = bounds[document]
        keep = bound >= enough and not known[document]
        if keep and not (plain and bound > enough):
            most = _final(segment, asked, document, bound + rest)
            keep = most >= least and (len(allowed) == 0 or allowed[asked.base + document])
            if keep and held == k:
                keep = _before(most, _key(asked, document), worst, room.found[0])
        if keep:
            touched[left] = document
            left += 1
        else:
            bounds[document] = 0
            known[document] = 0
    return left


@kernel
def _compared(
    segment: _Segment, asked: _Asked, room: _Room, k: int, held: int, allowed: npt.NDArray[np.bool_], count: int,
    rest: int, total: int, several: int, exact: bool,
) -> int:  # fmt: skip
    """Compare several documents exactly, those of the greatest bounds, and put them among the best.

    Parameters
    ----------
    exact : bool
        Whether their bounds are what they match.
    """
    bounds, known, touched, scores, found = room.bounds, room.known, room.touched, room.scores, room.found
    several = min(several, count)
    likely, which, many = np.empty(several, np.float64), np.empty(several, np.int64), 0
    plain = not asked.overlap and len(allowed) == 0
    for i in range(count):
        document = np.int64(touched[i])
        bound = bounds[document]
        if plain and many == several and bound + rest < likely[0]:
            continue
        if known[document] or (len(allowed) > 0 and not allowed[asked.base + document]):
            continue
        most = _final(segment, asked, document, bound + rest)
        key = _key(asked, document)
        if held == k and not _before(most, key, scores[0], found[0]):
            continue
        many = _sift(likely, which, several, many, most, key)
    _sort(likely, which, many)
    for i in range(many):
        most, key = likely[i], which[i]
        if held == k:
            if most < scores[0]:
                break
            if not _before(most, key, scores[0], found[0]):
                continue
        document = (key & LOW) - asked.base
        known[document] = 1
        if exact:
            held = _sift(scores, found, k, held, most, key)
            continue
        matched = _exact(segment, asked, room, document, total, scores[0] if held == k else 0.0)
        if matched > 0:
            held = _sift(scores, found, k, held, _final(segment, asked, document, matched), key)
    return held


# ---------------------------------------------------------------------- scanning


@kernel
def _scan(
    segment: _Segment, asked: _Asked, room: _Room, kind: int, at: int, start: int, stop: int, count: int, more: bool
) -> int:
    """Add what is scanned to the bounds of documents; return how many have one.

    Parameters
    ----------
    more : bool
        Whether documents that have none yet are of interest.
    """
    bounds, touched, lists, items = room.bounds, room.touched, asked.lists, segment.item_document
    if kind == ITEMS:
        return _scan_items(segment, asked, room, at, count, more)
    if kind == RUN:
        return _scan_run(segment, asked, room, at, start, stop, count, more)
    weight = lists[at, L_WEIGHT]
    positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
    if kind == FLAT:
        if more:
            for place in range(start, stop):
                document = np.int64(positions[place])
                bound = bounds[document]
                touched[count] = document
                count += bound == 0
                bounds[document] = bound + weight
        else:
            for place in range(start, stop):
                document = np.int64(positions[place])
                bound = bounds[document]
                bounds[document] = bound + (weight if bound > 0 else 0)
        return count
    last = np.int64(-1)
    for place in range(start, stop):
        document = np.int64(items[positions[place]])
        if document != last:
            last = document
            bound = bounds[document]
            if more or bound > 0:
                if bound == 0:
                    touched[count] = document
                    count += 1
                bounds[document] = bound + weight
    return count


@kernel
def _scan_items(segment: _Segment, asked: _Asked, room: _Room, group: int, count: int, more: bool) -> int:
    """Add the best item of each document, by the lists that are added up item by item."""
    bounds, touched, most, sums, lists = room.bounds, room.touched, room.most, room.sums, asked.lists
    documents, places, groups = segment.item_document, segment.item_place, asked.groups
    mode, position = groups[group * GROUP_FIELDS + MODE], groups[group * GROUP_FIELDS + POSITION]
    first, behind, item_start = asked.first[group], asked.first[group + 1], segment.item_start
    cursors = np.empty(behind - first, np.int64)
    for at in range(first, behind):
        cursors[at - first] = lists[at, L_START] if lists[at, L_CORE] else lists[at, L_STOP]
    met = np.empty(len(sums) + 1, np.uint32)
    while True:
        low = np.int64(NO_ITEM)
        for at in range(first, behind):
            cursor = cursors[at - first]
            if cursor < lists[at, L_STOP]:
                positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
                low = min(low, np.int64(positions[cursor]))
        if low == NO_ITEM:
            return count
        low = item_start[documents[low]]  # items of whole documents
        high = item_start[documents[min(low + WINDOW, len(documents) - 1)]]
        if high == low:
            high = item_start[documents[low] + 1]
        elif low + WINDOW >= len(documents):
            high = len(documents)
        many = 0
        for at in range(first, behind):
            weight, cursor, stop = lists[at, L_WEIGHT], cursors[at - first], lists[at, L_STOP]
            positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
            while cursor < stop and positions[cursor] < high:
                item = np.int64(positions[cursor]) - low
                held = sums[item]
                met[many] = item
                many += held == 0
                sums[item] = held + weight
                cursor += 1
            cursors[at - first] = cursor
        for i in range(many):
            item = np.int64(met[i])
            held = sums[item]
            sums[item] = 0
            document = np.int64(documents[low + item])
            if mode != 0:
                near = _near(mode, position, places[low + item])
                held = held if near == 1.0 else int(held * near)
            own = most[document]
            if held > own:
                bound = bounds[document]
                if more or bound > 0:
                    if bound == 0:
                        touched[count] = document
                        count += 1
                    bounds[document] = bound + held - own
                    most[document] = held
        for i in range(many):
            most[documents[low + np.int64(met[i])]] = 0


@kernel
def _scan_run(
    segment: _Segment, asked: _Asked, room: _Room, at: int, start: int, stop: int, count: int, more: bool
) -> int:
    """Add numbers that are about as near to the one asked for."""
    bounds, touched, lists, floats = room.bounds, room.touched, asked.lists, asked.floats
    spots, places, values, items = (
        segment.number_spot, segment.number_place, segment.number_value, segment.item_document,
    )  # fmt: skip
    row, weight, nested = lists[at, L_ROW], lists[at, L_WEIGHT], lists[at, L_NESTED]
    smooth, value = floats[row + WIDTHS] <= 0.0, floats[row + VALUE]
    equal = _weight(floats, row, asked.cells, weight, places[start], True)
    other = _weight(floats, row, asked.cells, weight, places[start], False)
    for number in range(start, stop):
        if smooth:
            held = _weight(floats, row, asked.cells, weight, places[number], values[number] == value)
        else:
            held = equal if values[number] == value else other
        document = np.int64(items[spots[number]] if nested else spots[number])
        bound = bounds[document]
        if held > 0 and (more or bound > 0):
            if bound == 0:
                touched[count] = document
                count += 1
            bounds[document] = bound + held
    return count


@kernel
def _look_up(
    segment: _Segment, asked: _Asked, room: _Room, kind: int, at: int, start: int, stop: int, count: int
) -> None:
    """Add what could be scanned to the bounds of documents that have one, by looking for each."""
    bounds, touched, lists = room.bounds, room.touched, asked.lists
    starts, spots, order = segment.item_start, segment.number_spot, segment.number_order
    if kind == ITEMS:
        for i in range(count):
            document = np.int64(touched[i])
            bounds[document] += _best_item(segment, asked, room, at, starts[document], starts[document + 1])
        return
    weight = lists[at, L_WEIGHT]
    if kind == RUN:
        floats, row, nested = asked.floats, lists[at, L_ROW], lists[at, L_NESTED]
        first, behind = lists[at, L_START], lists[at, L_STOP]
        for i in range(count):
            document = np.int64(touched[i])
            low, high = (starts[document], starts[document + 1]) if nested else (document, document + 1)
            place = _first_number(spots, order, first, behind, low)
            while place < behind and spots[order[place]] < high:
                number = np.int64(order[place])
                if start <= number < stop:
                    equal = segment.number_value[number] == floats[row + VALUE]
                    bounds[document] += _weight(floats, row, asked.cells, weight, segment.number_place[number], equal)
                place += 1
        return
    positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
    for i in range(count):
        document = np.int64(touched[i])
        low, high = document, document + 1
        if kind == SPREAD:
            low, high = starts[document], starts[document + 1]
        place = _first(positions, start, stop, low)
        if place < stop and positions[place] < high:
            bounds[document] += weight


@kernel
def _best_item(segment: _Segment, asked: _Asked, room: _Room, group: int, low: int, high: int) -> int:
    """Return what the best item of a document has by the lists that are added up item by item."""
    lists, groups, sums, marks = asked.lists, asked.groups, room.item_sums, room.marks
    mode, position = groups[group * GROUP_FIELDS + MODE], groups[group * GROUP_FIELDS + POSITION]
    marks[0, 0] = 0
    for at in range(asked.first[group], asked.first[group + 1]):
        if lists[at, L_CORE]:
            positions, stop = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings, lists[at, L_STOP]
            place = _first(positions, lists[at, L_START], stop, low)
            while place < stop and positions[place] < high:
                _add(sums, marks, 0, positions[place] - low, lists[at, L_WEIGHT])
                place += 1
    top = 0
    for i in range(1, marks[0, 0] + 1):
        item = marks[0, i]
        near = _near(mode, position, segment.item_place[low + item])
        top = max(top, sums[item] if near == 1.0 else int(sums[item] * near))
        sums[item] = 0
    return top


@kernel
def _first_part(segment: _Segment, asked: _Asked, kind: int, at: int, start: int, stop: int) -> tuple[int, Any]:
    """Return the end of a first part of a list that ends with a document, and the document that follows."""
    positions, items = asked.extra if asked.lists[at, L_KIND] == EXTRA else segment.postings, segment.item_document
    part = start + TRIAL
    if kind == SPREAD:
        while part < stop and items[positions[part]] == items[positions[part - 1]]:
            part += 1
    if part == stop:
        return part, len(segment.masses)
    following = np.int64(positions[part])
    return part, np.int64(items[following]) if kind == SPREAD else following


@kernel
def _search(
    segment: _Segment, asked: _Asked, room: _Room, units: Ints, many: int, total: int, k: int, held: int,
    allowed: npt.NDArray[np.bool_],
) -> int:  # fmt: skip
    """Put the documents of a segment among the best; return how many are held."""
    count, rest, work, least, sure, exact = 0, 0, 0, 0.0, True, True
    for unit in range(many):
        rest += units[unit, U_FALL]
        exact = exact and units[unit, U_SURE] > 0
    dear = k * len(asked.lists) * PROBE
    unit, more = 0, True
    while unit < many:
        kind, at, start, stop = units[unit, U_KIND], units[unit, U_AT], units[unit, U_START], units[unit, U_STOP]
        length, fall = stop - start, units[unit, U_FALL]
        if more and held == k:
            least = max(least, room.scores[0])
        if more and count >= k and (2 * length > count or work > count):
            work = 0
            if sure:
                least = max(least, _least(segment, asked, room, k, allowed, count))
            if float(rest) >= least and length > dear:
                held = _compared(segment, asked, room, k, held, allowed, count, rest, total, k, False)
                if held == k:
                    least = max(least, room.scores[0])
        if more and float(rest) < least:
            more = False
            count, work = _left(segment, asked, room, k, held, allowed, count, rest, least), 0
        elif (
            more
            and length > TRIAL
            and kind <= SPREAD
            and len(asked.rank) == 0
            and (2 * fall >= rest or float(rest - fall) < least)
        ):
            # The documents of a list ascend: if the best of its first ones are as good as can be, none behind is.
            part, following = _first_part(segment, asked, kind, at, start, stop)
            count = _scan(segment, asked, room, kind, at, start, part, count, more)
            held = _compared(segment, asked, room, k, held, allowed, count, rest, total, k, False)
            start, length = part, stop - part
            if held == k and float(rest - fall) < room.scores[0]:
                more = _before(float(rest), asked.base + following, room.scores[0], room.found[0])
            if not more:
                least = max(least, room.scores[0])
                count, work = _left(segment, asked, room, k, held, allowed, count, rest, least), 0
        if not more and work > count:
            if sure:
                least = max(least, _least(segment, asked, room, k, allowed, count))
            count, work = _left(segment, asked, room, k, held, allowed, count, rest, least), 0
        if not more and count == 0:
            break
        if more or length <= PROBE * count:
            count = _scan(segment, asked, room, kind, at, start, stop, count, more)
            work += length
        else:
            _look_up(segment, asked, room, kind, at, start, stop, count)
            work += PROBE * count
        rest -= fall
        sure = sure and units[unit, U_SURE] > 0
        unit += 1
    several = 2 * k + 30
    if sure and exact and unit == many:
        least = max(least, _least(segment, asked, room, k, allowed, count))
    count = _left(segment, asked, room, k, held, allowed, count, rest, least)
    while count > 0:
        held = _compared(segment, asked, room, k, held, allowed, count, rest, total, several, exact)
        count = _left(segment, asked, room, k, held, allowed, count, rest, least)
        several *= 4
    return held


@kernel
def _best(
    table: Ints, rank: Ints, most_items: int, ints: Ints, floats: Doubles, groups: Ints, extra: Marks,
    extra_starts: Ints, cells: int, overlap: bool, asked_weight: float, unit: float, mass_unit: float, k: int,
    allowed: npt.NDArray[np.bool_], bounds: Ints, most: Ints, known: Bytes, touched: Marks, sums: Ints,
) -> tuple[Doubles, Ints]:  # fmt: skip
    """Search with arrays of zeros, which are zeros again afterwards."""
    count = len(ints) // FIELDS
    words = ints.view(np.uint64)
    weights, own, columns = np.empty(count, np.int64), 0.0, 0
    whole: Any = 0
    for at in range(count):
        row = at * FIELDS
        weights[at] = np.int64(np.rint(floats[row + WEIGHT] * unit))
        if ints[row + COUNTED] > 0:
            whole += weights[at]
        if ints[row + COUNTED] == 1:
            own += floats[row + WEIGHT]
        columns += ints[row + KIND] == NUMBER
    whole += np.int64(np.rint((asked_weight - own) * unit))
    deepest, nested = 0, len(groups) // GROUP_FIELDS
    for group in range(nested):
        deepest = max(deepest, groups[group * GROUP_FIELDS + DEPTH])
    items = most_items + 1 if deepest > 0 else 1
    room = _Room(
        bounds, most, known, touched, sums, np.zeros(items, np.int64), np.zeros(items, np.int64),
        np.zeros((deepest + 1, items + 1), np.uint32), np.empty(k, np.float64), np.empty(k, np.int64),
        np.empty(k, np.float64), np.empty(k, np.int64),
    )  # fmt: skip
    lists, first, same = (
        np.empty((count, L_FIELDS), np.int64),
        np.empty(nested + 1, np.int64),
        np.empty(count, np.int64),
    )
    edges = np.empty(2 * SCALES * cells + 2 * len(SMOOTH), np.int64)
    units = np.empty((count + nested + columns * len(edges), U_FIELDS), np.int64)
    held, base = 0, 0
    for number in range(len(table)):
        segment = _segment_of(table, number)
        total = _looked_up(segment, ints, words, weights, groups, extra_starts, number, lists, first, same)
        if total > 0 and not (held == k and float(total) < room.scores[0]):
            asked = _Asked(
                floats, groups, lists[: first[nested]], first, extra, cells, overlap, float(whole), mass_unit, rank,
                base,
            )  # fmt: skip
            many = _units_of(segment, asked, units, edges, same)
            held = _search(segment, asked, room, units, many, total, k, held, allowed)
        base += len(segment.masses)
    _sort(room.scores, room.found, held)
    scores, positions = np.empty(held, np.float64), np.empty(held, np.int64)
    for i in range(held):
        scores[i] = room.scores[i] / whole
        positions[i] = room.found[i] & LOW
    return scores, positions

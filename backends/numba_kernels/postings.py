"""The best documents of a query by posting lists: heavy lists are scanned, the others looked up for candidates.

A scan adds up a bound of each document's score, the greatest lists first, and of numbers the nearest first. For an item
of an array, the lists are added item by item, and the best item counts. Once the unscanned rest cannot reach the k-th
best score so far, no new document can win. The likely documents among those found are then looked up in every list for
their exact scores, until no other document can win. All weights are integers, so sums are the same in any order.
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.posting_lists import look_up_lists, segment_of, units_of
from hdc.backends.numba_kernels.posting_numbers import SMOOTH
from hdc.backends.numba_kernels.posting_records import (
    COUNTED,
    DEPTH,
    FIELDS,
    GROUP_FIELDS,
    KIND,
    L_FIELDS,
    NUMBER,
    RUN,
    SCALES,
    SPREAD,
    U_AT,
    U_FALL,
    U_FIELDS,
    U_KIND,
    U_START,
    U_STOP,
    U_SURE,
    WEIGHT,
    Asked,
    Bytes,
    Doubles,
    Ints,
    Marks,
    Room,
    Segment,
)
from hdc.backends.numba_kernels.posting_scans import (
    TRIAL,
    WINDOW,
    first_part,
    look_up,
    look_up_numbers,
    numbers_left,
    scan,
)
from hdc.backends.numba_kernels.posting_scores import LOW, comes_before, compare, kth_score, sort_best, those_left
from hdc.kernels import PostingQuery, PostingSegment

PROBE = 32
"""Postings scanned in the time of one lookup of a document in a list."""


FEW = 64
"""With fewer postings and documents than this, checking which documents are left costs more than it saves."""


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
"""Arrays of a segment; a table stores the address and size of each."""


class _Scratch(threading.local):
    """Arrays of a thread, zero between searches: there are many documents, but a search touches few."""

    def __init__(self) -> None:
        self.bounds, self.most = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.known, self.touched = np.zeros(0, np.uint8), np.zeros(0, np.uint32)
        self.sums = np.zeros(0, np.int64)

    def of(self, documents: int, items: int) -> tuple[Ints, Ints, Bytes, Marks, Ints]:
        """Return arrays for this many documents of a segment, and items added at a time."""
        if len(self.bounds) < documents:  # room for one more: a document is noted before it is known to be new
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


@kernel
def _search(
    segment: Segment, asked: Asked, room: Room, units: Ints, many: int, total: int, k: int, held: int,
    allowed: npt.NDArray[np.bool_],
) -> int:  # fmt: skip
    """Offer the documents of a segment to the best; return the number of best documents."""
    count, rest, work, least, sure, exact = 0, 0, 0, 0.0, True, True
    for unit in range(many):
        rest += units[unit, U_FALL]
        exact = exact and units[unit, U_SURE] > 0
    dear = k * len(asked.lists) * PROBE
    unit, more = 0, True
    while unit < many:
        kind, at, start, stop = units[unit, U_KIND], units[unit, U_AT], units[unit, U_START], units[unit, U_STOP]
        length, fall = stop - start, units[unit, U_FALL]
        if length == 0:
            unit += 1
            continue
        if more and held == k:
            least = max(least, room.scores[0])
        if more and count >= k and (2 * length > count or work > count):
            work = 0
            if sure:
                least = max(least, kth_score(segment, asked, room, k, allowed, count))
            if float(rest) >= least and length > dear:
                held = compare(segment, asked, room, k, held, allowed, count, rest, total, k, False)
                if held == k:
                    least = max(least, room.scores[0])
        if more and float(rest) < least:
            more = False
            count, work = those_left(segment, asked, room, k, held, allowed, count, rest, least), 0
        elif (
            more
            and length > TRIAL
            and kind <= SPREAD
            and len(asked.rank) == 0
            and (2 * fall >= rest or float(rest - fall) < least)
        ):
            # Documents of a list ascend: if the best of its first part reach the maximum, no later one beats them.
            part, following = first_part(segment, asked, kind, at, start, stop)
            count = scan(segment, asked, room, kind, at, start, part, count, more)
            held = compare(segment, asked, room, k, held, allowed, count, rest, total, k, False)
            start, length = part, stop - part
            if held == k and float(rest - fall) < room.scores[0]:
                more = comes_before(float(rest), asked.base + following, room.scores[0], room.found[0])
            if not more:
                least = max(least, room.scores[0])
                count, work = those_left(segment, asked, room, k, held, allowed, count, rest, least), 0
        if not more and work > count + FEW:
            if sure:
                least = max(least, kth_score(segment, asked, room, k, allowed, count))
            count, work = those_left(segment, asked, room, k, held, allowed, count, rest, least), 0
        if not more and count == 0:
            break
        if not more and kind == RUN and 2 * PROBE * count < numbers_left(units, unit, many):
            fall = look_up_numbers(segment, asked, room, units, unit, many, count)
            work += 2 * PROBE * count
        elif more or kind == RUN or length <= PROBE * count:
            count = scan(segment, asked, room, kind, at, start, stop, count, more)
            work += length
        else:
            look_up(segment, asked, room, kind, at, start, stop, count)
            work += PROBE * count
        rest -= fall
        sure = sure and units[unit, U_SURE] > 0
        unit += 1
    several = 2 * k + 30
    if sure and exact and unit == many:
        least = max(least, kth_score(segment, asked, room, k, allowed, count))
    count = those_left(segment, asked, room, k, held, allowed, count, rest, least)
    while count > 0:
        held = compare(segment, asked, room, k, held, allowed, count, rest, total, several, exact)
        count = those_left(segment, asked, room, k, held, allowed, count, rest, least)
        several *= 4
    return held


@kernel
def _best(
    table: Ints, rank: Ints, most_items: int, ints: Ints, floats: Doubles, groups: Ints, extra: Marks,
    extra_starts: Ints, cells: int, overlap: bool, asked_weight: float, unit: float, mass_unit: float, k: int,
    allowed: npt.NDArray[np.bool_], bounds: Ints, most: Ints, known: Bytes, touched: Marks, sums: Ints,
) -> tuple[Doubles, Ints]:  # fmt: skip
    """Search with arrays of zeros, and reset them to zeros."""
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
    room = Room(
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
    unsorted = np.empty_like(units)
    held, base = 0, 0
    for number in range(len(table)):
        segment = segment_of(table, number)
        total = look_up_lists(segment, ints, words, weights, groups, extra_starts, number, lists, first, same)
        if total > 0 and not (held == k and float(total) < room.scores[0]):
            asked = Asked(
                floats, groups, lists[: first[nested]], first, extra, cells, overlap, float(whole), mass_unit, rank,
                base,
            )  # fmt: skip
            many = units_of(segment, asked, units, unsorted, edges, same)
            held = _search(segment, asked, room, units, many, total, k, held, allowed)
        base += len(segment.masses)
    sort_best(room.scores, room.found, held)
    scores, positions = np.empty(held, np.float64), np.empty(held, np.int64)
    for i in range(held):
        scores[i] = room.scores[i] / whole
        positions[i] = room.found[i] & LOW
    return scores, positions

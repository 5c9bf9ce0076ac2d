"""Posting lists of a query: find them in a segment, and divide them into units that are scanned."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.addresses import array_at
from hdc.backends.numba_kernels.ascending import first_at
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.posting_numbers import edges_of, weight_of
from hdc.backends.numba_kernels.posting_records import (
    BEHIND,
    DEPTH,
    EXTRA,
    FIELDS,
    FLAT,
    GROUP_FIELDS,
    HASH,
    ITEMS,
    KIND,
    L_CORE,
    L_FIELDS,
    L_KIND,
    L_NESTED,
    L_ROW,
    L_START,
    L_STOP,
    L_WEIGHT,
    MODE,
    NUMBER,
    PATH,
    PLACE,
    RUN,
    SPREAD,
    TERM,
    U_AT,
    U_BOUND,
    U_FALL,
    U_FIELDS,
    U_KIND,
    U_START,
    U_STOP,
    U_SURE,
    WIDTHS,
    WITHIN,
    Asked,
    Hashes,
    Ints,
    Marks,
    Segment,
)

LONGER = 8
"""A list with this many times the postings of its item's greater lists is not added item by item."""


@inlined
def first_number_at(spots: Marks, order: Marks, start: int, stop: int, spot: Any) -> int:
    """Return the first position, in a column's order by spots, with a spot of at least ``spot``."""
    while start < stop:
        middle = (start + stop) >> 1
        if spots[order[middle]] < spot:
            start = middle + 1
        else:
            stop = middle
    return start


@inlined
def hashed_at(hashes: Hashes, wanted: Any) -> Any:
    """Return the first index of ascending hashes with at least ``wanted``, starting near its uniform position."""
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
    return first_at(hashes, low, high, wanted)


@inlined
def near_part(mode: int, asked: int, place: int) -> float:
    """Return the share of an item's match that remains at another place: bag, sequence, soft, both."""
    if mode == 0:
        return 1.0
    apart = abs(asked - place)
    if mode == 1:
        return 1.0 if apart == 0 else 0.0
    if mode == 2:
        return max(0.0, 1.0 - apart / 3.0)
    return 1.0 if apart == 0 else 0.5


@inlined
def _array(table: Ints, number: int, field: int, dtype: Any) -> Any:
    return array_at(table[number, 2 * field], table[number, 2 * field + 1], dtype)


@kernel
def segment_of(table: Ints, number: int) -> Segment:
    """Return the arrays of a segment from the addresses in a table."""
    return Segment(
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
def look_up_lists(
    segment: Segment, ints: Ints, words: Hashes, weights: Ints, groups: Ints, extra_starts: Ints,
    number: int, lists: Ints, first: Ints, same: Ints,
) -> int:  # fmt: skip
    """Find the lists of a query in a segment; return the most that they can add.

    Equal lists, where one contains the other and has the same length, become one.
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
                place = hashed_at(terms, term)
                while place < len(terms) and terms[place] == term and paths[place] < path:
                    place += 1
                if place < len(terms) and terms[place] == term and paths[place] == path:
                    start, stop = starts[place], starts[place + 1]
            elif kind == EXTRA:
                own = number * extras + ints[row + HASH]
                start, stop = extra_starts[own], extra_starts[own + 1]
            else:
                column = words[row + HASH]
                place = hashed_at(columns, column)
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
        for one in range(first[group] + 1, count):  # the greatest comes first
            other = one
            while other > first[group] and lists[other - 1, L_WEIGHT] < lists[other, L_WEIGHT]:
                for field in range(L_FIELDS):
                    held = lists[other, field]
                    lists[other, field], lists[other - 1, field] = lists[other - 1, field], held
                other -= 1
    first[len(groups) // GROUP_FIELDS] = count
    return total


@kernel
def units_of(segment: Segment, asked: Asked, units: Ints, room: Ints, edges: Ints, last: Ints) -> int:
    """Divide lists into units that are scanned at a time, the greatest first; return the number of units.

    Parts of an item that are not added with the rest of it are added as if they belonged to the best item.
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
    order = np.empty(count, np.int64)
    for one in range(count):
        other, bound = one, units[one, U_BOUND]
        while other > 0 and units[order[other - 1], U_BOUND] < bound:
            order[other] = order[other - 1]
            other -= 1
        order[other] = one
    for one in range(count):
        for field in range(U_FIELDS):
            room[one, field] = units[order[one], field]
    for one in range(count):
        for field in range(U_FIELDS):
            units[one, field] = room[one, field]
    for at in range(len(lists)):
        last[at] = 0
    for unit in range(count - 1, -1, -1):  # a number is in only one run
        if units[unit, U_KIND] == RUN:
            at = units[unit, U_AT]
            units[unit, U_FALL] = units[unit, U_BOUND] - last[at]
            last[at] = units[unit, U_BOUND]
    return count


@kernel
def _runs_of(segment: Segment, asked: Asked, at: int, units: Ints, count: int, edges: Ints) -> int:
    """Divide a column into runs of numbers that are equally near."""
    places, floats, cells = segment.number_place, asked.floats, asked.cells
    row, weight = asked.lists[at, L_ROW], asked.lists[at, L_WEIGHT]
    place, smooth = floats[row + PLACE], floats[row + WIDTHS] <= 0.0
    many = edges_of(places, asked.lists[at, L_START], asked.lists[at, L_STOP], floats, row, cells, edges)
    for i in range(1, many):
        start, stop = edges[i - 1], edges[i]
        if start == stop:
            continue
        here = places[start] <= place <= places[stop - 1]
        nearest = place if here else places[start] if places[start] > place else places[stop - 1]
        slack = 1 if smooth else 0
        bound = weight_of(floats, row, cells, weight, nearest, here) + slack
        if bound > slack:
            units[count, U_KIND], units[count, U_BOUND], units[count, U_FALL] = RUN, bound, bound
            units[count, U_START], units[count, U_STOP], units[count, U_AT] = start, stop, at
            count += 1
    return count

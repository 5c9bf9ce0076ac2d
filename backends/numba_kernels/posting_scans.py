"""Scans of posting lists: add to the bounds of all documents of a list, or only to those that are left."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.ascending import first_at
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.posting_lists import first_number_at, near_part
from hdc.backends.numba_kernels.posting_numbers import weight_of
from hdc.backends.numba_kernels.posting_records import (
    EXTRA,
    FLAT,
    GROUP_FIELDS,
    ITEMS,
    L_CORE,
    L_KIND,
    L_NESTED,
    L_ROW,
    L_START,
    L_STOP,
    L_WEIGHT,
    MODE,
    POSITION,
    RUN,
    SPREAD,
    U_AT,
    U_FALL,
    U_KIND,
    U_START,
    U_STOP,
    VALUE,
    WIDTHS,
    Asked,
    Ints,
    Room,
    Segment,
)
from hdc.backends.numba_kernels.posting_scores import add_item
from hdc.kernels import NO_ITEM

TRIAL = 2048
"""Fewest postings of a list for which it is worth checking, before a scan, whether the scan is needed."""


WINDOW = 1 << 13
"""Items added at a time, or all items of one document."""


@kernel
def scan(
    segment: Segment, asked: Asked, room: Room, kind: int, at: int, start: int, stop: int, count: int, more: bool
) -> int:
    """Add a unit to the bounds of documents; return how many documents have a bound.

    Parameters
    ----------
    more : bool
        Whether documents without a bound yet matter.
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
def _scan_items(segment: Segment, asked: Asked, room: Room, group: int, count: int, more: bool) -> int:
    """Add the best item of each document, over the lists that are added item by item."""
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
        low = item_start[documents[low]]  # only items of whole documents
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
                near = near_part(mode, position, places[low + item])
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
    segment: Segment, asked: Asked, room: Room, at: int, start: int, stop: int, count: int, more: bool
) -> int:
    """Add numbers that are about equally near to the query's number."""
    bounds, touched, lists, floats = room.bounds, room.touched, asked.lists, asked.floats
    spots, places, values, items = (
        segment.number_spot, segment.number_place, segment.number_value, segment.item_document,
    )  # fmt: skip
    row, weight, nested = lists[at, L_ROW], lists[at, L_WEIGHT], lists[at, L_NESTED]
    smooth, value = floats[row + WIDTHS] <= 0.0, floats[row + VALUE]
    equal = weight_of(floats, row, asked.cells, weight, places[start], True)
    other = weight_of(floats, row, asked.cells, weight, places[start], False)
    for number in range(start, stop):
        if smooth:
            held = weight_of(floats, row, asked.cells, weight, places[number], values[number] == value)
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
def look_up(segment: Segment, asked: Asked, room: Room, kind: int, at: int, start: int, stop: int, count: int) -> None:
    """Add a unit to the bounds of documents that have one, by looking up each document."""
    bounds, touched, lists, starts = room.bounds, room.touched, asked.lists, segment.item_start
    if kind == ITEMS:
        for i in range(count):
            document = np.int64(touched[i])
            bounds[document] += _best_item(segment, asked, room, at, starts[document], starts[document + 1])
        return
    weight = lists[at, L_WEIGHT]
    positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
    for i in range(count):
        document = np.int64(touched[i])
        low, high = document, document + 1
        if kind == SPREAD:
            low, high = starts[document], starts[document + 1]
        place = first_at(positions, start, stop, low)
        if place < stop and positions[place] < high:
            bounds[document] += weight


@kernel
def look_up_numbers(
    segment: Segment, asked: Asked, room: Room, units: Ints, unit: int, many: int, count: int
) -> int:  # fmt: skip
    """Add the unscanned numbers of a column to the bounds of documents that have one; return the fall of the rest.

    Nothing of the column is then left to scan.
    """
    bounds, touched, floats, starts = room.bounds, room.touched, asked.floats, segment.item_start
    spots, order, at = segment.number_spot, segment.number_order, units[unit, U_AT]
    row, nested, weight = asked.lists[at, L_ROW], asked.lists[at, L_NESTED], asked.lists[at, L_WEIGHT]
    for i in range(count):
        document = np.int64(touched[i])
        low, high = (starts[document], starts[document + 1]) if nested else (document, document + 1)
        place = first_number_at(spots, order, asked.lists[at, L_START], asked.lists[at, L_STOP], low)
        while place < asked.lists[at, L_STOP] and spots[order[place]] < high:
            number = np.int64(order[place])
            for one in range(unit, many):
                own = units[one, U_AT] == at and units[one, U_KIND] == RUN
                if own and units[one, U_START] <= number < units[one, U_STOP]:
                    equal = segment.number_value[number] == floats[row + VALUE]
                    found = segment.number_place[number]
                    bounds[document] += weight_of(floats, row, asked.cells, weight, found, equal)
                    break
            place += 1
    fall = 0
    for one in range(unit, many):
        if units[one, U_AT] == at and units[one, U_KIND] == RUN:
            fall += units[one, U_FALL]
            units[one, U_FALL], units[one, U_STOP] = 0, units[one, U_START]
    return fall


@inlined
def numbers_left(units: Ints, unit: int, many: int) -> int:
    """Return how many numbers of a column are not scanned yet."""
    left = 0
    for one in range(unit, many):
        if units[one, U_AT] == units[unit, U_AT] and units[one, U_KIND] == RUN:
            left += units[one, U_STOP] - units[one, U_START]
    return left


@kernel
def _best_item(segment: Segment, asked: Asked, room: Room, group: int, low: int, high: int) -> int:
    """Return the sum of the best item of a document, over the lists that are added item by item."""
    lists, groups, sums, marks = asked.lists, asked.groups, room.item_sums, room.marks
    mode, position = groups[group * GROUP_FIELDS + MODE], groups[group * GROUP_FIELDS + POSITION]
    marks[0, 0] = 0
    for at in range(asked.first[group], asked.first[group + 1]):
        if lists[at, L_CORE]:
            positions, stop = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings, lists[at, L_STOP]
            place = first_at(positions, lists[at, L_START], stop, low)
            while place < stop and positions[place] < high:
                add_item(sums, marks, 0, positions[place] - low, lists[at, L_WEIGHT])
                place += 1
    top = 0
    for i in range(1, marks[0, 0] + 1):
        item = marks[0, i]
        near = near_part(mode, position, segment.item_place[low + item])
        top = max(top, sums[item] if near == 1.0 else int(sums[item] * near))
        sums[item] = 0
    return top


@kernel
def first_part(segment: Segment, asked: Asked, kind: int, at: int, start: int, stop: int) -> tuple[int, Any]:
    """Return the end of a first part of a list, which ends at a document boundary, and the next document."""
    positions, items = asked.extra if asked.lists[at, L_KIND] == EXTRA else segment.postings, segment.item_document
    part = start + TRIAL
    if kind == SPREAD:
        while part < stop and items[positions[part]] == items[positions[part - 1]]:
            part += 1
    if part == stop:
        return part, len(segment.masses)
    following = np.int64(positions[part])
    return part, np.int64(items[following]) if kind == SPREAD else following

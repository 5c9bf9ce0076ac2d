"""Parse JSON texts: intern paths and values by their bytes in one table."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.kernels import NO_ITEM, TextTable

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

KEY, ANYWHERE, POSITION, LEAF = 0, 1, 2, 3

DEEPEST = 1 << 10
"""Most nesting levels; deeper texts are rejected."""

QUOTE, ESCAPE, COMMA = 34, 92, 44
OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125

PRIME = np.uint64(0x9E3779B97F4A7C15)


@kernel
def walk_texts(
    texts: Bytes, bounds: Ints, first: int, documents: int, held: int, mode: int, table: TextTable
) -> tuple[Ints, Ints, Ints]:
    """Parse texts from ``first`` on, until the table is full; see :attr:`hdc.kernels.TextKernels.walk`."""
    most, begin = bounds[-1] - bounds[first], held
    stops = np.empty(len(bounds) - 1 - first, np.int64)
    most = (most + len(stops)) // 2  # a value has at least a byte, and a byte separates two values
    leaves, items = np.empty((2, most), np.int64), np.empty((3, most), np.int64)
    stack = np.empty((6, DEEPEST), np.int64)  # whether it is an array, node, spot, item, place, node of any item
    found, done = 0, 0
    for number in range(first, len(bounds) - 1):
        at, end = bounds[number], bounds[number + 1]
        size = end - at
        if table.used[0] + size > len(table.rows) or table.used[1] + size > len(table.content):
            break
        document = documents + done
        depth, node, spot, item = 0, np.int64(0), np.int64(document), np.int64(NO_ITEM)
        while at < end:
            byte = texts[at]
            is_open = byte in (OPEN_OBJECT, OPEN_ARRAY)
            if is_open and texts[at + 1] != CLOSE_OBJECT and texts[at + 1] != CLOSE_ARRAY:
                is_array = byte == OPEN_ARRAY
                stack[0, depth], stack[1, depth], stack[2, depth], stack[3, depth] = is_array, node, spot, item
                at += 1
                if is_array:
                    placed = mode == 2 or (mode == 0 and _are_numbers(texts, at))
                    stack[4, depth] = -1
                    stack[5, depth] = -1 if placed else _entry(texts, table, node, ANYWHERE, 0, 0)
                depth += 1
            else:
                stop = at + 2 if is_open else _end_of_scalar(texts, at, end)
                leaves[0, found], leaves[1, found] = _entry(texts, table, node, LEAF, at, stop - at), spot
                found += 1
                at = stop
                while depth and (texts[at] == CLOSE_ARRAY or texts[at] == CLOSE_OBJECT):
                    depth -= 1
                    at += 1
                if depth == 0:
                    break
                at += 1  # a comma
            level = depth - 1
            if stack[0, level]:
                stack[4, level] += 1
                row = held - begin
                items[0, row], items[1, row], items[2, row] = document, stack[3, level], stack[4, level]
                node, spot, item = stack[5, level], np.int64(held), np.int64(held)
                held += 1
                if node < 0:
                    node = _entry(texts, table, stack[1, level], POSITION, stack[4, level], 0)
            else:
                stop = _end_of_scalar(texts, at, end)
                node = _entry(texts, table, stack[1, level], KEY, at, stop - at)
                spot, item = stack[2, level], stack[3, level]
                at = stop + 1
        stops[done] = found
        done += 1
    return leaves[:, :found].copy(), items[:, : held - begin].copy(), stops[:done]


@inlined
def _end_of_scalar(texts: Bytes, at: int, end: int) -> int:
    """Return the end of a string, number or literal."""
    if texts[at] == QUOTE:
        at += 1
        while texts[at] != QUOTE:
            at += 2 if texts[at] == ESCAPE else 1
        return at + 1
    while at < end and texts[at] != COMMA and texts[at] != CLOSE_ARRAY and texts[at] != CLOSE_OBJECT:
        at += 1
    return at


@inlined
def _are_numbers(texts: Bytes, at: int) -> bool:
    """Return whether all items of an array are numbers, judged by the bytes outside numbers."""
    while texts[at] != CLOSE_ARRAY:
        byte = texts[at]
        if not (48 <= byte < 58 or 43 <= byte <= 46 or byte == 101 or byte == 69):  # digits, + , - . and e E
            return False
        at += 1
    return True


@inlined
def _equal(one: Bytes, at: int, other: Bytes, place: int, length: int) -> bool:
    for step in range(length):  # noqa: SIM110 - compiled
        if one[at + step] != other[place + step]:
            return False
    return True


@kernel
def _entry(texts: Bytes, table: TextTable, parent: Any, kind: int, start: int, length: int) -> Any:
    """Return the number of a path or value in the table; insert it if it is new."""
    own = parent * 4 + kind
    digest = (np.uint64(own + 1) ^ np.uint64(table.used[2])) * PRIME
    if kind == POSITION:
        digest = (digest ^ np.uint64(start)) * PRIME
    for at in range(start, start + length):
        digest = (digest ^ np.uint64(texts[at])) * PRIME
        digest ^= digest >> np.uint64(29)
    name = np.int64((digest ^ digest >> np.uint64(32)) >> np.uint64(1))
    rows, slots = table.rows, table.slots
    mask = len(slots) - 1
    slot = name & mask
    while slots[slot] >= 0:
        number = slots[slot]
        if rows[number, 0] == name and rows[number, 1] == own and rows[number, 3] == length:
            if kind == POSITION:
                if rows[number, 2] == start:
                    return number
            elif _equal(texts, start, table.content, rows[number, 2], length):
                return number
        slot = (slot + 1) & mask
    number = table.used[0]
    slots[slot] = number
    rows[number, 0], rows[number, 1], rows[number, 3] = name, own, length
    if kind == POSITION:
        rows[number, 2] = start
    else:
        to = table.used[1]
        rows[number, 2] = to
        for place in range(length):
            table.content[to + place] = texts[start + place]
        table.used[1] = to + length
    table.used[0] = number + 1
    return number

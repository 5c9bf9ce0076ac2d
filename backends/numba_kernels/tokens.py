"""Sets of rows against sets of rows (MaxSim): the rows of a query are in lanes, and an item is read once for all.

A *table* stores the same word, or the same looked-up sum, of a query's rows side by side. So an item's word is compared
with eight rows in one step, and its byte adds a whole row of the table without a gather. The best so far of each lane
stays in a register. Each query starts a new group of lanes; lanes without a row are left out of the sum.

With 32 rows of 128 bits and documents of 30 items, one thread of an EPYC (Zen 5) takes .07 ns per pair of rows by bits,
and 1.4 ns through tables of bytes, which exceed the first-level cache. A float32 matrix product takes 4.9 ns.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel, peek, poke
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import LANES, Pointer, ctpop, load, pointer, smaller, splat, store
from hdc.words import Words

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

FLOATS = 16
"""Rows whose looked-up sums are added in one step; tables are padded to a multiple."""

WORD_TIME = 0.035
"""Approximate nanoseconds to compare a word of an item with a word of a row."""

LOOK_UP_TIME = 0.09
"""Nanoseconds to look up a byte of an item for one row."""

FARTHEST = 1 << 62


@inlined
def _least(table: Pointer, at: int, items: Pointer, first: int, last: int, words: int, lanes: int, least: Any) -> None:
    """Write the least distances of two groups of eight rows; the second is missing if ``lanes`` is 8."""
    a = b = splat(FARTHEST)
    other = at + words * LANES if lanes > LANES else at
    for item in range(first, last):
        c = d = splat(0)
        for w in range(words):
            word = splat(np.int64(items[item * words + w]))
            c = c + ctpop(load(table, at + w * LANES) ^ word)
            d = d + ctpop(load(table, other + w * LANES) ^ word)
        a, b = smaller(a, c), smaller(b, d)
    store(least, 0, a)
    store(least, LANES, b)


@inlined
def _chamfer(
    table: Pointer,
    at: int,
    weights: Any,
    begin: int,
    end: int,
    items: Pointer,
    first: int,
    last: int,
    words: int,
    least: Any,
) -> np.int64:
    """Return the weighted sum of the least distances of rows ``begin`` to ``end``, in lanes from ``table[at:]`` on."""
    total = np.int64(0)
    for row in range(0, end - begin, 2 * LANES):
        lanes = min(2 * LANES, end - begin - row)
        _least(table, at + row * words, items, first, last, words, lanes, pointer(least))
        for lane in range(lanes):
            total += np.int64(least[lane]) * weights[begin + row + lane]
    return total


@kernel
def _chamfers(
    table: Any,
    begins: Any,
    weights: Any,
    bounds: Any,
    items: Any,
    words: int,
    spans: Any,
    chosen: Any,
    found: Any,
    start: int,
    stop: int,
) -> None:
    """Fill the cells ``start`` to ``stop`` of ``found``: by rows, or by columns without ``chosen``."""
    least = np.empty(2 * LANES, np.uint64)
    lanes, memory, queries, columns = pointer(table), pointer(items), len(begins), chosen.shape[1]
    for cell in range(start, stop):
        q, c = (cell // columns, cell % columns) if columns else (cell % queries, cell // queries)
        j = chosen[q, c] if columns else c
        found[q, c] = _chamfer(
            lanes, begins[q], weights, bounds[q], bounds[q + 1], memory, spans[j, 0], spans[j, 1], words, least
        )


def _in_lanes(queries: Words, bounds: Ids) -> tuple[Words, Ids]:
    """Return words of eight rows side by side, each query in its own groups, and the offset of its first group."""
    counts = np.diff(bounds)
    groups = -(-counts // LANES)
    first = np.concatenate([[0], np.cumsum(groups)])
    words = queries.shape[1]
    padded = np.zeros((int(first[-1]) * LANES, words), dtype=np.uint64)
    padded[np.arange(len(queries)) + np.repeat(first[:-1] * LANES - bounds[:-1], counts)] = queries
    table = padded.reshape(-1, LANES, words).transpose(0, 2, 1).reshape(-1)
    return table, first[:-1] * (LANES * words)


def chamfer(queries: Words, weights: Ids, bounds: Ids, items: Words, spans: Ids, chosen: Ids | None) -> Ids:
    """Distribute pairs of query and document over threads, all queries of a document in turn; see the contract."""
    edges, words = frozen(bounds, np.int64, len(bounds)), queries.shape[1]
    table, begins = _in_lanes(queries, edges)
    found, picked = _cells(len(begins), spans, chosen, np.int64)
    inputs = (
        frozen(table, np.uint64, table.size), frozen(begins, np.int64, len(begins)),
        frozen(weights, np.int64, len(weights)), edges,
        frozen(items, np.uint64, items.size), words, frozen(spans, np.int64, *spans.shape),
        frozen(picked, np.int64, *picked.shape),
    )  # fmt: skip
    each = len(queries) / max(1, len(begins)) * _mean_length(spans) * words * WORD_TIME
    over_rows(_chamfers, found.size, each, *inputs, found)
    return found


def _cells(queries: int, spans: Ids, chosen: Ids | None, dtype: Any) -> tuple[npt.NDArray[Any], Ids]:
    """Return an array for results, and the documents of each query: no columns if all documents are compared."""
    if chosen is None:
        return np.empty((queries, len(spans)), dtype=dtype), np.empty((queries, 0), np.int64)
    return np.empty(chosen.shape, dtype=dtype), chosen


def _mean_length(spans: Ids) -> float:
    """Return the mean number of items per document, to decide how many threads to use."""
    return float((spans[:, 1] - spans[:, 0]).mean()) if len(spans) else 0.0


@inlined
def _max_sim(
    table: Any,
    weights: Any,
    begin: int,
    end: int,
    codes: Any,
    scale: Any,
    offset: Any,
    first: int,
    last: int,
    sums: Any,
    best: Any,
) -> np.float32:
    """Return the sum of the greatest scores of a query's rows; ``table`` has shape ``(groups * 256, width)``."""
    width = table.shape[1]
    for t in range(width):
        best[0, t] = -np.inf
    for item in range(first, last):
        for t in range(width):
            sums[0, t] = 0
        for g in range(codes.shape[1]):
            row = g * 256 + np.int64(codes[item, g])
            for t in range(width):
                poke(sums, 0, t, sums[0, t] + peek(table, row, t))
        factor, more = scale[item], offset[item]
        for t in range(width):
            score = np.float32(sums[0, t] * factor) + more
            best[0, t] = score if score > best[0, t] else best[0, t]
    total = np.float32(0)
    for t in range(end - begin):
        total += np.float32(best[0, t] * weights[begin + t])
    return total


@kernel
def _side_by_side(tables: Any, first: int, rows: int, table: Any) -> None:
    """Store what byte v of group g adds to row t of a query in ``table[256 g + v, t]``."""
    for t in range(rows):
        for g in range(tables.shape[1]):
            for v in range(256):
                table[g * 256 + v, t] = tables[first + t, g, v]


@kernel
def _max_sims(
    tables: Any,
    weights: Any,
    bounds: Any,
    codes: Any,
    scale: Any,
    offset: Any,
    spans: Any,
    chosen: Any,
    found: Any,
    start: int,
    stop: int,
) -> None:
    """Fill the cells ``start`` to ``stop`` of ``found``, by rows; ``chosen`` has no columns if all are compared."""
    columns, last = found.shape[1], -1
    room = np.zeros((1, 1), np.float32)
    sums, best = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    for cell in range(start, stop):
        q, c = cell // columns, cell % columns
        rows = bounds[q + 1] - bounds[q]
        if q != last:
            width = (rows + FLOATS - 1) // FLOATS * FLOATS
            if width != room.shape[1]:
                room = np.zeros((tables.shape[1] * 256, width), np.float32)
                sums, best = np.zeros((1, width), np.float32), np.zeros((1, width), np.float32)
            _side_by_side(tables, bounds[q], rows, room)
            last = q
        j = chosen[q, c] if chosen.shape[1] else c
        found[q, c] = _max_sim(
            room, weights, bounds[q], bounds[q + 1], codes, scale, offset, spans[j, 0], spans[j, 1], sums, best
        )


def max_sim(
    tables: Floats,
    weights: Floats,
    bounds: Ids,
    codes: npt.NDArray[np.uint8],
    scale: Floats,
    offset: Floats,
    spans: Ids,
    chosen: Ids | None,
) -> Floats:
    """Distribute pairs of query and document over threads; a thread lays out the tables of each query it meets."""
    queries = len(bounds) - 1
    found, picked = _cells(queries, spans, chosen, np.float32)
    inputs = (
        frozen(tables, np.float32, *tables.shape), frozen(weights, np.float32, len(weights)),
        frozen(bounds, np.int64, len(bounds)),
        frozen(codes, np.uint8, *codes.shape), frozen(scale, np.float32, len(codes)),
        frozen(offset, np.float32, len(codes)), frozen(spans, np.int64, *spans.shape),
        frozen(picked, np.int64, *picked.shape),
    )  # fmt: skip
    each = len(tables) / max(1, queries) * codes.shape[1] * _mean_length(spans) * LOOK_UP_TIME
    over_rows(_max_sims, found.size, each, *inputs, found)
    return found

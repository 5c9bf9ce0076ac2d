"""Top-k dot products with rows of level numbers.

The words of eight rows are stored side by side, as in :mod:`scan`. For each of the eight rows, eight numbers at a time
are extracted from a word and looked up; four queries share this work. A query's bytes for eight numbers are one word,
which is used for all rows, so no sum crosses lanes before the end of a run.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.level_lanes import (
    added_halves,
    joined_halves,
    looked_up,
    moved_down,
    raised_halves,
    table_at,
)
from hdc.backends.numba_kernels.parallel import run, slices
from hdc.backends.numba_kernels.scan import TILE_WORDS, interleave
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    Vector,
    aligned_zeros,
    dot_bytes,
    load,
    pointer,
    scale_lanes,
    splat,
)
from hdc.backends.numba_kernels.taking import finish, take, tighten
from hdc.backends.numba_kernels.topk import ID_BITS, WORST, Pairs
from hdc.kernels import LEVEL_ENTRIES, LevelRun
from hdc.words import Words

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

ROOM = 1 << 23
"""Most pairs in memory during a call (64 MiB)."""

TOGETHER = 4
"""Queries that share extracted and looked-up numbers."""

STEP_TIME = 0.5
"""Approximate nanoseconds per word of a row, to decide how many threads to use."""

ONES = 0x0101010101010101


class _Rows(NamedTuple):
    """The words of eight rows side by side, and the factors that turn their sums into scores."""

    block: Words
    scale: Floats
    offset: Floats


class _Runs(NamedTuple):
    """Words, bits and levels of each run."""

    sizes: Ints
    tables: npt.NDArray[np.uint8]


class _Asked(NamedTuple):
    """Queries, eight bytes per word in order of use; shifts of the sums before each run; and factors."""

    words: Words
    raises: Ints
    factors: Floats


@inlined
def _to_all(words: Pointer, at: int) -> Vector:
    return splat(np.int64(words[at]))


@inlined
def _four_more(sums: Any, levels: Vector, words: Pointer, at: Any, place: int) -> Any:
    """Add the products of eight numbers of each row with those of four queries."""
    a, b, c, d = at
    return (
        dot_bytes(sums[0], levels, _to_all(words, a + place)),
        dot_bytes(sums[1], levels, _to_all(words, b + place)),
        dot_bytes(sums[2], levels, _to_all(words, c + place)),
        dot_bytes(sums[3], levels, _to_all(words, d + place)),
    )


@inlined
def _four_of_run(
    sums: Any, rows: Pointer, at: int, count: int, bits: int, table: Vector, words: Pointer, start: Any
) -> Any:
    """Add the products of a run of ``count`` words, with ``bits`` bits per number, with four queries."""
    a, b, c, d = start
    mask = splat(((1 << bits) - 1) * ONES)
    for w in range(count):
        numbers, place = load(rows, at + w * LANES), w * (8 // bits)
        for part in range(8 // bits):
            own = looked_up(table, moved_down(numbers, part * bits) & mask)
            sums = _four_more(sums, own, words, (a, b, c, d), place + part)
    return sums


@inlined
def _raise_four(sums: Any, raises: Pointer, at: Any, number: int) -> Any:
    a, b, c, d = at
    return (
        raised_halves(sums[0], raises[a + number]),
        raised_halves(sums[1], raises[b + number]),
        raised_halves(sums[2], raises[c + number]),
        raised_halves(sums[3], raises[d + number]),
    )


@inlined
def _four_sums(rows: Pointer, at: int, sizes: Ints, tables: Pointer, asked: Any, q: int, width: int) -> Any:
    """Return the sums of eight rows with four queries, starting at query ``q``."""
    words, raises = asked
    runs = len(sizes)
    a, b, c, d = q * width, (q + 1) * width, (q + 2) * width, (q + 3) * width
    raise_at = q * runs, (q + 1) * runs, (q + 2) * runs, (q + 3) * runs
    sums = splat(0), splat(0), splat(0), splat(0)
    place = 0
    for number in range(runs):
        count, bits = sizes[number, 0], sizes[number, 1]
        if number:
            sums = _raise_four(sums, raises, raise_at, number)
        start = a + place, b + place, c + place, d + place
        if bits == 8:
            for w in range(count):
                sums = _four_more(sums, load(rows, at + w * LANES), words, start, w)
        else:
            table = table_at(tables, number * LEVEL_ENTRIES)
            if bits == 4:
                sums = _four_of_run(sums, rows, at, count, 4, table, words, start)
            elif bits == 2:
                sums = _four_of_run(sums, rows, at, count, 2, table, words, start)
            else:
                sums = _four_of_run(sums, rows, at, count, 1, table, words, start)
        at += count * LANES
        place += count * (8 // bits)
    return joined_halves(sums[0]), joined_halves(sums[1]), joined_halves(sums[2]), joined_halves(sums[3])


@inlined
def _two_of_run(sums: Any, rows: Pointer, at: Any, count: int, bits: int, table: Vector, words: Pointer, a: int) -> Any:
    """Add the products of a run of twice eight rows with one query; every second product goes to separate sums."""
    one, two = at
    mask = splat(((1 << bits) - 1) * ONES)
    first, second, third, fourth = sums[0], sums[1], splat(0), splat(0)
    for w in range(count):
        x, y, place = load(rows, one + w * LANES), load(rows, two + w * LANES), a + w * (8 // bits)
        for part in range(0, 8 // bits, 2):
            query = _to_all(words, place + part)
            first = dot_bytes(first, looked_up(table, moved_down(x, part * bits) & mask), query)
            second = dot_bytes(second, looked_up(table, moved_down(y, part * bits) & mask), query)
            query, up = _to_all(words, place + part + 1), (part + 1) * bits
            third = dot_bytes(third, looked_up(table, moved_down(x, up) & mask), query)
            fourth = dot_bytes(fourth, looked_up(table, moved_down(y, up) & mask), query)
    return added_halves(first, third), added_halves(second, fourth)


@inlined
def _two_sums(rows: Pointer, one: int, two: int, sizes: Ints, tables: Pointer, asked: Any, q: int, width: int) -> Any:
    """Return the sums of twice eight rows with query ``q``."""
    words, raises = asked
    runs = len(sizes)
    sums = splat(0), splat(0)
    place = q * width
    for number in range(runs):
        count, bits = sizes[number, 0], sizes[number, 1]
        if number:
            up = raises[q * runs + number]
            sums = raised_halves(sums[0], up), raised_halves(sums[1], up)
        if bits == 8:
            for w in range(count):
                query = _to_all(words, place + w)
                x, y = load(rows, one + w * LANES), load(rows, two + w * LANES)
                sums = dot_bytes(sums[0], x, query), dot_bytes(sums[1], y, query)
        else:
            table = table_at(tables, number * LEVEL_ENTRIES)
            if bits == 4:
                sums = _two_of_run(sums, rows, (one, two), count, 4, table, words, place)
            elif bits == 2:
                sums = _two_of_run(sums, rows, (one, two), count, 2, table, words, place)
            else:
                sums = _two_of_run(sums, rows, (one, two), count, 1, table, words, place)
        one, two = one + count * LANES, two + count * LANES
        place += count * (8 // bits)
    return joined_halves(sums[0]), joined_halves(sums[1])


@kernel
def _search(among: _Rows, runs: _Runs, ids: Ints, asked: _Asked, best: Pairs, k: int, first: int, last: int) -> None:
    """Search all rows for the queries ``first`` to ``last - 1``, one tile of rows after another."""
    block, scale, offset = among
    sizes, n, size, width = runs.sizes, len(ids), best.shape[1], asked.words.shape[1]
    full = size - LANES
    words = 0
    for number in range(len(sizes)):
        words += sizes[number, 0]
    scores = np.empty(LANES, np.float32)
    bits = scores.view(np.int32)
    leasts = np.full(last - first, -np.inf, np.float32)
    out, out_bits, rows, numbers, held = pointer(scores), pointer(bits), pointer(block), pointer(ids), pointer(best)
    scales, offsets, slopes, tables = pointer(scale), pointer(offset), pointer(asked.factors), pointer(runs.tables)
    given = pointer(asked.words), pointer(asked.raises)
    zero = np.float32(0)
    tile = max(TILE_WORDS // words // LANES, 1) * LANES
    for begin in range(0, n, tile):
        stop = min(begin + tile, n)
        q = first
        while q < last:
            if last - q < TOGETHER:
                for row in range(begin, stop, 2 * LANES):
                    # Eight rows may remain: they are compared twice, and their results are used once.
                    next_row = row + LANES if row + LANES < stop else row
                    totals_of_two = _two_sums(rows, row * words, next_row * words, sizes, tables, given, q, width)
                    for own in range(1 + (next_row > row)):
                        at = row + own * LANES
                        there = (1 << min(LANES, stop - at)) - 1
                        reached = there & scale_lanes(
                            totals_of_two[own],
                            slopes[2 * q],
                            slopes[2 * q + 1],
                            scales,
                            offsets,
                            at,
                            zero,
                            leasts[q - first],
                            out,
                        )
                        if reached and take(reached, out_bits, numbers, at, held, q * size) >= full:
                            leasts[q - first] = tighten(best, q, k, bits, scores)
                q += 1
                continue
            for row in range(begin, stop, LANES):
                totals = _four_sums(rows, row * words, sizes, tables, given, q, width)
                there = (1 << min(LANES, stop - row)) - 1
                for own in range(TOGETHER):
                    asking = q + own
                    reached = there & scale_lanes(
                        totals[own],
                        slopes[2 * asking],
                        slopes[2 * asking + 1],
                        scales,
                        offsets,
                        row,
                        zero,
                        leasts[asking - first],
                        out,
                    )
                    if reached and take(reached, out_bits, numbers, row, held, asking * size) >= full:
                        leasts[asking - first] = tighten(best, asking, k, bits, scores)
            q += TOGETHER
    finish(best, k, bits, scores, first, last)


class LevelRows:
    """Rows of level numbers; see :class:`hdc.kernels.LevelRows`."""

    def __init__(self, rows: Words, runs: Sequence[LevelRun], scale: Floats, offset: Floats) -> None:
        self._n, words = rows.shape
        beyond = np.zeros(LANES, dtype=np.float32)  # padding: eight are read at a time
        self._rows = _Rows(
            aligned_zeros(-(-self._n // LANES) * LANES * words),
            frozen(np.concatenate([scale, beyond]), np.float32, self._n + LANES),
            frozen(np.concatenate([offset, beyond]), np.float32, self._n + LANES),
        )
        interleave(frozen(rows, np.uint64, *rows.shape).reshape(-1), 0, self._n, words, self._rows.block)
        tables = np.zeros((len(runs), LEVEL_ENTRIES), dtype=np.uint8)
        for table, own in zip(tables, runs, strict=True):
            table[: len(own.levels)] = own.levels[:LEVEL_ENTRIES]
        sizes = np.array([(own.words, own.bits) for own in runs], dtype=np.int64).reshape(-1, 2)
        self._runs = _Runs(frozen(sizes, np.int64, len(runs), 2), frozen(tables, np.uint8, *tables.shape))
        self._order = _order_of_use(sizes)

    def __len__(self) -> int:
        return int(self._n)

    def search(
        self, queries: npt.NDArray[np.int8], raises: npt.NDArray[np.uint8], factors: Floats, ids: Ints, k: int
    ) -> tuple[Floats, Ints]:
        """Return the k rows with the greatest scores; see :class:`hdc.kernels.LevelRows`."""
        room = k + k // 2 + 3 * LANES
        keys = np.full((len(queries), k), WORST, dtype=np.int64)
        for start in range(0, len(queries) if self._n else 0, step := max(TOGETHER, ROOM // room)):
            some = slice(start, start + step)
            keys[some] = self._keys(queries[some], raises[some], factors[some], ids, k, room)
        keys.sort(axis=1)
        found = keys != WORST
        key = (keys >> ID_BITS).astype(np.int32)
        scores = np.where(key < 0, ~key, key | np.int32(-0x80000000)).view(np.float32)
        return np.where(found, scores, np.float32(-np.inf)), np.where(found, keys & (2**ID_BITS - 1), -1)

    def _keys(
        self,
        queries: npt.NDArray[np.int8],
        raises: npt.NDArray[np.uint8],
        factors: Floats,
        ids: Ints,
        k: int,
        room: int,
    ) -> Pairs:
        """Return the k best pairs of each query in any order; ``room`` is the size of the buffer per query."""
        q = len(queries)
        best = np.empty((q, 1 + room), dtype=np.int64)
        best[:, 0] = 0
        words = np.ascontiguousarray(queries[:, self._order]).view("<u8")
        asked = _Asked(
            frozen(words, np.uint64, *words.shape),
            frozen(raises, np.int64, *raises.shape),
            frozen(factors, np.float32, q, 2),
        )
        numbered = frozen(ids, np.int64, self._n)
        parts = slices(q, self._n * words.shape[1] * STEP_TIME)
        run([partial(_search, self._rows, self._runs, numbered, asked, best, k, *part) for part in parts])
        return best[:, 1 : 1 + k]


def _order_of_use(sizes: Ints) -> Ints:
    """Return which numbers the eight bytes of a row are, step by step: those at one bit offset in each byte."""
    order, first = [np.zeros(0, dtype=np.int64)], 0
    for words, bits in sizes.tolist():
        each = 8 // bits
        numbers = first + np.arange(words * 8 * each).reshape(words, 8, each)
        order.append(numbers.transpose(0, 2, 1).ravel())
        first += numbers.size
    return np.concatenate(order)

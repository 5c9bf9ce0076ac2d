"""Top-k estimates of dot products with rows of which only signs are kept, in some lists: RaBitQ's inner loop.

A query is small integers in two's complement, as bit-planes: the sum of those where a row's bits are set is four
counts of common bits, shifted and added (Gao & Long 2024, section 3.3). As in :mod:`lists`, the work goes list by
list, the nearest lists of every query first, and the words of eight rows lie side by side, here once and for all.
"""

from functools import partial
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.lists import NEAREST, by_list
from hdc.backends.numba_kernels.parallel import run, slices
from hdc.backends.numba_kernels.scan import interleave
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    Vector,
    aligned_zeros,
    ctpop,
    load,
    lowest_bit,
    pointer,
    scale_lanes,
    splat,
)
from hdc.backends.numba_kernels.topk import ID_BITS, WORST, Pairs, least_pairs
from hdc.kernels import ESTIMATE_BITS
from hdc.words import WORD_BITS, Words

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

TILE_WORDS = 2048
"""Words of rows (16 KiB) that all queries of a list pass over before the next are read."""

STEP_TIME = 0.25
"""Nanoseconds for a word of a row, more or less: what decides on threads."""


@numba.njit(cache=True, nogil=True)
def _planes(numbers: Words, words: int, planes: Words, first: int, last: int) -> None:
    """Write the bits of integers, eight bytes of which make a word, the heaviest plane first."""
    for q in range(first, last):
        for plane in range(ESTIMATE_BITS):
            shift = np.uint64(ESTIMATE_BITS - 1 - plane)
            for w in range(words):
                word = np.uint64(0)
                for byte in range(8):
                    ones = numbers[q, 8 * w + byte] >> shift & np.uint64(0x0101010101010101)
                    # The product brings bit 0 of byte i to bit 56 + i.
                    word |= (ones * np.uint64(0x0102040810204080) >> np.uint64(56)) << np.uint64(8 * byte)
                planes[q, plane, w] = word


@numba.njit(cache=True, forceinline=True)
def _shared(rows: Vector, planes: Pointer, at: int) -> Vector:
    return ctpop(rows & splat(np.int64(planes[at])))


@numba.njit(cache=True, forceinline=True)
def _weighted(heaviest: Vector, second: Vector, third: Vector, last: Vector) -> Vector:
    """Return ``-8 heaviest + 4 second + 2 third + last``."""
    minus = ~heaviest + splat(1)
    total = minus + minus + second
    total = total + total + third
    return total + total + last


@numba.njit(cache=True)
def _take(reached: int, scores: Floats, ids: Ints, row: int, best: Pairs, leasts: Floats, q: int, k: int) -> Any:
    """Hold the rows ``row + l``, l being the set bits of ``reached``; return the score that others have to reach."""
    held = best[q, 0]
    pairs = best[q, 1:]
    bits = scores.view(np.int32)
    while reached:
        lane = lowest_bit(reached)
        reached &= reached - 1
        # As sort_keys of hdc.selection: greater scores come first, and equal ones by id.
        key = np.int64(bits[lane])
        pairs[held] = (key & 0x7FFFFFFF if key < 0 else ~key) << ID_BITS | ids[row + lane]
        held += ids[row + lane] >= 0
    if held > len(pairs) - LANES:
        key = least_pairs(pairs, held, k) >> ID_BITS
        held = k
        bits[0] = ~key if key < 0 else key | -0x80000000
        leasts[q] = scores[0]
    best[q, 0] = held
    return leasts[q]


@numba.njit(cache=True)
def _search_tile(
    block: Pointer,
    at: int,
    words: int,
    scale: Pointer,
    offset: Pointer,
    ids: Ints,
    row: int,
    stop: int,
    planes: Pointer,
    factors: Floats,
    base: Floats,
    asked: Ints,
    places: Ints,
    scores: Floats,
    best: Pairs,
    leasts: Floats,
    k: int,
) -> None:
    """Compare the interleaved rows ``row`` to ``stop``, which begin at ``block[at]``, with the queries ``asked``."""
    out = pointer(scores)
    for i in range(0, len(asked), 2):
        # One query may be left at the end: it is compared twice, and takes once.
        a, b = asked[i], asked[min(i + 1, len(asked) - 1)]
        of_a, of_b = a * ESTIMATE_BITS * words, b * ESTIMATE_BITS * words
        slope_a, shift_a, slope_b, shift_b = factors[a, 0], factors[a, 1], factors[b, 0], factors[b, 1]
        base_a, base_b = base[a, places[i]], base[b, places[min(i + 1, len(asked) - 1)]]
        least_a, least_b = leasts[a], leasts[b]
        for eight in range(row, stop, LANES):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = splat(0)
            begin = at + (eight - row) * words
            for w in range(words):
                bits = load(block, begin + w * LANES)
                a0, b0 = a0 + _shared(bits, planes, of_a + w), b0 + _shared(bits, planes, of_b + w)
                a1, b1 = a1 + _shared(bits, planes, of_a + words + w), b1 + _shared(bits, planes, of_b + words + w)
                a2 = a2 + _shared(bits, planes, of_a + 2 * words + w)
                b2 = b2 + _shared(bits, planes, of_b + 2 * words + w)
                a3 = a3 + _shared(bits, planes, of_a + 3 * words + w)
                b3 = b3 + _shared(bits, planes, of_b + 3 * words + w)
            sum_a, sum_b = _weighted(a0, a1, a2, a3), _weighted(b0, b1, b2, b3)
            there = (1 << min(LANES, stop - eight)) - 1
            reached = scale_lanes(sum_a, slope_a, shift_a, scale, offset, eight, base_a, least_a, out) & there
            if reached:
                least_a = _take(reached, scores, ids, eight, best, leasts, a, k)
            reached = scale_lanes(sum_b, slope_b, shift_b, scale, offset, eight, base_b, least_b, out) & there
            if reached and a != b:
                least_b = _take(reached, scores, ids, eight, best, leasts, b, k)


@numba.njit(cache=True, nogil=True)
def _search(
    block: Words,
    begins: Ints,
    words: int,
    scale: Floats,
    offset: Floats,
    ids: Ints,
    starts: Ints,
    lists: Ints,
    base: Floats,
    planes: Words,
    factors: Floats,
    best: Pairs,
    k: int,
    first: int,
    last: int,
) -> None:
    """Search the lists ``lists[q]`` for the queries ``first`` to ``last - 1``."""
    probed = lists.shape[1]
    ends = np.empty(len(starts) - 1, np.int64)
    scores = np.empty(LANES, np.float32)
    leasts = np.full(len(lists), -np.inf, np.float32)
    tile = max(TILE_WORDS // words // LANES, 1) * LANES
    for low, high in ((0, min(NEAREST, probed)), (min(NEAREST, probed), probed)):
        order, places = by_list(lists, first, last, low, high, ends)
        done = 0
        for at in range(len(ends)):
            if ends[at] > done:
                for row in range(starts[at], starts[at + 1], tile):
                    _search_tile(
                        pointer(block),
                        begins[at] + (row - starts[at]) * words,
                        words,
                        pointer(scale),
                        pointer(offset),
                        ids,
                        row,
                        min(row + tile, starts[at + 1]),
                        pointer(planes),
                        factors,
                        base,
                        order[done : ends[at]],
                        places[done : ends[at]],
                        scores,
                        best,
                        leasts,
                        k,
                    )
                done = ends[at]
    for q in range(first, last):
        held = best[q, 0]
        if held > k:
            least_pairs(best[q, 1:], held, k)
            held = k
        for at in range(1 + held, 1 + k):
            best[q, at] = WORST  # a pair may lie here that was not taken


class CodeLists:
    """Rows of signs in lists, with what turns counts to estimates; see :class:`hdc.kernels.CodeLists`."""

    def __init__(self, signs: Words, scale: Floats, offset: Floats, starts: Ints) -> None:
        n, self._words = signs.shape
        lists = len(starts) - 1
        sizes = np.diff(starts)
        padded = -(-sizes // LANES) * LANES
        ends = np.cumsum(padded * self._words)
        self._begins = frozen(ends - padded * self._words, np.int64, lists)
        self._block = aligned_zeros(int(ends[-1]) if lists else 0)
        self._starts = frozen(starts, np.int64, lists + 1)
        flat = frozen(signs, np.uint64, signs.size)
        for at in np.flatnonzero(sizes).tolist():
            interleave(flat, starts[at], starts[at + 1], self._words, self._block[self._begins[at] :])
        beyond = np.zeros(LANES, dtype=np.float32)  # eight are read at a time
        self._scale = frozen(np.concatenate([scale, beyond]), np.float32, n + LANES)
        self._offset = frozen(np.concatenate([offset, beyond]), np.float32, n + LANES)
        self._n = n

    def __len__(self) -> int:
        return int(self._n)

    def search(
        self, queries: npt.NDArray[np.int8], factors: Floats, lists: Ints, base: Floats, ids: Ints, k: int
    ) -> tuple[Floats, Ints]:
        """Return the k rows of the greatest scores; see :class:`hdc.kernels.CodeLists`."""
        (q, dim), probed = queries.shape, lists.shape[1]
        best = np.full((q, 1 + k + k // 2 + 3 * LANES), WORST, dtype=np.int64)
        best[:, 0] = 0
        if q and self._n and probed:
            planes = np.empty((q, ESTIMATE_BITS, self._words), dtype=np.uint64)
            padded = np.zeros((q, self._words * WORD_BITS), dtype=np.int8)
            padded[:, :dim] = queries
            numbers = frozen(padded.view("<u8"), np.uint64, q, self._words * 8)
            rows = self._n / max(1, len(self._starts) - 1) * probed
            parts = slices(q, rows * self._words * STEP_TIME)
            run([partial(_planes, numbers, self._words, planes, *part) for part in parts])
            tables: list[Any] = [
                self._scale,
                self._offset,
                frozen(ids, np.int64, self._n),
                self._starts,
                frozen(lists, np.int64, q, probed),
                frozen(base, np.float32, q, probed),
                planes,
                frozen(factors, np.float32, q, 2),
                best,
                k,
            ]
            run([partial(_search, self._block, self._begins, self._words, *tables, *part) for part in parts])
        keys = np.sort(best[:, 1 : 1 + k], axis=1)
        found = keys != WORST
        key = (keys >> ID_BITS).astype(np.int32)
        scores = np.where(key < 0, ~key, key | np.int32(-0x80000000)).view(np.float32)
        return np.where(found, scores, np.float32(-np.inf)), np.where(found, keys & (2**ID_BITS - 1), -1)

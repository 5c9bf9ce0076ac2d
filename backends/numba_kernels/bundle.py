"""Majority of packed rows, and their sums component by component.

Counts are bit-sliced: the counts of 64 components are stored in 64-bit words, one word per binary digit. A carry-save
adder adds 64 components with five logical operations. :func:`_fold` adds eight rows into the three lowest digits and
passes on one row of carries, worth eight each. Eight of those are folded in turn, like an odometer in base eight. So
adding a row costs little more than reading it, however many digits its counts have.

Weighted rows, and few rows, are added to int64 counters directly.
"""

import math
from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import frozen, rows_of, sets_of, spread
from hdc.backends.numba_kernels.jit import inlined, kernel, peek, poke
from hdc.backends.numba_kernels.parallel import over_rows, threads
from hdc.backends.numpy_backend import Counters, Ints, check_weights
from hdc.words import WORD_BITS, Words

SPAN = 512
"""Most columns (words) counted together; the digits of a span stay in the nearest caches."""

LEVEL_ROWS = 11
"""Scratch rows per odometer level: three binary digits, then eight rows still to be added."""

FEW_ROWS = 12
"""Up to this many rows, adding to int64 counters is faster than converting bit-sliced counts."""


@kernel
def _fold(source: Any, first: int, column: int, columns: int, digits: Any, level: int, carry: int) -> None:
    """Add rows ``first`` to ``first + 7`` of ``source`` to a level's digits; write the carries to a row."""
    base = level * LEVEL_ROWS
    for w in range(columns):
        c = column + w
        ones, twos, fours = digits[base, w], digits[base + 1, w], digits[base + 2, w]
        x, y = peek(source, first, c), peek(source, first + 1, c)
        half = ones ^ x
        twos_a = (ones & x) | (half & y)
        ones = half ^ y
        x, y = peek(source, first + 2, c), peek(source, first + 3, c)
        half = ones ^ x
        twos_b = (ones & x) | (half & y)
        ones = half ^ y
        half = twos ^ twos_a
        fours_a = (twos & twos_a) | (half & twos_b)
        twos = half ^ twos_b
        x, y = peek(source, first + 4, c), peek(source, first + 5, c)
        half = ones ^ x
        twos_a = (ones & x) | (half & y)
        ones = half ^ y
        x, y = peek(source, first + 6, c), peek(source, first + 7, c)
        half = ones ^ x
        twos_b = (ones & x) | (half & y)
        ones = half ^ y
        half = twos ^ twos_a
        fours_b = (twos & twos_a) | (half & twos_b)
        twos = half ^ twos_b
        half = fours ^ fours_a
        poke(digits, carry, w, (fours & fours_a) | (half & fours_b))
        poke(digits, base, w, ones)
        poke(digits, base + 1, w, twos)
        poke(digits, base + 2, w, half ^ fours_b)


@kernel
def _advance(source: Any, first: int, column: int, columns: int, digits: Any, waiting: Any, level: int) -> None:
    """Fold eight rows into ``level``, and into every level above that then has eight waiting rows.

    The scratch has digits for every count that the rows can reach, so its last level never has eight.
    """
    _fold(source, first, column, columns, digits, level, (level + 1) * LEVEL_ROWS + 3 + waiting[level + 1])
    waiting[level + 1] += 1
    while waiting[level + 1] == 8:
        level += 1
        waiting[level] = 0
        target = (level + 1) * LEVEL_ROWS + 3 + waiting[level + 1]
        _fold(digits, level * LEVEL_ROWS + 3, 0, columns, digits, level, target)
        waiting[level + 1] += 1


@kernel
def _clear(digits: Any, first: int, last: int, columns: int) -> None:
    for row in range(first, last):
        for w in range(columns):
            digits[row, w] = 0


@kernel
def _count(rows: Any, column: int, columns: int, digits: Any, waiting: Any) -> None:
    """Write the bit-sliced counts of ``rows[:, column : column + columns]`` to ``digits``.

    Binary digit p is row ``p // 3 * LEVEL_ROWS + p % 3``. ``waiting`` has one entry per level, plus one: the highest
    level also passes on carries, which are always zero.
    """
    n = len(rows)
    _clear(digits, 0, len(digits), columns)
    waiting[:] = 0
    whole = n - n % 8
    for first in range(0, whole, 8):
        _advance(rows, first, column, columns, digits, waiting, 0)
    for i in range(n - whole):
        for w in range(columns):
            digits[3 + i, w] = rows[whole + i, column + w]
    waiting[0] = n - whole
    _settle(columns, digits, waiting)


@kernel
def _settle(columns: int, digits: Any, waiting: Any) -> None:
    """Fold the waiting rows of each level into its digits."""
    for level in range(len(waiting) - 1):
        if waiting[level]:
            first = level * LEVEL_ROWS + 3
            _clear(digits, first + waiting[level], first + 8, columns)
            waiting[level] = 0
            _advance(digits, first, 0, columns, digits, waiting, level)


@inlined
def _break_ties(above: Any, equal: Any, odd: Any, flip: Any, tie: Any, dim: int) -> None:
    """Set bits where counts are equal: those of ``tie``, exclusive or those of ``odd`` one component further down."""
    carry = (odd[(dim - 1) // 64] >> np.uint64((dim - 1) % 64)) & np.uint64(1)
    for w in range(len(above)):
        above[w] |= equal[w] & (tie[w] ^ flip ^ (odd[w] << np.uint64(1) | carry))
        carry = odd[w] >> np.uint64(63)


@inlined
def _compare(digits: Any, count: int, half: int, above: Any, equal: Any) -> None:
    """Write where bit-sliced numbers with ``count`` digits exceed another number, and where they equal it."""
    for w in range(len(above)):
        above[w], equal[w] = np.uint64(0), ~np.uint64(0)
    for digit in range(count):  # from the lowest one up
        row = digits[digit // 3 * LEVEL_ROWS + digit % 3]
        if (half >> digit) & 1:
            for w in range(len(above)):
                above[w] &= row[w]
                equal[w] &= row[w]
        else:
            for w in range(len(above)):
                above[w] |= row[w]
                equal[w] &= ~row[w]


@kernel
def _majority(x: Any, tie: Any, levels: int, span: int, dim: int, ties: Any, out: Any, start: int, stop: int) -> None:
    """Write the majority of (set, span of columns) pairs ``start`` to ``stop``.

    If a set is one span, its ties are broken. Otherwise ``ties`` receives which counts are equal, and which are odd.
    """
    n, words = x.shape[1], x.shape[2]
    spans = (words + span - 1) // span
    digits = np.empty(((levels + 1) * LEVEL_ROWS, span), dtype=np.uint64)
    waiting = np.empty(levels + 1, dtype=np.int64)
    equal = np.empty(span, dtype=np.uint64)
    for task in range(start, stop):
        column = task % spans * span
        columns = min(span, words - column)
        _count(x[task // spans], column, columns, digits, waiting)
        above = out[task // spans, column : column + columns]
        _compare(digits, 3 * levels, n // 2, above, equal)
        if n % 2 == 0 and spans == 1:
            _break_ties(above, equal, digits[0], _flip(n), tie, dim)
        elif n % 2 == 0:
            ties[0, task // spans, column : column + columns] = equal[:columns]
            ties[1, task // spans, column : column + columns] = digits[0, :columns]


@inlined
def _flip(n: int) -> Any:
    """Return the mask that converts "the count of set bits is odd" to "half the sum is odd", for n rows."""
    return ~np.uint64(0) if n // 2 % 2 else np.uint64(0)


@kernel
def _break_ties_of(ties: Any, n: int, tie: Any, dim: int, out: Any, start: int, stop: int) -> None:
    """Break the ties of sets ``start`` to ``stop`` that were counted in spans."""
    for i in range(start, stop):
        _break_ties(out[i], ties[0, i], ties[1, i], _flip(n), tie, dim)


@kernel
def _tally(x: Any, levels: int, out: Any, start: int, stop: int) -> None:
    """Write (set bits - clear bits) of each component of sets ``start`` to ``stop`` to (sets, words, 64)."""
    n, words = x.shape[1], x.shape[2]
    digits = np.empty(((levels + 1) * LEVEL_ROWS, SPAN), dtype=np.uint64)
    waiting = np.empty(levels + 1, dtype=np.int64)
    for i in range(start, stop):
        for column in range(0, words, SPAN):
            columns = min(SPAN, words - column)
            _count(x[i], column, columns, digits, waiting)
            for w in range(columns):
                counts = out[i, column + w]
                counts[:] = -n
                for digit in range(3 * levels):
                    word = digits[digit // 3 * LEVEL_ROWS + digit % 3, w]
                    for j in range(64):
                        counts[j] += np.int64((word >> np.uint64(j)) & np.uint64(1)) << (digit + 1)


@kernel
def _tally_weighted(x: Any, weights: Any, out: Any, start: int, stop: int) -> None:
    """Write the sum of weights, negative where the bit is clear, of sets ``start`` to ``stop``."""
    for i in range(start, stop):
        out[i] = 0
        for r in range(x.shape[1]):
            weight = weights[i, r]
            for w in range(x.shape[2]):
                word = x[i, r, w]
                counts = out[i, w]
                for j in range(64):
                    clear = np.int64((word >> np.uint64(j)) & np.uint64(1)) - 1
                    counts[j] += (weight ^ clear) - clear


@kernel
def _sign_bits(counters: Any, tie: Any, out: Any, start: int, stop: int) -> None:
    """Write bit j if counter j is positive; if it is zero, the tie's bit, flipped if half the one before is odd."""
    dim = counters.shape[1]
    for i in range(start, stop):
        for w in range(out.shape[1]):
            counts = counters[i, 64 * w : min(64 * w + 64, dim)]
            above, level, odd = np.uint64(0), np.uint64(0), np.uint64(0)
            for j in range(len(counts)):
                above |= np.uint64(counts[j] > 0) << np.uint64(j)
                level |= np.uint64(counts[j] == 0) << np.uint64(j)
                before = counters[i, (64 * w + j or dim) - 1]
                odd |= np.uint64(before >> 1 & 1) << np.uint64(j)
            out[i, w] = above | (level & (tie[w] ^ odd))


def _levels(n: int) -> int:
    return max(1, math.ceil(n.bit_length() / 3))


def signed_sums(x: Words, weights: Ints | None, dim: int) -> Counters:
    """Add the rows' weights, negative where a bit is clear: bit-sliced without weights, otherwise in int64."""
    *batch, n, words = x.shape
    if weights is not None:
        batch = list(np.broadcast_shapes(tuple(batch), weights.shape[:-1]))
        x = spread(x, (*batch, n, words))
    sums = np.empty((math.prod(batch), words, WORD_BITS), dtype=np.int64)
    if weights is None and n > FEW_ROWS:
        over_rows(_tally, len(sums), words * (n * 0.4 + 300), sets_of(x), _levels(n), sums)
    else:
        given = np.ones(n, dtype=np.int64) if weights is None else check_weights(weights)
        rows = frozen(spread(given, (*batch, n)), np.int64, len(sums), n)
        over_rows(_tally_weighted, len(sums), words * n * 25.0, sets_of(x), rows, sums)
    return np.ascontiguousarray(sums.reshape(*batch, words * WORD_BITS)[..., :dim])


def _signs_of(counters: Counters, tie: Words) -> Words:
    flat = rows_of(counters, np.int64)
    out = np.empty((len(flat), tie.shape[-1]), dtype=np.uint64)
    over_rows(_sign_bits, len(flat), flat.shape[1] * 1.0, flat, rows_of(tie)[0], out)
    return out.reshape(*counters.shape[:-1], tie.shape[-1])


def majority(x: Words, weights: Ints | None, tie: Words, dim: int) -> Words:
    """Add the rows in bit-sliced counters (with weights, in int64 counters) and compare with half."""
    *batch, n, words = x.shape
    if weights is not None:
        return _signs_of(signed_sums(x, weights, dim), tie)
    out = np.empty((*batch, words), dtype=np.uint64)
    sets = math.prod(batch)
    span = min(SPAN, words) if sets >= threads() else min(SPAN, -(-words // (8 * threads())) * 8)
    spans, flat, row = -(-words // span), out.reshape(sets, words), rows_of(tie)[0]
    ties = np.empty((2, sets, words) if spans > 1 and n % 2 == 0 else (2, 0, 0), dtype=np.uint64)
    over_rows(_majority, sets * spans, span * (n * 0.4 + 5), sets_of(x), row, _levels(n), span, dim, ties, flat)
    if ties.size:
        over_rows(_break_ties_of, sets, words * 2.0, ties, n, row, dim, flat)
    return out

"""Rows of numbers as hypervectors: records with two vectors per column, counted in bits.

The members of a row are assembled word by word from their two vectors and counted as those of any bundle. So a member
costs little more than reading its words.
"""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import AnyArray, frozen, rows_of
from hdc.backends.numba_kernels.bundle import (
    LEVEL_ROWS,
    _advance,
    _break_ties,
    _clear,
    _compare,
    _flip,
    _levels,
    _settle,
)
from hdc.backends.numba_kernels.jit import inlined, kernel, peek, poke
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.words import WORD_BITS, Words


@inlined
def _put(first: Any, second: Any, feature: int, mark: int, buffer: Any, to: int) -> None:
    """Write a member to a row of ``buffer``: ``first`` below the mark, and ``second`` from the mark on."""
    whole = mark // WORD_BITS
    for w in range(whole):
        poke(buffer, to, w, peek(first, feature, w))
    for w in range(whole, buffer.shape[1]):
        poke(buffer, to, w, peek(second, feature, w))
    if mark % WORD_BITS:
        below = (np.uint64(1) << np.uint64(mark % WORD_BITS)) - np.uint64(1)
        buffer[to, whole] = (first[feature, whole] & below) | (second[feature, whole] & ~below)


@kernel
def _count_members(first: Any, second: Any, marks: Any, row: int, buffer: Any, digits: Any, waiting: Any) -> int:
    """Write the counts of a row's members to ``digits``, and return the number of members.

    Eight members at a time are assembled, and added while they are in the nearest cache.
    """
    words = buffer.shape[1]
    _clear(digits, 0, len(digits), words)
    waiting[:] = 0
    count, filled = 0, 0
    for feature in range(len(first)):
        mark = marks[row, feature]
        if mark >= 0:
            _put(first, second, feature, mark, buffer, filled)
            count, filled = count + 1, filled + 1
            if filled == 8:
                _advance(buffer, 0, 0, words, digits, waiting, 0)
                filled = 0
    for i in range(filled):
        for w in range(words):
            digits[3 + i, w] = buffer[i, w]
    waiting[0] = filled
    _settle(words, digits, waiting)
    return count


@kernel
def _majorities(
    first: Any, second: Any, marks: Any, tie: Any, levels: int, dim: int, out: Any, start: int, stop: int
) -> None:
    """Write the majority of the members of rows ``start`` to ``stop``."""
    words = first.shape[1]
    buffer, equal = np.empty((8, words), dtype=np.uint64), np.empty(words, dtype=np.uint64)
    digits = np.empty(((levels + 1) * LEVEL_ROWS, words), dtype=np.uint64)
    waiting = np.empty(levels + 1, dtype=np.int64)
    for i in range(start, stop):
        n = _count_members(first, second, marks, i, buffer, digits, waiting)
        _compare(digits, 3 * levels, n // 2, out[i], equal)
        if n % 2 == 0:
            _break_ties(out[i], equal, digits[0], _flip(n), tie, dim)


@inlined
def _spread(octet: Any) -> Any:
    """Return a word whose bytes are the bits of a byte, each 0 or 1."""
    low = (octet & np.uint64(0x7F)) * np.uint64(0x0002040810204081) & np.uint64(0x0101010101010101)
    return low | (octet >> np.uint64(7)) << np.uint64(56)


@kernel
def _gather_counts(digits: Any, first: int, last: int, lanes: Any) -> None:
    """Write each component's number in digits ``first`` to ``last - 1``, at most eight digits, to a byte."""
    for w in range(digits.shape[1]):
        for octet in range(8):
            lanes[8 * w + octet] = np.uint64(0)
    for digit in range(first, last):
        row = digits[digit // 3 * LEVEL_ROWS + digit % 3]
        for w in range(digits.shape[1]):
            for octet in range(8):
                bits = row[w] >> np.uint64(8 * octet) & np.uint64(0xFF)
                lanes[8 * w + octet] += _spread(bits) << np.uint64(digit - first)


@kernel
def _clipped_sums(first: Any, second: Any, marks: Any, levels: int, most: int, out: Any, start: int, stop: int) -> None:
    """Write the clipped sums of the members of rows ``start`` to ``stop``: n less twice the number of set bits."""
    words, dim = first.shape[1], out.shape[1]
    buffer = np.empty((8, words), dtype=np.uint64)
    digits = np.empty(((levels + 1) * LEVEL_ROWS, words), dtype=np.uint64)
    waiting, counts = np.empty(levels + 1, dtype=np.int64), np.empty(dim, dtype=np.int32)
    lanes = np.empty(8 * words, dtype=np.uint64)
    octets = lanes.view(np.uint8)
    for i in range(start, stop):
        n = _count_members(first, second, marks, i, buffer, digits, waiting)
        for j in range(dim):
            counts[j] = n
        used = 0
        while n >> used:
            _gather_counts(digits, used, min(used + 8, 3 * levels), lanes)
            for j in range(dim):
                counts[j] -= np.int32(octets[j]) << np.int32(used + 1)
            used += 8
        for j in range(dim):
            out[i, j] = min(max(counts[j], -most), most)


def record_majority(first: Words, second: Words, marks: AnyArray, tie: Words, dim: int) -> Words:
    """Count members in bits, and compare the counts with half of the members."""
    d, words = first.shape
    out = np.empty((len(marks), words), dtype=np.uint64)
    given = rows_of(first), rows_of(second), frozen(marks, np.int32, len(marks), d), rows_of(tie)[0]
    over_rows(_majorities, len(marks), words * (d * 0.5 + 5), *given, _levels(d), dim, out)
    return out


def record_sums(first: Words, second: Words, marks: AnyArray, most: int, dim: int) -> AnyArray:
    """Count members in bits, and convert the counts to sums."""
    d, words = first.shape
    out = np.empty((len(marks), dim), dtype=np.int8 if most <= 127 else np.int32)
    given = rows_of(first), rows_of(second), frozen(marks, np.int32, len(marks), d)
    over_rows(_clipped_sums, len(marks), words * (d * 0.5 + 60), *given, _levels(d), min(most, d), out)
    return out

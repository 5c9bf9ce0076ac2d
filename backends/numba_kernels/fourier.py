"""Signs of cosines of integer angles: of given angles, and of sums of integer products.

32-bit integers wrap around as angles do, so a sum of products is exact in any order. Frequencies are processed in spans
of components, which stay in a cache for all rows.
"""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import AnyArray, frozen, rows_of
from hdc.backends.numba_kernels.jit import kernel, peek, poke
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.words import WORD_BITS, Words, word_count

ROWS = 8
"""Rows whose angles are summed at a time."""


@kernel
def _phase_signs(phases: Any, quarter: int, half: int, out: Any, start: int, stop: int) -> None:
    """Write, for rows ``start`` to ``stop``, the half-turn bit of each angle advanced by a quarter turn."""
    dim = phases.shape[1]
    for i in range(start, stop):
        for w in range(out.shape[1]):
            angles = phases[i, WORD_BITS * w : min(WORD_BITS * w + WORD_BITS, dim)]
            word = np.uint64(0)
            for j in range(len(angles)):
                word |= np.uint64((np.int64(angles[j]) + quarter) >> half & 1) << np.uint64(j)
            out[i, w] = word


@kernel
def _add_products(rows: Any, first: int, count: int, tile: Any, sums: Any) -> None:
    """Add the products of some rows with a span of the frequencies, four features at a time."""
    d, width = tile.shape
    for f in range(0, d - 3, 4):
        for r in range(count):
            i = first + r
            a, b, c, e = rows[i, f], rows[i, f + 1], rows[i, f + 2], rows[i, f + 3]
            for j in range(width):
                pair = a * peek(tile, f, j) + b * peek(tile, f + 1, j)
                other = c * peek(tile, f + 2, j) + e * peek(tile, f + 3, j)
                poke(sums, r, j, np.int32(sums[r, j] + pair + other))
    for f in range(d - d % 4, d):
        for r in range(count):
            a = rows[first + r, f]
            for j in range(width):
                poke(sums, r, j, np.int32(sums[r, j] + a * peek(tile, f, j)))


@kernel
def _fourier_signs(
    rows: Any, frequencies: Any, offsets: Any, quarter: int, half: int, out: Any, start: int, stop: int
) -> None:
    """Write the signs of rows ``start`` to ``stop``, one span of components after another."""
    span, dim = frequencies.shape[2], offsets.shape[1]
    sums = np.zeros((ROWS, span), dtype=np.int32)
    for part in range(len(frequencies)):
        column, tile = part * span, frequencies[part]
        width = min(span, dim - column)
        for first in range(start, stop, ROWS):
            count = min(ROWS, stop - first)
            for r in range(count):
                own = first + r if len(offsets) > 1 else 0
                for j in range(width):
                    sums[r, j] = np.int32(offsets[own, column + j] + quarter)
            _add_products(rows, first, count, tile, sums)
            for r in range(count):
                for w in range(0, width, WORD_BITS):
                    word = np.uint64(0)
                    for j in range(min(WORD_BITS, width - w)):
                        word |= np.uint64(sums[r, w + j] >> half & 1) << np.uint64(j)
                    out[first + r, (column + w) // WORD_BITS] = word


def phase_signs(phases: AnyArray, turn: int) -> Words:
    """Convert angles to integers, and read one bit."""
    rows = rows_of(phases, np.float64)
    out = np.empty((len(rows), word_count(rows.shape[1])), dtype=np.uint64)
    over_rows(_phase_signs, len(rows), rows.shape[1] * 0.5, rows, turn // 4, turn.bit_length() - 2, out)
    return out


def fourier_signs(rows: AnyArray, frequencies: AnyArray, offsets: AnyArray, turn: int) -> Words:
    """Add 32-bit products, and read one bit."""
    spans, d, width = frequencies.shape
    dim = offsets.shape[1]
    out = np.empty((len(rows), word_count(dim)), dtype=np.uint64)
    given = frozen(rows, np.int32, len(rows), d), frozen(frequencies, np.int32, spans, d, width)
    added = rows_of(offsets, np.int32)
    over_rows(_fourier_signs, len(rows), dim * (d * 0.04 + 0.5), *given, added, turn // 4, turn.bit_length() - 2, out)
    return out

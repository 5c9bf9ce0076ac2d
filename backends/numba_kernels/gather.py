"""Dot products with chosen rows of bytes, to rescore candidates by int8 originals without copying rows.

The instruction multiplies unsigned by signed bytes. So a query's 16 bits are split into an unsigned low byte and a
signed high byte. Rows become unsigned by adding 128; known sums over the query or the row length correct for this.
"""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import Pointer, dot_bytes, load_bytes, pointer, prefetch, splat, sum32
from hdc.backends.numpy_backend import Counters, Ints

LINE = 64
"""Bytes of a cache line, and of a vector."""

PART = 1 << 14
"""Bytes whose products are added in sixteen 32-bit sums."""

BYTE_TIME = 0.05
"""Approximate nanoseconds per byte of a row, to decide how many threads to use."""

AHEAD = 12
"""Candidates between the current one and the one prefetched."""

_TOP_BITS = np.int64(-0x7F7F7F7F7F7F7F80)  # 0x80 in every byte


@kernel
def _part(items: Pointer, row: int, low: Pointer, high: Pointer, query: int, size: int) -> Any:
    """Return, over bytes up to a multiple of 64: low . row, high . (row + 128), and the sum of row^2 - 128."""
    lows = highs = squares = splat(0)
    top_bits = splat(_TOP_BITS)
    for at in range(0, size, LINE):
        signed = load_bytes(items, row + at)
        unsigned = signed ^ top_bits
        lows = dot_bytes(lows, load_bytes(low, query + at), signed)
        highs = dot_bytes(highs, unsigned, load_bytes(high, query + at))
        squares = dot_bytes(dot_bytes(squares, unsigned, signed), top_bits, ~signed)
    return sum32(lows), sum32(highs), sum32(squares)


@kernel
def ask_for(memory: Pointer, row: int, width: int) -> None:
    """Prefetch a row."""
    for byte in range(0, width, LINE):
        prefetch(memory, max(row, 0) * width + byte)


@kernel
def dot_and_square(memory: Pointer, at: int, width: int, lows: Pointer, highs: Pointer, query: int, sums: Any) -> Any:
    """Return the product of the row at ``memory[at:]`` with a query, and with itself.

    The query's bytes are at ``lows[query:]`` and ``highs[query:]``; ``sums`` covers its high bytes in whole vectors.
    """
    whole = width // LINE * LINE
    dot: Any = -128 * 256 * sums
    square: Any = 128 * whole
    for first in range(0, whole, PART):
        a, b, s = _part(memory, at + first, lows, highs, query + first, min(PART, whole - first))
        dot += a + 256 * b
        square += s
    for j in range(whole, width):
        x = np.int64(memory[at + j])
        dot += x * (np.int64(lows[query + j]) + 256 * np.int64(highs[query + j]))
        square += x * x
    return dot, square


@kernel
def _gather_dots(
    low: Any, high: Any, sums: Any, items: Any, rows: Any, dots: Any, squares: Any, start: int, stop: int
) -> None:
    """Fill ``dots[start:stop]`` and ``squares[start:stop]``; ``sums`` covers the high bytes in whole vectors."""
    width, candidates = items.shape[1], rows.shape[1]
    memory, chosen, lows, highs = pointer(items), pointer(rows), pointer(low), pointer(high)
    for q in range(start, stop):
        for c in range(candidates):
            ask_for(memory, chosen[min(q * candidates + c + AHEAD, rows.size - 1)], width)
            row = rows[q, c]
            if row >= 0:
                dot, square = dot_and_square(memory, row * width, width, lows, highs, q * width, sums[q])
                dots[q, c] = dot
                squares[q, c] = square


def gather_dots(queries: Ints, items: Ints, rows: Counters) -> tuple[Counters, Counters]:
    """Multiply and add; see :attr:`hdc.kernels.BitKernels.gather_dots`."""
    dots, squares = np.zeros(rows.shape, dtype=np.int64), np.zeros(rows.shape, dtype=np.int64)
    high = queries.astype(np.int16) >> 8
    whole = queries.shape[1] // LINE * LINE
    inputs = (
        frozen(queries.astype(np.int16) & 0xFF, np.uint8, *queries.shape),
        frozen(high, np.int8, *queries.shape),
        frozen(high[:, :whole].sum(axis=1, dtype=np.int64), np.int64, len(queries)),
        frozen(items, np.int8, *items.shape),
        frozen(rows, np.int64, *rows.shape),
    )
    over_rows(_gather_dots, len(rows), rows.shape[1] * items.shape[1] * BYTE_TIME, *inputs, dots, squares)
    return dots, squares

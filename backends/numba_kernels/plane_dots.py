"""Dot products with chosen codes of several bit planes, to rescore candidates by all planes of a code.

The bits of a component in up to eight planes are combined into an unsigned byte, 64 components at a time, and
multiplied by signed bytes; a query's 16 bits are split into two bytes. A component of a code with u planes is twice its
unsigned number less ``2**u - 1``; the sum of the query accounts for the constant.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.bit_bytes import bit_bytes
from hdc.backends.numba_kernels.gather import AHEAD
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import Pointer, dot_bytes, load_bytes, pointer, prefetch, splat, sum32
from hdc.words import WORD_BITS, Words, word_count

Integers = npt.NDArray[np.int16]
Sums = npt.NDArray[np.int64]

WORDS_TOGETHER = 1 << 7
"""Words of a plane whose products are added in 32-bit sums."""

IN_A_BYTE = 8
"""Planes per byte."""

LINE_WORDS = 8
"""Words per cache line."""

WORD_TIME = 1.2
"""Approximate nanoseconds per word of a code, to decide how many threads to use."""


@kernel
def _some_planes(
    codes: Pointer, at: int, words: int, first: int, last: int, low: Pointer, high: Pointer, query: int
) -> Any:
    """Multiply a query with the numbers in planes ``first`` to ``last - 1`` of the code at ``codes[at:]``."""
    total: Any = np.int64(0)
    for begin in range(0, words, WORDS_TOGETHER):
        lows = highs = splat(0)
        for w in range(begin, min(words, begin + WORDS_TOGETHER)):
            numbers = bit_bytes(codes[at + first * words + w])
            for plane in range(first + 1, last):
                numbers = (numbers + numbers) | bit_bytes(codes[at + plane * words + w])
            lows = dot_bytes(lows, numbers, load_bytes(low, query + w * WORD_BITS))
            highs = dot_bytes(highs, numbers, load_bytes(high, query + w * WORD_BITS))
        total += np.int64(sum32(lows)) + 256 * np.int64(sum32(highs))
    return total


@kernel
def plane_dot(
    codes: Pointer, at: int, words: int, levels: int, low: Pointer, high: Pointer, query: int, total: int
) -> Any:
    """Return the product of a query with the components of the code at ``codes[at:]``.

    The query's bytes are at ``low[query:]`` and ``high[query:]``, zero-padded to whole words; ``total`` is its sum.
    """
    light = max(0, levels - IN_A_BYTE)
    dot: Any = _some_planes(codes, at, words, light, levels, low, high, query)
    if light > 0:
        dot += _some_planes(codes, at, words, 0, light, low, high, query) << IN_A_BYTE
    return 2 * dot - ((1 << levels) - 1) * total


@kernel
def ask_for_code(codes: Pointer, at: int, words: int) -> None:
    """Prefetch a number of words."""
    for word in range(at, at + words, LINE_WORDS):
        prefetch(codes, word)


@kernel
def _gather_planes(
    low: Any, high: Any, totals: Any, codes: Any, rows: Any, levels: Any, dots: Any, start: int, stop: int
) -> None:
    """Fill ``dots[start:stop]``."""
    width, candidates, padded = codes.shape[1], rows.shape[1], low.shape[1]
    words, depth = padded // WORD_BITS, levels[0]
    memory, chosen, lows, highs = pointer(codes), pointer(rows), pointer(low), pointer(high)
    for q in range(start, stop):
        for c in range(candidates):
            ask_for_code(memory, max(0, chosen[min(q * candidates + c + AHEAD, rows.size - 1)]) * width, depth * words)
            row = rows[q, c]
            if row >= 0:
                dots[q, c] = plane_dot(memory, row * width, words, depth, lows, highs, q * padded, totals[q])


def two_bytes(queries: Integers, words: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Split integers into signed low and high bytes, ``256 high + low``, padded with zeros to whole words."""
    padded = np.zeros((len(queries), words * WORD_BITS), dtype=np.int16)
    padded[:, : queries.shape[1]] = queries
    low = padded.astype(np.int8)
    return low, ((padded - low) >> 8).astype(np.int8)


def gather_planes(queries: Integers, codes: Words, rows: Sums, levels: int) -> Sums:
    """Multiply and add; see :attr:`hdc.kernels.SearchKernels.gather_planes`."""
    dots, words = np.zeros(rows.shape, dtype=np.int64), word_count(queries.shape[1])
    low, high = two_bytes(queries, words)
    inputs = (
        frozen(low, np.int8, *low.shape),
        frozen(high, np.int8, *low.shape),
        frozen(queries.sum(axis=1, dtype=np.int64), np.int64, len(queries)),
        frozen(codes, np.uint64, *codes.shape),
        frozen(rows, np.int64, *rows.shape),
        frozen([levels], np.int64, 1),
    )
    over_rows(_gather_planes, len(rows), rows.shape[1] * words * levels * WORD_TIME, *inputs, dots)
    return dots

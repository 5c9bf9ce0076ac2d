"""Dot products with chosen rows of bytes: what re-ranking by int8 originals asks for, without copying the rows."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import pointer, prefetch
from hdc.backends.numpy_backend import Counters, Ints

PART = 256
"""Bytes whose products are added in 32 bits, which hold 2**8 of 2**7 times 2**15; 64 bits would take thrice as long."""

BYTE_TIME = 0.05
"""Nanoseconds for a byte of a row, more or less: what decides on threads."""

AHEAD = 12
"""Candidates between the one in hand and the one asked for from memory."""

LINE = 64
"""Bytes of a cache line."""


@kernel
def _gather_dots(queries: Any, items: Any, rows: Any, dots: Any, squares: Any, start: int, stop: int) -> None:
    width, candidates = items.shape[1], rows.shape[1]
    memory, chosen = pointer(items), pointer(rows)
    for q in range(start, stop):
        for c in range(candidates):
            row = rows[q, c]
            ahead = chosen[min(q * candidates + c + AHEAD, rows.size - 1)]
            for byte in range(0, width, LINE):
                prefetch(memory, max(ahead, 0) * width + byte)
            if row < 0:
                continue
            for first in range(0, width, PART):
                dot = square = np.int32(0)
                for j in range(min(PART, width - first)):
                    i = np.uint64(first + j)  # never negative: else LLVM would not vectorise
                    x = np.int32(items[row, i])
                    dot = np.int32(dot + x * np.int32(queries[q, i]))
                    square = np.int32(square + x * x)
                dots[q, c] += dot
                squares[q, c] += square


def gather_dots(queries: Ints, items: Ints, rows: Counters) -> tuple[Counters, Counters]:
    """Multiply and add; see :attr:`hdc.kernels.BitKernels.gather_dots`."""
    dots, squares = np.zeros(rows.shape, dtype=np.int64), np.zeros(rows.shape, dtype=np.int64)
    inputs = (
        frozen(queries, np.int16, *queries.shape),
        frozen(items, np.int8, *items.shape),
        frozen(rows, np.int64, *rows.shape),
    )
    over_rows(_gather_dots, len(rows), rows.shape[1] * items.shape[1] * BYTE_TIME, *inputs, dots, squares)
    return dots, squares

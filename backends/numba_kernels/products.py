"""Integer dot products of queries with the rows that each has asked for: the second look at what codes have found."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows

Ints = npt.NDArray[np.int32]


@kernel
def _row_products(queries: Any, items: Any, rows: Any, dots: Any, squares: Any, start: int, stop: int) -> None:
    for q in range(start, stop):
        query = queries[q]
        for c in range(rows.shape[1]):
            if rows[q, c] >= 0:
                item = items[rows[q, c]]
                dot = square = np.int32(0)
                for j in range(len(query)):  # rounding to 32 bits at once lets LLVM multiply in 16-bit lanes
                    value = np.int32(item[j])
                    dot = np.int32(dot + np.int32(query[j]) * value)
                    square = np.int32(square + value * value)
                dots[q, c] = dot
                squares[q, c] = square


def row_products(
    queries: npt.NDArray[np.int16], items: npt.NDArray[np.int8], rows: npt.NDArray[np.int64]
) -> tuple[Ints, Ints]:
    """Read each row once, for both sums; see :attr:`hdc.kernels.TableKernels.row_products`."""
    dots, squares = np.zeros(rows.shape, dtype=np.int32), np.zeros(rows.shape, dtype=np.int32)
    arrays = frozen(queries, np.int16, *queries.shape), frozen(items, np.int8, *items.shape)
    asked = frozen(rows, np.int64, *rows.shape)
    over_rows(_row_products, len(rows), rows.shape[1] * (items.shape[1] * 0.1 + 50), *arrays, asked, dots, squares)
    return dots, squares

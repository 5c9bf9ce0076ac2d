"""Sums of weighted token vectors: a sparse (documents, tokens) matrix times a dense (tokens, dim) one."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import frozen, rows_of
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numpy_backend import Floats, Ints

SPAN = 2048
"""Components summed together; this part of the result stays in the first-level cache."""


@kernel
def _csr_matmul(data: Any, indices: Any, indptr: Any, dense: Any, out: Any, start: int, stop: int) -> None:
    """Add four token vectors at a time, which quarters the reads and writes of the result."""
    dim = dense.shape[1]
    for i in range(start, stop):
        first, last = indptr[i], indptr[i + 1]
        whole = first + (last - first) // 4 * 4
        for column in range(0, dim, SPAN):
            end = min(dim, column + SPAN)
            total = out[i, column:end]
            total[:] = 0
            for t in range(first, whole, 4):
                a, b = dense[indices[t], column:end], dense[indices[t + 1], column:end]
                c, d = dense[indices[t + 2], column:end], dense[indices[t + 3], column:end]
                for j in range(len(total)):
                    total[j] += (data[t] * a[j] + data[t + 1] * b[j]) + (data[t + 2] * c[j] + data[t + 3] * d[j])
            for t in range(whole, last):
                a = dense[indices[t], column:end]
                for j in range(len(total)):
                    total[j] += data[t] * a[j]


def csr_matmul(data: Floats, indices: Ints, indptr: Ints, dense: Floats) -> Floats:
    """Sum the token vectors times their weights, document by document."""
    tokens = rows_of(dense, dense.dtype.newbyteorder("="))
    docs, dim = len(indptr) - 1, tokens.shape[1]
    out = np.empty((docs, dim), dtype=tokens.dtype)
    weights = frozen(data, tokens.dtype, len(data))
    places, bounds = frozen(indices, np.int64, len(indices)), frozen(indptr, np.int64, len(indptr))
    each = dim * (0.15 * len(data) / max(1, docs) + 0.1)
    over_rows(_csr_matmul, docs, each, weights, places, bounds, tokens, out)
    return out

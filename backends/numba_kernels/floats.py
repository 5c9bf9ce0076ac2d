"""Floats of dense models: circular convolutions by SciPy's transforms, and sums of rows."""

import math
from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import sets_of
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows, share
from hdc.backends.numpy_backend import Floats
from hdc.backends.numpy_blocks import cyclic_rows
from hdc.backends.numpy_floats import convolved_parts, convolver

STEP_TIME = 0.25
"""Approximate nanoseconds for a component to pass one of its log2(dim) steps three times."""

SPAN = 4096
"""Columns summed together; their sums stay in the first-level cache."""

SUM_TIME = 0.1
"""Approximate nanoseconds to add a component."""


def convolve(a: Floats, b: Floats, back: bool) -> Floats:
    """Multiply frequencies, a few rows at a time; see :attr:`hdc.kernels.DenseKernels.convolve`."""
    from scipy import fft  # this import takes much of a second, and only HRR needs it

    batch, dim = np.broadcast_shapes(a.shape[:-1], b.shape[:-1]), b.shape[-1]
    native = b.dtype.newbyteorder("=")
    out = np.empty((math.prod(batch), dim), dtype=native)
    if len(out):
        one, other = (cyclic_rows(x.astype(native, copy=False), batch) for x in (a, b))
        convolved = convolver(len(out), one, other, back, fft)

        def work(start: int, stop: int) -> None:
            for part in convolved_parts(start, stop, out[:1].nbytes):
                out[part] = convolved(part)

        share(work, len(out), dim * max(1, dim.bit_length()) * STEP_TIME)
    return out.reshape(*batch, dim)


@kernel
def _sum_rows(x: Any, out: Any, start: int, stop: int) -> None:
    """Fill ``out[start:stop]``, four rows at a time."""
    n, dim = x.shape[1:]
    whole = n - n % 4
    for i in range(start, stop):
        for column in range(0, dim, SPAN):
            end = min(dim, column + SPAN)
            total = out[i, column:end]
            for j in range(len(total)):
                total[j] = 0
            for r in range(0, whole, 4):
                a, b = x[i, r, column:end], x[i, r + 1, column:end]
                c, d = x[i, r + 2, column:end], x[i, r + 3, column:end]
                for j in range(len(total)):
                    total[j] += (a[j] + b[j]) + (c[j] + d[j])
            for r in range(whole, n):
                a = x[i, r, column:end]
                for j in range(len(total)):
                    total[j] += a[j]


def row_sums(x: Floats) -> Floats:
    """Add along axis -2; see :attr:`hdc.kernels.DenseKernels.row_sums`."""
    dtype = x.dtype.newbyteorder("=")
    sets = sets_of(x, dtype)
    out = np.empty((*x.shape[:-2], x.shape[-1]), dtype=dtype)
    over_rows(_sum_rows, len(sets), sets[:1].size * SUM_TIME, sets, out.reshape(len(sets), x.shape[-1]))
    return out

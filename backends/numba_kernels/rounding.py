"""Rows of floats as small integers: how queries meet bytes and signs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.kernels import LEAST_UNIT


@kernel
def _rounded(x: Any, bits: Any, most: Any, integers: Any, unit: Any, start: int, stop: int) -> None:
    """Find the greatest magnitude among ``bits``, which are the floats' own: integers are compared in vectors."""
    for i in range(start, stop):
        greatest = np.int32(0)
        for j in range(x.shape[1]):
            greatest = max(greatest, bits[i, j] & np.int32(0x7FFFFFFF))
        unit.view(np.int32)[i] = greatest
        one = unit[i] / most
        if one < LEAST_UNIT:
            one = np.float32(1)
        unit[i] = one
        for j in range(x.shape[1]):
            integers[i, j] = np.rint(x[i, j] / one)


def rounded(x: npt.NDArray[np.float32], most: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """Divide and round; see :attr:`hdc.kernels.ListKernels.rounded`."""
    rows = frozen(x, np.float32, *x.shape)
    integers, unit = np.empty(x.shape, dtype=np.int16), np.empty(len(x), dtype=np.float32)
    over_rows(_rounded, len(x), x.shape[1] * 0.3, rows, rows.view(np.int32), np.float32(most), integers, unit)
    return integers, unit

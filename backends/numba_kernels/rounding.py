"""Normalize rows of floats, and round them to small integers for products with bytes and signs."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.kernels import LEAST_UNIT


@kernel
def greatest_bits(bits: Any) -> Any:
    """Return the bits of the greatest magnitude among floats, given their bits; vectors compare integers faster."""
    greatest = np.int32(0)
    for j in range(len(bits)):
        greatest = max(greatest, bits[j] & np.int32(0x7FFFFFFF))
    return greatest


@kernel
def round_row(x: Any, bits: Any, most: Any, unit: Any, integers: Any) -> None:
    """Fill ``integers`` and ``unit[0]`` for a row; ``bits`` are the bits of ``x``."""
    unit.view(np.int32)[0] = greatest_bits(bits)
    one = unit[0] / most
    if one < LEAST_UNIT:
        one = np.float32(1)
    unit[0] = one
    for j in range(len(x)):
        integers[j] = np.rint(x[j] / one)


@kernel
def unit_row(x: Any, out: Any) -> bool:
    """Fill ``out`` with the row at length 1; return False, and fill nothing, if it contains NaN or infinity."""
    dim, bits = len(x), x.view(np.int32)
    greatest = np.empty(1, np.float32)
    greatest.view(np.int32)[0] = greatest_bits(bits)
    if not math.isfinite(greatest[0]):
        return False
    exponent = math.frexp(np.float64(greatest[0]))[1]
    digits, less = 53, dim
    while less > 0:
        digits -= 1
        less >>= 1
    up = math.ldexp(1.0, digits // 2 - exponent)
    total = np.int64(0)
    for j in range(dim):
        rounded_one = np.int32(np.rint(np.float64(x[j]) * up))
        total += np.int64(rounded_one) * np.int64(rounded_one)
    length = math.sqrt(np.float64(total)) / up if total > 0 else 1.0
    for j in range(dim):
        out[j] = np.float32(np.float64(x[j]) / length)
    return True


@kernel
def _units(x: Any, out: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        if not unit_row(x[i], out[i]):
            for j in range(x.shape[1]):
                out[i, j] = np.nan


@kernel
def _rounded(x: Any, bits: Any, most: Any, integers: Any, unit: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        round_row(x[i], bits[i], most, unit[i : i + 1], integers[i])


def rounded(x: npt.NDArray[np.float32], most: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """Divide and round; see :attr:`hdc.kernels.ListKernels.rounded`."""
    rows = frozen(x, np.float32, *x.shape)
    integers, unit = np.empty(x.shape, dtype=np.int16), np.empty(len(x), dtype=np.float32)
    over_rows(_rounded, len(x), x.shape[1] * 0.3, rows, rows.view(np.int32), np.float32(most), integers, unit)
    return integers, unit


def units(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Divide rows by their lengths; see :attr:`hdc.kernels.SearchKernels.units`."""
    out = np.empty(x.shape, dtype=np.float32)
    over_rows(_units, len(x), x.shape[1] * 0.5, frozen(x, np.float32, *x.shape), out)
    return out

"""Transforms of dense rows: fast Walsh-Hadamard, signed permutation."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen, rows_of
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numpy_backend import Floats


@kernel
def _butterflies(source: Any, target: Any) -> None:
    """Apply two rounds of butterflies over the two highest index bits, and make them the two lowest.

    Constant geometry (Pease 1968): every round reads four contiguous quarters and writes in order, so one
    loop, vectorised at any size, serves all rounds; after all rounds the index bits are back in place.
    """
    quarter = len(source) // 4
    a, b = source[:quarter], source[quarter : 2 * quarter]
    c, d = source[2 * quarter : 3 * quarter], source[3 * quarter :]
    for i in range(quarter):
        ac, ac_less, bd, bd_less = a[i] + c[i], a[i] - c[i], b[i] + d[i], b[i] - d[i]
        target[4 * i] = ac + bd
        target[4 * i + 1] = ac - bd
        target[4 * i + 2] = ac_less + bd_less
        target[4 * i + 3] = ac_less - bd_less


@kernel
def _fwht(x: Any, rounds: int, scale: Any, out: Any, start: int, stop: int) -> None:
    """Transform rows of length ``2**rounds``."""
    dim = x.shape[1]
    half = dim // 2
    scratch = np.empty((2, dim), dtype=x.dtype)
    for i in range(start, stop):
        here, there = scratch[0], scratch[1]
        if rounds % 2:
            for j in range(half):
                here[2 * j] = (x[i, j] + x[i, half + j]) * scale
                here[2 * j + 1] = (x[i, j] - x[i, half + j]) * scale
        else:
            for j in range(dim):
                here[j] = x[i, j] * scale
        for _ in range(rounds // 2):
            _butterflies(here, there)
            here, there = there, here
        for j in range(dim):
            out[i, j] = here[j]


@kernel
def _signed_gather(x: Any, index: Any, sign: Any, out: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        row, result = x[i], out[i]
        for j in range(len(index)):
            result[j] = row[index[j]] * sign[j]


def fwht(x: Floats) -> Floats:
    """Apply log2(dim) rounds of butterflies, two at a time, to rows scaled by 1/sqrt(dim)."""
    native = x.dtype.newbyteorder("=")
    rows = rows_of(x, native)
    dim = rows.shape[1]
    out = np.empty(rows.shape, dtype=native)
    rounds = dim.bit_length() - 1
    over_rows(_fwht, len(rows), dim * (0.05 * rounds + 0.5), rows, rounds, native.type(dim**-0.5), out)
    return out.reshape(x.shape)


def signed_gather(x: Floats, index: npt.NDArray[np.int64], sign: npt.NDArray[np.int8]) -> Floats:
    """Permute the components and flip signs."""
    native = x.dtype.newbyteorder("=")
    rows = rows_of(x, native)
    out = np.empty((len(rows), len(index)), dtype=native)
    places, signs = frozen(index, np.int64, len(index)), frozen(sign, native, len(index))
    over_rows(_signed_gather, len(rows), len(index) * 1.0, rows, places, signs, out)
    return out.reshape(*x.shape[:-1], len(index))

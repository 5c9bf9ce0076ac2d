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
    loop, vectorized at any size, serves all rounds; after all rounds the index bits are back in place.
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
def _transform(x: Any, rounds: int, scale: Any, scratch: Any) -> None:
    """Transform ``x``, of length ``2**rounds``, in place; ``scratch`` is two such rows."""
    dim = len(x)
    half = dim // 2
    here, there = scratch[0], scratch[1]
    if rounds % 2:
        for j in range(half):
            here[2 * j] = (x[j] + x[half + j]) * scale
            here[2 * j + 1] = (x[j] - x[half + j]) * scale
    else:
        for j in range(dim):
            here[j] = x[j] * scale
    for _ in range(rounds // 2):
        _butterflies(here, there)
        here, there = there, here
    for j in range(dim):
        x[j] = here[j]


@kernel
def apply_steps(
    row: Any, moved: Any, scratch: Any, first: Any, middle: Any, index: Any, sign: Any, steps: int, scale: Any
) -> None:
    """Apply an operator, or, for negative steps, its inverse, ``abs(steps)`` times to a row, in place.

    ``moved`` is another such row, ``scratch`` two rows of the length of the transform, and ``scale`` one over the
    root of that length.
    """
    dim, size = len(first), scratch.shape[1]
    rounds = 0
    while 1 << rounds < size:
        rounds += 1
    for _ in range(abs(steps)):
        for j in range(dim):
            moved[j] = row[j] * first[j] if steps > 0 else row[index[j]] * sign[j]
        _transform(moved[:size] if steps > 0 else moved[dim - size :], rounds, scale, scratch)
        if size < dim:
            for j in range(dim):
                moved[j] *= middle[j]
            _transform(moved[dim - size :] if steps > 0 else moved[:size], rounds, scale, scratch)
        for j in range(dim):
            row[j] = moved[index[j]] * sign[j] if steps > 0 else moved[j] * first[j]


@kernel
def _hadamard(
    x: Any,
    first: Any,
    middle: Any,
    index: Any,
    sign: Any,
    steps: int,
    scale: Any,
    out: Any,
    start: int,
    stop: int,
) -> None:
    dim = len(first)
    size = 1
    while 2 * size <= dim:
        size *= 2
    scratch = np.empty((2, size), dtype=x.dtype)
    moved = np.empty(dim, dtype=x.dtype)
    for i in range(start, stop):
        for j in range(dim):
            out[i, j] = x[i, j]
        apply_steps(out[i], moved, scratch, first, middle, index, sign, steps, scale)


@kernel
def _signed_gather(x: Any, index: Any, sign: Any, out: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        row, result = x[i], out[i]
        for j in range(len(index)):
            result[j] = row[index[j]] * sign[j]


def signed_gather(x: Floats, index: npt.NDArray[np.int64], sign: npt.NDArray[np.int8]) -> Floats:
    """Permute the components and flip signs."""
    native = x.dtype.newbyteorder("=")
    rows = rows_of(x, native)
    out = np.empty((len(rows), len(index)), dtype=native)
    places, signs = frozen(index, np.int64, len(index)), frozen(sign, native, len(index))
    over_rows(_signed_gather, len(rows), len(index) * 1.0, rows, places, signs, out)
    return out.reshape(*x.shape[:-1], len(index))


def hadamard(
    x: Floats,
    first: npt.NDArray[np.int8],
    middle: npt.NDArray[np.int8],
    index: npt.NDArray[np.int64],
    sign: npt.NDArray[np.int8],
    steps: int,
) -> Floats:
    """Apply all steps to a row before the next one; see :attr:`hdc.kernels.DenseKernels.hadamard`."""
    native = x.dtype.newbyteorder("=")
    rows = rows_of(x, native)
    dim = rows.shape[1]
    rounds = dim.bit_length() - 1
    tables = [frozen(table, native, dim) for table in (first, middle)]
    tables += [frozen(index, np.int64, dim), frozen(sign, native, dim)]
    out = np.empty(rows.shape, dtype=native)
    time = abs(steps) * dim * (0.1 * rounds + 2)
    over_rows(_hadamard, len(rows), time, rows, *tables, steps, native.type(2.0 ** (-rounds / 2)), out)
    return out.reshape(x.shape)

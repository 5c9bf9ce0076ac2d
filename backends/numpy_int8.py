"""Reference kernels on bytes: products of signs, sums of columns, dot products."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_blocks import row_blocks

AnyArray = npt.NDArray[Any]
Bytes = npt.NDArray[np.int8]
Sums = npt.NDArray[np.int64]

CHECKED = 1 << 18
"""Bytes checked at a time; they stay in a cache."""

SHORT = 255
"""Most rows of int8 whose sums fit int16."""

TILE = 1 << 20
"""Components of int8 added in int16 at a time; they stay in a cache."""


def are_signs(x: Bytes) -> bool:
    """Return whether every component is ±1, that is, whether it is 0 or 2 after adding 1."""
    rows = x.reshape(-1, x.shape[-1])
    step = max(1, CHECKED // x.shape[-1])
    parts = (rows[start : start + step] for start in range(0, len(rows), step))
    return not any(np.any((part + np.int8(1)) & np.int8(~2)) for part in parts)


def sign_product(a: Bytes, b: AnyArray) -> tuple[AnyArray, np.bool_]:
    """Multiply, and check each operand."""
    native = b.astype(b.dtype.newbyteorder("="), copy=False)
    least = np.iinfo(native.dtype).min
    others = are_signs(native) if native.dtype == np.int8 else native.min(initial=0) > least
    return np.multiply(a, native, order="C"), np.bool_(are_signs(a) and others)


def _magnitude(x: AnyArray) -> int:
    return max(int(x.max(initial=0)), -int(x.min(initial=0)))


def byte_dots(queries: AnyArray, items: Bytes) -> tuple[Sums, Sums]:
    """Multiply matrices of a float type that represents every sum exactly, in blocks of items."""
    dim, greatest = items.shape[1], _magnitude(items)
    exact = np.float32 if dim * greatest * max(_magnitude(queries), greatest) <= 2**24 else np.float64
    asked: AnyArray = queries.astype(exact)
    dots, squares = np.empty((len(queries), len(items)), dtype=np.int64), np.empty(len(items), dtype=np.int64)
    for rows in row_blocks(len(items), 8 * dim):
        block: AnyArray = items[rows].astype(exact)
        dots[:, rows] = asked @ block.T
        squares[rows] = np.vecdot(block, block)
    return dots, squares


def byte_sums(x: Bytes) -> npt.NDArray[np.int32]:
    """Add few enough rows in int16 at a time, which is much faster."""
    *batch, n, dim = x.shape
    if n <= SHORT:
        return np.asarray(np.sum(x, axis=-2, dtype=np.int32))
    row = max(1, dim * math.prod(batch))
    few = max(1, min(SHORT, TILE // row))
    step = few * max(1, TILE // (few * row))
    whole = n - n % few
    total = np.asarray(np.sum(x[..., whole:, :], axis=-2, dtype=np.int32))
    for start in range(0, whole, step):
        part = x[..., start : min(whole, start + step), :].astype(np.int16)
        sums = np.sum(part.reshape(*batch, part.shape[-2] // few, few, dim), axis=-2, dtype=np.int16)
        total += np.sum(sums, axis=-2, dtype=np.int32)
    return total

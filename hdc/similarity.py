"""Dot products and cosines of unpacked hypervectors: exact for integers, in bounded memory, in any namespace."""

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from hdc.dtypes import kind, size
from hdc.kernels import Array, Backend

COMPONENTS = 1 << 22
"""Components to convert at a time (16 or 32 MiB)."""

DIGITS = 1 << 23
"""Integers of smaller magnitude are multiplied with bytes directly."""

SIDE = 1 << 12
"""Rows of each side that :func:`pairwise` compares per block (2^24 pairs, 128 MiB of float64)."""


def blocks(rows: int, width: int, most: int = COMPONENTS) -> Iterator[slice]:
    """Cut rows of a width into blocks of limited entries, or single rows; one empty block if there are no rows."""
    step = max(1, most // max(1, width))
    return (slice(start, start + step) for start in range(0, max(1, rows), step))


def _joined(xp: Any, parts: list[Array], axis: int) -> Array:
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=axis)


def _exact_float(kernels: Backend, x: Array, y: Array) -> Any:
    """Choose the float dtype that represents every partial sum of ``x @ y.T`` exactly, if there is one."""
    xp = kernels.xp
    if "f" in (kind(xp, x), kind(xp, y)):
        return xp.float64 if xp.float64 in (x.dtype, y.dtype) else xp.float32
    left, right = magnitude(xp, x), magnitude(xp, y)
    exact = x.shape[-1] * left * right <= 2.0**24 and max(left, right) <= kernels.dense.exact_integers()
    return xp.float32 if exact else xp.float64


def magnitude(xp: Any, x: Array) -> float:
    """Return the largest magnitude of a component, as a float so that it cannot overflow; 0 if there is none."""
    return max(-float(xp.min(x)), float(xp.max(x)), 0.0) if size(x) else 0.0


def most(xp: Any, members: Array) -> float:
    """Return a bound of the magnitude of integer components: that of their dtype, where it is short."""
    width = xp.iinfo(members.dtype).bits
    return 2.0 ** (width - 1) if width < 32 else magnitude(xp, members)


def total_weight(xp: Any, members: Array, weights: Array | None) -> float:
    """Return the largest sum of weight magnitudes of a bundle: n without weights."""
    if weights is None:
        return float(members.shape[-2])
    sums = xp.sum(xp.abs(xp.astype(weights, xp.float64)), axis=-1)
    return float(xp.max(sums)) if size(sums) else 0.0


def dots(kernels: Backend, queries: Array, items: Array) -> Array:
    """Return all dot products, ``queries.shape[:-1] + items.shape[:-1]``.

    Integers up to a dot product of 2^53 are exact: the multiplication runs in a float32 or float64 matrix product,
    whichever represents every partial sum, over blocks of items. Half precision is multiplied in float32.
    """
    xp, dim = kernels.xp, queries.shape[-1]
    if _are_bytes(kernels, queries, items):
        products, _ = kernels.dense.byte_dots(queries.reshape(-1, dim), items.reshape(-1, dim))
        return products.reshape(queries.shape[:-1] + items.shape[:-1])
    dtype = _exact_float(kernels, queries, items)
    q = xp.astype(queries.reshape(-1, dim), dtype, copy=False)
    x = items.reshape(-1, dim)
    cuts = [slice(None)] if x.dtype == dtype else blocks(len(x), dim)
    parts = [q @ xp.astype(x[rows], dtype, copy=False).T for rows in cuts]
    return _joined(xp, parts, 1).reshape(queries.shape[:-1] + items.shape[:-1])


def _are_bytes(kernels: Backend, queries: Array, items: Array) -> bool:
    """Return whether items are int8, and queries integers that can be multiplied with them without floats."""
    xp = kernels.xp
    if items.dtype != xp.int8 or kind(xp, queries) != "i":
        return False
    return queries.dtype == xp.int8 or magnitude(xp, queries) < DIGITS


def weighted_sum(kernels: Backend, members: Array, weights: Array | None, dtype: Any, bound: float) -> Array:
    """Return the (weighted) sum along axis -2, ``(..., dim)``, exact for integers.

    Parameters
    ----------
    kernels : Backend
    members : (..., n, dim) array
    weights : (..., n) array or None
    dtype : dtype
        Of the result.
    bound : float
        No sum of magnitudes exceeds it. Weighted integer sums below 2^53 run in a matrix product, in the float
        dtype that represents them exactly.
    """
    xp = kernels.xp
    if weights is None:
        return _sum(kernels, members, dtype)
    *batch, n, dim = members.shape
    exact = dtype
    if xp.isdtype(dtype, "signed integer") and bound <= 2.0**53:
        exact = xp.float32 if bound <= min(2.0**24, kernels.dense.exact_integers()) else xp.float64
    w = xp.astype(weights, exact)
    total: Array = 0
    for rows in blocks(n, dim * math.prod(batch)):
        part = xp.astype(members[..., rows, :], exact, copy=False)
        if xp.isdtype(exact, "signed integer"):  # no library multiplies int64 matrices on every device
            total = total + xp.sum(w[..., rows, None] * part, axis=-2)
        else:
            total = total + (w[..., None, rows] @ part)[..., 0, :]
    return xp.astype(total, dtype, copy=False)


def _sum(kernels: Backend, members: Array, dtype: Any) -> Array:
    """Return the sum along axis -2; kernels sum floats, and bytes whose sums fit int32."""
    xp = kernels.xp
    if members.dtype == xp.int8 and dtype == xp.int32:
        return kernels.dense.byte_sums(members)
    if members.dtype == dtype and kind(xp, members) == "f":
        return kernels.dense.row_sums(members)
    return xp.sum(members, axis=-2, dtype=dtype)


def squared_norms(kernels: Backend, x: Array) -> Array:
    """Return the squared norm of each row, ``x.shape[:-1]``, as float64, exact for integers to 2^53."""
    xp, dim = kernels.xp, x.shape[-1]
    dtype = _exact_float(kernels, x, x)
    rows = x.reshape(-1, dim)
    converted = (xp.astype(rows[part], dtype, copy=False) for part in blocks(len(rows), dim))
    squares = _joined(xp, [xp.linalg.vecdot(block, block, axis=-1) for block in converted], 0)
    return xp.astype(squares, xp.float64).reshape(x.shape[:-1])


def normalized(xp: Any, products: Array, query_scale: Array, item_scale: Array, dtype: Any) -> Array:
    """Divide products by the square roots of both scales, rounded into [-1, 1]; 0 where a scale is not above 0."""
    q, x = (xp.where(s > 0, 1 / xp.sqrt(xp.where(s > 0, s, 1)), 0) for s in (query_scale, item_scale))
    cosines = xp.astype(products * q.reshape(q.shape + (1,) * x.ndim) * x, dtype, copy=False)
    return xp.clip(cosines, -1.0, 1.0)


def pairwise(xp: Any, compare: Callable[[Array, Array], Array], queries: Array, items: Array, dtype: Any) -> Array:
    """Compare all pairs block by block, so that only the result grows with their number.

    Parameters
    ----------
    xp : module
        Array API namespace.
    compare : ((p, storage), (q, storage)) -> (p, q)
        Called on at most ``SIDE`` rows of each side.
    queries : (*p, storage) array
    items : (*q, storage) array
    dtype : dtype
        Of the result.

    Returns
    -------
    (*p, *q) array
    """
    q, x = (side.reshape(-1, side.shape[-1]) for side in (queries, items))
    shape = queries.shape[:-1] + items.shape[:-1]
    if max(len(q), len(x)) <= SIDE:
        return xp.astype(compare(q, x), dtype, copy=False).reshape(shape)
    out = xp.empty((len(q), len(x)), dtype=dtype, device=queries.device)
    for row, column in product(range(0, len(q), SIDE), range(0, len(x), SIDE)):
        rows, columns = slice(row, row + SIDE), slice(column, column + SIDE)
        out[rows, columns] = compare(q[rows], x[columns])
    return out.reshape(shape)


def cosine(kernels: Backend, queries: Array, items: Array) -> Array:
    """Return all cosines as float32 (float64 if an input is); 0 with a vector of zeros."""
    xp = kernels.xp
    dtype = xp.float64 if xp.float64 in (queries.dtype, items.dtype) else xp.float32

    def compare(q: Array, x: Array) -> Array:
        if _are_bytes(kernels, q, x):
            products, squares = kernels.dense.byte_dots(q, x)
            return normalized(xp, products, squared_norms(kernels, q), squares, dtype)
        exact = _exact_float(kernels, q, x)
        q = xp.astype(q, exact, copy=False)
        if x.dtype == exact:
            products, squares = q @ x.T, squared_norms(kernels, x)
        else:  # each block is converted once, for both
            converted = (xp.astype(x[rows], exact) for rows in blocks(len(x), x.shape[-1]))
            parts = [(q @ block.T, xp.linalg.vecdot(block, block, axis=-1)) for block in converted]
            products, squares = (_joined(xp, list(part), -1) for part in zip(*parts, strict=True))
        return normalized(xp, products, squared_norms(kernels, q), xp.astype(squares, xp.float64), dtype)

    return pairwise(xp, compare, queries, items, dtype)

"""Dot products and cosines of unpacked hypervectors, exact for integers, in bounded memory."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 22
"""Components converted at a time (16 or 32 MiB)."""

SIDE = 1 << 12
"""Rows of each side that :func:`pairwise` compares at a time (2^24 pairs, 128 MiB of float64)."""

Real = npt.NDArray[Any]


def _exact_float(x: Real, y: Real) -> np.dtype[Any]:
    """Choose the float dtype that holds every partial sum of ``x @ y.T`` exactly, where one does."""
    if x.dtype.kind == "f" or y.dtype.kind == "f":
        return np.dtype(np.float64) if np.float64 in (x.dtype, y.dtype) else np.dtype(np.float32)
    bound = x.shape[-1] * magnitude(x) * magnitude(y)
    return np.dtype(np.float32 if bound <= 2.0**24 else np.float64)


def magnitude(x: Real) -> float:
    """Return the largest magnitude of a component, as a float so that it cannot overflow; 0 if there is none."""
    return max(-float(x.min(initial=0)), float(x.max(initial=0)))


def total_weight(members: Real, weights: Real | None) -> float:
    """Return the largest sum of weight magnitudes of a bundle: n where there are no weights."""
    if weights is None:
        return float(members.shape[-2])
    return float(np.abs(weights.astype(np.float64)).sum(axis=-1).max(initial=0))


def dots(queries: Real, items: Real) -> Real:
    """Return all dot products, ``queries.shape[:-1] + items.shape[:-1]``.

    Integers up to a dot product of 2^53 are exact: the multiplication runs in float32 or float64 BLAS,
    whichever holds every partial sum, over blocks of items.
    """
    dim = queries.shape[-1]
    dtype = _exact_float(queries, items)
    q = queries.reshape(-1, dim).astype(dtype, copy=False)
    x = items.reshape(-1, dim)
    out = np.empty((len(q), len(x)), dtype=dtype)
    step = max(1, BLOCK // dim)
    for start in range(0, len(x), step):
        out[:, start : start + step] = q @ x[start : start + step].astype(dtype, copy=False).T
    return out.reshape(queries.shape[:-1] + items.shape[:-1])


def weighted_sum(members: Real, weights: Real | None, dtype: npt.DTypeLike, bound: float) -> Real:
    """Return the (weighted) sum along axis -2, ``(..., dim)``, exact for integers.

    Parameters
    ----------
    members : (..., n, dim) array
    weights : (..., n) array or None
    dtype : dtype
        Of the result.
    bound : float
        No sum of magnitudes exceeds it. Weighted integer sums below 2^53 run in BLAS, in the float dtype that
        holds them exactly.
    """
    if weights is None:
        return np.asarray(np.add.reduce(members, axis=-2, dtype=dtype))
    *batch, n, dim = members.shape
    exact = np.dtype(dtype)
    if exact.kind == "i" and bound <= 2.0**53:
        exact = np.dtype(np.float32 if bound <= 2.0**24 else np.float64)
    w = weights.astype(exact)[..., None, :]
    total = np.zeros((*batch, 1, dim), dtype=exact)
    step = max(1, BLOCK // max(1, dim * math.prod(batch)))
    for start in range(0, n, step):
        part = slice(start, start + step)
        total += w[..., part] @ members[..., part, :].astype(exact, copy=False)
    return total[..., 0, :].astype(dtype, copy=False)


def squared_norms(x: Real) -> Real:
    """Return the squared norm of each row, ``x.shape[:-1]``, in float64 (exact for integers to 2^53)."""
    dim = x.shape[-1]
    rows = x.reshape(-1, dim)
    out = np.empty(len(rows), dtype=np.float64)
    step = max(1, BLOCK // dim)
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64, copy=False)
        out[start : start + step] = np.einsum("nd,nd->n", block, block)
    return out.reshape(x.shape[:-1])


def normalised(products: Real, query_scale: Real, item_scale: Real, dtype: npt.DTypeLike) -> Real:
    """Divide products by the square roots of both scales; 0 where a scale is 0."""
    with np.errstate(divide="ignore"):
        q, x = 1 / np.sqrt(query_scale), 1 / np.sqrt(item_scale)
    q, x = np.where(np.isfinite(q), q, 0), np.where(np.isfinite(x), x, 0)
    q = q.reshape(q.shape + (1,) * x.ndim)
    return np.asarray(products * q * x, dtype=dtype)


def pairwise(compare: Callable[[Real, Real], Real], queries: Real, items: Real, dtype: npt.DTypeLike) -> Real:
    """Compare all pairs block by block, so that only the result grows with their number.

    Parameters
    ----------
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
    out = np.empty((len(q), len(x)), dtype=dtype)
    for row, column in product(range(0, len(q), SIDE), range(0, len(x), SIDE)):
        rows, columns = slice(row, row + SIDE), slice(column, column + SIDE)
        out[rows, columns] = compare(q[rows], x[columns])
    return out.reshape(queries.shape[:-1] + items.shape[:-1])


def cosine(queries: Real, items: Real) -> Real:
    """Return all cosines as float32 (float64 if an input is); 0 with a vector of zeros."""
    dtype = np.float64 if np.float64 in (queries.dtype, items.dtype) else np.float32

    def compare(q: Real, x: Real) -> Real:
        return normalised(dots(q, x), squared_norms(q), squared_norms(x), dtype)

    return pairwise(compare, queries, items, dtype)

"""Dot products and cosines of unpacked hypervectors, exact for integers, in bounded memory."""

from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 22
"""Components converted at a time (16 or 32 MiB)."""

Real = npt.NDArray[Any]


def _exact_float(x: Real, y: Real) -> np.dtype[Any]:
    """Choose the float dtype that holds every partial sum of ``x @ y.T`` exactly, where one does."""
    if x.dtype.kind == "f" or y.dtype.kind == "f":
        return np.dtype(np.float64) if np.float64 in (x.dtype, y.dtype) else np.dtype(np.float32)
    bound = x.shape[-1] * _magnitude(x) * _magnitude(y)
    return np.dtype(np.float32 if bound <= 2.0**24 else np.float64)


def _magnitude(x: Real) -> float:
    if x.dtype == np.int8:
        return 1.0 if x.size == 0 else float(max(abs(int(x.min())), abs(int(x.max()))))
    return 0.0 if x.size == 0 else max(abs(float(x.min())), abs(float(x.max())))


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


def cosine(queries: Real, items: Real) -> Real:
    """Return all cosines as float32 (float64 if an input is); 0 with a vector of zeros."""
    dtype = np.float64 if np.float64 in (queries.dtype, items.dtype) else np.float32
    return normalised(dots(queries, items), squared_norms(queries), squared_norms(items), dtype)

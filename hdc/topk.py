"""Exact top-k over blocks of scores; the lower index wins ties."""

from collections.abc import Callable
from typing import Any

from hdc.kernels import Array, Backend

_LOW = 0xFFFFFFFF


def sort_keys(xp: Any, scores: Array, first: int) -> Array:
    """Pack (score, column) into integers that sort by descending score, NaN last, then ascending column.

    Parameters
    ----------
    xp : module
        Array API namespace.
    scores : (q, n) float array, rounded to float32
    first : int
        Column number of ``scores[:, 0]``; columns stay below 2^32.

    Returns
    -------
    (q, n) int64 array
    """
    bits = (xp.astype(scores, xp.float32) + 0).view(xp.int32)  # adding 0 turns -0.0 into 0.0
    descending = xp.where(bits < 0, bits & 0x7FFFFFFF, ~bits)
    descending = xp.where(scores != scores, 0x7FFFFFFF, descending)  # again a NaN, and after every number
    columns = xp.arange(first, first + scores.shape[1], dtype=xp.int64, device=scores.device)
    return (xp.astype(descending, xp.int64) << 32) | columns


def read_keys(xp: Any, keys: Array) -> tuple[Array, Array]:
    """Undo :func:`sort_keys`: the scores (float32) and columns (int64) of the keys."""
    descending = xp.astype(keys >> 32, xp.int32)
    bits = xp.where(descending < 0, ~descending, descending | -0x80000000)
    return bits.view(xp.float32), keys & _LOW


def top_scores(
    kernels: Backend, scores_of: Callable[[slice], Array], n: int, k: int, block: int, rows: int | None = None
) -> tuple[Array, Array]:
    """Find the k largest of n scores per row without keeping all of them in memory.

    Parameters
    ----------
    kernels : Backend
    scores_of : slice -> (q, len) array
        Scores of a block of columns.
    n, k : int
        ``k <= n``.
    block : int
        Upper limit of scores (rows times columns) asked for at a time.
    rows : int, optional
        Number of rows, with which the largest of each is found without sorting.

    Returns
    -------
    scores : (q, k) float32 array, descending
    columns : (q, k) int64 array; equal scores have ascending columns
    """
    xp = kernels.xp
    if k == 1 and rows is not None:
        found = _greatest(xp, scores_of, n, rows, block)
        if found is not None:
            return found
    best = sort_keys(xp, scores_of(slice(0, 0)), 0)
    columns = max(1, block // max(1, len(best)))
    for start in range(0, n, columns):
        keys = sort_keys(xp, scores_of(slice(start, min(n, start + columns))), start)
        keys = xp.concat([best, keys], axis=1)
        best = kernels.dense.smallest(keys, min(k, keys.shape[1]))
    return read_keys(xp, best)


def _greatest(
    xp: Any, scores_of: Callable[[slice], Array], n: int, rows: int, block: int
) -> tuple[Array, Array] | None:
    """Find the largest score of each row, the first of equal ones; None if that is NaN, which is sorted last."""
    columns = max(1, block // max(1, rows))
    best: Any = None
    place: Any = None
    for start in range(0, n, columns):
        scores = xp.astype(scores_of(slice(start, min(n, start + columns))), xp.float32, copy=False)
        value, where = xp.max(scores, axis=1), xp.argmax(scores, axis=1)
        if best is not None:
            better = (value > best) | (value != value)  # a NaN stays
            value, where = xp.where(better, value, best), xp.where(better, where + start, place)
        best, place = value, where
    return None if bool(xp.any(best != best)) else (best[:, None] + 0, xp.astype(place, xp.int64)[:, None])

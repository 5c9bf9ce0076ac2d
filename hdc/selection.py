"""Exact top-k over blocks of scores, with ties to the lower index."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating[Any]]


def sort_keys(scores: Scores, first: int) -> npt.NDArray[np.uint64]:
    """Pack (score, column) into integers that sort by descending score, NaN last, then ascending column.

    Parameters
    ----------
    scores : (q, n) float array, rounded to float32
    first : int
        Column number of ``scores[:, 0]``; columns stay below 2^32.
    """
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)  # adding 0 turns -0.0 into 0.0
    descending = np.where(bits >> 31, bits, bits ^ np.uint32(0x7FFFFFFF))
    descending[np.isnan(scores)] = 0xFFFFFFFF  # again a NaN, and after every number
    columns = np.arange(first, first + scores.shape[1], dtype=np.uint64)
    return (descending.astype(np.uint64) << np.uint64(32)) | columns


def read_keys(keys: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Undo :func:`sort_keys`: the scores (float32) and columns (int64) of the keys."""
    descending = (keys >> np.uint64(32)).astype(np.uint32)
    bits = np.where(descending >> 31, descending, descending ^ np.uint32(0x7FFFFFFF))
    return bits.view(np.float32), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def top_scores(
    scores_of: Callable[[slice], Scores], n: int, k: int, block: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Find the k largest of n scores per row without holding all of them.

    Parameters
    ----------
    scores_of : slice -> (q, len) array
        Scores of a block of columns.
    n, k : int
        ``k <= n``.
    block : int
        Upper limit of scores (rows times columns) asked for at a time.

    Returns
    -------
    scores : (q, k) float32 array, descending
    columns : (q, k) int64 array; equal scores have ascending columns
    """
    best = sort_keys(scores_of(slice(0, 0)), 0)
    columns = max(1, block // max(1, len(best)))
    for start in range(0, n, columns):
        keys = sort_keys(scores_of(slice(start, min(n, start + columns))), start)
        keys = np.concatenate([best, keys], axis=1)
        best = keys if keys.shape[1] <= k else np.partition(keys, k - 1, axis=1)[:, :k]
    return read_keys(np.sort(best, axis=1))

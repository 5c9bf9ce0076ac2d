"""Spherical k-means: directions of IVF lists, rounded to bytes so that dot products are exact."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import ParameterError

Bytes = npt.NDArray[np.int8]
Ids = npt.NDArray[np.int64]

BLOCK = 1 << 14
"""Vectors added at a time."""

PER_LIST = 64
"""Most vectors per list that centroids are trained on."""

ROUNDS = 10


def sampled(n: int, lists: int, rng: np.random.Generator) -> Ids:
    """Return the row numbers, ascending, of the training sample for a number of lists.

    Raises
    ------
    ParameterError
        If there are fewer vectors than lists.
    """
    if not 1 <= lists <= n:
        raise ParameterError(f"{lists} lists cannot be trained on {n} vectors; pass at least one vector per list")
    return np.sort(rng.choice(n, min(n, PER_LIST * lists), replace=False))


def spherical_means(
    n: int,
    lists: int,
    vectors_of: Callable[[Ids], npt.NDArray[Any]],
    nearest_of: Callable[[Bytes], Ids],
    rng: np.random.Generator,
) -> Bytes:
    """Find directions such that vectors have great dot products with their nearest direction.

    Parameters
    ----------
    n, lists : int
    vectors_of : (rows (m,) int64) -> (m, width) array
    nearest_of : (directions (lists, width) int8) -> (n,) int64
        Nearest direction of each vector.
    rng : Generator

    Returns
    -------
    (lists, width) int8 array
    """
    directions = as_bytes(vectors_of(np.sort(rng.choice(n, lists, replace=False))))
    for _ in range(ROUNDS):
        directions = as_bytes(_sums(n, lists, vectors_of, nearest_of(directions), rng))
    return directions


def _sums(
    n: int, lists: int, vectors_of: Callable[[Ids], npt.NDArray[Any]], cells: Ids, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the sum of each list's vectors; an empty list restarts from a vector of a large one."""
    counts = np.bincount(cells, minlength=lists)
    empty = np.flatnonzero(counts == 0)
    weights = counts[cells].astype(np.float64)
    fresh = vectors_of(rng.choice(n, len(empty), replace=False, p=weights / weights.sum()))
    sums = np.zeros((lists, fresh.shape[1]))
    sums[empty] = fresh
    order = np.argsort(cells, kind="stable")
    for start in range(0, n, BLOCK):
        rows = order[start : start + BLOCK]
        own, begins = np.unique(cells[rows], return_index=True)
        sums[own] += np.add.reduceat(vectors_of(rows), begins, axis=0, dtype=np.float64)
    return sums


def as_bytes(means: npt.NDArray[Any]) -> Bytes:
    """Scale rows to one length, the largest that bytes can represent, and round them."""
    lengths = np.sqrt((means.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    unit = means / np.maximum(lengths, 1e-30)
    return np.asarray(np.rint(unit * (127 / max(np.abs(unit).max(), 1e-30))), dtype=np.int8)

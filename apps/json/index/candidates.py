"""The rows of an index in order of their likely score: a first pass over sign bits, then over short floats."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc import words
from hdc.kernels import BitKernels

Scores: TypeAlias = npt.NDArray[np.float32]

Estimate: TypeAlias = Callable[[Scores, Scores], Scores]
"""Turns dot products (n,) with the query and ``scales`` (n, 3) into scores (n,)."""

PLANES = 4
"""Bits that each component of a query is rounded to for the first pass."""

FIRST = 2048
"""Rows, the best by sign bits, whose short floats are compared before the others'."""

PORTION = 4096
"""Rows that are compared by their short floats at a time."""

BLOCK = 1 << 18
"""Rows whose sign bits are compared at a time."""


def by_nearness(
    bits: BitKernels,
    arrays: dict[str, npt.NDArray[Any]],
    rows: npt.NDArray[np.int64],
    query: Scores,
    estimate: Estimate,
    first: int,
) -> Iterator[tuple[npt.NDArray[np.int64], Scores]]:
    """Yield rows and their scores in portions: the first ``first`` by sign bits, best first, then the others.

    Parameters
    ----------
    bits : BitKernels
    arrays : dict of arrays
        As :class:`Rows` has them.
    rows : (n,) int64 array
        The rows that count.
    query : (dim,) float32 array
    estimate : function
    first : int

    Yields
    ------
    rows : (m,) int64 array
        In each portion the best first, of equal ones the lower row.
    scores : (m,) float32 array
    """
    if len(rows) > first:
        estimates = _by_signs(bits, arrays, query, estimate)[rows]
        rows = rows[np.lexsort((rows, -estimates))]
    starts = [0, *range(first, len(rows), PORTION)]
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        portion = np.sort(rows[start:stop])
        dots = arrays["vectors"][portion].astype(np.float32) @ query
        scores = estimate(dots, arrays["scales"][portion])
        order = np.lexsort((portion, -scores))
        yield portion[order], scores[order]


def _by_signs(bits: BitKernels, arrays: dict[str, npt.NDArray[Any]], query: Scores, estimate: Estimate) -> Scores:
    """Return the scores of all rows, estimated from their sign bits: ``(n,)``.

    The query is rounded to 16 levels, odd multiples of half a step, which are sums of four sign vectors; so its dot
    product with the signs of a row is a sum of four Hamming distances. ``SHRINKAGE`` makes it one with the row.
    """
    dim = len(query)
    step = np.float32(2 * np.abs(query).max() / (2**PLANES - 1)) or np.float32(1)
    levels = np.clip(np.floor(query / step) + 2 ** (PLANES - 1), 0, 2**PLANES - 1).astype(np.uint8)
    planes = np.stack([words.pack((levels >> plane & 1).astype(np.bool_)) for plane in range(PLANES)])
    weights = step / 2 * np.float32(2) ** np.arange(PLANES, dtype=np.float32)
    parts = [np.empty(0, dtype=np.float32)]
    for start in range(0, len(arrays["codes"]), BLOCK):
        block = slice(start, start + BLOCK)
        dots = weights @ (dim - 2 * bits.hamming(planes, arrays["codes"][block])).astype(np.float32)
        scales = arrays["scales"][block]
        parts.append(estimate(dots * scales[:, 2], scales))
    return np.concatenate(parts)

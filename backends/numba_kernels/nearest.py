"""Greatest dot products of byte vectors: the IVF lists nearest to a query.

Four bytes of sixteen centroids are stored in one vector. So one instruction multiplies four bytes of sixteen centroids
with those of a query, and dot products need no sums across lanes. Eight queries share the reads. Centroids are stored
as unsigned bytes, with 128 added, because the instruction needs this.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    aligned_zeros,
    at_least32,
    dot_bytes,
    load,
    lowest_bit,
    pointer,
    splat,
    splat32,
    store,
)
from hdc.backends.numba_kernels.topk import ID_BITS, least_pairs
from hdc.words import Words

Bytes = npt.NDArray[np.int8]
Dots = npt.NDArray[np.int32]
Ids = npt.NDArray[np.int64]

ROWS = 2 * LANES
"""Centroids side by side in a vector."""

TOGETHER = 8
"""Queries that share reads."""

QUAD_TIME = 0.02
"""Approximate nanoseconds to multiply four bytes, to decide how many threads to use."""


@kernel
def dots_of_eight(table: Pointer, quads: int, groups: int, asked: Pointer, first: int, last: int, out: Pointer) -> None:
    """Fill ``out[query - first, centroid]`` (int32, viewed as words) for at most eight queries from ``first`` on."""
    row = groups * LANES
    a, b, c, d = first, min(first + 1, last), min(first + 2, last), min(first + 3, last)
    e, f, g, h = min(first + 4, last), min(first + 5, last), min(first + 6, last), min(first + 7, last)
    for group in range(groups):
        dot_a = dot_b = dot_c = dot_d = dot_e = dot_f = dot_g = dot_h = splat(0)
        for quad in range(quads):
            sixteen = load(table, (group * quads + quad) * LANES)
            dot_a = dot_bytes(dot_a, sixteen, splat32(asked[a * quads + quad]))
            dot_b = dot_bytes(dot_b, sixteen, splat32(asked[b * quads + quad]))
            dot_c = dot_bytes(dot_c, sixteen, splat32(asked[c * quads + quad]))
            dot_d = dot_bytes(dot_d, sixteen, splat32(asked[d * quads + quad]))
            dot_e = dot_bytes(dot_e, sixteen, splat32(asked[e * quads + quad]))
            dot_f = dot_bytes(dot_f, sixteen, splat32(asked[f * quads + quad]))
            dot_g = dot_bytes(dot_g, sixteen, splat32(asked[g * quads + quad]))
            dot_h = dot_bytes(dot_h, sixteen, splat32(asked[h * quads + quad]))
        store(out, group * LANES, dot_a)
        store(out, row + group * LANES, dot_b)
        store(out, 2 * row + group * LANES, dot_c)
        store(out, 3 * row + group * LANES, dot_d)
        store(out, 4 * row + group * LANES, dot_e)
        store(out, 5 * row + group * LANES, dot_f)
        store(out, 6 * row + group * LANES, dot_g)
        store(out, 7 * row + group * LANES, dot_h)


@kernel
def _best(dots: Any, n: int) -> int:
    """Return the first index of the greatest of ``dots[:n]``."""
    greatest = dots[0]
    for at in range(1, n):
        greatest = max(greatest, dots[at])
    place = 0
    while dots[place] != greatest:
        place += 1
    return place


@kernel
def reached(dots: Any, n: int, p: int) -> int:
    """Return a bound that p of ``dots[:n]`` reach; more do so only if they equal the p-th.

    It is found by bisection: counting the dots that reach a bound uses vectors, and no branch but the loop's.
    """
    low = high = np.int64(dots[0])
    for at in range(1, n):
        low, high = min(low, np.int64(dots[at])), max(high, np.int64(dots[at]))
    while low < high:
        middle = (low + high + 1) >> 1
        number, count = np.int32(middle), np.int32(0)
        for at in range(n):
            count += dots[at] >= number
        if count == p:
            return int(middle)
        if count > p:
            low = middle
        else:
            high = middle - 1
    return int(low)


@kernel
def those_reaching(dots: Any, words: Any, first: int, n: int, bound: int, found: Any) -> int:
    """Write the indices of all ``dots[:n]`` that reach a bound to ``found``; return their number.

    ``words[first:]`` are the dots, two per word. Most vectors of sixteen contain none, so all are tested at once.
    """
    memory, least, held = pointer(words), splat32(np.int32(bound)), 0
    for at in range(0, n, ROWS):
        there = at_least32(load(memory, first + at // 2), least)
        while there:
            place = at + lowest_bit(there)
            there &= there - 1
            found[held] = place
            held += place < n
    return held


@kernel
def _nearest(
    table: Words,
    n: int,
    quads: int,
    groups: int,
    asked: Any,
    best: Any,
    first: int,
    last: int,
) -> None:
    """Fill ``best[first:last]`` with pairs of the negated dot product and the centroid number, in any order."""
    p = best.shape[1]
    words = np.empty(TOGETHER * groups * LANES, np.uint64)
    pairs = np.empty(n + 1, np.int64)
    numbers = words.view(np.int32)
    for q in range(first, last, TOGETHER):
        dots_of_eight(pointer(table), quads, groups, pointer(asked), q, last - 1, pointer(words))
        for one in range(q, min(q + TOGETHER, last)):
            own = numbers[(one - q) * groups * ROWS :]
            if p == 1:
                place = _best(own, n)
                best[one, 0] = -np.int64(own[place]) << ID_BITS | place
                continue
            held = those_reaching(own, words, (one - q) * groups * LANES, n, reached(own, n, p), pairs)
            for at in range(held):
                pairs[at] |= -np.int64(own[pairs[at]]) << ID_BITS
            if held > p:
                least_pairs(pairs, held, p)
            for at in range(p):
                best[one, at] = pairs[at]


class Centroids:
    """Byte vectors in the layout of the search; see :class:`hdc.kernels.Centroids`."""

    def __init__(self, centroids: Bytes) -> None:
        self._n, self._width = centroids.shape
        self._quads, self.groups = -(-self._width // 4), -(-self._n // ROWS)
        rows = np.zeros((self.groups * ROWS, self._quads * 4), dtype=np.uint8)
        rows[: self._n, : self._width] = np.asarray(centroids).view(np.uint8) ^ 0x80
        table = rows.reshape(self.groups, ROWS, self._quads, 4).transpose(0, 2, 1, 3)
        aligned = aligned_zeros(rows.size // 8)
        aligned[:] = np.ascontiguousarray(table).reshape(-1).view(np.uint64)
        self.table = frozen(aligned, np.uint64, len(aligned))

    def nearest(self, queries: Bytes, p: int) -> tuple[Dots, Ids]:
        """Return the p greatest dot products of each query, and their centroid numbers."""
        q = len(queries)
        padded = np.zeros((q, self._quads * 4), dtype=np.int8)
        padded[:, : self._width] = queries
        best = np.empty((q, p), dtype=np.int64)
        asked = frozen(padded.view(np.int32), np.int32, q, self._quads)
        time = self.groups * ROWS * self._quads * QUAD_TIME
        over_rows(_nearest, q, time, self.table, self._n, self._quads, self.groups, asked, best)
        best.sort(axis=1)
        more = 128 * padded.sum(axis=1, dtype=np.int32, keepdims=True)  # the excess from adding 128 to each byte
        return -(best >> ID_BITS).astype(np.int32) - more, best & (2**ID_BITS - 1)

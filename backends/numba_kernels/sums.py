"""Sums of the components of integer rows that packed bits choose: which centroids are nearest to a code."""

import numba
import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.scan import WORD_TIME
from hdc.backends.numba_kernels.simd import LANES, Pointer, Vector, ctpop, load, pointer, splat, store
from hdc.words import Words

TOGETHER = 4
"""Queries that share what is read of eight items."""


@numba.njit(cache=True, forceinline=True)
def _chosen(rows: Vector, queries: Pointer, at: int) -> Vector:
    return ctpop(rows & splat(np.int64(queries[at])))


@numba.njit(cache=True, nogil=True)
def _sum_chosen(queries: Words, blocks: Words, sums: Words, first: int, last: int) -> None:
    """Fill ``sums[first:last]``; blocks (items / 8, planes, words, 8) hold eight items in the lanes."""
    groups, planes, words, _ = blocks.shape
    rows, masks, out = pointer(blocks), pointer(queries), pointer(sums)
    for group in range(groups):
        for q in range(first, last, TOGETHER):
            a, b, c, d = q, min(q + 1, last - 1), min(q + 2, last - 1), min(q + 3, last - 1)
            sum_a = sum_b = sum_c = sum_d = splat(0)
            for plane in range(planes):
                sum_a, sum_b, sum_c, sum_d = sum_a + sum_a, sum_b + sum_b, sum_c + sum_c, sum_d + sum_d
                for w in range(words):
                    eight = load(rows, ((group * planes + plane) * words + w) * LANES)
                    sum_a = sum_a + _chosen(eight, masks, a * words + w)
                    sum_b = sum_b + _chosen(eight, masks, b * words + w)
                    sum_c = sum_c + _chosen(eight, masks, c * words + w)
                    sum_d = sum_d + _chosen(eight, masks, d * words + w)
                if plane == 0:  # its bits weigh less than nothing: minus x is ~x + 1
                    sum_a, sum_b, sum_c, sum_d = ~sum_a, ~sum_b, ~sum_c, ~sum_d
                    sum_a, sum_b, sum_c, sum_d = sum_a + splat(1), sum_b + splat(1), sum_c + splat(1), sum_d + splat(1)
            for row, total in ((a, sum_a), (b, sum_b), (c, sum_c), (d, sum_d)):
                store(out, (row * groups + group) * LANES, total)


def plane_sums(queries: Words, items: Words) -> npt.NDArray[np.int64]:
    """Add where bits are set; see :attr:`hdc.kernels.BitKernels.plane_sums`."""
    (n, planes, words), q = items.shape, len(queries)
    groups = -(-n // LANES)
    padded = np.zeros((groups * LANES, planes, words), dtype=np.uint64)
    padded[:n] = items
    blocks = np.ascontiguousarray(padded.reshape(groups, LANES, planes, words).transpose(0, 2, 3, 1))
    sums = np.empty((q, groups * LANES), dtype=np.uint64)
    asked = frozen(queries, np.uint64, q, words)
    over_rows(_sum_chosen, q, n * planes * words * WORD_TIME, asked, frozen(blocks, np.uint64, *blocks.shape), sums)
    return np.ascontiguousarray(sums[:, :n]).view(np.int64)

"""Sums of components of integer rows selected by packed bits, to find the centroids nearest to a code."""

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.scan import WORD_TIME, interleave
from hdc.backends.numba_kernels.simd import LANES, Pointer, Vector, ctpop, load, pointer, splat, store
from hdc.words import Words

TOGETHER = 4
"""Queries that share the reads of eight items."""


@inlined
def _chosen(rows: Vector, queries: Pointer, at: int) -> Vector:
    return ctpop(rows & splat(np.int64(queries[at])))


@kernel
def _sum_chosen(
    queries: Words, items: Words, n: int, planes: int, words: int, sums: Words, first: int, last: int
) -> None:
    """Fill ``sums[first:last]``, eight items at a time; a query's row is padded to match."""
    block = np.empty(LANES * planes * words, np.uint64)
    rows, masks, out = pointer(block), pointer(queries), pointer(sums)
    for item in range(0, n, LANES):
        interleave(items, item, min(item + LANES, n), planes * words, block)
        for q in range(first, last, TOGETHER):
            a, b, c, d = q, min(q + 1, last - 1), min(q + 2, last - 1), min(q + 3, last - 1)
            sum_a = sum_b = sum_c = sum_d = splat(0)
            for plane in range(planes):
                sum_a, sum_b, sum_c, sum_d = sum_a + sum_a, sum_b + sum_b, sum_c + sum_c, sum_d + sum_d
                for w in range(words):
                    eight = load(rows, (plane * words + w) * LANES)
                    sum_a = sum_a + _chosen(eight, masks, a * words + w)
                    sum_b = sum_b + _chosen(eight, masks, b * words + w)
                    sum_c = sum_c + _chosen(eight, masks, c * words + w)
                    sum_d = sum_d + _chosen(eight, masks, d * words + w)
                if plane == 0:  # the sign plane counts negative: -x is ~x + 1
                    sum_a, sum_b, sum_c, sum_d = ~sum_a, ~sum_b, ~sum_c, ~sum_d
                    sum_a, sum_b, sum_c, sum_d = sum_a + splat(1), sum_b + splat(1), sum_c + splat(1), sum_d + splat(1)
            for row, total in ((a, sum_a), (b, sum_b), (c, sum_c), (d, sum_d)):
                store(out, row * sums.shape[1] + item, total)


def plane_sums(queries: Words, items: Words) -> npt.NDArray[np.int64]:
    """Add where bits are set; see :attr:`hdc.kernels.BitKernels.plane_sums`."""
    (n, planes, words), q = items.shape, len(queries)
    sums = np.empty((q, -(-n // LANES) * LANES), dtype=np.uint64)
    inputs = frozen(queries, np.uint64, q, words), frozen(items, np.uint64, items.size)
    over_rows(_sum_chosen, q, n * planes * words * WORD_TIME, *inputs, n, planes, words, sums)
    return np.ascontiguousarray(sums[:, :n]).view(np.int64)

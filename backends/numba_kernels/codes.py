"""Dot products of multi-level codes (BEBR's symmetric distance) by popcounts of bit planes.

With u planes a component is the integer ``sum_i 2**(u-1-i) s_i``, s_i = +1 or -1 as its bit in plane i, so

    dot(q, x) = dim (2**u - 1)**2 - 2 sum_ij 2**(u-1-i) 2**(u-1-j) hamming(q_i, x_j)

exactly, in integers. Measured for 1024 components, 10^5 codes and 100 queries, planes beat multiplying small
integers for u = 1 and 2, which is what the codes are used with; they stay exact, and slower, beyond.

The items lie in lanes: a tile holds the same word of ``LANES`` items side by side, so that the innermost loop
runs over items and no sum crosses lanes, however short the codes are.
"""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import kernel, peek, poke, popcount
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numpy_backend import Ints, dot_dtype
from hdc.words import Words

LANES = 256
"""Items of a tile: 64 KiB for two planes of 1024 components."""


@kernel
def _differences(word_pairs: int, tile: Any, plane: int, words: int, query: Any, sums: Any, row: int) -> None:
    """Add the differing bits of one plane of a query and one of all items of a tile to ``sums[row]``."""
    first = plane * words
    for w in range(0, word_pairs, 2):
        a, b = query[w], query[w + 1]
        for lane in range(LANES):
            differing = popcount(a ^ peek(tile, first + w, lane)) + popcount(b ^ peek(tile, first + w + 1, lane))
            poke(sums, row, lane, sums[row, lane] + differing)
    if word_pairs < words:
        a = query[words - 1]
        for lane in range(LANES):
            poke(sums, row, lane, sums[row, lane] + popcount(a ^ peek(tile, first + words - 1, lane)))


@kernel
def _code_dots(queries: Any, items: Any, dim: int, out: Any, start: int, stop: int) -> None:
    """Write the columns of tiles ``start`` to ``stop``."""
    planes, words = items.shape[1], items.shape[2]
    pairs = words - words % 2
    best = dim * (2**planes - 1) ** 2
    tile = np.zeros((planes * words, LANES), dtype=np.uint64)
    sums = np.empty((1, LANES), dtype=np.int64)
    for t in range(start, stop):
        lanes = min(LANES, len(items) - t * LANES)
        for lane in range(lanes):
            for i in range(planes):
                for w in range(words):
                    tile[i * words + w, lane] = items[t * LANES + lane, i, w]
        for q in range(len(queries)):
            for lane in range(LANES):
                sums[0, lane] = 0
            for level in range(2 * planes - 1):  # Horner: plane pairs (i, level - i), heaviest weight first
                for lane in range(LANES):
                    sums[0, lane] *= 2
                for i in range(max(0, level - planes + 1), min(planes, level + 1)):
                    _differences(pairs, tile, i, words, queries[q, level - i], sums, 0)
            result = out[q, t * LANES : t * LANES + lanes]
            for lane in range(lanes):
                result[lane] = best - 2 * sums[0, lane]


def code_dots(queries: Words, items: Words, dim: int) -> Ints:
    """Subtract the weighted differing bits of every pair of planes from the largest dot product."""
    q, planes, words = queries.shape
    n = len(items)
    out = np.empty((q, n), dtype=dot_dtype(dim, planes))
    args = frozen(queries, np.uint64, *queries.shape), frozen(items, np.uint64, n, planes, words)
    each = LANES * (q * planes**2 * words * 0.1 + planes * words)
    over_rows(_code_dots, -(-n // LANES), each, *args, dim, out)
    return out

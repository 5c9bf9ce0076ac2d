"""Top-k Hamming search in chosen lists of rows, for IVF lists.

The search goes list by list, not query by query. The rows of a list are interleaved, word w of eight rows in one
vector, so distances need no sums across lanes. The rows stay in the cache for all queries that probe the list, four at
a time. A first round searches the nearest lists of every query; it sets the bound that most rows of other lists fail.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import run, slices
from hdc.backends.numba_kernels.scan import WORD_TIME, Counts, interleave
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    Vector,
    aligned_zeros,
    any_below,
    ctpop,
    load,
    pointer,
    splat,
    store,
)
from hdc.backends.numba_kernels.topk import ID_BITS, WORST, Pairs, least_pairs, merge
from hdc.words import Words

Ints = npt.NDArray[np.int64]

NONE = WORST >> ID_BITS
"""Distance of a place without a row."""

NEAREST = 4
"""Lists per query in the first round."""

HEAD = 3
"""Numbers before a query's pairs: k, the number of stored pairs, and the pair that others must be below."""

TOGETHER = 4
"""Queries compared with eight rows at a time."""


@kernel
def by_list(probes: Ints, first: int, last: int, low: int, high: int, ends: Ints) -> tuple[Ints, Ints]:
    """Return the queries of each list: those in ``first:last`` with the list among ``probes[query, low:high]``.

    The queries of list l are at ``ends[l - 1]``, or 0, to ``ends[l]``, with the list's position among the probes.
    """
    lists = len(ends)
    for at in range(lists):
        ends[at] = 0
    for q in range(first, last):
        for p in range(low, high):
            if probes[q, p] + 1 < lists:
                ends[probes[q, p] + 1] += 1
    for at in range(1, lists):
        ends[at] += ends[at - 1]
    queries = np.empty((last - first) * (high - low), np.int64)
    places = np.empty((last - first) * (high - low), np.int64)
    for q in range(first, last):
        for p in range(low, high):
            end = ends[probes[q, p]]
            queries[end] = q
            places[end] = p
            ends[probes[q, p]] = end + 1
    return queries, places


@inlined
def _differing(rows: Vector, queries: Pointer, at: int) -> Vector:
    return ctpop(rows ^ splat(np.int64(queries[at])))


@kernel
def _take(distances: Vector, ids: Ints, row: int, stop: int, eight: Words, best: Pairs, q: int) -> int:
    """Add the rows from ``row`` on, at most eight and before ``stop``, to the stored pairs; return :func:`_beyond`."""
    k, held, bound = best[q, 0], best[q, 1], best[q, 2]
    store(pointer(eight), 0, distances)
    pairs = best[q, HEAD:]
    for lane in range(min(LANES, stop - row)):
        pair = np.int64(eight[lane]) << ID_BITS | ids[row + lane]
        pairs[held] = pair
        held += (ids[row + lane] >= 0) & (pair < bound)
    if held > len(pairs) - LANES:
        best[q, 2] = least_pairs(pairs, held, k)
        held = k
    best[q, 1] = held
    return int(_beyond(best, q))


@kernel
def _beyond(best: Pairs, q: int) -> int:
    """Return the smallest distance that is too great; ids do not ascend, so an equal distance may still win."""
    return int(best[q, 2] >> ID_BITS) + 1


@kernel
def _search_list(
    block: Words, words: int, ids: Ints, begin: int, stop: int, queries: Words, asked: Ints, eight: Words, best: Pairs
) -> None:
    """Compare the interleaved rows ``begin`` to ``stop`` of one list with the queries ``asked``."""
    rows, masks = pointer(block), pointer(queries)
    for at in range(0, len(asked), TOGETHER):
        # Fewer than four may remain at the end: further places repeat the last query and store nothing.
        last = len(asked) - 1
        a, b, c, d = asked[at], asked[min(at + 1, last)], asked[min(at + 2, last)], asked[min(at + 3, last)]
        beyond_a = splat(_beyond(best, a))
        beyond_b = splat(_beyond(best, b) if at + 1 <= last else 0)
        beyond_c = splat(_beyond(best, c) if at + 2 <= last else 0)
        beyond_d = splat(_beyond(best, d) if at + 3 <= last else 0)
        for row in range(begin, stop, LANES):
            count_a = count_b = count_c = count_d = splat(0)
            for w in range(words):
                eight_rows = load(rows, (row - begin) * words + w * LANES)
                count_a = count_a + _differing(eight_rows, masks, a * words + w)
                count_b = count_b + _differing(eight_rows, masks, b * words + w)
                count_c = count_c + _differing(eight_rows, masks, c * words + w)
                count_d = count_d + _differing(eight_rows, masks, d * words + w)
            if any_below(count_a, beyond_a):
                beyond_a = splat(_take(count_a, ids, row, stop, eight, best, a))
            if any_below(count_b, beyond_b):
                beyond_b = splat(_take(count_b, ids, row, stop, eight, best, b))
            if any_below(count_c, beyond_c):
                beyond_c = splat(_take(count_c, ids, row, stop, eight, best, c))
            if any_below(count_d, beyond_d):
                beyond_d = splat(_take(count_d, ids, row, stop, eight, best, d))


@kernel
def _search_lists(
    items: Words,
    words: int,
    ids: Ints,
    starts: Ints,
    probes: Ints,
    queries: Words,
    block: Words,
    best: Pairs,
    first: int,
    last: int,
) -> None:
    """Search the lists ``probes[q]`` for the queries ``first`` to ``last - 1``; row r has id ``ids[r]``."""
    probed = probes.shape[1]
    ends = np.empty(len(starts) - 1, np.int64)
    eight = np.empty(LANES, np.uint64)
    for low, high in ((0, min(NEAREST, probed)), (min(NEAREST, probed), probed)):
        order, _ = by_list(probes, first, last, low, high, ends)
        done = 0
        for at in range(len(ends)):
            if ends[at] > done:
                begin, stop = starts[at], starts[at + 1]
                interleave(items, begin, stop, words, block)
                _search_list(block, words, ids, begin, stop, queries, order[done : ends[at]], eight, best)
                done = ends[at]
    for q in range(first, last):
        held = best[q, 1]
        for at in range(HEAD + held, best.shape[1]):
            best[q, at] = WORST  # overwrites a leftover pair
        if held > best[q, 0]:
            least_pairs(best[q, HEAD:], held, best[q, 0])


def top_k_lists(
    queries: Words, items: Words, ids: Ints, starts: Ints, probes: Ints, k: int
) -> tuple[Counts, npt.NDArray[np.int64]]:
    """Find the k items nearest to each query in its lists; see :attr:`hdc.kernels.BitKernels.top_k_lists`."""
    (n, words), (q, probed) = items.shape, probes.shape
    best = np.full((q, HEAD + 3 * k + 8 * LANES), WORST, dtype=np.int64)
    best[:, 0], best[:, 1] = k, 0
    if q and n and probed:
        flat, asked = frozen(items, np.uint64, items.size), frozen(queries, np.uint64, q, words)
        ids, starts, probes = (frozen(x, np.int64, *x.shape) for x in (ids, starts, probes))
        longest = -(-int(np.diff(starts).max()) // LANES) * LANES
        parts = slices(q, n / len(starts) * probed * words * WORD_TIME)
        run(
            [
                partial(
                    _search_lists, flat, words, ids, starts, probes, asked, aligned_zeros(longest * words), best, *part
                )
                for part in parts
            ]
        )
    distances, found = merge(best[None, :, HEAD : HEAD + k], k)
    found[distances == NONE] = -1
    return distances, found

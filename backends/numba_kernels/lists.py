"""Top-k Hamming search in some lists of rows only: what an inverted file asks for.

The rows of a list lie together, and so do, in the order in which queries are taken, the queries whose nearest
list is the same: a list is read from memory for the first of them and from the cache for the others.
"""

from functools import partial
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.parallel import run, slices
from hdc.backends.numba_kernels.scan import WORD_TIME, Counts, _eight_counts, _in_eights, _masks, _one_count
from hdc.backends.numba_kernels.simd import LANES, any_below, pointer, splat, store
from hdc.backends.numba_kernels.topk import ID_BITS, WORST, Pairs, merge, new_heaps, replace_worst
from hdc.words import Words

Ints = npt.NDArray[np.int64]

NONE = WORST >> ID_BITS
"""The distance of a place that no row took."""


@numba.njit(cache=True)
def _offer(distance: np.int64, number: np.int64, heap: Pairs) -> None:
    pair = distance << ID_BITS | number
    if number >= 0 and pair < heap[0]:
        replace_worst(heap, pair)


@numba.njit(cache=True, nogil=True)
def _search_lists(
    items: Words,
    words: int,
    ids: Ints,
    starts: Ints,
    probes: Ints,
    masks: Words,
    order: Ints,
    heaps: Pairs,
    first: int,
    last: int,
) -> None:
    """Search the lists ``probes[q]`` for the queries q in ``order[first:last]``; row r counts as id ``ids[r]``."""
    rows, queries = pointer(items), pointer(masks)
    size = masks.shape[1]
    eight = np.empty(LANES, np.uint64)
    for at in range(first, last):
        q = order[at]
        for p in range(probes.shape[1]):
            begin, stop = starts[probes[q, p]], starts[probes[q, p] + 1]
            eights = _in_eights(begin, stop, len(ids), words)
            beyond = splat((heaps[q, 0] >> ID_BITS) + 1)  # ids do not ascend: an equal distance may still win
            for row in range(begin, eights, LANES):
                distances = _eight_counts(rows, row * words, words, queries, q * size)
                if any_below(distances, beyond):
                    store(pointer(eight), 0, distances)
                    for lane in range(LANES):
                        _offer(np.int64(eight[lane]), ids[row + lane], heaps[q])
                    beyond = splat((heaps[q, 0] >> ID_BITS) + 1)
            for row in range(eights, stop):
                _offer(_one_count(rows, row * words, words, queries, q * size), ids[row], heaps[q])


def top_k_lists(
    queries: Words, items: Words, ids: Ints, starts: Ints, probes: Ints, k: int
) -> tuple[Counts, npt.NDArray[np.int64]]:
    """Find the k items nearest to each query in its lists; see :attr:`hdc.kernels.BitKernels.top_k_lists`."""
    (n, words), (q, probed) = items.shape, probes.shape
    heaps = new_heaps(1, q, k)
    if q and n and probed:
        flat, masks = frozen(items, np.uint64, items.size), _masks(queries, ~np.zeros_like(queries))
        tables: list[Any] = [frozen(x, np.int64, *x.shape) for x in (ids, starts, probes)]
        order = np.lexsort((probes[:, -1], probes[:, 0]))
        parts = slices(q, n / len(starts) * probed * words * WORD_TIME)
        run([partial(_search_lists, flat, words, *tables, masks, order, heaps[0], *part) for part in parts])
    distances, found = merge(heaps, k)
    found[distances == NONE] = -1
    return distances, found

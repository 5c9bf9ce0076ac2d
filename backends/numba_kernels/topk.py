"""Keep the k best (distance, id) pairs, one integer per pair, by a heap per query or by selection."""

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.jit import kernel

ID_BITS = 32
"""A pair is ``distance << ID_BITS | id``, so that integers compare as pairs do; ids stay below 2**32."""

LOW = (1 << ID_BITS) - 1
"""The bits of an id in a pair."""

WORST = np.iinfo(np.int64).max
"""A pair after every real one; a new heap holds only these."""

Pairs = npt.NDArray[np.int64]

Integer = int | np.int64
"""Python's name and NumPy's for what is one type in compiled code."""


@kernel
def replace_worst(heap: Pairs, pair: Integer) -> None:
    """Put ``pair`` in the place of ``heap[0]``, the largest of a (k,) int64 max-heap; O(log k)."""
    k = len(heap)
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= k:
            break
        if child + 1 < k and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= pair:
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = pair


@kernel
def sort_heap(heap: Pairs) -> None:
    """Sort a (k,) int64 max-heap, in place, ascending."""
    for last in range(len(heap) - 1, 0, -1):
        pair = heap[last]
        heap[last] = heap[0]
        replace_worst(heap[:last], pair)


@kernel
def score_key(bits: Integer) -> Integer:
    """Return the integer of 32 bits that sorts a float32, given by its bits: greater floats make lesser integers.

    As ``sort_keys`` of :mod:`hdc.topk`.
    """
    return bits & 0x7FFFFFFF if bits < 0 else ~bits


@kernel
def key_score(key: int) -> int:
    """Return the bits of the float32 of a key: undo :func:`score_key`."""
    return ~key if key < 0 else key | -0x80000000


@kernel
def least_pairs(pairs: Pairs, held: int, k: int) -> int:
    """Bring the k least of ``pairs[:held]`` to the front, in any order; return the greatest of them.

    Hoare's selection. Each element is moved whether it is less than the pivot or not: no branch depends on it.
    """
    low, high = 0, held
    while high - low > 1:
        last = high - 1
        pivot = pairs[(low + last) >> 1]
        pairs[(low + last) >> 1] = pairs[last]
        middle = low
        for at in range(low, last):
            pair = pairs[at]
            pairs[at] = pairs[middle]
            pairs[middle] = pair
            middle += pair < pivot
        pairs[last] = pairs[middle]
        pairs[middle] = pivot
        if middle == k - 1:
            break
        if middle < k:
            low = middle + 1
        else:
            high = middle
    greatest = pairs[0]
    for at in range(1, k):
        greatest = max(greatest, pairs[at])
    return int(greatest)


@kernel
def select_pairs(pairs: Pairs, places: Pairs, held: int, k: int) -> int:
    """Do as :func:`least_pairs`, and move ``places`` with the pairs."""
    low, high = 0, held
    while high - low > 1:
        last = high - 1
        chosen = (low + last) >> 1
        pivot, pivot_place = pairs[chosen], places[chosen]
        pairs[chosen], places[chosen] = pairs[last], places[last]
        middle = low
        for at in range(low, last):
            pair, place = pairs[at], places[at]
            pairs[at], places[at] = pairs[middle], places[middle]
            pairs[middle], places[middle] = pair, place
            middle += pair < pivot
        pairs[last], places[last] = pairs[middle], places[middle]
        pairs[middle], places[middle] = pivot, pivot_place
        if middle == k - 1:
            break
        if middle < k:
            low = middle + 1
        else:
            high = middle
    greatest = pairs[0]
    for at in range(1, k):
        greatest = max(greatest, pairs[at])
    return int(greatest)


@kernel
def sort_pairs(pairs: Pairs, places: Pairs, held: int) -> None:
    """Sort ``pairs[:held]``, and move ``places`` with them: Shell's sort, by Knuth's gaps."""
    gap = 1
    while 3 * gap + 1 < held:
        gap = 3 * gap + 1
    while gap > 0:
        for at in range(gap, held):
            pair, place, hole = pairs[at], places[at], at
            while hole >= gap and pairs[hole - gap] > pair:
                pairs[hole], places[hole] = pairs[hole - gap], places[hole - gap]
                hole -= gap
            pairs[hole], places[hole] = pair, place
        gap //= 3


def new_heaps(chunks: int, queries: int, k: int) -> Pairs:
    """Return (chunks, queries, k) int64 heaps that any real pair enters."""
    return np.full((chunks, queries, k), WORST, dtype=np.int64)


def merge(heaps: Pairs, k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the k least pairs over all chunks, as (queries, k) int32 distances and int64 ids, in order."""
    chunks, queries, kept = heaps.shape
    pairs = heaps.transpose(1, 0, 2).reshape(queries, chunks * kept)
    best = np.sort(pairs, axis=-1)[:, :k]
    return (best >> ID_BITS).astype(np.int32), best & LOW


def nearest_pairs(
    found: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]], k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the k least pairs of several results, all of whose places are taken."""
    return merge(np.concatenate([d.astype(np.int64) << ID_BITS | i for d, i in found], axis=1)[None], k)

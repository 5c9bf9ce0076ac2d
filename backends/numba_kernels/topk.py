"""Keep the k best (distance, id) pairs, one integer per pair, by a heap per query or by selection."""

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.jit import kernel

ID_BITS = 32
"""A pair is ``distance << ID_BITS | id``, so that integers compare as pairs do; ids stay below 2**32."""

LOW = (1 << ID_BITS) - 1
"""The bits of an id in a pair."""

WORST = np.iinfo(np.int64).max
"""A pair after every real one; a new heap has only these."""

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
def _bound(pairs: Pairs, held: int, k: int) -> int:
    """Return a number that k of ``pairs[:held]`` do not exceed, more only if pairs are equal; ``1 <= k <= held``.

    By bisection: to count what is below a number takes vectors, and no branch but the loop's.
    """
    low = high = pairs[0]
    for at in range(1, held):
        low, high = min(low, pairs[at]), max(high, pairs[at])
    while low < high:
        middle = (low >> 1) + (high >> 1) + (low & high & 1)  # their sum might overflow
        count = 0
        for at in range(held):
            count += pairs[at] <= middle
        if count == k:
            return int(middle)
        if count > k:
            high = middle
        else:
            low = middle + 1
    return int(low)


@kernel
def select_pairs(pairs: Pairs, places: Pairs, held: int, k: int) -> int:
    """Bring the k least of ``pairs[:held]``, and their places, to the front, in any order; return the greatest of them.

    Each is moved whether it is among them or not: no branch depends on it.
    """
    bound = _bound(pairs, held, k)
    kept = 0
    for at in range(held):
        pair, place = pairs[at], places[at]
        pairs[kept], places[kept] = pair, place
        kept += pair <= bound
    if kept > k:  # some equal the k-th
        less = 0
        for at in range(kept):
            pair, place = pairs[at], places[at]
            pairs[at], places[at] = pairs[less], places[less]
            pairs[less], places[less] = pair, place
            less += pair < bound
    greatest = pairs[0]
    for at in range(1, k):
        greatest = max(greatest, pairs[at])
    return int(greatest)


@kernel
def least_pairs(pairs: Pairs, held: int, k: int) -> int:
    """Do as :func:`select_pairs`, without places."""
    bound = _bound(pairs, held, k)
    kept = 0
    for at in range(held):
        pair = pairs[at]
        pairs[kept] = pair
        kept += pair <= bound
    if kept > k:
        less = 0
        for at in range(kept):
            pair = pairs[at]
            pairs[at] = pairs[less]
            pairs[less] = pair
            less += pair < bound
    greatest = pairs[0]
    for at in range(1, k):
        greatest = max(greatest, pairs[at])
    return int(greatest)


RANKED = 192
"""Up to so many pairs it is quicker to count, for each, those that come before it, than to sort them."""


@kernel
def rank_of(pairs: Pairs, held: int, at: int) -> int:
    """Return how many of ``pairs[:held]`` are less than that at a place: in vectors, and without a branch."""
    pair, rank = pairs[at], 0
    for other in range(held):
        rank += pairs[other] < pair
    return rank


@kernel
def ordered(pairs: Pairs, places: Pairs, held: int) -> bool:
    """Sort ``pairs[:held]``, and move ``places`` with them, if they are many; return whether that was done.

    Shell's sort, by Knuth's gaps.
    """
    if held <= RANKED:
        return False
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
    return True


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

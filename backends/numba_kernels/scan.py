"""Hamming distances, shared ones and exact top-k on plain packed rows, by popcount.

Every kernel goes through :func:`_eight_counts`: eight rows against one query, the count of row l in lane l.
The query is two vectors per chunk, ``flip`` and ``take``, and what is counted is ``(row ^ flip) & take``::

    Hamming distance   |row ^ query|   flip = query   take = ones
    shared ones        |row & query|   flip = 0       take = query
    ones               |row|           flip = 0       take = ones

A row of 8 c + r words is read as c + 1 chunks of 8 words. The last chunk ends at the row's end and so overlaps the one
before; ``take`` is zero where a word would be counted twice. Rows shorter than a chunk are read beyond their end, into
the next row. The few rows for which this would leave the array are read word by word.

Rows are processed in tiles that stay in the first-level cache for every query.
"""

import math
from functools import partial

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import over_rows, run, slices
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    Vector,
    aligned_zeros,
    any_below,
    ctpop,
    interleaved,
    load,
    pair_sums,
    pointer,
    prefetch,
    splat,
    store,
)
from hdc.backends.numba_kernels.topk import ID_BITS, LOW, WORST, Pairs, merge, new_heaps, replace_worst, sort_heap
from hdc.words import Words

TILE_WORDS = 2048
"""Words of rows (16 KiB) that every query is compared with before the next rows are read."""


SHORT = 4
"""Rows of 1, 2 or 4 words are counted several per vector, each with its own copy of the query."""

AHEAD = 1024
"""Words (8 KiB) between the current row and the one prefetched."""

WORD_TIME = 0.1
"""Approximate nanoseconds to compare a word, to decide how many threads to use."""

SMALL = 1 << 12
"""Up to this many words, NumPy finishes before a kernel call is prepared (about 10 us)."""

Counts = npt.NDArray[np.int32]


@inlined
def _counted(rows: Pointer, at: int, flip: Vector, take: Vector) -> Vector:
    return ctpop((load(rows, at) ^ flip) & take)


@inlined
def _short_counts(rows: Pointer, at: int, words: int, flip: Vector, take: Vector) -> Vector:
    """Count short rows: one vector contains several rows, and the masks repeat the query as often."""
    first = _counted(rows, at, flip, take)
    if words == 1:
        return first
    low = pair_sums(first, _counted(rows, at + LANES, flip, take), 1)
    if words == 2:
        return interleaved(interleaved(low))
    third, fourth = _counted(rows, at + 2 * LANES, flip, take), _counted(rows, at + 3 * LANES, flip, take)
    return interleaved(pair_sums(low, pair_sums(third, fourth, 1), 2))


@inlined
def _eight_counts(rows: Pointer, at: int, words: int, masks: Pointer, query: int) -> Vector:
    """Return in lane l the count of row l of eight, at ``rows[at:]``, for the query at ``masks[query:]``."""
    if words <= SHORT and LANES % words == 0:
        return _short_counts(rows, at, words, load(masks, query), load(masks, query + LANES))
    c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = splat(0)
    chunks = (words + LANES - 1) // LANES
    last = max(words - LANES, 0)
    for chunk in range(chunks):
        flip, take = load(masks, query + 2 * LANES * chunk), load(masks, query + 2 * LANES * chunk + LANES)
        i = at + min(LANES * chunk, last)
        c0 = c0 + _counted(rows, i, flip, take)
        c1 = c1 + _counted(rows, i + words, flip, take)
        c2 = c2 + _counted(rows, i + 2 * words, flip, take)
        c3 = c3 + _counted(rows, i + 3 * words, flip, take)
        c4 = c4 + _counted(rows, i + 4 * words, flip, take)
        c5 = c5 + _counted(rows, i + 5 * words, flip, take)
        c6 = c6 + _counted(rows, i + 6 * words, flip, take)
        c7 = c7 + _counted(rows, i + 7 * words, flip, take)
    low = pair_sums(pair_sums(c0, c1, 1), pair_sums(c2, c3, 1), 2)
    high = pair_sums(pair_sums(c4, c5, 1), pair_sums(c6, c7, 1), 2)
    return pair_sums(low, high, 4)


@kernel
def _one_count(rows: Pointer, at: int, words: int, masks: Pointer, query: int) -> np.int64:
    """Return the count of the row at ``rows[at:]``."""
    count = np.uint64(0)
    last = max(words - LANES, 0)
    for w in range(words):
        # The chunk that counts word w, and the lane of w in it.
        chunk = w // LANES
        lane = w - min(LANES * chunk, last)
        mask = query + 2 * LANES * chunk + lane
        count += ctpop((rows[at + w] ^ masks[mask]) & masks[mask + LANES])
    return np.int64(count)


@kernel
def interleave(items: Words, begin: int, stop: int, words: int, block: Words) -> None:
    """Put word w of rows ``begin + 8 g`` to ``begin + 8 g + 7`` in ``block[8 (words g + w):]``."""
    rows = pointer(items)
    for group in range(begin, stop, LANES):
        for row in range(group, min(group + LANES, stop)):
            to = (group - begin) * words + row - group
            for w in range(words):
                block[to + w * LANES] = rows[row * words + w]


@kernel
def _in_eights(first: int, stop: int, n: int, words: int) -> int:
    """Return the end of the rows from ``first`` on that may be read eight at a time."""
    if words < LANES:
        stop = min(stop, n - LANES + 1)
    return first + max(stop - first, 0) // LANES * LANES


@kernel
def _count_rows(items: Words, n: int, words: int, masks: Words, counts: Counts, first: int, last: int) -> None:
    """Fill ``counts[:, first:last]`` for all queries: masks (q, 2 * words rounded up to chunks)."""
    rows, queries = pointer(items), pointer(masks)
    size = masks.shape[1]
    eight = np.empty(LANES, np.uint64)
    step = max(TILE_WORDS // words // LANES, 1) * LANES
    for tile in range(first, last, step):
        stop = min(tile + step, last)
        eights = _in_eights(tile, stop, n, words)
        for q in range(len(masks)):
            for row in range(tile, eights, LANES):
                store(pointer(eight), 0, _eight_counts(rows, row * words, words, queries, q * size))
                for lane in range(LANES):
                    counts[q, row + lane] = np.int32(eight[lane])
            for row in range(eights, stop):
                counts[q, row] = _one_count(rows, row * words, words, queries, q * size)


@kernel
def _offer(distance: np.int64, row: int, heap: Pairs) -> None:
    pair = distance << ID_BITS | row
    if pair < heap[0]:
        replace_worst(heap, pair)


@kernel
def _search_rows(items: Words, n: int, words: int, masks: Words, heaps: Pairs, first: int, last: int) -> None:
    """Search rows ``first`` to ``last - 1`` for every query; the heaps (q, k) store the best."""
    rows, queries = pointer(items), pointer(masks)
    size = masks.shape[1]
    eight = np.empty(LANES, np.uint64)
    step = max(TILE_WORDS // words // LANES, 1) * LANES
    for tile in range(first, last, step):
        stop = min(tile + step, last)
        eights = _in_eights(tile, stop, n, words)
        for q in range(len(masks)):
            worst = splat(heaps[q, 0] >> ID_BITS)
            for row in range(tile, eights, LANES):
                if q == 0:
                    for i in range(row * words, (row + LANES) * words, LANES):
                        prefetch(rows, i + AHEAD)
                distances = _eight_counts(rows, row * words, words, queries, q * size)
                if any_below(distances, worst):
                    store(pointer(eight), 0, distances)
                    for lane in range(LANES):
                        _offer(np.int64(eight[lane]), row + lane, heaps[q])
                    worst = splat(heaps[q, 0] >> ID_BITS)
            for row in range(eights, stop):
                _offer(_one_count(rows, row * words, words, queries, q * size), row, heaps[q])


@kernel
def _search_alone(
    items: Words, n: int, words: int, queries: Words, distances: Counts, ids: npt.NDArray[np.int64]
) -> None:
    """Search all rows in one call, from masks to sorted results, for a single query."""
    k, last = distances.shape[1], max(words - LANES, 0)
    masks = np.zeros((len(queries), (words + LANES - 1) // LANES * 2 * LANES), np.uint64)
    heaps = np.full((len(queries), k), WORST, np.int64)
    for q in range(len(queries)):
        for lane in range(LANES if words <= SHORT and LANES % words == 0 else 0):
            masks[q, lane] = queries[q, lane % words]
            masks[q, lane + LANES] = ~np.uint64(0)
        for w in range(words):
            chunk = w // LANES
            lane = 2 * LANES * chunk + w - min(LANES * chunk, last)
            masks[q, lane] = queries[q, w]
            masks[q, lane + LANES] = ~np.uint64(0)
    _search_rows(items, n, words, masks, heaps, 0, n)
    for q in range(len(queries)):
        sort_heap(heaps[q])
        for at in range(k):
            distances[q, at] = np.int32(heaps[q, at] >> ID_BITS)
            ids[q, at] = heaps[q, at] & LOW


def _masks(flip: Words, take: Words) -> Words:
    """Interleave (q, words) ``flip`` and ``take`` by chunks of 8 words; the last chunk overlaps."""
    q, words = flip.shape
    if words <= SHORT and LANES % words == 0:
        flip, take = (np.tile(mask, (1, LANES // words)) for mask in (flip, take))
        words = LANES
    chunks, rest = divmod(words, LANES)
    whole = words - rest
    masks = aligned_zeros(q * (chunks + (rest > 0)) * 2 * LANES).reshape(q, -1, 2, LANES)
    masks[:, :chunks, 0] = flip[:, :whole].reshape(q, chunks, LANES)
    masks[:, :chunks, 1] = take[:, :whole].reshape(q, chunks, LANES)
    if rest:
        begin = max(words - LANES, 0)
        masks[:, chunks, 0, : words - begin] = flip[:, begin:]
        masks[:, chunks, 1, whole - begin : words - begin] = take[:, whole:]
    return masks.reshape(q, -1)


def _pairwise(flip: Words, take: Words, items: Words) -> Counts:
    (n, words), q = items.shape, len(flip)
    if n == 0 or q == 0 or words == 0:
        return np.zeros((q, n), dtype=np.int32)
    counts = np.empty((q, n), dtype=np.int32)
    flat, masks = frozen(items, np.uint64, items.size), _masks(flip, take)
    over_rows(_count_rows, n, q * words * WORD_TIME, flat, n, words, masks, counts)
    return counts


def hamming(queries: Words, items: Words) -> Counts:
    """Count the differing bits of every pair: (q, words), (n, words) uint64 -> (q, n) int32."""
    return _pairwise(queries, ~np.zeros_like(queries), items)


def shared_ones(queries: Words, items: Words) -> Counts:
    """Count the bits set in both, of every pair: (q, words), (n, words) uint64 -> (q, n) int32."""
    return _pairwise(np.zeros_like(queries), queries, items)


def popcount(x: Words) -> npt.NDArray[np.int64]:
    """Count the set bits of each row: (..., words) uint64 -> (...) int64."""
    if x.size < SMALL:
        ones: npt.NDArray[np.int64] = np.bitwise_count(x).sum(axis=-1, dtype=np.int64)
        return ones
    *batch, words = x.shape
    rows = x.reshape(math.prod(batch), words)
    nothing = np.zeros((1, words), dtype=np.uint64)
    return hamming(nothing, rows).reshape(batch).astype(np.int64)


def top_k(queries: Words, items: Words, k: int) -> tuple[Counts, npt.NDArray[np.int64]]:
    """Find the k nearest items of each query, in order of (distance, id).

    Parameters
    ----------
    queries : (q, words) uint64 array
    items : (n, words) uint64 array
    k : int, ``1 <= k <= n``

    Returns
    -------
    distances : (q, k) int32 array
    ids : (q, k) int64 array
    """
    (n, words), q = items.shape, len(queries)
    if q == 0:
        return np.empty((0, k), np.int32), np.empty((0, k), np.int64)
    flat, parts = frozen(items, np.uint64, items.size), slices(n, q * words * WORD_TIME)
    if len(parts) == 1:
        distances, ids = np.empty((q, k), np.int32), np.empty((q, k), np.int64)
        _search_alone(flat, n, words, frozen(queries, np.uint64, q, words), distances, ids)
        return distances, ids
    masks = _masks(queries, ~np.zeros_like(queries))
    heaps = new_heaps(len(parts), q, k)
    run([partial(_search_rows, flat, n, words, masks, heaps[i], *part) for i, part in enumerate(parts)])
    return merge(heaps, k)

"""The walk through a graph over RaBitQ codes: from a query's bit planes to the nodes of the best estimates.

All that a node's estimate takes is in one record: its signs, two factors, its list, and where its links begin. For 384
components that is one cache line. A step takes the best node that was not taken yet, asks for the records of those of
its links that were not seen, and estimates the ones that the step before asked for: so memory is waited for while
there is work. Two things are kept of what was estimated: the ``effort`` best, in order, which say where to go, and all
of it, of which the best are compared with originals.

Which nodes were seen is kept in a small table of hashes, which is cleared in less time than the first step takes.
"""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.estimates import weighted
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    ctpop,
    load,
    pointer,
    prefetch,
    splat,
    sum64,
)
from hdc.backends.numba_kernels.topk import ID_BITS, Integer, score_key
from hdc.kernels import MOST_LINKS

TAKEN = np.int64(1) << 31
"""Bit of a pair in hand whose node was taken; numbers of nodes stay below it."""

NODE = (1 << 31) - 1
"""The bits of a pair that are a node."""

SEEN_PER_STEP, SEEN_LEAST = 32, 1024
"""A walk ends when it has estimated so many nodes per candidate in hand, and so many more."""

LINE_LINKS, LINES_ASKED = 16, 2
"""Links in a cache line, and lines that are asked for ahead."""

WANTED, STEP_NODES = 40, 1 << 10
"""A step takes the links of one node after the other until so many were not seen before, or none is left; and how many
these are at most."""

_HASH = np.uint64(0x9E3779B97F4A7C15)


@kernel
def most_seen(effort: int, nodes: int) -> int:
    """Return how many of so many nodes a walk estimates at most, but for its last step."""
    return min(nodes, SEEN_PER_STEP * effort + SEEN_LEAST)


@kernel
def seen_bits(most: int) -> int:
    """Return the logarithm of the size of the table of what was seen: at most two thirds of it are taken."""
    bits = 4
    while (1 << bits) * 2 < 3 * (most + MOST_LINKS):
        bits += 1
    return bits


@inlined
def new_node(seen: Pointer, bits: int, node: Integer) -> Any:
    """Note that a node was seen; return 1 if that is new, and 0 if not, which no branch depends on."""
    at = np.int64((np.uint64(node) * _HASH) >> np.uint64(64 - bits))
    mark = np.int32(node + 1)
    while seen[at] != 0 and seen[at] != mark:
        at = (at + 1) & ((1 << bits) - 1)
    new = np.int64(seen[at] == 0)
    seen[at] = mark
    return new


@kernel
def _gather(
    data: Pointer, words: int, links: Pointer, begin: Integer, seen: Pointer, bits: int, nodes: Pointer, first: int
) -> int:
    """Write the links at ``links[begin]`` that were not seen to ``nodes[first:]``, and ask for their records."""
    held = first
    for at in range(begin + 1, begin + 1 + np.int64(links[begin])):
        node = np.int64(links[at])
        prefetch(data, node * words)
        for word in range(LANES, words, LANES):
            prefetch(data, node * words + word)
        nodes[held] = node
        held += new_node(seen, bits, node)
    return held - first


@kernel
def _sums(data: Pointer, words: int, nodes: Pointer, first: int, count: int, planes: Pointer, totals: Pointer) -> None:
    """Write the sums of the query's integers where the bits of nodes are set to ``totals``."""
    if words == LANES:
        plane_a, plane_b = load(planes, 0), load(planes, LANES)
        plane_c, plane_d = load(planes, 2 * LANES), load(planes, 3 * LANES)
        for at in range(count):
            signs = load(data, nodes[first + at] * LANES)
            a, b = ctpop(signs & plane_a), ctpop(signs & plane_b)
            c, d = ctpop(signs & plane_c), ctpop(signs & plane_d)
            totals[at] = sum64(weighted(a, b, c, d))
        return
    for at in range(count):
        place = nodes[first + at] * words
        a = b = c = d = splat(0)
        for word in range(0, words, LANES):
            signs = load(data, place + word)
            a = a + ctpop(signs & load(planes, word))
            b = b + ctpop(signs & load(planes, words + word))
            c = c + ctpop(signs & load(planes, 2 * words + word))
            d = d + ctpop(signs & load(planes, 3 * words + word))
        totals[at] = sum64(weighted(a, b, c, d))


@kernel
def _scores(
    floats: Pointer, halves: Pointer, words: int, nodes: Pointer, first: int, count: int, totals: Pointer, slope: Any,
    shift: Any, base: Pointer, scores: Pointer,
) -> None:  # fmt: skip
    """Turn sums to estimates, step by step as :class:`hdc.kernels.CodeLists` does."""
    for at in range(count):
        last = 2 * ((nodes[first + at] + 1) * words - 2)
        own = (np.float32(totals[at]) * slope + shift) * floats[last] + floats[last + 1]
        scores[at] = (own + base[halves[last + 2]]) + np.float32(0)


@kernel
def _pairs(bits: Pointer, nodes: Pointer, first: int, count: int, pairs: Pointer, start: int) -> None:
    """Write the pairs of scores, by their bits, and nodes."""
    for at in range(count):
        pairs[start + at] = score_key(np.int64(bits[at])) << ID_BITS | nodes[first + at]


@kernel
def _take(
    pairs: Pointer, start: int, count: int, best: Pointer, held: int, effort: int, cursor: int, halves: Pointer,
    words: int, links: Pointer,
) -> tuple[int, int]:  # fmt: skip
    """Put pairs among the best, in order, and ask for their links; return how many these are, and the first new one."""
    for at in range(start, start + count):
        pair = pairs[at]
        if held < effort or pair < best[held - 1]:
            place = 0
            for other in range(held):
                place += best[other] < pair
            held = min(held + 1, effort)
            for other in range(held - 1, place, -1):
                best[other] = best[other - 1]
            best[place] = pair
            cursor = min(cursor, place)
            begin = np.int64(halves[2 * ((pair & NODE) + 1) * words - 1])
            for line in range(0, LINES_ASKED * LINE_LINKS, LINE_LINKS):
                prefetch(links, begin + line)
    return held, cursor


@kernel
def walk(
    records: Any, floats: Any, halves: Any, links: Any, entries: Any, planes: Any, factors: Any, base: Any,
    effort: int, most: int, seen: Any, bits: int, hand: Any, near: Any, totals: Any, scores: Any, score_bits: Any,
    pool: Any,
) -> int:  # fmt: skip
    """Fill ``pool`` with the pairs of estimate and node of all nodes that were estimated; return how many they are.

    Parameters
    ----------
    records : (n * words,) uint64 array; ``floats`` and ``halves`` are the same memory as float32 and uint32
    links : uint32 array
        From where a record says on: how many, and which nodes.
    entries : int64 array
        Nodes to begin with; all different, at most MOST_LINKS.
    planes : (ESTIMATE_BITS * words,) uint64 array
        Of the query, with zeros where records have no signs.
    factors, base : (2,) and (lists,) float32 arrays
        Of the query: what turns sums to estimates, and its products with the centers of lists.
    effort, most : int
        Candidates in hand, and :func:`most_seen`.
    seen, hand, near, totals, scores, pool : arrays
        Room for the table, for ``effort`` candidates, for two times STEP_NODES nodes, for what is known of as many, and
        for all pairs.
    """
    words = len(planes) // 4
    data, numbers, parts, lists_of = pointer(records), pointer(floats), pointer(halves), pointer(links)
    masks, table, nodes, best, found = pointer(planes), pointer(seen), pointer(near), pointer(hand), pointer(pool)
    sums, own, own_bits, products = pointer(totals), pointer(scores), pointer(score_bits), pointer(base)
    for at in range(1 << bits):
        table[at] = 0
    slope, shift = factors[0], factors[1]
    held, cursor, pooled, now = 0, 0, 0, 0
    count = len(entries)
    for at in range(count):
        node = entries[at]
        prefetch(data, node * words)
        nodes[at] = node
        new_node(table, bits, node)
    while True:
        after, more = STEP_NODES - now, 0
        while more < WANTED and pooled + count + more < most:
            while cursor < held and best[cursor] & TAKEN:
                cursor += 1
            if cursor == held:
                break
            pair = best[cursor]
            best[cursor] = pair | TAKEN
            begin = np.int64(parts[2 * ((pair & NODE) + 1) * words - 1])
            more += _gather(data, words, lists_of, begin, table, bits, nodes, after + more)
        if more + count == 0:
            return pooled
        _sums(data, words, nodes, now, count, masks, sums)
        _scores(numbers, parts, words, nodes, now, count, sums, slope, shift, products, own)
        _pairs(own_bits, nodes, now, count, found, pooled)
        held, cursor = _take(found, pooled, count, best, held, effort, cursor, parts, words, lists_of)
        pooled += count
        now, count = after, more

"""The walk through a graph over RaBitQ codes: from a query's bit planes to the nodes of the best estimates.

All that a node's estimate takes is in one record: its signs, two factors, its list, and where its links begin. For 384
components that is one cache line. A step takes the best node that was not taken yet, asks for the records of those of
its links that were not seen, and estimates the ones that the step before asked for: so memory is waited for while
there is work. Two things are kept of what was estimated: the best, in order, of which the first ``effort`` say where to
go, and all of it.

Which nodes were seen is a bit of each. Those that a walk has set it clears at its end.
"""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.estimates import weighted
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.lanes import below, put_between
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    Vector,
    ctpop,
    load,
    lowest_bit,
    pair_sums,
    pointer,
    prefetch,
    splat,
    store,
)
from hdc.backends.numba_kernels.topk import ID_BITS, Integer, score_key
from hdc.words import WORD_BITS

TAKEN, NODE_SHIFT = 1, 1
"""The lowest bit of a pair says that its node was taken. The node is in the bits above: pairs sort by it as before."""

NODE = (1 << 31) - 1
"""The bits of a node, which is the greatest that there may be."""

BEFORE, FREE = np.int64(-1 << 63), np.int64(~(TAKEN | -1 << 63))
"""Pairs before and behind all others: ahead of those in hand, and where there is none."""

SEEN_PER_STEP, SEEN_LEAST = 32, 1024
"""A walk ends when it has estimated so many nodes per candidate in hand, and so many more."""

LINE_LINKS, LINES_ASKED = 16, 3
"""Links in a cache line, and lines that are asked for ahead."""

WANTED, STEP_NODES = 40, 1 << 10
"""A step takes the links of one node after the other until so many were not seen before, or none is left; and how many
these are at most."""


@kernel
def most_seen(effort: int, nodes: int) -> int:
    """Return how many of so many nodes a walk estimates at most, but for its last step."""
    return min(nodes, SEEN_PER_STEP * effort + SEEN_LEAST)


@kernel
def hand_size(room: int) -> int:
    """Return the length of the array of so many pairs in hand: whole vectors, and one in front."""
    return (room + 2 * LANES - 1) // LANES * LANES


@kernel
def node_of(pair: Integer) -> Any:
    """Return the node of a pair."""
    return np.int64(pair) >> NODE_SHIFT & NODE


@inlined
def _new_node(seen: Pointer, node: Integer) -> Any:
    """Note that a node was seen; return 1 if that is new, and 0 if not, which no branch depends on."""
    at, place = node // WORD_BITS, np.uint64(node % WORD_BITS)
    word = seen[at]
    seen[at] = word | np.uint64(1) << place
    return np.int64(~word >> place & np.uint64(1))


@kernel
def _gather(
    data: Pointer, words: int, links: Pointer, begin: Integer, seen: Pointer, nodes: Pointer, first: int
) -> int:
    """Write the links at ``links[begin]`` that were not seen to ``nodes[first:]``, and ask for their records."""
    held = first
    for at in range(begin + 1, begin + 1 + np.int64(links[begin])):
        node = np.int64(links[at])
        prefetch(data, node * words)
        for word in range(LANES, words, LANES):
            prefetch(data, node * words + word)
        nodes[held] = node
        held += _new_node(seen, node)
    return held - first


@inlined
def _common(data: Pointer, place: int, words: int, planes: Pointer) -> Vector:
    """Return eight parts of the sum of the query's integers where the bits of a record are set."""
    signs = load(data, place)
    a, b = ctpop(signs & load(planes, 0)), ctpop(signs & load(planes, words))
    c, d = ctpop(signs & load(planes, 2 * words)), ctpop(signs & load(planes, 3 * words))
    for word in range(LANES, words, LANES):
        signs = load(data, place + word)
        a, b = a + ctpop(signs & load(planes, word)), b + ctpop(signs & load(planes, words + word))
        c = c + ctpop(signs & load(planes, 2 * words + word))
        d = d + ctpop(signs & load(planes, 3 * words + word))
    return weighted(a, b, c, d)


@kernel
def _sums(data: Pointer, words: int, nodes: Pointer, first: int, count: int, planes: Pointer, sums: Pointer) -> None:
    """Write the sums of the query's integers where the bits of nodes are set, of eight nodes side by side."""
    last = first + count - 1
    for at in range(first, first + count, LANES):
        # Fewer than eight are left at the end: the places beyond repeat the last.
        b, c, d, e = min(at + 1, last), min(at + 2, last), min(at + 3, last), min(at + 4, last)
        f, g, h = min(at + 5, last), min(at + 6, last), min(at + 7, last)
        one, other = _common(data, nodes[at] * words, words, planes), _common(data, nodes[b] * words, words, planes)
        two = pair_sums(one, other, 1)
        one, other = _common(data, nodes[c] * words, words, planes), _common(data, nodes[d] * words, words, planes)
        four = pair_sums(two, pair_sums(one, other, 1), 2)
        one, other = _common(data, nodes[e] * words, words, planes), _common(data, nodes[f] * words, words, planes)
        two = pair_sums(one, other, 1)
        one, other = _common(data, nodes[g] * words, words, planes), _common(data, nodes[h] * words, words, planes)
        store(sums, at - first, pair_sums(four, pair_sums(two, pair_sums(one, other, 1), 2), 4))


@kernel
def _scores(
    floats: Pointer, halves: Pointer, words: int, nodes: Pointer, first: int, count: int, sums: Pointer, slope: Any,
    shift: Any, base: Pointer, scores: Pointer,
) -> None:  # fmt: skip
    """Turn sums to estimates, step by step as :class:`hdc.kernels.CodeLists` does."""
    for at in range(count):
        last = 2 * ((nodes[first + at] + 1) * words - 2)
        own = (np.float32(sums[at]) * slope + shift) * floats[last] + floats[last + 1]
        scores[at] = (own + base[halves[last + 2]]) + np.float32(0)


@kernel
def _pairs(bits: Pointer, nodes: Pointer, first: int, count: int, pairs: Pointer, start: int) -> None:
    """Write the pairs of scores, by their bits, and nodes."""
    for at in range(count):
        pairs[start + at] = score_key(np.int64(bits[at])) << ID_BITS | nodes[first + at] << NODE_SHIFT


@kernel
def _take(
    pairs: Pointer, start: int, stop: int, best: Pointer, held: int, room: int, cursor: int, halves: Pointer,
    words: int, links: Pointer,
) -> tuple[int, int]:  # fmt: skip
    """Put pairs among the best, in order, and ask for their links; return how many these are, and the first new one."""
    worst = least = best[LANES + room - 1]
    for at in range(start, stop, LANES):
        there = below(load(pairs, at), splat(worst)) & ((1 << min(LANES, stop - at)) - 1)
        while there:
            pair = pairs[at + lowest_bit(there)]
            there &= there - 1
            if pair < worst:
                held = min(held + 1, room)
                for to in range((held + LANES - 1) // LANES * LANES, 0, -LANES):
                    store(best, to, put_between(load(best, to - 1), splat(pair), load(best, to)))
                worst, least = best[LANES + room - 1], min(least, pair)
                begin = np.int64(halves[2 * (node_of(pair) + 1) * words - 1])
                for line in range(0, LINES_ASKED * LINE_LINKS, LINE_LINKS):
                    prefetch(links, begin + line)
    while cursor > 0 and best[LANES + cursor - 1] >= least:
        cursor -= 1
    return held, cursor


@kernel
def walk(
    records: Any, floats: Any, halves: Any, links: Any, entries: Any, planes: Any, factors: Any, base: Any,
    effort: int, room: int, most: int, seen: Any, hand: Any, near: Any, sums: Any, scores: Any, score_bits: Any,
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
    effort, room, most : int
        Candidates that are walked from, those in hand, which are as many at least, and :func:`most_seen`.
    seen : uint64 array
        A bit for each node, all 0, as they are again at the end.
    hand : (:func:`hand_size`,) int64 array
        Filled: behind the first vector are the ``room`` best pairs, in order, or all of them and FREE.
    near, sums, scores, pool : arrays
        Room for two times STEP_NODES nodes, for the sums and estimates of STEP_NODES, and for all pairs.
        ``score_bits`` are those of ``scores``.
    """
    words = len(planes) // 4
    data, numbers, parts, lists_of = pointer(records), pointer(floats), pointer(halves), pointer(links)
    masks, table, nodes, best, found = pointer(planes), pointer(seen), pointer(near), pointer(hand), pointer(pool)
    totals, own, own_bits, products = pointer(sums), pointer(scores), pointer(score_bits), pointer(base)
    for at in range(len(hand)):
        best[at] = BEFORE if at < LANES else FREE
    slope, shift = factors[0], factors[1]
    held, cursor, pooled, now = 0, 0, 0, 0
    count = len(entries)
    for at in range(count):
        node = entries[at]
        prefetch(data, node * words)
        nodes[at] = node
        _new_node(table, node)
    while True:
        after, more = STEP_NODES - now, 0
        while more < WANTED and pooled + count + more < most:
            last = min(held, effort)
            while cursor < last and best[LANES + cursor] & TAKEN:
                cursor += 1
            if cursor >= last:
                break
            pair = best[LANES + cursor]
            best[LANES + cursor] = pair | TAKEN
            begin = np.int64(parts[2 * (node_of(pair) + 1) * words - 1])
            more += _gather(data, words, lists_of, begin, table, nodes, after + more)
        if more + count == 0:
            break
        _sums(data, words, nodes, now, count, masks, totals)
        _scores(numbers, parts, words, nodes, now, count, totals, slope, shift, products, own)
        _pairs(own_bits, nodes, now, count, found, pooled)
        held, cursor = _take(found, pooled, pooled + count, best, held, room, cursor, parts, words, lists_of)
        pooled += count
        now, count = after, more
    for at in range(pooled):
        table[node_of(found[at]) // WORD_BITS] = np.uint64(0)
    return pooled

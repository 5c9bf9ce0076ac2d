"""Links of a graph: which of a node's candidates it is linked with, from exact distances of int8 vectors.

Of a node's candidates, nearest first, one is left out if some link that was chosen before is much nearer to it than the
node is: it is found by way of that one (the relative neighborhood graph of Toussaint 1980, with the slack of DiskANN,
Subramanya et al. 2019). So the number of links is what the data asks for: a handful where vectors lie together around
one, and many for the one in the middle.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.gather import LINE, ask_for
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import Pointer, dot_bytes, load_bytes, pointer, splat, sum32
from hdc.backends.numba_kernels.topk import ID_BITS
from hdc.kernels import MOST_LINKS, Done, Links

Ids = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

CANDIDATES, TABLE_BITS = 1 << 11, 12
"""Candidates of a node that are compared at most, the first ones; and the logarithm of the table of them."""

COMPARED = 1 << 14
"""Candidates are compared with links so many times: where vectors have no structure, all of both would be compared."""

BLOCK = 1 << 12
"""Nodes whose links are chosen in one call, which Ctrl-C does not interrupt, and then told as done."""

NODE_TIME, STEP_TIME = 10_000.0, 60_000.0
"""Nanoseconds for a node, more or less, from candidates of its own and from those two steps away."""

SAME = 1e-7
"""Square of the distance, as a share of the square of the length, up to which vectors count as equal."""

_LOW = (1 << ID_BITS) - 1
_TOP_BITS = np.int64(-0x7F7F7F7F7F7F7F80)  # 0x80 in every byte
_HASH = np.uint64(0x9E3779B97F4A7C15)


class _Vectors(NamedTuple):
    """The vectors of nodes: bytes times ``scale``, of which ``squares`` are the squares of the lengths."""

    items: npt.NDArray[np.int8]
    rows: Ids
    scale: Doubles
    squares: Doubles
    sums: Ids
    """Of the bytes in whole vectors."""


@inlined
def _new_node(seen: Pointer, bits: int, node: int) -> Any:
    """Note that a node was seen; return 1 if that is new, and 0 if not, which no branch depends on."""
    at = np.int64((np.uint64(node) * _HASH) >> np.uint64(64 - bits))
    mark = np.int32(node + 1)
    while seen[at] != 0 and seen[at] != mark:
        at = (at + 1) & ((1 << bits) - 1)
    new = np.int64(seen[at] == 0)
    seen[at] = mark
    return new


@kernel
def _dot(memory: Pointer, a: int, b: int, width: int, sum_b: int) -> Any:
    """Return the product of the bytes at two places; ``sum_b`` is of those of the second in whole vectors."""
    total, top_bits, whole = splat(0), splat(_TOP_BITS), width // LINE * LINE
    for at in range(0, whole, LINE):
        total = dot_bytes(total, load_bytes(memory, a + at) ^ top_bits, load_bytes(memory, b + at))
    dot = sum32(total) - 128 * sum_b
    for at in range(whole, width):
        dot += np.int64(memory[a + at]) * np.int64(memory[b + at])
    return dot


@kernel
def _measure(items: Any, rows: Any, lengths: Any, scale: Any, squares: Any, sums: Any, start: int, stop: int) -> None:
    width = items.shape[1]
    memory = pointer(items)
    for node in range(start, stop):
        row = rows[node]
        for at in range(width // LINE * LINE):
            sums[node] += np.int64(items[row, at])
        own = _dot(memory, row * width, row * width, width, sums[node])
        length = np.float64(lengths[row]) if len(lengths) else 1.0
        squares[node] = length * length
        scale[node] = length / np.sqrt(np.float64(own)) if own > 0 else 0.0


@inlined
def _distance(
    memory: Pointer, width: int, rows: Pointer, sums: Pointer, scale: Pointer, squares: Pointer, a: int, b: int
) -> Any:
    """Return the square of the distance of two nodes."""
    dot = _dot(memory, rows[a] * width, rows[b] * width, width, sums[b])
    square = squares[a] + squares[b] - 2 * np.float64(dot) * scale[a] * scale[b]
    return np.float32(square) if square > SAME * squares[a] else np.float32(0)


@kernel
def _sort(pairs: Any, held: int) -> None:
    """Sort ``pairs[:held]``: Shell's sort, by Knuth's gaps."""
    gap = 1
    while 3 * gap + 1 < held:
        gap = 3 * gap + 1
    while gap > 0:
        for at in range(gap, held):
            pair, hole = pairs[at], at
            while hole >= gap and pairs[hole - gap] > pair:
                pairs[hole] = pairs[hole - gap]
                hole -= gap
            pairs[hole] = pair
        gap //= 3


@kernel
def _choose(
    of: Any, own: Any, other: Any, deep: bool, slack: Any, out: Any, counts: Any, first: int, start: int, stop: int
) -> None:  # fmt: skip
    """Fill ``out[node - first]`` with the links of nodes, nearest first, and ``counts`` with their numbers.

    Candidates are the links in ``own``, and either those of these (``deep``), or those in ``other``.
    """
    memory, width = pointer(of.items), of.items.shape[1]
    rows, sums, scale, squares = pointer(of.rows), pointer(of.sums), pointer(of.scale), pointer(of.squares)
    seen, ids, pairs = (
        np.empty(1 << TABLE_BITS, np.int32),
        np.empty(CANDIDATES, np.int64),
        np.empty(CANDIDATES, np.int64),
    )
    table = pointer(seen)
    distance = np.empty(1, np.float32)
    bits = distance.view(np.int32)
    chosen = np.empty(MOST_LINKS, np.int64)
    for node in range(first + start, first + stop):
        for at in range(1 << TABLE_BITS):
            table[at] = 0
        _new_node(table, TABLE_BITS, node)
        held = 0
        for at in range(own.starts[node], min(own.starts[node + 1], own.starts[node] + CANDIDATES)):
            ids[held] = own.nodes[at]
            held += _new_node(table, TABLE_BITS, ids[held])
        if deep:
            direct = held
            for one in range(direct):
                for at in range(own.starts[ids[one]], own.starts[ids[one] + 1]):
                    if held == CANDIDATES:
                        break
                    ids[held] = own.nodes[at]
                    held += _new_node(table, TABLE_BITS, ids[held])
        else:
            for at in range(other.starts[node], other.starts[node + 1]):
                if held == CANDIDATES:
                    break
                ids[held] = other.nodes[at]
                held += _new_node(table, TABLE_BITS, ids[held])
        for at in range(held):
            ask_for(memory, rows[ids[min(at + 8, held - 1)]], width)
            distance[0] = _distance(memory, width, rows, sums, scale, squares, node, ids[at])
            pairs[at] = np.int64(bits[0]) << ID_BITS | ids[at]
        _sort(pairs, held)
        links, done = 0, 0
        for at in range(held):
            if links == out.shape[1] or done > COMPARED:
                break
            candidate = pairs[at] & _LOW
            bits[0] = pairs[at] >> ID_BITS
            far, near = distance[0], False
            for link in range(links):
                done += 1
                if slack * _distance(memory, width, rows, sums, scale, squares, candidate, chosen[link]) <= far:
                    near = True
                    break
            if not near:
                chosen[links] = candidate
                links += 1
        for link in range(links):
            out[node - first, link] = chosen[link]
        counts[node - first] = links


@kernel
def _reverse(starts: Any, nodes: Any, places: Any, out: Any) -> None:
    """Write, behind ``places[node]``, whose links a node is among; ``places`` move on to where they end."""
    for node in range(len(starts) - 1):
        for at in range(starts[node], starts[node + 1]):
            out[places[nodes[at]]] = node
            places[nodes[at]] += 1


def _reversed(links: Links) -> Links:
    starts = np.concatenate([[0], np.cumsum(np.bincount(links.nodes, minlength=len(links.starts) - 1))])
    out = np.empty(len(links.nodes), dtype=np.uint32)
    _reverse(
        frozen(links.starts, np.int64, len(starts)), frozen(links.nodes, np.uint32, len(out)), starts[:-1].copy(), out
    )
    return Links(starts.astype(np.int64), out)


class Linked:
    """The vectors of a graph's nodes, among which links are chosen; see :class:`hdc.kernels.GraphKernels`."""

    def __init__(self, items: npt.NDArray[np.int8], rows: Ids, lengths: npt.NDArray[np.float32] | None) -> None:
        n = len(rows)
        scale, squares, sums = np.empty(n), np.empty(n), np.zeros(n, dtype=np.int64)
        own = np.empty(0, dtype=np.float32) if lengths is None else lengths
        vectors = frozen(items, np.int8, *items.shape), frozen(rows, np.int64, n)
        over_rows(_measure, n, 100.0, *vectors, frozen(own, np.float32, len(own)), scale, squares, sums)
        kept = (frozen(scale, np.float64, n), frozen(squares, np.float64, n), frozen(sums, np.int64, n))
        self._vectors = _Vectors(*vectors, *kept)

    def chosen(self, candidates: Links, most: int, slack: float, steps: int = 1, done: Done | None = None) -> Links:
        """Return links among candidates, or two steps away; see :class:`hdc.kernels.GraphKernels`."""
        return self._chosen(candidates, None, most, slack, steps == 2, done)

    def both_ways(self, links: Links, most: int, slack: float, done: Done | None = None) -> Links:
        """Return links among links and their reverse; see :class:`hdc.kernels.GraphKernels`."""
        return self._chosen(links, _reversed(links), most, slack, False, done)

    def _chosen(self, own: Links, other: Links | None, most: int, slack: float, deep: bool, done: Done | None) -> Links:
        n = len(self._vectors.rows)
        sources = [
            Links(frozen(x.starts, np.int64, n + 1), frozen(x.nodes, np.uint32, len(x.nodes)))
            for x in (own, own if other is None else other)
        ]
        parts, counts = [np.empty(0, dtype=np.uint32)], np.empty(n, dtype=np.int64)
        out = np.empty((min(n, BLOCK), most), dtype=np.uint32)
        for first in range(0, n, BLOCK):
            size = min(BLOCK, n - first)
            some, time = counts[first : first + size], STEP_TIME if deep else NODE_TIME
            over_rows(_choose, size, time, self._vectors, *sources, deep, np.float32(slack), out, some, first)
            parts.append(out[:size][np.arange(most) < some[:, None]])
            if done is not None:
                done(size)
        return Links(np.concatenate([[0], np.cumsum(counts)]), np.concatenate(parts))


@kernel
def _reach(starts: Any, nodes: Any, reached: Any, queue: Any, held: int) -> int:
    """Mark all nodes that links lead to from ``queue[:held]``; return how many."""
    at = 0
    while at < held:
        node = queue[at]
        at += 1
        for link in range(starts[node], starts[node + 1]):
            other = nodes[link]
            if not reached[other]:
                reached[other] = True
                queue[held] = other
                held += 1
    return held


@kernel
def _attach(
    starts: Any, nodes: Any, reached: Any, queue: Any, spare: Any, latest: Any, entry: int, froms: Any, tos: Any
) -> int:
    """Link every node that nothing leads to from one that is reached; return how many links that takes.

    ``spare`` says how many more links a node may have; a node that has none left passes on to that it was linked to
    last, which is ``latest``.
    """
    added = 0
    for node in range(len(reached)):
        if reached[node]:
            continue
        anchor = np.int64(entry)
        for link in range(starts[node], starts[node + 1]):
            if reached[nodes[link]]:
                anchor = np.int64(nodes[link])
                break
        while spare[anchor] == 0:
            anchor = latest[anchor]
        spare[anchor] -= 1
        latest[anchor] = node
        froms[added], tos[added] = anchor, node
        added += 1
        reached[node] = True
        queue[0] = node
        _reach(starts, nodes, reached, queue, 1)
    return added


def connected(links: Links, entries: Ids) -> Links:
    """Add links until all nodes are reached from the entries; see :class:`hdc.kernels.GraphKernels`."""
    n = len(links.starts) - 1
    starts, nodes = frozen(links.starts, np.int64, n + 1), frozen(links.nodes, np.uint32, len(links.nodes))
    reached, queue = np.zeros(n, dtype=np.bool_), np.empty(n, dtype=np.int64)
    reached[entries] = True
    queue[: len(entries)] = entries
    _reach(starts, nodes, reached, queue, len(entries))
    spare = MOST_LINKS - np.diff(starts)
    froms, tos = np.empty((2, int(n - reached.sum())), dtype=np.int64)
    added = _attach(starts, nodes, reached, queue, spare, np.zeros(n, np.int64), int(entries[0]), froms, tos)
    order = np.argsort(froms[:added], kind="stable")
    more = np.concatenate([[0], np.cumsum(np.bincount(froms[:added], minlength=n))])
    places = starts[froms[:added][order] + 1]
    return Links(starts + more, np.insert(nodes, places, tos[:added][order].astype(np.uint32)))

"""Whether the graph kernels of a backend do what the contract says, against lists that are searched whole."""

from collections.abc import Callable

import numpy as np

from hdc.kernels import MOST_LINKS, EstimatePart, EstimatePlan, GraphKernels, GraphPlan, Links, ListKernels, Rotation
from hdc.words import mask_tail, word_count

ROWS, LISTS, MOST, SLACK = 60, 3, 5, 1.2

Compare = Callable[[object, object], None]


def check_graphs(kernels: GraphKernels, reference: ListKernels, dim: int, compare: Compare) -> None:
    """Compare the kernels of one dimension.

    Parameters
    ----------
    kernels : GraphKernels
    reference : ListKernels
        What a walk that reaches every node is compared with.
    dim : int
    compare : function
        Takes what was found and what was expected; raises AssertionError.
    """
    rng = np.random.default_rng(dim)
    items = rng.integers(1, 128, (ROWS, dim)).astype(np.int8)
    rows, starts = rng.permutation(ROWS), np.arange(0, ROWS + 1, ROWS // LISTS)
    near = Links(4 * np.arange(ROWS + 1), rng.integers(0, ROWS, 4 * ROWS).astype(np.uint32))
    linked = kernels.linked(items, rows, None)
    for links in (linked.chosen(near, MOST, SLACK), linked.both_ways(near, MOST, SLACK)):
        counts = np.diff(links.starts)
        assert counts.max() <= MOST, f"{counts.max()} links where {MOST} are allowed"
        assert not (np.repeat(np.arange(ROWS), counts) == links.nodes).any(), "a node is its own link"
    entries = starts[:-1]
    links = kernels.connected(linked.chosen(near, MOST, SLACK, 2), entries)
    assert np.diff(links.starts).max() <= MOST_LINKS, "more links than a node may have"
    reached = set(entries.tolist())
    for _ in range(ROWS):
        reached |= {int(n) for node in reached for n in links.nodes[links.starts[node] : links.starts[node + 1]]}
    assert len(reached) == ROWS, f"{len(reached)} of {ROWS} nodes are reached"
    signs = mask_tail(rng.integers(0, 2**64, (ROWS, word_count(dim)), dtype=np.uint64), dim)
    scale, offset = rng.standard_normal((2, ROWS), dtype=np.float32)
    directions = rng.integers(-127, 128, (LISTS, dim)).astype(np.int8)
    turns = rng.choice(np.array([-1, 1], dtype=np.int8), (3, dim))
    rotation = Rotation(turns[0], turns[1], rng.permutation(dim), turns[2], 2)
    lengths, ids = np.ones(LISTS, dtype=np.float32), np.where(rng.random(ROWS) < 0.1, -1, np.arange(ROWS))
    held = kernels.nodes(signs, scale, offset, np.repeat(np.arange(LISTS), ROWS // LISTS), links, entries)
    part = EstimatePart(reference.code_lists(signs, scale, offset, starts), rows, ids)
    mean = np.ones(dim, dtype=np.int16), 1.0
    plan = EstimatePlan(rotation, reference.centroids(directions), lengths, mean, [part], items)
    queries = rng.standard_normal((4, dim), dtype=np.float32)
    expected = reference.estimate_search(plan).search(queries, 7, LISTS, 20)
    for nodes in (held, kernels.restored({name: array.copy() for name, array in held.arrays.items()})):
        assert len(nodes) == ROWS, f"length {len(nodes)} of {ROWS} nodes"
        search = kernels.graph_search(GraphPlan(rotation, directions, lengths, nodes, rows, ids, items))
        compare(search.search(queries, 7, ROWS, 20), expected)

"""Build the links of a graph over RaBitQ codes from the lists of the codes, in two refinements.

1. Candidates of a node are the nearest rows by estimates, found in the lists, where batch searches cost least.
2. Links are chosen among them (:class:`hdc.kernels.LinkedVectors`), then among the links of both directions.
3. The same is repeated among nodes two steps away. Candidates are mostly in a node's own cluster; this finds others.
4. The node with the most links is the entry of its list: walks start in the lists nearest to the query.
5. Nodes that cannot be reached, such as the hundredth copy of a vector, are linked from the nearest reachable node.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdc.kernels import Done, GraphKernels, LinkedVectors, Links
from hdc.search.measures import Floats, Ids

OWN, MOST, SLACK = 32, 128, 1.2
"""Most links that a node chooses, and most after adding links of nodes that chose it. A candidate is dropped if a link
is nearer to it than the node is, by this factor of the squared distance."""

STEPS_AWAY, STEPS = 5, 8
"""What choosing takes for a node, in steps that are told as done: among nodes two steps away, and in all."""


@dataclass(frozen=True, eq=False)
class NodeVectors:
    """Vectors of the nodes of a graph.

    Attributes
    ----------
    items : (rows, d) int8 array
    rows : (n,) int64 array
        Node i has the vector of row ``rows[i]``.
    lengths : (rows,) float32 array or None
        Lengths of the vectors; None means length 1.
    """

    items: npt.NDArray[np.int8]
    rows: Ids
    lengths: Floats | None

    def linked(self, kernels: GraphKernels) -> LinkedVectors:
        """Return the nodes in the form that kernels read."""
        return kernels.linked(self.items, self.rows, self.lengths)


def build_links(
    kernels: GraphKernels,
    vectors: NodeVectors,
    candidates: Links,
    cells: Ids,
    lists: int,
    done: Done = lambda steps: None,
) -> tuple[Links, Ids]:
    """Return the links of all nodes, and the entry node of each list, -1 for an empty list.

    Parameters
    ----------
    kernels : GraphKernels
    vectors : NodeVectors
        At least one node.
    candidates : Links
        Rows near each node, without the node itself.
    cells : (n,) int64 array
        List of each node.
    lists : int
    done : function
        Takes steps that are done, of ``STEPS`` per node.
    """
    linked = vectors.linked(kernels)
    links = linked.both_ways(linked.chosen(candidates, OWN, SLACK, done=done), MOST, SLACK, done)
    links = linked.chosen(links, OWN, SLACK, 2, lambda nodes: done(STEPS_AWAY * nodes))
    links = linked.both_ways(links, MOST, SLACK, done)
    entries = _most_linked(links, cells, lists)
    return kernels.connected(links, entries[entries >= 0]), entries


def _most_linked(links: Links, cells: Ids, lists: int) -> Ids:
    """Return the node with the most links in each list; among equals, the first."""
    order = np.lexsort((-np.diff(links.starts), cells))
    there, first = np.unique(cells[order], return_index=True)
    entries = np.full(lists, -1, dtype=np.int64)
    entries[there] = order[first]
    return entries


def links_of(near: Ids) -> Links:
    """Convert rows of nodes, -1 for none, to links."""
    there = near >= 0
    return Links(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), near[there].astype(np.uint32))

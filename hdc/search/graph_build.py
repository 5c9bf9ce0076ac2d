"""The links of a graph over RaBitQ codes: from the lists that the codes are in, and twice refined.

1. Candidates of a node are the nearest rows by estimates, found in the lists, where searches of many cost least.
2. Links are chosen among them (:class:`hdc.kernels.LinkedVectors`), and then among those of both directions.
3. The same again among nodes two steps away: candidates are mostly a node's own cluster, and this leads to the others.
4. The node with the most links is the entry of its list: walks begin in the lists that are nearest to the query.
5. What cannot be reached, such as the hundredth copy of a vector, is linked from the nearest that can.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdc.kernels import Done, GraphKernels, LinkedVectors, Links
from hdc.search.measures import Floats, Ids

OWN, MOST, SLACK = 32, 128, 1.2
"""Links that are chosen for a node at most, alone and with those of nodes that have chosen it; and how much nearer to a
candidate, as a share of the square of the distance, a link has to be than the node to make the candidate needless."""

STEPS_AWAY, STEPS = 5, 8
"""What choosing takes for a node, in steps that are told as done: among nodes two steps away, and in all."""


@dataclass(frozen=True, eq=False)
class NodeVectors:
    """What the nodes of a graph are.

    Attributes
    ----------
    items : (rows, d) int8 array
    rows : (n,) int64 array
        Node i is the vector of row ``rows[i]``,
    lengths : (rows,) float32 array or None
        at this length, or at length 1.
    """

    items: npt.NDArray[np.int8]
    rows: Ids
    lengths: Floats | None

    def linked(self, kernels: GraphKernels) -> LinkedVectors:
        """Return the nodes as the kernels take them."""
        return kernels.linked(self.items, self.rows, self.lengths)


def build_links(
    kernels: GraphKernels,
    vectors: NodeVectors,
    candidates: Links,
    cells: Ids,
    lists: int,
    done: Done = lambda steps: None,
) -> tuple[Links, Ids]:
    """Return the links of all nodes, and the entry of each list, -1 of one that has no nodes.

    Parameters
    ----------
    kernels : GraphKernels
    vectors : NodeVectors
        Of at least one node.
    candidates : Links
        Rows near to each node; itself is left out.
    cells : (n,) int64 array
        The list of each node.
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
    """Return the node of the most links in each list, the first of equal ones."""
    order = np.lexsort((-np.diff(links.starts), cells))
    there, first = np.unique(cells[order], return_index=True)
    entries = np.full(lists, -1, dtype=np.int64)
    entries[there] = order[first]
    return entries


def links_of(near: Ids) -> Links:
    """Return rows of nodes, -1 for none, as links."""
    there = near >= 0
    return Links(np.concatenate([[0], np.cumsum(there.sum(axis=1))]), near[there].astype(np.uint32))

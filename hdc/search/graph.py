"""Approximate search in a graph over RaBitQ codes: a query walks from node to node and reads a few hundred of them.

Two structures are derived from a snapshot: its rows in lists (:mod:`hdc.search.estimates`), and a graph of those rows,
built from the lists. A graph never changes. Later rows form a tail that is searched in its lists. When the tail is too
large, lists and graph are built again. Walks pass through dead rows but do not return them. Searches among allowed rows
use the lists, as do searches of small indexes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError
from hdc.kernels import (
    AskedOfLists,
    Compared,
    Done,
    EstimatePart,
    EstimatePlan,
    EstimateSearch,
    GraphKernels,
    GraphNodes,
    GraphPlan,
    GraphSearch,
    Links,
    ListKernels,
)
from hdc.search.codes import CODES, joined
from hdc.search.engine import Engine
from hdc.search.estimates import EstimateModel, EstimateRows, Estimates
from hdc.search.graph_build import STEPS, NodeVectors, build_links, links_of
from hdc.search.list_files import ListFile, keep_lists
from hdc.search.measures import Distances, Floats, Ids
from hdc.search.options import GraphOptions, IVFOptions, Options
from hdc.search.partition import Part, Partition
from hdc.search.reranking import LENGTHS, ORIGINALS
from hdc.store import Snapshot

LEAST_NODES = 1 << 10
"""Fewest rows of a graph, and of files with lists and graph."""

NEIGHBORS, LOOKED_AT, LEAST_PROBES = 96, 3000, 8
"""Candidates for the links of a row, and fewest rows and lists that are searched for them."""

BLOCK = 1 << 13
"""Rows whose candidates are searched for at a time."""

PROBES = 64
"""Lists to probe where the graph is not used."""


Progress: TypeAlias = Callable[[int], AbstractContextManager[Done]]
"""Shows long work of so many steps, while what it enters is told how many more are done."""


class GraphModel(EstimateModel, Protocol):
    """The model that made the codes, with ``dim_`` components."""

    dim_: int

    @property
    def directions(self) -> npt.NDArray[np.int8]:
        """Directions of the lists' centroids, in the components that codes encode."""


class GraphEstimates:
    """The searcher of RaBitQ codes in lists that walks a graph.

    Parameters
    ----------
    model : GraphModel
        With at least two lists.
    lists, graphs
        Kernels of one backend.
    kept : sequence of str
        As :class:`Estimates`; int8 originals are included.
    asked_of : function
        Maps (n, d) originals, as floats, to mapped queries.
    place : (Path, str), optional
        As :class:`Estimates`; the graph is stored there too.
    progress : function, optional
        Shows the progress of a build; None shows nothing.
    """

    kind = "graph"

    least = LEAST_NODES
    """With fewer rows, every row is compared."""

    def __init__(
        self,
        model: GraphModel,
        lists: ListKernels,
        graphs: GraphKernels,
        kept: tuple[str, ...],
        asked_of: Callable[[Floats], Floats],
        place: tuple[Path, str] | None = None,
        progress: Progress = lambda steps: nullcontext(lambda done: None),
    ) -> None:
        self.model, self._lists, self._graphs, self._asked_of = model, lists, graphs, asked_of
        self._progress, self._unfinished = progress, False
        self.lists = Estimates(model, lists, kept, place=place)
        self.file: ListFile | None = None
        if place is not None and self.lists.file is not None:
            folder, digest = place
            arrays = folder, graphs.layout, digest, lambda held: held.arrays, graphs.restored
            self.file = ListFile(*arrays, least=LEAST_NODES)
            self.lists.file.least = LEAST_NODES

    def prepared(self, snapshot: Snapshot, previous: "GraphEstimateRows | None") -> "GraphEstimateRows":
        """Reuse the graph of an older snapshot, from memory or a file, or build one."""
        lists = self.lists.prepared(snapshot, None if previous is None else previous.lists)
        part = lists.partition.parts[0]
        nodes: GraphNodes | None = None
        if len(part.held) >= self.least:
            same = previous is not None and previous.lists.partition.parts[0].held is part.held
            nodes = previous.nodes if same and previous is not None else self._read(lists)
            if nodes is None:
                self._unfinished = True
                nodes = self._built(lists, part)
            self._unfinished = False
        return GraphEstimateRows(lists, self.model, nodes, self._walks(lists, part, nodes), self._tail(lists))

    def _read(self, lists: EstimateRows) -> GraphNodes | None:
        """Return the graph in the file if it covers the same rows, else None."""
        partition, part = lists.partition, lists.partition.parts[0]
        found = None if self.file is None else self.file.read(partition.grouping)
        if found is None or found[1] != partition.stop or not np.array_equal(found[0].rows, part.rows):
            return None
        nodes: GraphNodes = found[0].held
        try:
            self._walks(lists, part, nodes)
        except FileFormatError:  # the file belongs to other lists
            return None
        return nodes

    def _built(self, lists: EstimateRows, part: Part) -> GraphNodes:
        snapshot, rows = lists.snapshot, part.rows[: len(part.held)]
        for name in self.lists.kept:
            snapshot.check(name)
        known = self.model.factors(snapshot.take(CODES, rows))
        lengths = snapshot.raw(LENGTHS)[:, 0] if LENGTHS in self.lists.kept else None
        vectors = NodeVectors(snapshot.raw(ORIGINALS), rows, lengths)
        with self._progress((1 + STEPS) * len(rows)) as done:
            near = self._candidates(part, vectors, done)
            links, entries = build_links(self._graphs, vectors, near, known.cells, self.model.lists_, done)
        signs = self.model.signs(snapshot.take(CODES, rows))
        return self._graphs.nodes(signs, known.scale, known.offset, known.cells, links, entries)

    def _candidates(self, part: Part, vectors: NodeVectors, done: Done) -> Links:
        """Return the nearest rows of each row, by estimates."""
        n, lists = len(vectors.rows), self.model.lists_
        probes = min(lists, max(LEAST_PROBES, -(-LOOKED_AT * lists // n)))
        numbers, near = np.arange(n), []
        for start in range(0, n, BLOCK):
            rows = vectors.rows[start : start + BLOCK]
            items = vectors.items[rows].astype(np.float32)
            if vectors.lengths is not None:
                own = np.linalg.norm(items, axis=1)
                items *= (vectors.lengths[rows] / np.maximum(own, np.float32(1)))[:, None]
            asked = self.model.asked(self._asked_of(items), probes)
            found = part.held.search(
                asked.integers, asked.factors, asked.lists, asked.base, numbers, min(n, NEIGHBORS + 1)
            )[1]
            near.append(links_of(found))
            done(len(rows))
        starts = [0, *np.cumsum([len(some.nodes) for some in near])]
        return Links(
            np.concatenate([[0], *(some.starts[1:] + start for some, start in zip(near, starts, strict=False))]),
            np.concatenate([some.nodes for some in near]),
        )

    def _walks(self, lists: EstimateRows, part: Part, nodes: GraphNodes | None) -> GraphSearch | None:
        if nodes is None:
            return None
        plan = self._plan(lists, [])
        own = plan.rotation, self.model.directions, plan.lengths, nodes, part.rows, part.ids
        assert plan.originals is not None
        return self._graphs.graph_search(GraphPlan(*own, plan.originals, plan.lengths_of_originals, plan.by_distance))

    def _tail(self, lists: EstimateRows) -> EstimateSearch | None:
        parts = [EstimatePart(part.held, part.rows, part.ids) for part in lists.partition.parts[1:]]
        return self._lists.estimate_search(self._plan(lists, parts)) if parts else None

    def _plan(self, lists: EstimateRows, parts: list[EstimatePart]) -> EstimatePlan:
        snapshot = lists.snapshot
        lengths = snapshot.raw(LENGTHS)[:, 0] if LENGTHS in self.lists.kept else None
        plan = self.model.plan(parts, snapshot.raw(ORIGINALS), None, lengths)
        assert plan is not None  # the model of a graph has directions
        return plan

    def keep(self, engine: Engine) -> None:
        """Write lists and graph to their files (see :mod:`hdc.search.list_files`), unless a build was interrupted."""
        if self._unfinished:
            return
        keep_lists(engine, self.lists.file)
        keep_lists(engine, self.file, _of_graph)


def _effort_of(options: Options) -> int:
    assert isinstance(options, GraphOptions)
    return options.effort


def _of_graph(prepared: "GraphEstimateRows") -> Partition | None:
    """Return the rows of the graph, in lists, in the form that a file stores."""
    if prepared.nodes is None:
        return None
    partition = prepared.partition
    return replace(partition, parts=(replace(partition.parts[0], held=prepared.nodes),))


@dataclass(frozen=True, eq=False)
class GraphEstimateRows:
    """A snapshot prepared for search in a graph.

    Attributes
    ----------
    lists : EstimateRows
        All rows in lists.
    model : GraphModel
    nodes : GraphNodes or None
        Graph of the first part of the lists; None with few rows.
    walks : GraphSearch or None
    tail : EstimateSearch or None
        Searches the rows added after the graph was built.
    """

    lists: EstimateRows
    model: GraphModel
    nodes: GraphNodes | None
    walks: GraphSearch | None
    tail: EstimateSearch | None
    dtype = np.float32
    alone = True
    """Whether batches, too, are fastest query by query."""

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is searched."""
        return self.lists.snapshot

    @property
    def partition(self) -> Partition:
        """The rows in lists."""
        return self.lists.partition

    @property
    def bytes_per_node(self) -> int:
        """Bytes of records and links for each node, rounded up; 0 without a graph."""
        if self.nodes is None:
            return 0
        size: int = sum(array.nbytes for array in self.nodes.arrays.values())
        return -(-size // len(self.nodes))

    def find(
        self,
        queries: npt.NDArray[Any],
        k: int,
        candidates: int,
        options: Options,
        allowed: Ids | None,
        compared: Compared | None = None,
        *,
        mapped: bool = False,
    ) -> tuple[Floats, Ids]:
        """Search for queries from the floats to the exact order by int8 originals; see :meth:`EstimateRows.find`."""
        if self.walks is None or allowed is not None:
            chosen = self._in_lists(options, every=self.walks is None)
            return self.lists.find(queries, k, candidates, chosen, allowed, compared, mapped=mapped)
        read = np.empty((len(queries), candidates), dtype=np.int64) if self.lists.unchecked else None
        own = queries[:, : self.model.dim_] if mapped else queries
        found = self.walks.search(own, k, _effort_of(options), candidates, read, compared, mapped=mapped)
        self._check(read)
        if self.tail is not None:
            asked = self.model.asked(queries, PROBES) if mapped else queries
            late = self.tail.search(asked, k, PROBES, candidates, None, read, compared)
            self._check(read)
            found = joined([(-scores, ids) for scores, ids in (found, late)], k)
            found = -found[0], found[1]
        ids = found[1]
        if ids.item(-1) < 0 if len(ids) == 1 else (ids[:, -1] < 0).any():  # fewer than k nodes were seen
            short = np.flatnonzero(ids[:, -1] < 0)
            some = None if compared is None else Compared(compared.queries[short], compared.squares[short])
            chosen = self._in_lists(options, every=True)
            again = self.lists.find(queries[short], k, candidates, chosen, None, some, mapped=mapped)
            found[0][short], found[1][short] = again
        return found

    def _check(self, read: Ids | None) -> None:
        if read is not None:
            for name in self.lists.unchecked:
                self.snapshot.check(name, read[read >= 0])

    def search(
        self, queries: Floats | AskedOfLists, k: int, options: Options, allowed: Ids | None = None
    ) -> tuple[Distances, Ids]:
        """Return about the k rows of the greatest estimates; see :meth:`hdc.search.searcher.Prepared.search`."""
        if self.walks is None or allowed is not None or isinstance(queries, AskedOfLists):
            return self.lists.search(queries, k, self._in_lists(options, every=self.walks is None), allowed)
        own = np.ascontiguousarray(queries[:, : self.model.dim_])
        scores, ids = self.walks.search(own, k, _effort_of(options), k, mapped=True, exact=False)
        found = [(1 - scores, ids)]
        if self.tail is not None:
            asked = self.model.asked(queries, PROBES)
            found.append(self.lists.by_signs(asked, self.partition.parts[1:], k))
        distances, ids = joined(found, k) if len(found) > 1 else found[0]
        short = np.flatnonzero(ids[:, -1] < 0)
        if len(short):
            chosen = self._in_lists(options, every=True)
            distances[short], ids[short] = self.lists.search(queries[short], k, chosen, None)
        return distances, ids

    def _in_lists(self, options: Options, *, every: bool) -> IVFOptions:
        """Return the options of the same search in some or all lists."""
        return IVFOptions(probes=self.model.lists_ if every else PROBES, candidates=options.candidates)

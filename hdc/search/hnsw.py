"""Approximate search in a graph (HNSW, Malkov & Yashunin 2016) by usearch, with our compiled Hamming distance.

A published graph never changes. Later rows form a tail that is compared row by row, and nodes of dead rows are left out
of the results. When these become too many, a copy of the graph is updated and published. Nodes are named by the ids of
rows, so rows may move.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import files
from hdc.dispatch import threads
from hdc.errors import BackendUnavailableError, FileFormatError
from hdc.search.codes import CodeRows, candidates_of, joined
from hdc.search.live import alive, live
from hdc.search.measures import FEW, Distances, Hamming, Ids, Measure
from hdc.search.once import Turns
from hdc.search.options import HNSWOptions
from hdc.store import Snapshot
from hdc.words import WORD_BITS, Words, word_count

KIND = "hnsw-graph"

ALONE = 1000
"""The first nodes are added one after another. Nodes added in parallel do not see each other, and too few links would
lead from one of the first nodes to the next."""

FILE = "graph"
"""File name of the graph, beside the store's files; without the file, the graph is built again."""

NEIGHBORS, BUILD_EFFORT = 16, 128
"""Links per node, and width of the search that adds one."""

LEAST_TAIL, TAIL = 1024, 32
"""A graph is updated after this many rows, and more than a TAIL-th of its nodes, were added or removed."""


def new_graph(measure: Measure, neighbors: int = NEIGHBORS, effort: int = BUILD_EFFORT) -> Any:
    """Return an empty usearch index of codes, with the backend's compiled Hamming distance if it exports one.

    Raises
    ------
    BackendUnavailableError
        If usearch is not installed.
    """
    try:
        from usearch.index import CompiledMetric, Index, MetricKind, MetricSignature
    except ImportError as error:
        raise BackendUnavailableError(f"kind='hnsw' needs usearch ({error}); pip install 'hdc-toolkit[hnsw]'") from None
    metric: Any = MetricKind.Hamming
    if measure.kernels.hamming_pointer is not None:
        metric = CompiledMetric(measure.kernels.hamming_pointer(), metric, MetricSignature.ArrayArraySize)
    bits = word_count(measure.dim) * WORD_BITS
    return Index(ndim=bits, metric=metric, dtype="b1", connectivity=neighbors, expansion_add=effort)


class Graph:
    """An immutable graph that several threads may search.

    Parameters
    ----------
    index : usearch index
        Not shared with anything else.
    nodes : (n,) int64 array
        Ids of its nodes, ascending.
    """

    def __init__(self, index: Any, nodes: Ids) -> None:
        self._index, self.nodes = index, nodes
        self._turns = Turns(self._set_effort)

    def __len__(self) -> int:
        return len(self.nodes)

    def _set_effort(self, effort: int) -> None:
        """Set the search width; usearch has one for the whole graph."""
        self._index.expansion_search = effort

    def updated(self, gone: Ids, ids: Ids, codes: Words) -> "Graph":
        """Return a new graph without the nodes ``gone`` and with nodes ``ids`` added."""
        index = self._index.copy()
        if len(gone):
            index.remove(gone.astype(np.uint64))
        kept = np.setdiff1d(self.nodes, gone, assume_unique=True)
        nodes, rows = ids.astype(np.uint64), np.ascontiguousarray(codes).view(np.uint8)
        alone = max(0, min(len(nodes), ALONE - len(kept)))
        for part, several in ((slice(alone), 1), (slice(alone, None), threads())):
            if len(nodes[part]):
                index.add(nodes[part], rows[part], threads=several)
        return Graph(index, np.sort(np.concatenate([kept, ids])))

    def codes(self) -> Words:
        """Return the ``(n, words)`` codes of the nodes."""
        if not len(self.nodes):
            return np.empty((0, self._index.ndim // WORD_BITS), np.uint64)
        return np.stack(self._index.get(self.nodes.astype(np.uint64))).view(np.uint64)

    def search(self, signs: Words, k: int, effort: int) -> tuple[Distances, Ids]:
        """Return about the k nearest nodes of each query, ``(q, words)`` codes, as distances and ids."""
        k = min(k, len(self.nodes))
        if k == 0 or len(signs) == 0:
            return np.empty((len(signs), 0), np.int32), np.empty((len(signs), 0), np.int64)
        with self._turns.at(max(effort, k)):
            several = threads() if len(signs) > FEW else 1
            found = self._index.search(signs.view(np.uint8), k, threads=several)
        if len(signs) == 1:  # usearch returns one query without an axis and without empty places
            return found.distances.astype(np.int32)[None], found.keys.astype(np.int64)[None]
        there = np.arange(found.keys.shape[1]) < found.counts[:, None]
        differing = np.where(there, found.distances, 0).astype(np.int32)
        ids = np.where(there, found.keys.astype(np.int64), -1)
        return np.where(there, differing, Hamming.farthest).astype(np.int32), ids

    def save(self, path: Path) -> None:
        """Write the graph to a file, so that the next process need not build it."""
        content = np.frombuffer(self._index.save(), dtype=np.uint8)
        arrays: dict[str, npt.NDArray[Any]] = {"graph": content, "ids": self.nodes}
        files.save(path, KIND, {"codes": digest_of(self.codes())}, arrays)

    @classmethod
    def load(cls, path: Path, measure: Measure) -> "tuple[Graph, str]":
        """Read a graph that :meth:`save` wrote, and the digest of its nodes' codes.

        Raises
        ------
        FileFormatError
            If the file is damaged, or does not contain a graph of codes of this size.
        """
        meta, arrays = files.load(path, KIND, mmap=True)
        index = new_graph(measure)
        metric = index.metric
        if arrays.keys() != {"ids", "graph"} or arrays["ids"].ndim != 1 or arrays["ids"].dtype != np.int64:
            raise FileFormatError(f"{path} does not contain a graph; remove it to build the graph again")
        nodes = np.array(arrays["ids"])
        try:
            index.load(arrays["graph"].data)
            index.metric = metric  # loading replaces it by usearch's own
            right = len(index) == len(nodes) and bool(index.contains(nodes.astype(np.uint64)).all())
        except (RuntimeError, ValueError) as error:
            raise FileFormatError(f"{path} does not contain a graph ({error}); remove it to build it again") from None
        if not right or index.ndim != word_count(measure.dim) * WORD_BITS:
            raise FileFormatError(f"{path} contains another graph than it states; remove it to build the graph again")
        return cls(index, nodes), meta.get("codes", "")


class Graphs:
    """The searcher of codes in an HNSW graph; codes of several planes are found by the first plane, then compared.

    Parameters
    ----------
    measure : Measure
    folder : Path, optional
        Folder that may contain a saved graph.
    """

    kind = "hnsw"

    def __init__(self, measure: Measure, folder: Path | None = None) -> None:
        self.measure, self._folder = measure, folder
        self._empty = Graph(new_graph(measure), NO_ROWS)
        self._kept: Graph | None = None

    def prepared(self, snapshot: Snapshot, previous: "GraphRows | None") -> "GraphRows":
        """Update the graph; or, after few changes, keep it, with new rows as a tail and dead nodes left out."""
        rows = CodeRows.of(snapshot, self.measure)
        graph, known = self._followed(rows, previous)
        living = alive(snapshot)
        fresh = np.flatnonzero(living & ~known)
        nodes = np.sort(snapshot.ids[known & living])
        gone = np.setdiff1d(graph.nodes, nodes, assume_unique=True)
        if len(fresh) + len(gone) > max(LEAST_TAIL if len(graph) else 0, len(graph) // TAIL):
            graph = graph.updated(gone, snapshot.ids[fresh], rows.first_planes[fresh])
            return GraphRows(rows, graph, living, NO_ROWS, NO_ROWS)
        return GraphRows(rows, graph, known, gone, fresh)

    def _followed(self, rows: CodeRows, previous: "GraphRows | None") -> tuple[Graph, npt.NDArray[np.bool_]]:
        """Return the existing graph, and whether it contains each row of the snapshot, dead or not."""
        snapshot = rows.snapshot
        if previous is None:
            path = None if self._folder is None else self._folder / FILE
            if path is None or not path.exists():
                return self._empty, np.zeros(snapshot.count, dtype=bool)
            graph, digest = Graph.load(path, self.measure)
            self._kept = graph
            return graph, _restored(rows, graph, digest)
        graph = previous.graph
        if previous.snapshot.edition == snapshot.edition:
            return graph, np.concatenate([previous.known, np.zeros(snapshot.count - len(previous.known), dtype=bool)])
        there = np.flatnonzero(previous.known & alive(previous.snapshot))
        ids = previous.snapshot.ids[there]
        order = np.argsort(ids)
        return graph, _known(rows, ids[order], previous.rows.first_planes[there[order]])

    def keep(self, prepared: Any, folder: Path) -> None:
        """Write the graph to its file unless that is up to date."""
        if len(prepared.graph) and (folder != self._folder or prepared.graph is not self._kept):
            prepared.graph.save(folder / FILE)
            if folder == self._folder:
                self._kept = prepared.graph

    def verify(self, folder: Path) -> None:
        """Raise FileFormatError if the graph's file is damaged."""
        if (folder / FILE).exists():
            Graph.load(folder / FILE, self.measure)


def digest_of(codes: Words) -> str:
    """Return a digest of codes, which identifies the codes of a graph."""
    return hashlib.blake2b(np.ascontiguousarray(codes, dtype="<u8").data, digest_size=16).hexdigest()


def _restored(rows: CodeRows, graph: Graph, digest: str) -> npt.NDArray[np.bool_]:
    """Return which rows a graph from a file contains: all live rows if nothing has changed since it was written."""
    chosen = live(rows.snapshot)
    chosen = chosen[np.argsort(rows.snapshot.ids[chosen])]
    same = np.array_equal(rows.snapshot.ids[chosen], graph.nodes)
    if same and digest_of(rows.first_planes[chosen]) == digest:
        return alive(rows.snapshot)
    return _known(rows, graph.nodes, graph.codes())


def _known(rows: CodeRows, nodes: Ids, codes: Words) -> npt.NDArray[np.bool_]:
    """Return which rows are nodes, given as ascending ids, with the same codes."""
    known = np.zeros(rows.snapshot.count, dtype=bool)
    if len(nodes):
        chosen = live(rows.snapshot)
        place = np.minimum(np.searchsorted(nodes, rows.snapshot.ids[chosen]), len(nodes) - 1)
        there = nodes[place] == rows.snapshot.ids[chosen]
        there[there] = (rows.first_planes[chosen[there]] == codes[place[there]]).all(axis=1)
        known[chosen[there]] = True
    return known


NO_ROWS: Ids = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class GraphRows:
    """A snapshot prepared for search in a graph.

    Attributes
    ----------
    rows : CodeRows
    graph : Graph
    known : (n,) bool array
        Rows, including dead ones, that the graph contains.
    gone : int64 array
        Nodes, ascending, to leave out: their rows died or have another code now.
    tail : int64 array
        Positions of live rows that are not in the graph.
    """

    rows: CodeRows
    graph: Graph
    known: npt.NDArray[np.bool_]
    gone: Ids
    tail: Ids

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is searched."""
        return self.rows.snapshot

    @property
    def dtype(self) -> type[np.generic]:
        """Type of the distances."""
        return self.rows.measure.dtype

    def search(self, queries: Words, k: int, options: HNSWOptions, allowed: Ids | None = None) -> tuple[Distances, Ids]:
        """Search the graph; with allowed rows, compare all of these."""
        if allowed is not None:
            return self.rows.scan(queries, allowed, k)
        if isinstance(self.rows.measure, Hamming):
            return self._first(queries, k, options.effort)
        _, ids = self._first(queries, candidates_of(options, k, len(self.snapshot)), options.effort)
        return self.rows.compare(queries, ids, k)

    def _first(self, queries: Words, k: int, effort: int) -> tuple[Distances, Ids]:
        """Return about the k nearest rows by differing bits of the first plane."""
        signs = np.ascontiguousarray(queries[:, 0])
        found = [self._walk(signs, k, effort)]
        if len(self.tail):
            found.append(self._first_planes.scan(signs[:, None], self.tail, k))
        return joined(found, k)

    @property
    def _first_planes(self) -> CodeRows:
        measure = Hamming(self.rows.measure.kernels, self.rows.measure.dim, 1)
        return CodeRows(self.snapshot, measure, self.rows.codes[:, :1], None)

    def _walk(self, signs: Words, k: int, effort: int) -> tuple[Distances, Ids]:
        """Return about the k nearest live nodes, asking for more until there are k."""
        nodes, wider = len(self.graph), min(len(self.graph), k + min(k, len(self.gone)))
        while True:
            distances, ids = self.graph.search(signs, wider, effort)
            if len(self.gone) == 0:
                return distances, ids
            place = np.minimum(np.searchsorted(self.gone, ids), len(self.gone) - 1)
            ids = np.where(self.gone[place] == ids, -1, ids)
            if wider == nodes or ((ids >= 0).sum(axis=1) >= min(k, nodes - len(self.gone))).all():
                return distances, ids
            wider = min(nodes, 2 * wider)

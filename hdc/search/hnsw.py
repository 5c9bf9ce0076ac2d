"""Approximate search in a graph (HNSW, Malkov & Yashunin 2016) by usearch, with our compiled Hamming distance."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from hdc import files
from hdc.dispatch import threads
from hdc.errors import BackendUnavailableError
from hdc.search.measures import Distances, Ids, Measure, nearest_of
from hdc.search.snapshot import View
from hdc.words import WORD_BITS, Words, word_count

KIND = "hnsw-graph"

ALONE = 1000
"""The first nodes are added one after another: nodes added at once do not see each other, and too few links would lead
from one of these to the next."""

FILE = "graph"
"""Name of the graph's file, beside the store's; without it the graph is built anew."""


def new_graph(dim: int, neighbours: int, effort: int) -> Any:
    """Return an empty usearch index of codes.

    Raises
    ------
    BackendUnavailableError
        If usearch or Numba is not installed.
    """
    try:
        from usearch.index import CompiledMetric, Index, MetricKind, MetricSignature

        from hdc.backends.numba_kernels.metric import hamming_pointer
    except ImportError as error:
        raise BackendUnavailableError(
            f"kind='hnsw' needs usearch and Numba ({error}); pip install 'hdc-toolkit[hnsw]'"
        ) from None
    metric = CompiledMetric(hamming_pointer(), MetricKind.Hamming, MetricSignature.ArrayArraySize)
    bits = word_count(dim) * WORD_BITS
    return Index(ndim=bits, metric=metric, dtype="b1", connectivity=neighbours, expansion_add=effort)


class Graph:
    """The searcher of an index of kind ``hnsw``. Its nodes are ids, so that rows may move.

    Parameters
    ----------
    measure : Measure
    neighbours : int
        Links of a node.
    effort : int
        Candidates in hand when a node is added.
    path : Path, optional
        Where a graph may have been saved.
    """

    def __init__(self, measure: Measure, neighbours: int, effort: int, path: Path | None = None) -> None:
        self.measure, self.path = measure, path
        self._graph = new_graph(measure.dim, neighbours, effort)
        self._edition, self._seen = -1, 0
        self._held = np.empty(0, np.int64)
        self._view: View | None = None
        self.changed = False
        """Whether the graph is another one than was saved."""

    def follow(self, view: View) -> None:
        """Bring the graph to what the view holds: drop dead nodes, add new ones."""
        if view is self._view:
            return
        if self._view is None and self.path is not None and self.path.exists():
            self._restore(self.path)
        if view.edition != self._edition:
            self._graph.clear()
            self._held, self._seen = np.empty(0, np.int64), 0
            self.changed = True
        new = self._seen + np.flatnonzero(view.alive[self._seen :])
        ids = np.sort(view.ids[view.alive])
        gone = np.union1d(np.setdiff1d(self._held, ids), np.intersect1d(self._held, view.ids[new]))
        if len(gone):
            self._graph.remove(gone.astype(np.uint64))
        if len(new):
            nodes, codes = view.ids[new].astype(np.uint64), np.ascontiguousarray(view.codes[new, 0]).view(np.uint8)
            alone = max(0, min(len(new), ALONE - len(self._graph)))
            for part, several in ((slice(alone), 1), (slice(alone, None), threads())):
                if len(nodes[part]):
                    self._graph.add(nodes[part], codes[part], threads=several)
        self._held = ids
        self.changed |= bool(len(gone) or len(new))
        self._edition, self._seen, self._view = view.edition, len(view), view

    def moved(self, view: View) -> None:
        """Go on with a view of the same ids and codes at other positions."""
        self.changed = True
        self._edition, self._seen, self._view = view.edition, len(view), view

    def search(self, view: View, queries: Words, k: int, effort: int) -> tuple[Distances, Ids]:
        """Return about the k nearest rows, by differing bits of the first plane."""
        self.follow(view)
        self._graph.expansion_search = max(effort, k)
        signs = np.ascontiguousarray(queries[:, 0]).view(np.uint8)
        distances = np.full((len(queries), k), np.iinfo(np.int32).max)
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        if len(queries) and len(self._graph):
            found = self._graph.search(signs, k, threads=threads())
            keys, differing = np.atleast_2d(found.keys), np.atleast_2d(found.distances)  # one query loses its axis
            counts = found.counts if len(queries) > 1 else np.array([keys.shape[1]])
            there = np.arange(keys.shape[1]) < counts[:, None]
            ids[:, : keys.shape[1]][there] = keys[there]
            distances[:, : keys.shape[1]][there] = differing[there]
        return nearest_of(distances.astype(np.int32), ids, k)

    def save(self, view: View, path: Path) -> None:
        """Write the graph, which has followed a view of these ids, so that the next process need not build it."""
        content = np.frombuffer(self._graph.save(), dtype=np.uint8)
        files.save(path, KIND, {"edition": view.edition, "rows": len(view)}, {"graph": content, "ids": self._held})

    def check(self, path: Path) -> None:
        """Raise FileFormatError if the file of a graph is damaged."""
        files.load(path, KIND, mmap=True)

    def _restore(self, path: str | os.PathLike[str]) -> None:
        meta, arrays = files.load(path, KIND, mmap=True)
        metric = self._graph.metric
        self._graph.load(arrays["graph"].data)
        self._graph.metric = metric  # loading puts usearch's own in its place
        self._held, self._edition, self._seen = np.array(arrays["ids"]), meta["edition"], meta["rows"]

"""The engine under every index: search codes, then estimates, then compare exactly, over immutable snapshots."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.distinct import distinct
from hdc.search.codes import candidates_of
from hdc.search.live import positions_of
from hdc.search.measures import Distances, Floats, Ids, nearest_of
from hdc.search.once import BuildLock
from hdc.search.options import Options
from hdc.search.partition import FEW_ROWS
from hdc.search.searcher import Prepared, Searcher
from hdc.store import Snapshot, Store

Exact = Callable[[Snapshot, Ids], Floats]
"""Compares candidates: maps a snapshot and (q, c) positions in it, -1 for none, to (q, c) float32 distances."""


class Search(NamedTuple):
    """One search of one snapshot.

    Attributes
    ----------
    prepared : Prepared
    k : int
        Hits per query: at most the number of allowed rows.
    candidates : int
        Rows that the exact step compares: from k to the number of allowed rows.
    options : Options
    allowed : (m,) int64 array or None
        As :meth:`Prepared.search`.
    """

    prepared: Prepared
    k: int
    candidates: int
    options: Options
    allowed: Ids | None

    @property
    def among_few(self) -> bool:
        """Whether so few rows are allowed that all are compared, whatever their lists."""
        return self.allowed is not None and len(self.allowed) <= FEW_ROWS

    def run(self, queries: Any, exact: Exact | None = None) -> tuple[Distances, Ids]:
        """Return distances and ids as :meth:`Prepared.search`, in the order of the exact step if there is one.

        Parameters
        ----------
        queries : array
            In the form that the searcher expects. Blocks of queries may run one after another, or in several threads.
        exact : function, optional
        """
        if self.k == 0:
            dtype = self.prepared.dtype if exact is None else np.float32
            return np.empty((len(queries), 0), dtype), np.empty((len(queries), 0), np.int64)
        if exact is None:
            return self.prepared.search(queries, self.k, self.options, self.allowed)
        options = replace(self.options, candidates=self.candidates)
        _, ids = self.prepared.search(queries, self.candidates, options, self.allowed)
        return self.compared(ids, exact)

    def compared(self, candidates: Ids, exact: Exact) -> tuple[Distances, Ids]:
        """Compare the candidates of each query, ``(q, c)`` ids with -1 for none, exactly; return the k nearest."""
        snapshot = self.prepared.snapshot
        distances = exact(snapshot, positions_of(snapshot, candidates))
        return nearest_of(np.where(candidates < 0, np.float32(np.inf), distances), candidates, self.k)


class Engine:
    """Searches the rows of a store.

    Any number of threads may search while another thread changes the store. A search uses what was prepared for the
    newest snapshot, or prepares it, and keeps it to its end. Threads that need the same snapshot wait for the one that
    prepares it. Other threads do not wait, and no thread sees a half-prepared snapshot.

    Parameters
    ----------
    store : Store
    searcher : Searcher
    """

    def __init__(self, store: Store, searcher: Searcher) -> None:
        self.store, self.searcher = store, searcher
        self._prepared: Prepared | None = None
        self._preparing = BuildLock()

    @property
    def latest(self) -> Prepared | None:
        """The last prepared object, of any snapshot; None before the first search."""
        return self._prepared

    @property
    def current(self) -> Prepared | None:
        """What the newest snapshot is searched with, if it was prepared; else None, and nothing is prepared."""
        prepared, snapshot = self._prepared, self.store.snapshot
        return prepared if prepared is not None and prepared.snapshot is snapshot else None

    @property
    def snapshot(self) -> Snapshot:
        """The current contents of the store."""
        return self.store.snapshot

    def prepared(self) -> Prepared:
        """Return the object that searches the newest snapshot; the same one until the store changes."""
        prepared = self.current
        if prepared is not None:
            return prepared
        with self._preparing:
            snapshot, prepared = self.snapshot, self._prepared
            if prepared is None or prepared.snapshot is not snapshot:
                prepared = self._prepared = self.searcher.prepared(snapshot, prepared)
            return prepared

    def take(self, prepared: Prepared) -> None:
        """Use an object that was prepared elsewhere as the last one."""
        with self._preparing:
            self._prepared = prepared

    def begin(self, k: int, options: Options, among: npt.ArrayLike | None = None) -> Search:
        """Start a search of the newest snapshot.

        Parameters
        ----------
        k : int
            At least 1.
        options : options of the searcher's kind
        among : (m,) array of ids, optional
            Find only rows with these ids.

        Raises
        ------
        ParameterError
            If an id does not exist.
        FileFormatError
            If the store is damaged.
        """
        return begun(self.prepared(), k, options, among)


def begun(prepared: Prepared, k: int, options: Options, among: npt.ArrayLike | None = None) -> Search:
    """Begin a search of what was prepared; see :meth:`Engine.begin`."""
    snapshot = prepared.snapshot
    allowed = None if among is None else distinct(snapshot.positions(among))
    rows = len(snapshot) if allowed is None else len(allowed)
    hits = min(k, rows)
    return Search(prepared, hits, candidates_of(options, hits, rows), options, allowed)

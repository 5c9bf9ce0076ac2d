"""Exact search of codes by lookup tables of a query: every row's score is a sum of table entries."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hdc.kernels import TableKernels
from hdc.search.codes import CODES
from hdc.search.live import live
from hdc.search.measures import Distances, Floats, Ids
from hdc.search.options import FlatOptions
from hdc.store import Snapshot
from hdc.words import Words

TABLE_BYTES = 1 << 26
"""Tables of the queries in one block stay below this many bytes (64 MiB)."""

CANDIDATE_QUERIES = 64
"""Queries whose candidates are looked up at a time."""


class TableModel(Protocol):
    """The model that made the codes, and computes what their bytes add to a query's score."""

    def tables(self, queries: Floats) -> Floats:
        """Return what each value of each byte adds: ``(q, groups, 256)`` float32."""

    def sign_bytes(self, codes: Words) -> npt.NDArray[np.uint8]:
        """Return the ``(n, groups)`` bytes that index the tables."""

    def scale(self, codes: Words) -> Floats:
        """Return the factor of each code's sum."""

    def offset(self, codes: Words) -> Floats:
        """Return the offset that is added after the factor."""


class Tables:
    """The exact searcher of codes by tables. Queries are (q, d) float32 arrays; distances are one minus the score.

    If ``words`` is given, the model covers this many first words of the codes, and the rest is not read.
    """

    kind = "flat"

    def __init__(self, model: TableModel, kernels: TableKernels, words: int | None = None) -> None:
        self.model, self.kernels, self.words = model, kernels, words

    def prepared(self, snapshot: Snapshot, previous: "TableRows | None" = None) -> "TableRows":
        """Sort the live rows by id."""
        rows = live(snapshot)
        rows = rows[np.argsort(snapshot.ids[rows], kind="stable")]
        codes, model = snapshot.rows(CODES)[:, : self.words][rows], self.model
        held = model.sign_bytes(codes), model.scale(codes), model.offset(codes)
        return TableRows(snapshot, model, self.kernels, rows, snapshot.ids[rows], *held)


@dataclass(frozen=True, eq=False)
class TableRows:
    """A snapshot prepared for search by tables: live rows in order of their ids."""

    snapshot: Snapshot
    model: TableModel
    kernels: TableKernels
    rows: Ids
    ids: Ids
    codes: npt.NDArray[np.uint8]
    scale: Floats
    offset: Floats
    dtype = np.float32

    def search(
        self, queries: Floats, k: int, options: FlatOptions, allowed: Ids | None = None
    ) -> tuple[Distances, Ids]:
        """Return the k rows of the greatest scores; see :meth:`hdc.search.searcher.Prepared.search`."""
        held = self.codes, self.scale, self.offset
        ids = self.ids
        if allowed is not None:
            chosen = np.isin(self.rows, allowed, assume_unique=True)
            held, ids = (self.codes[chosen], self.scale[chosen], self.offset[chosen]), ids[chosen]
        scores, found = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
        for start in range(0, len(queries), self._step):
            part = slice(start, start + self._step)
            scores[part], found[part] = self.kernels.top_k(self.model.tables(queries[part]), *held, k)
        return 1 - scores, ids[found]

    @property
    def _step(self) -> int:
        """Queries per block of tables."""
        groups: int = self.codes.shape[1]
        return max(1, TABLE_BYTES // max(1, 2 * 1024 * groups))

    def products(self, queries: Floats, candidates: Ids) -> Floats:
        """Return the scores of each query's own candidates: ``(q, c)`` float32.

        Parameters
        ----------
        queries : (q, d) float32 array
        candidates : (q, c) int64 array
            Ids of live rows; scores of other ids are meaningless.
        """
        places = np.minimum(np.searchsorted(self.ids, candidates), max(0, len(self.ids) - 1))
        scores = np.zeros(candidates.shape, dtype=np.float32)
        step = min(CANDIDATE_QUERIES, self._step)
        for start in range(0, len(queries) if scores.size else 0, step):
            part = slice(start, start + step)
            tables, chosen = self.model.tables(queries[part]), places[part]
            query, sums = np.arange(len(chosen))[:, None], scores[part]
            for group in range(self.codes.shape[1]):
                sums += tables[query, group, self.codes[chosen, group]]
            sums *= self.scale[chosen]
            sums += self.offset[chosen]
        return scores

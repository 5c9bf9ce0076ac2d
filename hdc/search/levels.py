"""Exact search of scalar codes: score every row with integers for the levels of its components."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError
from hdc.kernels import LevelRows, LevelRun, TableKernels
from hdc.search.codes import CODES, mask
from hdc.search.live import live
from hdc.search.measures import Distances, Floats, Ids
from hdc.search.options import FlatOptions
from hdc.store import Snapshot
from hdc.words import Words

ROWS = 1 << 14
"""Rows prepared at a time."""

ROW_TIME = 20_000.0
"""Rough nanoseconds to prepare a row, to decide how many threads to use."""


@dataclass(frozen=True)
class LevelQueries:
    """Queries in the form that the kernel reads; see :class:`hdc.kernels.LevelRows`.

    Attributes
    ----------
    integers : (q, numbers) int8 array
    raises : (q, runs) uint8 array
    factors : (q, 2) float32 array
    base : (q,) float32 array
        Added to all scores of a query.
    """

    integers: npt.NDArray[np.int8]
    raises: npt.NDArray[np.uint8]
    factors: Floats
    base: Floats


class LevelModel(Protocol):
    """The model that made the codes, and decodes them."""

    @property
    def level_runs(self) -> Sequence[LevelRun]:
        """Layout of the words of a scanned row."""

    def level_words(self, codes: Words) -> Words:
        """Return the words that a scan reads for (n, words) codes."""

    def scale(self, codes: Words) -> Floats:
        """Return the factor of each code's sum."""

    def offset(self, codes: Words) -> Floats:
        """Return the offset that is added after the factor."""

    def level_queries(self, queries: Floats) -> LevelQueries:
        """Round (q, d) queries to the form that the kernel reads."""


class ScannedLevels:
    """The exact searcher of scalar codes. Queries are (q, d) float32 arrays; distances are one minus the score."""

    kind = "flat"

    def __init__(self, model: LevelModel, kernels: TableKernels) -> None:
        self.model, self._kernels = model, kernels

    def prepared(self, snapshot: Snapshot, previous: "LevelSnapshot | None") -> "LevelSnapshot":
        """Convert the live rows to the layout of the kernel."""
        rows = live(snapshot)
        codes = snapshot.rows(CODES)
        words = np.empty((len(rows), sum(run.words for run in self.model.level_runs)), dtype=np.uint64)
        scale, offset = np.empty((2, len(rows)), dtype=np.float32)
        for start in range(0, len(rows), ROWS):
            part = slice(start, start + ROWS)
            own = codes[rows[part]]
            words[part], scale[part], offset[part] = (
                self.model.level_words(own),
                self.model.scale(own),
                self.model.offset(own),
            )
        if not np.isfinite(scale).all() or not np.isfinite(offset).all():
            raise FileFormatError("a code of the index contains NaN or infinity; run hdc embed verify for details")
        held = self._kernels.level_rows(words, self.model.level_runs, scale, offset)
        return LevelSnapshot(snapshot, self.model, rows, snapshot.ids[rows], held)


@dataclass(frozen=True, eq=False)
class LevelSnapshot:
    """A snapshot prepared for search by levels."""

    snapshot: Snapshot
    model: LevelModel
    rows: Ids
    ids: Ids
    held: LevelRows
    dtype = np.float32

    def search(
        self, queries: Floats, k: int, options: FlatOptions, allowed: Ids | None = None
    ) -> tuple[Distances, Ids]:
        """Return the k rows of the greatest scores; see :meth:`hdc.search.searcher.Prepared.search`."""
        ids = self.ids
        if allowed is not None:
            ids = np.where(mask(allowed, self.snapshot.count)[self.rows], ids, -1)
        asked = self.model.level_queries(queries)
        scores, found = self.held.search(asked.integers, asked.raises, asked.factors, ids, k)
        return 1 - (scores + asked.base[:, None]), found

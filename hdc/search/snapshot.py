"""What an index holds at a moment, as searchers see it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdc.search.measures import Distances, Floats, Ids, Measure, nearest_of
from hdc.words import Words


@dataclass(frozen=True)
class View:
    """Rows by position.

    Attributes
    ----------
    codes : (n, planes, words) uint64 array
    scale : (n,) float32 array or None
    ids : (n,) int64 array
    alive : (n,) bool array
    cells : (n,) int32 array
        The list of each row in an inverted file, else empty.
    edition : int
        Views of the same edition have the same rows at the same positions.
    """

    codes: Words
    scale: Floats | None
    ids: Ids
    alive: npt.NDArray[np.bool_]
    cells: npt.NDArray[np.int32]
    edition: int

    def __len__(self) -> int:
        return len(self.ids)

    def scan(self, measure: Measure, queries: Words, rows: Ids, k: int) -> tuple[Distances, Ids]:
        """Return the k nearest of some rows, exactly, as distances and ids; ``rows`` in any order."""
        rows = rows[np.argsort(self.ids[rows], kind="stable")]
        k = min(k, len(rows))
        if k == 0:
            return np.empty((len(queries), 0), measure.dtype), np.empty((len(queries), 0), np.int64)
        scale = None if self.scale is None else self.scale[rows]
        distances, found = measure.top_k(queries, self.codes[rows], scale, k)
        return distances, self.ids[rows[found]]


def joined(parts: list[tuple[Distances, Ids]], k: int) -> tuple[Distances, Ids]:
    """Return the k nearest of several results, in order of (distance, id)."""
    return nearest_of(np.concatenate([d for d, _ in parts], axis=1), np.concatenate([i for _, i in parts], axis=1), k)

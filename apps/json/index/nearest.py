"""Find the rows nearest to a vector: by sign bits, then by the short floats of the best ones if the index has them."""

from dataclasses import dataclass

import numpy as np

from hdc.apps.json.index.rows import LENGTH, SHRINKAGE
from hdc.search.live import positions_of
from hdc.search.measures import Floats, Ids
from hdc.search.options import FlatOptions
from hdc.search.searcher import Prepared
from hdc.search.signs import SignQueries

FIRST, FIRST_PER_ROW = 2048, 4
"""Fewest rows, and rows per hit, whose short floats are compared after sign bits have ranked them."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """Finds rows by their vectors.

    Attributes
    ----------
    rows : Prepared
        By :class:`hdc.search.signs.Signs`.
    vector : (dim,) float32 array
    """

    rows: Prepared
    vector: Floats

    def best(self, k: int, allowed: Ids | None = None) -> tuple[Floats, Ids]:
        """Return estimated cosines, descending, and positions of the at most k rows where they are greatest.

        Parameters
        ----------
        k : int
        allowed : (m,) int64 array, optional
            Positions of the rows that may be found, ascending.
        """
        snapshot = self.rows.snapshot
        short = "vectors" in snapshot.columns
        most = len(snapshot) if allowed is None else len(allowed)
        first = min(most, max(FIRST, FIRST_PER_ROW * k) if short else k)
        distances, ids = self.rows.search(SignQueries(self.vector[None], _cosines), first, FlatOptions(), allowed)
        positions = positions_of(snapshot, ids[0])
        if not short:
            return -distances[0], positions
        positions = np.sort(positions)
        lengths = snapshot.take("scales", positions)[:, LENGTH]
        cosines = snapshot.take("vectors", positions).astype(np.float32) @ self.vector / _or_one(lengths)
        order = np.lexsort((snapshot.ids[positions], -cosines))[:k]
        return cosines[order], positions[order]


def _cosines(dots: Floats, scales: Floats) -> Floats:
    """Return the cosines that dot products with the signs of rows estimate."""
    return np.asarray(dots * scales[:, SHRINKAGE] / _or_one(scales[:, LENGTH]), np.float32)


def _or_one(lengths: Floats) -> Floats:
    return np.where(lengths > 0, lengths, np.float32(1))

"""CodeRows: the codes of a snapshot, and exact comparison of chosen rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdc.search.live import positions_of
from hdc.search.measures import Distances, Floats, Ids, Measure, nearest_of
from hdc.search.options import PER_HIT, Options
from hdc.store import Snapshot
from hdc.words import Words

CODES, SCALE, CELLS = "codes", "scale", "cells"
"""Columns of a store of codes: the codes, the number that a measure stores per code, and the list of each code."""


@dataclass(frozen=True, eq=False)
class CodeRows:
    """The codes of a snapshot, by position.

    Attributes
    ----------
    snapshot : Snapshot
    measure : Measure
    codes : (n, planes, words) uint64 array
    scale : (n,) float32 array or None
    """

    snapshot: Snapshot
    measure: Measure
    codes: Words
    scale: Floats | None

    @classmethod
    def of(cls, snapshot: Snapshot, measure: Measure) -> "CodeRows":
        """Return the codes of a snapshot."""
        codes = snapshot.rows(CODES)
        scale = snapshot.rows(SCALE)[:, 0] if measure.planes > 1 else None
        return cls(
            snapshot, measure, codes.reshape(len(codes), measure.planes, codes.shape[1] // measure.planes), scale
        )

    @property
    def first_planes(self) -> Words:
        """The heaviest plane of each code: ``(n, words)``."""
        return self.codes[:, 0]

    def scan(self, queries: Words, rows: Ids, k: int) -> tuple[Distances, Ids]:
        """Compare ``rows``, given in any order, exactly; return the k nearest, or all if there are fewer."""
        ids = self.snapshot.ids[rows]
        order = np.argsort(ids, kind="stable")
        rows, ids = rows[order], ids[order]
        k = min(k, len(rows))
        if k == 0:
            return np.empty((len(queries), 0), self.measure.dtype), np.empty((len(queries), 0), np.int64)
        scale = None if self.scale is None else self.scale[rows]
        distances, found = self.measure.top_k(queries, self.codes[rows], scale, k)
        return distances, ids[found]

    def compare(self, queries: Words, ids: Ids, k: int) -> tuple[Distances, Ids]:
        """Return the k nearest of each query's own candidates, by all planes; id -1 means no candidate."""
        positions = positions_of(self.snapshot, ids)
        distances = np.full(ids.shape, self.measure.farthest, dtype=self.measure.dtype)
        for q, there in enumerate(ids >= 0):
            if there.any():
                rows = positions[q, there]
                scale = None if self.scale is None else self.scale[rows]
                found, order = self.measure.top_k(queries[q : q + 1], self.codes[rows], scale, len(rows))
                distances[q, np.flatnonzero(there)[order[0]]] = found[0]
        return nearest_of(distances, ids, k)


def joined(parts: list[tuple[Distances, Ids]], k: int) -> tuple[Distances, Ids]:
    """Merge several results into the k nearest, in order of (distance, id); ids of -1 fill up missing hits."""
    distances, ids = np.concatenate([d for d, _ in parts], axis=1), np.concatenate([i for _, i in parts], axis=1)
    if (missing := k - ids.shape[1]) > 0:
        distances = np.pad(distances, ((0, 0), (0, missing)))
        ids = np.pad(ids, ((0, 0), (0, missing)), constant_values=-1)
    return nearest_of(distances, ids, k)


def candidates_of(options: Options, k: int, rows: int) -> int:
    """Return how many rows to find for the exact step: at least k, at most as many as there are."""
    return max(k, min(PER_HIT * k if options.candidates is None else options.candidates, rows))


def mask(positions: Ids, count: int) -> npt.NDArray[np.bool_]:
    """Return a boolean mask of ``count`` rows that is True at the given positions."""
    chosen = np.zeros(count, dtype=bool)
    chosen[positions] = True
    return chosen

"""The rows of an index in order of their likely score: by sign bits, then, portion by portion, by short floats."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hdc.apps.json.index.rows import SHRINKAGE
from hdc.search.engine import Search
from hdc.search.live import positions_of
from hdc.search.measures import Floats, Ids
from hdc.search.signs import Score, SignQueries

FIRST = 2048
"""Rows, the best by sign bits, whose short floats are compared before the others'."""

PORTION = 4096
"""Rows that are compared by their short floats at a time, after the first ones."""

WIDER = 8
"""Times as many rows are taken by sign bits when those before were too few."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What candidates are asked for.

    Attributes
    ----------
    vector : (dim,) float32 array
    estimate : function
        Turns dot products (n,) with the vector, and ``scales`` (n, 3), into scores (n,).
    """

    vector: Floats
    estimate: Score

    def by_signs(self, dots: Floats, scales: Floats) -> Floats:
        """Return scores from dot products with signs, which ``SHRINKAGE`` makes ones with the vectors."""
        return self.estimate(dots * scales[:, SHRINKAGE], scales)


def by_nearness(search: Search, asked: Asked, first: int) -> Iterator[tuple[Ids, Floats]]:
    """Yield positions and scores in portions: the ``first`` best by sign bits, then the others.

    Where only sign bits are stored, they are all there is to go by.

    Parameters
    ----------
    search : Search
        Begun for as many rows as there are.
    asked : Asked
    first : int

    Yields
    ------
    positions : (m,) int64 array
        In each portion the best first, of equal ones the lower position.
    scores : (m,) float32 array
    """
    snapshot, rows, taken = search.prepared.snapshot, search.k, 0
    queries = SignQueries(asked.vector[None], asked.by_signs)
    while taken < rows:
        more = min(rows, WIDER * taken or first)
        distances, ids = search._replace(k=more).run(queries)
        positions = positions_of(snapshot, ids[0, taken:])
        if "vectors" not in snapshot.columns:
            yield positions, np.asarray(-distances[0, taken:], np.float32)
            taken = more
            continue
        for start in range(0, len(positions), PORTION if taken else more):
            portion = np.sort(positions[start : start + (PORTION if taken else more)])
            dots = snapshot.take("vectors", portion).astype(np.float32) @ asked.vector
            scores = asked.estimate(dots, snapshot.take("scales", portion))
            order = np.lexsort((portion, -scores))
            yield portion[order], scores[order]
        taken = more

"""Engines that let any of equally near rows come: they are asked for more, until none that is as near is missing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hdc.apps.retrieval.engines.asking import HITS, from_hits
from hdc.search.measures import Distances, Ids

MORE = 32
"""Rows that are asked for beyond those that are wanted."""

Ask = Callable[[int], Any]
"""Takes a number of rows; returns so many hits of each query as :func:`hits_of` does."""


def settled(ask: Ask, queries: int, wanted: int, most: int) -> tuple[Distances, Ids]:
    """Return the nearest rows of each query by differing bits; of equal distances, those of the lowest ids.

    Parameters
    ----------
    ask : function
    queries : int
        How many there are.
    wanted, most : int
        Rows of each query; rows that the engine has, or gives at once.
    """
    limit = wanted + MORE
    while True:
        distances, ids = from_hits(ask(max(1, min(limit, most))), queries, floats=False)
        last = min(wanted, distances.shape[1])
        whole = limit >= most or distances.shape[1] < limit  # there are no more, or none that lists would look into
        if whole or not last or (distances[:, -1] > distances[:, last - 1]).all():
            return distances[:, :last], ids[:, :last]
        limit *= 2


def hits_of(found: Sequence[Sequence[tuple[float, int]]]) -> Any:
    """Return distances and ids as :data:`HITS`, in order of (query, distance, id)."""
    hits = np.empty(sum(map(len, found)), dtype=HITS)
    hits["query"] = np.repeat(np.arange(len(found)), [len(row) for row in found])
    flat = [hit for row in found for hit in row]
    hits["distance"] = [distance for distance, _ in flat]
    hits["id"] = [number for _, number in flat]
    return hits[np.lexsort((hits["id"], hits["distance"], hits["query"]))]

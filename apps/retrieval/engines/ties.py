"""Break ties by id in engines that return equally near rows in any order: ask for more rows until no tie is cut off."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hdc.apps.retrieval.engines.asking import HITS, from_hits
from hdc.search.measures import Distances, Ids

MORE = 32
"""Rows to ask for beyond those wanted."""

Ask = Callable[[int], Any]
"""Function that takes a number of rows and returns that many hits per query, as :func:`hits_of` does."""


def settled(ask: Ask, queries: int, wanted: int, most: int) -> tuple[Distances, Ids]:
    """Return the nearest rows of each query by Hamming distance; the lower id wins a tie.

    Parameters
    ----------
    ask : function
    queries : int
        Number of queries.
    wanted, most : int
        Rows to return per query; most rows that the engine has or returns at once.
    """
    limit = wanted + MORE
    while True:
        distances, ids = from_hits(ask(max(1, min(limit, most))), queries, floats=False)
        last = min(wanted, distances.shape[1])
        whole = limit >= most or distances.shape[1] < limit  # no more rows, or none in the probed lists
        if whole or not last or (distances[:, -1] > distances[:, last - 1]).all():
            return distances[:, :last], ids[:, :last]
        limit *= 2


def hits_of(found: Sequence[Sequence[tuple[float, int]]]) -> Any:
    """Return distances and ids as :data:`HITS`, sorted by (query, distance, id)."""
    hits = np.empty(sum(map(len, found)), dtype=HITS)
    hits["query"] = np.repeat(np.arange(len(found)), [len(row) for row in found])
    flat = [hit for row in found for hit in row]
    hits["distance"] = [distance for distance, _ in flat]
    hits["id"] = [number for _, number in flat]
    return hits[np.lexsort((hits["id"], hits["distance"], hits["query"]))]

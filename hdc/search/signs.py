"""Search of float vectors by their signs: estimate dot products from signs, and convert them to scores row by row.

A query is rounded to 16 levels, odd multiples of half a step, which are sums of four sign vectors. So its dot product
with the signs of a row is a sum of four Hamming distances, in one pass over the packed rows. A column beside the signs
stores other numbers that a row's score needs, such as its norm.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hdc import words
from hdc.kernels import BitKernels
from hdc.search.codes import CODES
from hdc.search.live import live
from hdc.search.measures import Floats, Ids
from hdc.search.options import FlatOptions
from hdc.store import Snapshot

PLANES = 4
"""Bits that each component of a query is rounded to."""

BLOCK = 1 << 18
"""Rows whose signs are compared at a time."""

SPARSE = 4
"""If fewer than a SPARSE-th of the rows are allowed, their codes are gathered before the comparison."""

Score = Callable[[Floats, Floats], Floats]
"""Maps (n,) dot products of a query with signs, and the (n, c) factors of these rows, to (n,) float32 scores."""


@dataclass(frozen=True, eq=False)
class SignQueries:
    """Queries, and the function that scores rows for them.

    Attributes
    ----------
    vectors : (q, dim) float32 array
    score : function
    """

    vectors: Floats
    score: Score

    def __len__(self) -> int:
        return len(self.vectors)


class Signs:
    """The searcher of sign bits. Queries are :class:`SignQueries`; distances are negated scores.

    Parameters
    ----------
    kernels : BitKernels
    factors : str
        Name of the column with the factors of each row.
    """

    kind = "flat"

    def __init__(self, kernels: BitKernels, factors: str) -> None:
        self.kernels, self.factors = kernels, factors

    def prepared(self, snapshot: Snapshot, previous: "SignRows | None") -> "SignRows":
        """Return the rows of a snapshot, which are searched in place."""
        return SignRows(snapshot, self.kernels, snapshot.rows(CODES), snapshot.rows(self.factors))


@dataclass(frozen=True, eq=False)
class SignRows:
    """A snapshot prepared for search by signs."""

    snapshot: Snapshot
    kernels: BitKernels
    codes: words.Words
    factors: Floats
    dtype = np.float32

    def search(
        self, queries: SignQueries, k: int, options: FlatOptions, allowed: Ids | None = None
    ) -> tuple[Floats, Ids]:
        """Return the k rows of the greatest scores; see :meth:`hdc.search.searcher.Prepared.search`."""
        rows = live(self.snapshot) if allowed is None else allowed
        ids = self.snapshot.ids[rows]
        found = [_least(-self._scores(vector, queries.score, rows), ids, k) for vector in queries.vectors]
        return np.stack([distances for distances, _ in found]), np.stack([numbers for _, numbers in found])

    def _scores(self, query: Floats, score: Score, rows: Ids) -> Floats:
        gathers = SPARSE * len(rows) < len(self.codes)
        codes, factors = (self.codes[rows], self.factors[rows]) if gathers else (self.codes, self.factors)
        scores = [np.empty(0, np.float32)]
        for start in range(0, len(codes), BLOCK):
            block = slice(start, start + BLOCK)
            scores.append(score(sign_dots(self.kernels, query, codes[block]), factors[block]))
        together = np.concatenate(scores)
        return together if gathers or len(rows) == len(codes) else together[rows]


def sign_dots(kernels: BitKernels, query: Floats, codes: words.Words) -> Floats:
    """Return dot products of a rounded query with signs: ``(n,)`` float32.

    Parameters
    ----------
    kernels : BitKernels
    query : (dim,) float32 array
    codes : (n, words) uint64 array
        A bit of 1 means +1, a bit of 0 means -1.
    """
    dim = len(query)
    step = np.float32(2 * np.abs(query).max() / (2**PLANES - 1)) or np.float32(1)
    levels = np.clip(np.floor(query / step) + 2 ** (PLANES - 1), 0, 2**PLANES - 1).astype(np.uint8)
    planes = np.stack([words.pack((levels >> plane & 1).astype(np.bool_)) for plane in range(PLANES)])
    weights = step / 2 * np.float32(2) ** np.arange(PLANES, dtype=np.float32)
    return np.asarray(weights @ (dim - 2 * kernels.hamming(planes, codes)).astype(np.float32), dtype=np.float32)


def _least(distances: Floats, ids: Ids, k: int) -> tuple[Floats, Ids]:
    """Return the k smallest distances, in order of (distance, id), and their ids."""
    near = np.arange(len(distances))
    if k < len(distances):
        near = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
    order = near[np.lexsort((ids[near], distances[near]))[:k]]
    return distances[order], ids[order]

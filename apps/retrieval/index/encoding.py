"""Prepare vectors and queries for an index: map them by the metric, encode them, and return what is kept of them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.dispatch import search_kernels
from hdc.words import Words

Floats = npt.NDArray[np.float32]

ROW_TIME, QUERY_TIME = 1_000.0, 5_000.0
"""Approximate nanoseconds to check a vector, and to encode or find one; they decide how many threads to use."""

FEW = 8
"""Queries that are mapped faster by one thread than shared among several."""


class Queries(NamedTuple):
    """Checked queries.

    Attributes
    ----------
    rows : (q, d) float32 array
        The queries as passed.
    mapped : (q, width) float32 array
        The form that is compared with codes.
    kept : (q, d) float32 array
        The form that is compared with originals.
    """

    rows: Floats
    mapped: Floats
    kept: Floats

    def part(self, rows: slice) -> "Queries":
        """Return a slice of the queries."""
        return Queries(*(array[rows] for array in self))


class Encoding:
    """Maps and encodes vectors and queries for an index of codes; raises as :class:`EmbeddingIndex` does."""

    def __init__(self, model: Binarizer, codes: BinaryIndex) -> None:
        self.model, self.space = model, model.space_
        self.kernels = search_kernels(model.kernels)
        self._levels, self._keeps = codes.levels, codes.originals is not None

    def vectors(self, vectors: Any) -> tuple[Floats, Floats | None]:
        """Check vectors; return them mapped, and the originals to keep, or None."""
        rows = as_rows(vectors, self.model.n_features_in_, "vectors")
        mapped = np.empty((len(rows), rows.shape[1] + self.space.added), dtype=np.float32)
        keeps, alike = self._keeps, self.space.metric == "cosine"
        kept = np.empty(rows.shape, dtype=np.float32) if keeps and not alike else None

        def some(start: int, stop: int) -> None:
            checked = finite(rows[start:stop], start, "vectors")
            mapped[start:stop] = self.space.vectors(self.kernels, checked)
            if kept is not None:
                kept[start:stop] = self.space.kept(self.kernels, checked)

        self.model.kernels.share(some, len(rows), ROW_TIME)
        return mapped, mapped if keeps and alike else kept

    def codes(self, rows: Floats, *, asked: bool = False) -> Words:
        """Return the codes of mapped vectors or queries in the shape of the index of codes."""
        codes = np.empty((len(rows), self.model.words), dtype=np.uint64)

        def some(start: int, stop: int) -> None:
            codes[start:stop] = self.model.encode_mapped(rows[start:stop], asked=asked)

        self.model.kernels.share(some, len(rows), QUERY_TIME)
        return codes if self._levels == 1 else codes.reshape(len(codes), self._levels, -1)

    def some_queries(self, rows: npt.NDArray[Any], start: int) -> Queries:
        """Check and map queries; ``start`` is the number of the first one, for error messages."""
        checked = finite(rows, start, "queries")
        mapped = self.space.queries(self.kernels, checked)
        kept = mapped if self.space.metric == "cosine" else self.space.kept(self.kernels, checked)
        return Queries(checked, mapped, kept)

    def queries(self, rows: npt.NDArray[Any]) -> Queries:
        """Check and map ``(q, d)`` floats as queries, in several threads if there are many."""
        if len(rows) <= FEW:
            return self.some_queries(rows, 0)
        width = self.model.n_features_in_ + self.space.added
        shapes = rows.shape, (len(rows), width), rows.shape
        found = Queries(*(np.empty(shape, dtype=np.float32) for shape in shapes))

        def some(start: int, stop: int) -> None:
            for whole, part in zip(found, self.some_queries(rows[start:stop], start), strict=True):
                whole[start:stop] = part

        self.model.kernels.share(some, len(rows), ROW_TIME)
        return found

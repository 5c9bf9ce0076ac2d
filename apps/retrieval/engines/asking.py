"""Check and encode queries for tables in other engines, and shape the answers, as the indexes of this library do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.engines.tables import Form, check_goes
from hdc.apps.retrieval.files.interchange import Bytes, to_bytes
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.checks import instance, integer
from hdc.dispatch import search_kernels
from hdc.errors import DimensionError, ParameterError, UnsupportedError
from hdc.search.measures import Distances, Floats, Ids
from hdc.search.options import PER_HIT
from hdc.search.reranking import Originals
from hdc.words import as_words

FARTHEST = np.iinfo(np.int32).max
"""Distance where no row was found; :class:`~hdc.apps.retrieval.index.binary.BinaryIndex` returns the same."""

HITS = np.dtype([("query", "i8"), ("distance", "f8"), ("id", "i8")])
"""A hit: the number of its query, its distance, its id."""


@dataclass(frozen=True)
class Asked:
    """Checked queries.

    Attributes
    ----------
    form : Form
        Form of the table.
    k, candidates : int
        Rows to return per query, and rows that codes find for originals to compare.
    codes : (q, size) uint8 array
        In the bit order of :class:`~hdc.apps.retrieval.engines.tables.Block`.
    originals : (q, width) float32 array or None
        Vectors that the originals are compared with; None if codes alone rank the rows.
    lengths : (q,) float64 array or None
        Lengths of ``originals``.
    model : Binarizer or None
        With a model answers are scores, without one distances.
    """

    form: Form
    k: int
    candidates: int
    codes: Bytes
    originals: Floats | None
    lengths: npt.NDArray[np.float64] | None
    model: Binarizer | None

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def wanted(self) -> int:
        """Rows per query that codes find."""
        return self.k if self.originals is None else self.candidates

    def parts(self, step: int) -> Iterator["Asked"]:
        """Yield the queries, ``step`` at a time."""
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            originals = None if self.originals is None else self.originals[part]
            lengths = None if self.lengths is None else self.lengths[part]
            yield Asked(self.form, self.k, self.candidates, self.codes[part], originals, lengths, self.model)

    def answer(self, found: list[tuple[Distances, Ids]]) -> tuple[Distances, Ids]:
        """Join the answers to :meth:`parts` into one: distances, or scores with a model, and ids."""
        dtype = np.dtype(np.int32 if self.originals is None else np.float32)
        width = max((ids.shape[1] for _, ids in found), default=0)
        distances = np.full((len(self), width), FARTHEST if dtype.kind == "i" else np.inf, dtype=dtype)
        ids = np.full((len(self), width), -1, dtype=np.int64)
        start = 0
        for own, numbers in found:
            block = slice(start, start := start + len(own)), slice(own.shape[1])
            distances[block], ids[block] = own, numbers
        return (distances if self.model is None else self._scores(distances, ids)), ids

    def _scores(self, distances: Distances, ids: Ids) -> Floats:
        """Turn distances into the scores of :meth:`EmbeddingIndex.search`."""
        if self.originals is None:
            distances = 2 * distances / np.float32(self.form.dim)
        scores = -distances if self.form.metric != "cosine" else 1 - distances
        return np.where(ids < 0, -np.inf, scores).astype(np.float32)


def asked_of(
    form: Form, table: str, queries: Any, k: int, *, model: Binarizer | None, originals: Any, candidates: int | None
) -> Asked:
    """Check the queries to a table.

    Parameters
    ----------
    form : Form
        Form of the table.
    table : str
        Name of the table, for error messages.
    queries, k, model, originals, candidates
        As in the ``search`` of an engine.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If queries or originals do not fit the table.
    ParameterError
        If ``k`` or ``candidates`` is less than 1, or a query has a NaN or infinity.
    MismatchError
        If the model did not make the codes of the table.
    UnsupportedError
        If you pass originals but the table has none.
    """
    k = integer(k, "k", 1)
    least = candidates_of(k, candidates)
    if model is None:
        codes = as_words(queries, form.dim, "queries")
        if codes.ndim != 2:
            raise DimensionError(f"queries must have shape (q, {codes.shape[-1]}), not {codes.shape}")
        kept = None if originals is None else _kept(form, table).checked(originals, len(codes))
    else:
        if originals is not None:
            raise ParameterError("pass originals only with codes as queries; with model= the queries are the originals")
        check_goes(instance(model, "model", Binarizer), form, table)
        codes, kept = _encoded(model, queries)
        kept = None if form.dtype is None else kept
    lengths = None if kept is None else np.sqrt(np.einsum("qd,qd->q", kept, kept, dtype=np.float64))
    return Asked(form, k, least, to_bytes(codes, form.dim), kept, lengths, model)


def candidates_of(k: int, candidates: int | None) -> int:
    """Return how many rows codes find for originals to compare; raises ParameterError if ``candidates`` is below 1."""
    return PER_HIT * k if candidates is None else max(k, integer(candidates, "candidates", 1))


def _kept(form: Form, table: str) -> Originals:
    if form.dtype is None:
        raise UnsupportedError(f"the table {table} has no originals to compare with; write an index that keeps some")
    return Originals(form.dtype, form.width)


def _encoded(model: Binarizer, queries: Any) -> tuple[Any, Floats]:
    """Return the codes of queries and the vectors to compare with originals, as :class:`EmbeddingIndex` makes them."""
    rows = finite(as_rows(queries, model.n_features_in_, "queries"), 0, "queries")
    space, kernels = model.space_, search_kernels(model.kernels)
    mapped = space.queries(kernels, rows)
    kept = mapped if space.metric == "cosine" else space.kept(kernels, rows)
    return model.encode_mapped(mapped, asked=True), kept


def from_hits(hits: Any, queries: int, *, floats: bool) -> tuple[Distances, Ids]:
    """Return rows of :data:`HITS`, sorted by (query, distance, id), as ``(q, hits)`` distances and ids.

    Queries with fewer hits than others are padded with id -1 and the farthest distance.
    """
    table = np.array(hits, dtype=HITS)
    counts = np.bincount(table["query"], minlength=queries)
    shape = queries, int(counts.max(initial=0))
    places = np.arange(len(table)) - np.repeat(np.cumsum(counts) - counts, counts)
    distances = np.full(shape, np.inf if floats else FARTHEST, dtype=np.float32 if floats else np.int32)
    ids = np.full(shape, -1, dtype=np.int64)
    distances[table["query"], places], ids[table["query"], places] = table["distance"], table["id"]
    return distances, ids

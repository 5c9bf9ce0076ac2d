"""The steps of a vector search: compare codes with codes, then float queries with codes and with originals."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.progress import measured
from hdc.apps.retrieval.binarizers import (
    Binarizer,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
    SignBinarizer,
)
from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.binarizers.files import digest
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.index.encoding import QUERY_TIME, Encoding, Queries
from hdc.apps.retrieval.index.folders import MODEL_FOLDER
from hdc.apps.retrieval.index.settings import WALKED
from hdc.apps.retrieval.vectors.rows import finite
from hdc.checks import integer
from hdc.dispatch import graph_kernels, list_kernels, table_kernels
from hdc.errors import ParameterError
from hdc.kernels import Compared
from hdc.search.codes import CODES
from hdc.search.engine import Engine, Exact, Search
from hdc.search.estimates import EstimateRows, Estimates
from hdc.search.graph import GraphEstimateRows, GraphEstimates
from hdc.search.levels import ScannedLevels
from hdc.search.measures import Distances
from hdc.search.options import Options
from hdc.search.reranking import LENGTHS
from hdc.search.searcher import Searcher
from hdc.search.tables import TableRows, Tables
from hdc.store import Snapshot

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

QUERY_BLOCK = 1 << 13
"""Queries per block."""

FEW_QUERIES = 64
"""Up to this many queries are searched one by one, each in one compiled call."""

CANDIDATE_WORDS = 1 << 21
"""Words of candidates' codes to compare with float queries per block (16 MiB)."""

WIDER = 4
"""Candidates of a prefix per candidate of the whole code, if originals follow."""

Find = Callable[[npt.NDArray[Any]], tuple[Floats, Ids]]
"""Function that returns scores and ids for ``(q, d)`` queries."""

Compare = Callable[[Queries, Snapshot, Ids], Floats]
"""Function that returns the distances of each query's own candidates, as :data:`hdc.search.engine.Exact` does."""


class Pipeline:
    """Searches an index of codes for float queries, in up to three steps; see :class:`EmbeddingIndex`.

    Attributes
    ----------
    encoding : Encoding
    engine : Engine
        Finds rows by whole codes.
    by_all_planes : bool
        Whether searches end with all planes of RaBitQ codes, after a first step by their signs.
    """

    def __init__(self, model: Binarizer, codes: BinaryIndex) -> None:
        self.model, self.codes, self.space = model, codes, model.space_
        self.encoding = Encoding(model, codes)
        # Whether the kernel of estimates can do the last step, too: there are no originals, or they are int8.
        self._in_one_go = self.space.of_unit_queries if codes.originals is None else codes.originals.dtype == "int8"
        again = isinstance(model, EstimatingBinarizer) and model.estimated_twice
        self.by_all_planes = again and codes.originals is None
        searcher = self._searcher()
        self.engine = codes.engine if searcher is None else Engine(codes.store, searcher)
        self._prefixes: dict[int, Engine] = {}  # by the bits to read

    def _searcher(self) -> Searcher | None:
        """Return the searcher for float queries; None if their codes are compared with codes."""
        if isinstance(self.model, EstimatingBinarizer):
            kept = () if self.codes.originals is None or not self._in_one_go else tuple(self.codes.originals.columns)
            folder, kernels = self.codes.folder, list_kernels(self.model.kernels)
            place = None if folder is None else (folder, digest(folder.parent / MODEL_FOLDER))
            if self.codes.store.meta.get(WALKED) and isinstance(self.model, RaBitQBinarizer):
                graphs = graph_kernels(self.model.kernels)
                return GraphEstimates(
                    self.model, kernels, graphs, kept, self._as_queries, place, partial(measured, what="graph")
                )
            return Estimates(self.model, kernels, kept, self.by_all_planes, place)
        if isinstance(self.model, ScalarBinarizer):
            return ScannedLevels(self.model, table_kernels(self.model.kernels))
        if self._by_tables and self.codes.kind == "flat":
            return Tables(self.model, table_kernels(self.model.kernels))
        return None

    def _as_queries(self, kept: Floats) -> Floats:
        """Return originals as queries for their neighbors."""
        rows = kept if self.space.center is None or self.space.metric != "l2" else kept + self.space.center
        return self.space.queries(self.encoding.kernels, rows)

    @property
    def _by_tables(self) -> bool:
        """Whether the model's tables compare float queries with codes better than codes do."""
        return isinstance(self.model, RecurrentBinarizer) and self.model.rounds > 0

    @property
    def _compares_signs(self) -> bool:
        """Whether float queries rank the signs that bits have found."""
        return isinstance(self.model, SignBinarizer) and (self.model.asymmetric or self.space.metric != "cosine")

    def search(
        self,
        rows: npt.NDArray[np.floating],
        k: int,
        options: Options,
        among: npt.ArrayLike | None = None,
        prefix: int | None = None,
    ) -> tuple[Floats, Ids]:
        """Return scores and ids of the k nearest vectors of ``(q, d)`` queries; see :meth:`EmbeddingIndex.search`."""
        if prefix is not None:
            search = self.engine_of(prefix).begin(k, options, among)
            return self._through_prefix(search, self.encoding.queries(rows))
        return self.finder(self.engine.begin(k, options, among))(rows)

    def finder(self, search: Search) -> Find:
        """Return the function that runs a search begun by the engine; you can call it repeatedly."""
        prepared = search.prepared
        if not isinstance(prepared, EstimateRows | GraphEstimateRows):
            return lambda rows: self._scored(search, self.encoding.queries(rows))
        many = partial(self._in_blocks, search)
        whole = isinstance(prepared, GraphEstimateRows) or prepared.whole is not None
        one_go = whole and (self._in_one_go or self.space.of_unit_queries)
        if not search.k or search.among_few or not one_go:
            return many
        few = self._few(search, prepared) if self._in_one_go else partial(self._then_exact, search, prepared)
        return lambda rows: many(rows) if len(rows) > FEW_QUERIES else few(rows)

    def _few(self, search: Search, prepared: EstimateRows | GraphEstimateRows) -> Find:
        """Return the function that searches for each of a few queries in one compiled call."""
        _, k, candidates, options, allowed = search
        wanted: dict[str, Any] = {"k": k, "candidates": candidates, "options": options, "allowed": allowed}
        if self.space.metric == "cosine":
            return partial(prepared.find, **wanted)

        def find(rows: npt.NDArray[Any]) -> tuple[Floats, Ids]:
            if self.codes.originals is None:
                scores, ids = prepared.find(rows, **wanted)
                return self._told(scores, ids, rows), ids
            if self.space.of_unit_queries:
                asked = np.ascontiguousarray(rows, dtype=np.float32)
                return prepared.find(asked, **wanted, compared=Compared(asked, self.space.squares(asked)))
            checked, mapped, kept = self.encoding.some_queries(rows, 0)
            return prepared.find(mapped, **wanted, compared=Compared(kept, self.space.squares(checked)), mapped=True)

        return find

    def _then_exact(
        self, search: Search, prepared: EstimateRows | GraphEstimateRows, rows: npt.NDArray[Any]
    ) -> tuple[Floats, Ids]:
        """Search for each of a few queries in one compiled call, then compare the candidates with the originals."""
        _, ids = prepared.find(rows, search.candidates, search.candidates, search.options, search.allowed)
        asked = self.encoding.queries(rows)
        exact = self.exact(asked)
        assert exact is not None
        return self.as_scores(*search.compared(ids, exact), asked, exact)

    def _in_blocks(self, search: Search, rows: npt.NDArray[Any]) -> tuple[Floats, Ids]:
        """Search for slices of the queries in several threads, from the check to the originals.

        With codes of several planes in lists, each query is one compiled call: a batch would share little, and the call
        prefetches all planes of its candidates.
        """
        prepared = search.prepared
        together = not isinstance(prepared, EstimateRows | GraphEstimateRows) or not prepared.alone
        together = together or not (self._in_one_go and search.k) or search.among_few
        scores, ids = np.empty((len(rows), search.k), dtype=np.float32), np.empty((len(rows), search.k), dtype=np.int64)
        each = None
        if not together and isinstance(prepared, EstimateRows | GraphEstimateRows):
            each = self._few(search, prepared)

        def some(start: int, stop: int) -> None:
            for begin in range(start, stop, QUERY_BLOCK):
                part = slice(begin, min(stop, begin + QUERY_BLOCK))
                if each is None:
                    scores[part], ids[part] = self._scored(search, self.encoding.some_queries(rows[part], begin))
                else:
                    scores[part], ids[part] = each(finite(rows[part], begin, "queries"))

        self.model.kernels.share(some, len(rows), QUERY_TIME)
        return scores, ids

    def _scored(self, search: Search, asked: Queries) -> tuple[Floats, Ids]:
        """Search for checked queries; return scores and ids."""
        exact = self.exact(asked)
        return self.as_scores(*search.run(self.asked(asked), exact), asked, exact)

    def engine_of(self, bits: int | None) -> Engine:
        """Return the engine of whole codes, or of a prefix of their bits; engines of prefixes are cached."""
        if bits is None:
            return self.engine
        model = self.model
        sizes = model.sizes[:-1] if isinstance(model, RecurrentBinarizer) and self.takes_floats else ()
        if not isinstance(model, RecurrentBinarizer) or integer(bits, "prefix") not in sizes:
            have = f"has {sizes}" if sizes else "has none: fit a RecurrentBinarizer(prefixes=...), for kind='flat'"
            raise ParameterError(f"prefix must be one that the index's model was trained with, and it {have}")
        if bits not in self._prefixes:
            shorter = model.prefix(bits)
            tables = Tables(shorter, table_kernels(model.kernels), shorter.words)
            self._prefixes.setdefault(bits, Engine(self.codes.store, tables))  # another thread may be first
        return self._prefixes[bits]

    def _through_prefix(self, search: Search, asked: Queries) -> tuple[Floats, Ids]:
        """Find candidates by a prefix, rank them by whole codes, and the best of these by originals."""
        whole, *after = self.steps(asked, search.prepared.snapshot, prefix=True)
        if not after:
            return self.as_scores(*search.run(asked.mapped, whole), asked, None)
        rows = len(search.prepared.snapshot) if search.allowed is None else len(search.allowed)
        wider = search._replace(k=search.candidates, candidates=min(rows, WIDER * search.candidates))
        _, ids = wider.run(asked.mapped, whole)
        return self.as_scores(*search.compared(ids, after[0]), asked, after[0])

    def steps(self, asked: Queries, snapshot: Snapshot, prefix: bool) -> list[Exact]:
        """Return the functions that compare candidates again: whole codes after a prefix, then the exact step."""
        exact = self.exact(asked)
        steps = [] if exact is None else [exact]
        return [self._shared(asked, self._by_whole(snapshot)), *steps] if prefix else steps

    def _by_whole(self, snapshot: Snapshot) -> Compare:
        """Return the function that compares candidates by whole codes, with the same distances as a search of these."""
        prepared, searcher = self.engine.prepared(), self.engine.searcher
        assert isinstance(searcher, Tables)
        assert isinstance(prepared, TableRows)
        held = prepared if prepared.snapshot is snapshot else searcher.prepared(snapshot)  # the index has just changed

        def compare(asked: Queries, _: Snapshot, positions: Ids) -> Floats:
            products = held.products(asked.mapped, snapshot.ids[positions])
            return np.where(positions < 0, np.float32(np.inf), 1 - products)

        return compare

    def as_scores(self, distances: Distances, ids: Ids, asked: Queries, exact: Exact | None) -> tuple[Floats, Ids]:
        """Turn the distances of the exact step, or otherwise of codes, into scores."""
        if distances.dtype.kind == "i":  # 1 - distances is the share of equal minus that of differing bits
            distances = 2 * distances / np.float32(self.model.bits)
        if exact is not None and self.space.metric != "cosine":
            return np.where(ids < 0, -np.inf, -distances).astype(np.float32), ids
        products = np.where(ids < 0, -np.inf, 1 - distances).astype(np.float32)
        if isinstance(self.engine.searcher, Tables) and exact is None:
            products += self.model.beside(asked.mapped)[:, None]
        return self._told(products, ids, asked.rows), ids

    def _told(self, products: Floats, ids: Ids, rows: npt.NDArray[Any]) -> Floats:
        """Turn products of mapped vectors into scores."""
        if self.space.metric == "cosine":
            return products
        return np.where(ids < 0, np.float32(-np.inf), self.space.from_products(np.where(ids < 0, 0, products), rows))

    @property
    def takes_floats(self) -> bool:
        """Whether the engine compares float queries, not their codes, with codes."""
        return self.engine is not self.codes.engine

    def asked(self, asked: Queries) -> Any:
        """Return queries in the form of the engine: floats or codes."""
        if self.takes_floats:
            return asked.mapped
        return self.codes.shaped(self.encoding.codes(asked.mapped, asked=True))

    def exact(self, asked: Queries) -> Exact | None:
        """Return the function that compares candidates: by originals if kept, or by the model if bits found them.

        Bits carry no lengths, so the model compares the candidates of bits if the metric needs lengths. Distances are
        one minus the cosine, or negated scores. Slices of the queries are compared in several threads.
        """
        if self.codes.originals is not None:
            compare: Compare = self._by_originals
        elif self._compares_signs:
            compare = self._by_signs
        elif (self._by_tables or self.space.metric != "cosine") and not self.takes_floats:
            compare = self._by_model
        else:
            return None
        return self._shared(asked, compare)

    def _shared(self, asked: Queries, compare: Compare) -> Exact:
        """Return a function that compares the candidates of slices of the queries in several threads."""

        def exact(snapshot: Snapshot, positions: Ids) -> Floats:
            distances = np.empty(positions.shape, dtype=np.float32)

            def some(start: int, stop: int) -> None:
                part = slice(start, stop)
                distances[part] = compare(asked.part(part), snapshot, positions[part])

            self.model.kernels.share(some, len(asked.rows), QUERY_TIME)
            return distances

        return exact

    def _by_originals(self, asked: Queries, snapshot: Snapshot, positions: Ids) -> Floats:
        assert self.codes.originals is not None
        distances = self.codes.originals.distances(self.encoding.kernels, asked.kept, snapshot, positions)
        if self.space.metric == "cosine":
            return distances
        lengths = snapshot.raw(LENGTHS)
        snapshot.check(LENGTHS, positions[positions >= 0])
        own = lengths[positions, 0] if len(lengths) else np.zeros(positions.shape, dtype=np.float32)
        return -self.space.from_cosines(1 - distances, own, asked.rows)

    def _by_signs(self, asked: Queries, snapshot: Snapshot, positions: Ids) -> Floats:
        assert isinstance(self.model, SignBinarizer)
        if not snapshot.count:
            return np.full(positions.shape, np.inf, dtype=np.float32)
        products = np.empty(positions.shape, dtype=np.float32)
        step = max(1, CANDIDATE_WORDS // max(1, positions.shape[1] * self.model.words))
        for start in range(0, len(positions), step):
            part = slice(start, start + step)
            codes = snapshot.take(CODES, np.maximum(positions[part], 0).ravel())
            own = codes.reshape(*positions[part].shape, self.model.words)
            products[part] = self.model.candidate_products(asked.mapped[part], own)
        scores = self.space.from_products(products, asked.rows)
        distances = 1 - scores if self.space.metric == "cosine" else -scores
        return np.where(positions < 0, np.float32(np.inf), distances)

    def _by_model(self, asked: Queries, snapshot: Snapshot, positions: Ids) -> Floats:
        distances = np.full(positions.shape, np.inf, dtype=np.float32)
        for q, there in enumerate(positions >= 0):
            if there.any():
                codes = snapshot.take(CODES, positions[q, there])
                products = self.model.products(asked.mapped[q : q + 1], codes)
                scores = self.space.from_products(products, asked.rows[q : q + 1])[0]
                distances[q, there] = 1 - scores if self.space.metric == "cosine" else -scores
        return distances

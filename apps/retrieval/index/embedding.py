"""EmbeddingIndex: a binariser and an index of its codes in one folder; float vectors in, nearest ids out.

What is nearest is what the metric of the binariser says; everything but the last step goes by products of vectors that
its ``space_`` has mapped (:mod:`~hdc.apps.retrieval.vectors.space`).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.binarisers import Binarizer, RaBitQBinarizer, RecurrentBinarizer, ScalarBinarizer, load
from hdc.apps.retrieval.binarisers.files import digest
from hdc.apps.retrieval.index.binary import KINDS, BinaryIndex, Kind
from hdc.apps.retrieval.index.folders import made_aside, new_folder
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.apps.retrieval.vectors.texts import Encoder, encoded
from hdc.checks import instance, integer
from hdc.dispatch import list_kernels, search_kernels, table_kernels
from hdc.errors import ConflictError, FileFormatError, ParameterError, UnsupportedError
from hdc.files import sync_folder
from hdc.search.codes import CODES
from hdc.search.engine import Engine, Exact, Search
from hdc.search.estimates import EstimateRows, Estimates
from hdc.search.index import Index
from hdc.search.levels import ScannedLevels
from hdc.search.list_files import keep_lists
from hdc.search.measures import Distances
from hdc.search.options import Options, options_of
from hdc.search.reranking import LENGTHS
from hdc.search.searcher import Searcher
from hdc.search.tables import TableRows, Tables
from hdc.store import Snapshot, Store
from hdc.words import WORD_BITS, Words, word_count

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

MODEL = "model"
"""Entry of the meta of an index that was built of a file: the digest of its model."""

DEFAULTS = "options"
"""Entry of the meta of an index that remembers options: what its searches take where they are given none."""

MODEL_FOLDER, CODES_FOLDER = "model", "codes"
"""Folders of the binariser and of the index of codes."""

QUERY_BLOCK = 1 << 13
"""Queries that are searched at a time."""

PLANES_PER_HIT = 40
"""Candidates per hit that all planes of RaBitQ codes put in order, unless it is said: each costs some 30 ns, and where
vectors have no structure, signs find less than half of the best ten among the best hundred."""

FEW_QUERIES = 64
"""Up to so many queries are searched for one by one, each in one go."""

WIDER = 4
"""Candidates of a prefix for each of the whole code, where originals follow."""

ROUNDING = 1e-3
"""A centre of unit vectors may be longer than 1 by so much."""

ROW_TIME, QUERY_TIME = 1_000.0, 5_000.0
"""Nanoseconds to check a vector, and to encode or find one, more or less: what decides on threads."""


class Queries(NamedTuple):
    """Queries, checked.

    Attributes
    ----------
    rows : (q, d) float32 array
        As they were given.
    mapped : (q, width) float32 array
        As codes are asked.
    kept : (q, d) float32 array
        As originals are compared with them.
    """

    rows: Floats
    mapped: Floats
    kept: Floats

    def part(self, rows: slice) -> "Queries":
        """Return some of them."""
        return Queries(*(array[rows] for array in self))


Compare = Callable[[Queries, Snapshot, Ids], Floats]
"""Returns the distances of each query's own candidates, as :data:`hdc.search.engine.Exact`."""


class EmbeddingIndex(Index):
    """Nearest vectors, by cosine, inner product or Euclidean distance, found by their codes.

    A search has up to three steps, each putting fewer rows in a better order: codes against codes, by their bits;
    float queries against codes, by the model's tables or estimates, where its codes are made for that; float queries
    against the originals, where the index keeps them. Made by :meth:`create` and :meth:`open`.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.retrieval import EmbeddingIndex, SignBinarizer
    >>> x = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    >>> index = EmbeddingIndex.create(None, SignBinarizer(256).fit(x), keep="int8")
    >>> index.add(x, keys=[f"item {i}" for i in range(1000)])[-1]
    np.int64(999)
    >>> scores, ids = index.search(x[:2], k=1)
    >>> ids.tolist(), index.keys(ids), index.bytes_per_vector
    ([[0], [1]], ['item 0', 'item 1'], 96)
    """

    KIND = BinaryIndex.KIND
    ROW = "vector"

    def __init__(self, model: Binarizer, codes: BinaryIndex) -> None:
        self.model, self.codes = model, codes
        self._kernels, self._space = search_kernels(model.kernels), model.space_
        # Whether a search among estimates ends with what its kernel knows: these, or cosines with originals of bytes.
        by_cosine = codes.originals is not None and codes.originals.dtype == "int8" and self._space.metric == "cosine"
        self._in_one_go = self._space.of_unit_queries and (codes.originals is None or by_cosine)
        searcher = self._searcher()
        self._engine = codes.engine if searcher is None else Engine(codes.store, searcher)
        self._engines: dict[int, Engine] = {}  # by the prefix that they read
        self._defaults = self._kept_defaults()
        self._remembers = DEFAULTS in codes.store.meta

    def _searcher(self) -> Searcher | None:
        """Return what takes float queries; None where their codes are compared with the codes."""
        if isinstance(self.model, RaBitQBinarizer):
            kept = self.codes.originals is not None and self._in_one_go
            folder, kernels = self.codes.folder, list_kernels(self.model.kernels)
            place = None if folder is None else (folder, digest(folder.parent / MODEL_FOLDER))
            return Estimates(self.model, kernels, originals=kept, whole=self._by_all_planes, kept=place)
        if isinstance(self.model, ScalarBinarizer):
            return ScannedLevels(self.model, table_kernels(self.model.kernels))
        if self._by_tables and self.codes.kind == "flat":
            return Tables(self.model, table_kernels(self.model.kernels))
        return None

    @property
    def _by_all_planes(self) -> bool:
        """Whether searches end with all planes of RaBitQ codes, whose signs are the first step."""
        return isinstance(self.model, RaBitQBinarizer) and self.model.levels > 1 and self.codes.originals is None

    @property
    def _by_tables(self) -> bool:
        """Whether codes say more to the model's tables than to other codes."""
        return isinstance(self.model, RecurrentBinarizer) and self.model.rounds > 0

    @property
    def metric(self) -> str:
        """Return the metric: ``"cosine"``, ``"ip"`` or ``"l2"``."""
        return self._space.metric

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] | None,
        model: Binarizer,
        *,
        kind: Kind | None = None,
        keep: str | None = None,
    ) -> Self:
        """Make an index of no vectors.

        Parameters
        ----------
        path : path or None
            A new folder, in which the model is kept too; None makes an index in memory. It is made aside and renamed,
            so that it is there as a whole or not at all.
        model : fitted binariser
            Its backend and its metric are the index's.
        kind : {"flat", "ivf", "hnsw"}, optional
            As :class:`BinaryIndex`; an ``ivf`` needs :meth:`train`, or a :class:`RaBitQBinarizer` of several lists,
            which makes no other kind. Left out, it is ``flat``, or ``ivf`` for that.
        keep : {"int8", "float16", "float32"}, optional
            Keep the vectors too, so that searches end with exact scores; for ``ip`` and ``l2``, which need lengths,
            4 bytes more.

        Raises
        ------
        ParameterError
            If a parameter is out of range, the folder is in use, or the model is not fitted, or fitted to longer
            vectors than unit vectors.
        UnsupportedError
            If the model's codes are RaBitQ's, and the kind is another than its lists make.
        BackendUnavailableError
            If the kind needs a library that is not installed.
        OSError
            If the folder cannot be written.
        """
        instance(model, "model", Binarizer)
        dim, levels = model.bits // model.levels, model.levels
        if isinstance(model, ScalarBinarizer):
            if kind in KINDS and kind != "flat":
                raise UnsupportedError(
                    f"scalar codes are scanned, kind='flat', and not compared by bits as {kind!r} does"
                )
            dim, levels = model.words * WORD_BITS, 1
        if isinstance(model, RaBitQBinarizer):
            _check_kind(kind, model)
            dim, levels = model.words * WORD_BITS, 1
            kind = "flat" if kind in KINDS else kind
        kind = "flat" if kind is None else kind
        _check_lengths(model)
        originals = None if keep is None else _originals(model, keep)
        settings: dict[str, Any] = {"levels": levels, "kind": kind, "originals": originals, "backend": model.backend}
        if path is None:
            return cls(model, BinaryIndex(dim, **settings))
        with made_aside(path) as aside:
            codes = BinaryIndex(dim, **settings, path=aside / CODES_FOLDER)
            model.save(aside / MODEL_FOLDER)
            cls(model, codes).close()
            sync_folder(aside / MODEL_FOLDER)
        codes_folder = checks.path(path) / CODES_FOLDER
        return cls(model, BinaryIndex.open(codes_folder, writable=True, backend=model.backend))

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, writable: bool = False, backend: str = "auto") -> Self:
        """Open an index that :meth:`create` made, to search on a backend whose arrays are NumPy's.

        Raises
        ------
        FileFormatError
            If the folder holds none, or one that is damaged or of another version.
        BlockingIOError
            If it is opened for writing and another process writes.
        OSError
            If it cannot be read.
        """
        folder = checks.path(path)
        if not (folder / CODES_FOLDER).is_dir() or not (folder / MODEL_FOLDER).is_dir():
            raise FileFormatError(f"{folder} is no index; make one with hdc embed index")
        codes = BinaryIndex.open(folder / CODES_FOLDER, writable=writable, backend=backend)
        try:
            model = load(folder / MODEL_FOLDER, backend)
        except BaseException:
            codes.close()
            raise
        if codes.store.meta.get(MODEL, own := digest(folder / MODEL_FOLDER)) != own:
            codes.close()
            raise FileFormatError(
                f"{folder}: the codes were made with another model; if the index was just built anew, open it again"
            )
        if codes.levels * word_count(codes.dim) != model.words:
            codes.close()
            raise FileFormatError(f"{folder}: the model makes codes of {model.words} words, and the index has others")
        if codes.originals is not None and tuple(codes.originals.settings[1:]) != _originals(model, "int8")[1:]:
            codes.close()
            raise FileFormatError(f"{folder}: the model takes {model.n_features_in_} components, and originals differ")
        return cls(model, codes)

    def __repr__(self) -> str:
        return f"EmbeddingIndex({self.model!r}, {self.codes!r})"

    @property
    def store(self) -> Store:
        """The rows."""
        return self.codes.store

    def prepare(self) -> None:
        """Make what the first search would wait for, such as lists or a graph; a writer keeps it when it closes.

        Raises
        ------
        FileFormatError
            If the index is damaged.
        """
        self._engine.prepared()

    def compact(self) -> None:
        """Drop what removals and replacements have left behind; raises as :meth:`Index.compact`."""
        self.codes.compact()
        self._keep_lists()

    def _keep_lists(self) -> None:
        if isinstance(self._engine.searcher, Estimates):
            keep_lists(self._engine, self._engine.searcher.file)

    def _check_settings(self, snapshot: Snapshot) -> None:
        self.codes._check_settings(snapshot)
        if snapshot.meta.get(MODEL) != self.store.meta.get(MODEL):
            raise ConflictError("the index was built anew with another model; open it again")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy the index to a folder that does not exist or is empty; raises as :meth:`Index.save`.

        Rows, model and options are copied. What is made of these to search, lists in order or a graph, is not: the
        first search of the copy makes it, and a writer keeps it when it closes.
        """
        folder = new_folder(path)
        self.codes.save(folder / CODES_FOLDER)
        self.model.save(folder / MODEL_FOLDER)

    def close(self) -> None:
        """Close the files and let another process write; lists are kept in a file first, if they have changed."""
        self._keep_lists()
        self.codes.close()

    @property
    def bytes_per_vector(self) -> int:
        """Bytes that a search may read of a vector: its code, and the original if it is kept."""
        originals = self.codes.originals
        columns = {} if originals is None else originals.columns
        kept = sum(np.dtype(dtype).itemsize * width for dtype, width in columns.values())
        return self.model.bytes_per_vector + kept

    @property
    def kind(self) -> Kind:
        """Return how rows are searched."""
        return "ivf" if isinstance(self.model, RaBitQBinarizer) and self.model.lists_ > 1 else self.codes.kind

    @property
    def trained(self) -> bool:
        """Return whether vectors can be added."""
        return self.codes.kind != "ivf" or self.codes.coarse is not None

    @property
    def lists(self) -> int:
        """Return how many lists there are; 1 where all rows are compared, or a graph is walked."""
        if isinstance(self.model, RaBitQBinarizer):
            return self.model.lists_
        return 1 if self.codes.coarse is None else len(self.codes.coarse.centroids)

    @property
    def defaults(self) -> Options:
        """Return the options of a search that is given none."""
        return self._defaults

    def set_defaults(self, options: Options) -> None:
        """Remember options, in the index: searches that are given none of a name take it from these.

        Raises
        ------
        ParameterError
            If they are of another kind.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        checked = options_of(self.kind, options)
        self.store.set_meta({**self.store.meta, DEFAULTS: asdict(checked)})
        self._defaults, self._remembers = checked, True

    def _chosen(self, options: Options | None, **given: int | None) -> Options:
        """Return the options of a search: those that were given, and the rest as the index remembers it."""
        if options is not None or not self._remembers:
            return options_of(self.kind, options, **given)
        named = {name: value for name, value in given.items() if value is not None}
        if not named:
            return self._defaults
        return replace(self._defaults, **{name: getattr(options_of(self.kind, None, **named), name) for name in named})

    def _chosen_for(self, k: int, options: Options | None, **given: int | None) -> Options:
        """Return the options of a search for k rows, with as many candidates as the model's codes ask for."""
        chosen = self._chosen(options, **given)
        if self._by_all_planes and chosen.candidates is None:
            chosen = replace(chosen, candidates=PLANES_PER_HIT * k)
        return chosen

    def _kept_defaults(self) -> Options:
        kept = self.store.meta.get(DEFAULTS, {})
        try:
            return options_of(self.kind, None, **kept)
        except (ParameterError, TypeError) as error:
            raise FileFormatError(f"the index remembers options that it cannot have: {kept!r}") from error

    def train(self, vectors: Any, lists: int | None = None, *, seed: int = 0) -> None:
        """Find the lists of an ``ivf`` from a sample of the vectors; raises as :meth:`BinaryIndex.train`."""
        if isinstance(self.model, RaBitQBinarizer):
            raise UnsupportedError("the lists of RaBitQ codes are found by the model; fit a RaBitQBinarizer(lists=...)")
        self.codes.train(self._encoded(self._checked(vectors)[0]), lists, seed=seed)

    def add(self, vectors: Any, keys: Sequence[str | None] | None = None) -> Ids:
        """Add vectors, all of them or, after an error, none; return their ids.

        Parameters
        ----------
        vectors : (n, d) float array
        keys : sequence of n texts, optional

        Returns
        -------
        (n,) int64 array

        Raises
        ------
        DTypeError, DimensionError
            If they are not float vectors of the model's length.
        ParameterError
            If one holds NaN or infinity, or a key is there already.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        return self.add_encoded(self.encoded(vectors), keys)

    def encoded(self, vectors: Any) -> dict[str, npt.NDArray[Any]]:
        """Return what :meth:`add` would write of vectors, for :meth:`add_encoded`: in another process, perhaps.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            As :meth:`add`.
        """
        codes, originals = self._rows_of(vectors)
        return self.codes.columns(codes, originals)

    def add_encoded(self, columns: Mapping[str, npt.NDArray[Any]], keys: Sequence[str | None] | None = None) -> Ids:
        """Add what :meth:`encoded` returned, of an index with the same model and settings; raises as :meth:`add`."""
        return self.store.append(columns, keys)

    def put(self, vectors: Any, keys: Sequence[str]) -> Ids:
        """Add vectors, or replace those of the same keys, which keep their ids; the rest as :meth:`add`."""
        codes, originals = self._rows_of(vectors)
        return self.codes.put(codes, keys, originals=originals)

    def update(self, ids: npt.ArrayLike, vectors: Any) -> None:
        """Replace the vectors of some ids, which keep their keys; raises as :meth:`add`."""
        codes, originals = self._rows_of(vectors)
        self.codes.update(ids, codes, originals=originals)

    def _rows_of(self, vectors: Any) -> tuple[Words, Floats | None]:
        """Return codes and originals of vectors."""
        mapped, kept = self._checked(vectors)
        return self._encoded(mapped), kept

    def verify(self) -> None:
        """Check every byte of the index of codes; the model was checked when it was opened.

        Raises
        ------
        FileFormatError
            If anything differs from what was written.
        """
        self.codes.verify()
        if isinstance(self._engine.searcher, Estimates) and self._engine.searcher.file is not None:
            self._engine.searcher.file.check()

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        options: Options | None = None,
        among: npt.ArrayLike | None = None,
        candidates: int | None = None,
        probes: int | None = None,
        effort: int | None = None,
        prefix: int | None = None,
    ) -> tuple[Floats, Ids]:
        """Find the k nearest vectors of each query.

        Parameters
        ----------
        queries : (q, d) float array
        k : int
            At least 1; at most ``len(index)`` results come back.
        options : FlatOptions, IVFOptions or HNSWOptions, optional
            Those of the index's kind; or give them by name:
        candidates : int, optional
            Rows that the codes find and that tables or originals then put in order. Left out, this and the next two
            are the index's ``defaults``: ``10 * k``, or ``40 * k`` that all planes of RaBitQ codes put in order,
        probes : int, optional
            16 lists that are looked into, of kind ``ivf``,
        effort : int, optional
            and 64 candidates in hand, of kind ``hnsw``, if nothing else was set.
        among : (m,) array of ids, optional
            Find only these.
        prefix : int, optional
            Read so many bits of each code first, in an index of kind ``flat`` whose model was trained with such
            ``prefixes``: these find the candidates, which whole codes put in order. Where originals are kept, the
            prefix finds four times the candidates, of which whole codes leave the best.

        Returns
        -------
        scores : (q, k) float32 array
            Descending: cosines, inner products, or squared Euclidean distances times -1, with the originals; without
            these, what the codes tell of them.
        ids : (q, k) int64 array
            -1, with score -inf, where lists or a graph find fewer than k.

        Raises
        ------
        DTypeError, DimensionError
            If the queries are not float vectors of the model's length.
        ParameterError
            If a query holds NaN or infinity, k or an option is less than 1, an option is of another kind, an id is
            not there, or the model has no such prefix.
        FileFormatError
            If the index is damaged.
        """
        k = integer(k, "k", 1)
        chosen = self._chosen_for(k, options, candidates=candidates, probes=probes, effort=effort)
        rows = as_rows(queries, self.model.n_features_in_, "queries")
        if prefix is not None:
            search = self._prefix_engine(prefix).begin(k, chosen, among)
            return self._through_prefix(search, self._queries(rows))
        search = self._engine.begin(k, chosen, among)
        prepared = search.prepared
        if not isinstance(prepared, EstimateRows):
            return self._scored(search, self._queries(rows))
        one_go = self._in_one_go or self._space.of_unit_queries
        if len(rows) > FEW_QUERIES or not search.k or search.among_few or not one_go:
            return self._in_blocks(search, rows)
        if self._in_one_go:
            scores, ids = prepared.find(rows, search.k, search.candidates, chosen, search.allowed)
            return self._told(scores, ids, rows), ids
        _, ids = prepared.find(rows, search.candidates, search.candidates, chosen, search.allowed)
        asked = self._queries(rows)
        exact = self._exact(asked)
        assert exact is not None
        return self._as_scores(*search.compared(ids, exact), asked, exact)

    def search_texts(
        self, texts: Sequence[str] | str, encoder: Encoder, k: int = 10, **options: Any
    ) -> tuple[Floats, Ids]:
        """Find the k nearest vectors of each text, by the encoder that made the vectors of the index.

        Parameters
        ----------
        texts : sequence of q texts, or one
        encoder : function
            Takes a list of texts, returns a vector for each: a sentence-transformers model's ``encode``, say.
        k, options
            As :meth:`search`, which also says what comes back, and what is raised.

        Raises
        ------
        ParameterError, DTypeError, DimensionError, MismatchError
            If the encoder returns something else.
        """
        return self.search(encoded(texts, encoder), k, **options)

    def _in_blocks(self, search: Search, rows: npt.NDArray[Any]) -> tuple[Floats, Ids]:
        """Search for slices of the queries in several threads, from check to originals.

        Of codes of several planes in lists, each query is searched for in one go: less is shared than in a batch, and
        all planes of what is found are read while they are on their way.
        """
        prepared = search.prepared
        together = not isinstance(prepared, EstimateRows) or not prepared.alone or not self._space.of_unit_queries
        together = together or not search.k or search.among_few
        scores, ids = np.empty((len(rows), search.k), dtype=np.float32), np.empty((len(rows), search.k), dtype=np.int64)

        def some(start: int, stop: int) -> None:
            for begin in range(start, stop, QUERY_BLOCK):
                part = slice(begin, min(stop, begin + QUERY_BLOCK))
                if together or not isinstance(prepared, EstimateRows):
                    scores[part], ids[part] = self._scored(search, self._some_queries(rows[part], begin))
                    continue
                asked = finite(rows[part], begin, "queries")
                products, found = prepared.find(asked, search.k, search.candidates, search.options, search.allowed)
                scores[part], ids[part] = self._told(products, found, asked), found

        self.model.kernels.share(some, len(rows), QUERY_TIME)
        return scores, ids

    def _scored(self, search: Search, asked: Queries) -> tuple[Floats, Ids]:
        """Search for checked queries; return scores and ids."""
        queries = asked.mapped if self._takes_floats else self.codes.shaped(self._encoded(asked.mapped, asked=True))
        exact = self._exact(asked)
        return self._as_scores(*search.run(queries, exact), asked, exact)

    def _prefix_engine(self, bits: int) -> Engine:
        """Return what searches a prefix of the codes, the same one each time."""
        model = self.model
        sizes = model.sizes[:-1] if isinstance(model, RecurrentBinarizer) and self._takes_floats else ()
        if not isinstance(model, RecurrentBinarizer) or integer(bits, "prefix") not in sizes:
            have = f"has {sizes}" if sizes else "has none: fit a RecurrentBinarizer(prefixes=...), for kind='flat'"
            raise ParameterError(f"prefix must be one that the index's model was trained with, and it {have}")
        if bits not in self._engines:
            shorter = model.prefix(bits)
            tables = Tables(shorter, table_kernels(model.kernels), shorter.words)
            self._engines.setdefault(bits, Engine(self.codes.store, tables))  # another thread may have been first
        return self._engines[bits]

    def _through_prefix(self, search: Search, asked: Queries) -> tuple[Floats, Ids]:
        """Let whole codes order what a prefix finds, and originals what these leave."""
        whole, *after = self._steps(asked, search.prepared.snapshot, prefix=True)
        if not after:
            return self._as_scores(*search.run(asked.mapped, whole), asked, None)
        rows = len(search.prepared.snapshot) if search.allowed is None else len(search.allowed)
        wider = search._replace(k=search.candidates, candidates=min(rows, WIDER * search.candidates))
        _, ids = wider.run(asked.mapped, whole)
        return self._as_scores(*search.compared(ids, after[0]), asked, after[0])

    def _steps(self, asked: Queries, snapshot: Snapshot, prefix: bool) -> list[Exact]:
        """Return what compares candidates again, in turn: whole codes what a prefix finds, then the exact step."""
        exact = self._exact(asked)
        steps = [] if exact is None else [exact]
        return [self._shared(asked, self._by_whole(snapshot)), *steps] if prefix else steps

    def _by_whole(self, snapshot: Snapshot) -> Compare:
        """Return what compares candidates of a snapshot by whole codes: distances are as those of a search of them."""
        prepared, searcher = self._engine.prepared(), self._engine.searcher
        assert isinstance(searcher, Tables)
        assert isinstance(prepared, TableRows)
        held = prepared if prepared.snapshot is snapshot else searcher.prepared(snapshot)  # it has just changed

        def compare(asked: Queries, _: Snapshot, positions: Ids) -> Floats:
            products = held.products(asked.mapped, snapshot.ids[positions])
            return np.where(positions < 0, np.float32(np.inf), 1 - products)

        return compare

    def _as_scores(self, distances: Distances, ids: Ids, asked: Queries, exact: Exact | None) -> tuple[Floats, Ids]:
        """Return scores of distances: what the exact step has made of them, else what codes tell."""
        if distances.dtype.kind == "i":  # to the share of equal bits less that of differing ones
            distances = 2 * distances / np.float32(self.model.bits)
        if exact is not None and self.metric != "cosine":
            return np.where(ids < 0, -np.inf, -distances).astype(np.float32), ids
        products = np.where(ids < 0, -np.inf, 1 - distances).astype(np.float32)
        if isinstance(self._engine.searcher, Tables) and exact is None:
            products += self.model.beside(asked.mapped)[:, None]
        return self._told(products, ids, asked.rows), ids

    def _told(self, products: Floats, ids: Ids, rows: npt.NDArray[Any]) -> Floats:
        """Return products of mapped vectors as scores."""
        if self.metric == "cosine":
            return products
        return np.where(ids < 0, np.float32(-np.inf), self._space.from_products(np.where(ids < 0, 0, products), rows))

    @property
    def _takes_floats(self) -> bool:
        return self._engine is not self.codes.engine

    def _exact(self, asked: Queries) -> Exact | None:
        """Return what compares candidates: the originals if they are kept, else the model's tables if bits found them.

        Bits say nothing of lengths, so that their finds are compared by tables wherever these count. Distances are one
        minus the cosine, or scores times -1.

        Queries are compared in slices, in several threads.
        """
        if self.codes.originals is not None:
            compare: Compare = self._by_originals
        elif (self._by_tables or self.metric != "cosine") and not self._takes_floats:
            compare = self._by_model
        else:
            return None
        return self._shared(asked, compare)

    def _shared(self, asked: Queries, compare: Compare) -> Exact:
        """Return what compares the candidates of queries in slices, in several threads."""

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
        distances = self.codes.originals.distances(self._kernels, asked.kept, snapshot, positions)
        if self.metric == "cosine":
            return distances
        lengths = snapshot.raw(LENGTHS)
        snapshot.check(LENGTHS, positions[positions >= 0])
        own = lengths[positions, 0] if len(lengths) else np.zeros(positions.shape, dtype=np.float32)
        return -self._space.from_cosines(1 - distances, own, asked.rows)

    def _by_model(self, asked: Queries, snapshot: Snapshot, positions: Ids) -> Floats:
        distances = np.full(positions.shape, np.inf, dtype=np.float32)
        for q, there in enumerate(positions >= 0):
            if there.any():
                codes = snapshot.take(CODES, positions[q, there])
                products = self.model.products(asked.mapped[q : q + 1], codes)
                scores = self._space.from_products(products, asked.rows[q : q + 1])[0]
                distances[q, there] = 1 - scores if self.metric == "cosine" else -scores
        return distances

    def _encoded(self, rows: Floats, *, asked: bool = False) -> Words:
        """Return the codes of mapped vectors, or queries, in the shape that the index of codes takes."""
        codes = np.empty((len(rows), self.model.words), dtype=np.uint64)

        def some(start: int, stop: int) -> None:
            codes[start:stop] = self.model.encode_mapped(rows[start:stop], asked=asked)

        self.model.kernels.share(some, len(rows), QUERY_TIME)
        return codes if self.codes.levels == 1 else codes.reshape(len(codes), self.codes.levels, -1)

    def _some_queries(self, rows: npt.NDArray[Any], start: int) -> Queries:
        """Return rows, the first of them being number ``start``, as queries."""
        checked = finite(rows, start, "queries")
        mapped = self._space.queries(self._kernels, checked)
        kept = mapped if self.metric == "cosine" else self._space.kept(self._kernels, checked)
        return Queries(checked, mapped, kept)

    def _queries(self, rows: npt.NDArray[Any]) -> Queries:
        """Return ``(q, d)`` floats as queries, in several threads."""
        width = self.model.n_features_in_ + self._space.added
        shapes = rows.shape, (len(rows), width), rows.shape
        found = Queries(*(np.empty(shape, dtype=np.float32) for shape in shapes))

        def some(start: int, stop: int) -> None:
            for whole, part in zip(found, self._some_queries(rows[start:stop], start), strict=True):
                whole[start:stop] = part

        self.model.kernels.share(some, len(rows), ROW_TIME)
        return found

    def _checked(self, vectors: Any) -> tuple[Floats, Floats | None]:
        """Return finite vectors of the model's length mapped, and what is kept of them, if anything is."""
        rows = as_rows(vectors, self.model.n_features_in_, "vectors")
        mapped = np.empty((len(rows), rows.shape[1] + self._space.added), dtype=np.float32)
        keeps, alike = self.codes.originals is not None, self.metric == "cosine"
        kept = np.empty(rows.shape, dtype=np.float32) if keeps and not alike else None

        def some(start: int, stop: int) -> None:
            checked = finite(rows[start:stop], start, "vectors")
            mapped[start:stop] = self._space.vectors(self._kernels, checked)
            if kept is not None:
                kept[start:stop] = self._space.kept(self._kernels, checked)

        self.model.kernels.share(some, len(rows), ROW_TIME)
        return mapped, mapped if keeps and alike else kept


def _originals(model: Binarizer, dtype: str) -> tuple[str, int] | tuple[str, int, bool]:
    """Return how originals are kept: with their lengths, where these count."""
    kept = dtype, model.n_features_in_
    return kept if model.space_.metric == "cosine" else (*kept, True)


def _check_kind(kind: Kind | None, model: RaBitQBinarizer) -> None:
    """Raise UnsupportedError if an index of the model's codes is of another kind."""
    made = "ivf" if model.lists_ > 1 else "flat"
    if kind in KINDS and kind != made:
        raise UnsupportedError(
            f"RaBitQ codes are not compared by their bits, as {kind!r} does; a RaBitQBinarizer of lists={model.lists_} "
            f"makes kind={made!r}"
        )


def _check_lengths(model: Binarizer) -> None:
    """Raise ParameterError if the model takes vectors as they are, and was fitted to longer ones than an index has."""
    if not model.space_.as_given:
        return
    longest = model.longest_centre if isinstance(model, RaBitQBinarizer) else float(np.linalg.norm(model.mean_))
    if longest > 1 + ROUNDING:
        raise ParameterError(
            f"the model was fitted to vectors of length {longest:.3g} or more, and an index compares unit vectors; "
            "fit it to x / np.linalg.norm(x, axis=1, keepdims=True)"
        )

"""EmbeddingIndex: a binarizer and an index of its codes in one folder; float vectors in, nearest ids out.

What is nearest is what the metric of the binarizer says; everything but the last step goes by products of vectors that
its ``space_`` has mapped (:mod:`~hdc.apps.retrieval.vectors.space`).
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.binarizers import Binarizer, ScalarBinarizer
from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.index.binary import BinaryIndex, Kind
from hdc.apps.retrieval.index.folders import CODES_FOLDER, MODEL, MODEL_FOLDER, index_folder, made_by
from hdc.apps.retrieval.index.kept_options import KeptOptions
from hdc.apps.retrieval.index.packed import add_packed, checked_keys, packed_rows
from hdc.apps.retrieval.index.pipeline import Pipeline
from hdc.apps.retrieval.index.ready_made import add_quantized, model_of, signs_of
from hdc.apps.retrieval.index.recent import RecentSearches
from hdc.apps.retrieval.index.settings import WALKED, check_made_by, settings_of
from hdc.apps.retrieval.vectors.quantized import Precision, Quantized
from hdc.apps.retrieval.vectors.rows import as_rows
from hdc.apps.retrieval.vectors.texts import Encoder, encoded
from hdc.checks import instance, integer
from hdc.errors import ConflictError, UnsupportedError
from hdc.files import sync_folder
from hdc.search.estimates import Estimates
from hdc.search.folders import filled, made_aside, new_folder
from hdc.search.graph import GraphEstimateRows, GraphEstimates
from hdc.search.index import Index
from hdc.search.list_files import keep_lists
from hdc.search.options import Options
from hdc.store import Snapshot, Store
from hdc.words import BitOrder, Words

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

PLANES_PER_HIT = 40
"""Candidates per hit that all planes of RaBitQ codes put in order, unless it is said: each costs some 30 ns, and where
vectors have no structure, signs find less than half of the best ten among the best hundred."""


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
        codes.reader = type(model).__name__ if isinstance(model, EstimatingBinarizer | ScalarBinarizer) else None
        self.pipeline = Pipeline(model, codes)
        self._options = KeptOptions(codes.store, self.kind, PLANES_PER_HIT if self.pipeline.by_all_planes else None)
        self._recent = RecentSearches(self.pipeline, self._options)

    @property
    def metric(self) -> str:
        """Return the metric: ``"cosine"``, ``"ip"`` or ``"l2"``."""
        return self.model.space_.metric

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
        model : fitted binarizer
            Its backend and its metric are the index's.
        kind : {"flat", "ivf", "hnsw", "graph"}, optional
            As :class:`BinaryIndex`; an ``ivf`` needs :meth:`train`, or a :class:`RaBitQBinarizer` of several lists,
            which makes no other kind but a ``graph``: that has the lists too, and walks from vector to vector. A graph
            needs ``keep="int8"``. Left out, it is ``flat``, or ``ivf`` for several lists.
        keep : {"int8", "float16", "float32"}, optional
            Keep the vectors too, so that searches end with exact scores; for ``ip`` and ``l2``, which need lengths,
            4 bytes more.

        Raises
        ------
        ParameterError
            If a parameter is out of range, the folder is in use, or the model is not fitted, or fitted to longer
            vectors than unit vectors.
        UnsupportedError
            If the model's codes are RaBitQ's, and the kind is another than its lists make, or for a graph, of other
            codes, without int8 originals, or on a backend that has no graphs.
        BackendUnavailableError
            If the kind needs a library that is not installed.
        OSError
            If the folder cannot be written.
        """
        instance(model, "model", Binarizer)
        dim, settings = settings_of(model, kind, keep)

        def codes_in(place: Path | None) -> BinaryIndex:
            codes = BinaryIndex(dim, **settings, path=place)
            if kind == "graph":
                codes.store.set_meta({**codes.store.meta, WALKED: True})
            return codes

        if path is None:
            return cls(model, codes_in(None))
        with made_aside(path) as aside:
            codes = codes_in(aside / CODES_FOLDER)
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
        folder = index_folder(path, "hdc embed index")
        codes = BinaryIndex.open(folder / CODES_FOLDER, writable=writable, backend=backend)
        try:
            model = made_by(folder, codes.store.meta, backend)
            check_made_by(model, codes)
            return cls(model, codes)
        except BaseException:
            codes.close()
            raise

    @classmethod
    def from_packed(
        cls,
        codes: Any,
        dim: int | None = None,
        *,
        bitorder: BitOrder,
        keys: Sequence[str | None] | None = None,
        path: str | os.PathLike[str] | None = None,
        kind: Kind = "flat",
    ) -> Self:
        """Return an index of ready-made binary embeddings, which takes float queries.

        A bit is the sign of a component. Signs of the query find candidates, and its products with their signs put
        these in order: what sentence-transformers calls rescoring. More vectors go in as floats, by :meth:`add`.

        Parameters
        ----------
        codes, dim, bitorder, keys, path
            As :meth:`BinaryIndex.from_packed`; ``dim`` is the length of queries.
        kind : {"flat", "ivf", "hnsw"}

        Raises
        ------
        DTypeError, DimensionError, PaddingError, ParameterError, MismatchError
            As :meth:`BinaryIndex.from_packed`.

        Examples
        --------
        >>> import numpy as np
        >>> from hdc.apps.retrieval import EmbeddingIndex
        >>> x = np.random.default_rng(0).standard_normal((1000, 256)).astype(np.float32)
        >>> index = EmbeddingIndex.from_packed(np.packbits(x > 0, axis=1), bitorder="big")
        >>> index.search(x[:3], k=1)[1].ravel()
        array([0, 1, 2])
        """
        rows, bits = packed_rows(codes, dim)
        make = partial(cls.create, model=signs_of(bits), kind=kind)
        return filled(
            path, make, lambda index: add_packed(index.codes, rows, keys, bitorder), partial(cls.open, writable=True)
        )

    @classmethod
    def from_quantized(
        cls,
        embeddings: Any,
        precision: Precision,
        *,
        ranges: Any = None,
        keys: Sequence[str | None] | None = None,
        path: str | os.PathLike[str] | None = None,
        kind: Kind | None = None,
    ) -> Self:
        """Return an index of embeddings as sentence-transformers and Cohere quantize them, which takes float queries.

        Parameters
        ----------
        embeddings : (n, d) int8 or uint8 array, or (n, bytes)
            May be mapped from a file; it is read in blocks. Lists of integers, as services send them, are taken too.
        precision : {"int8", "uint8", "binary", "ubinary"}
            Their form; see :mod:`hdc.apps.retrieval.vectors.quantized`. Those of bits become :meth:`from_packed`.
            Numbers are kept as int8 originals, with RaBitQ codes to find candidates.
        ranges : (2, d) array, optional
            What numbers were quantized by: the least and the greatest value of each component.
        keys : sequence of n texts, optional
        path : path, optional
            A new folder, which is there as a whole or not at all.
        kind : {"flat", "ivf", "hnsw"}, optional
            Of bits; numbers have ``"flat"``.

        Raises
        ------
        DTypeError, DimensionError, ParameterError, MismatchError
            If they are not of that form, or the keys are not as many.
        UnsupportedError
            If numbers are to have another kind than ``"flat"``.
        """
        given = Quantized.of(embeddings, precision, ranges)
        names = None if keys is None else checked_keys(keys, len(given))
        make = partial(cls.create, model=model_of(given), kind=kind, keep=None if given.of_bits else "int8")
        return filled(path, make, lambda index: add_quantized(index, given, names), partial(cls.open, writable=True))

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
        self.pipeline.engine.prepared()

    def compact(self) -> None:
        """Drop what removals and replacements have left behind; raises as :meth:`Index.compact`."""
        self.codes.compact()
        self._keep_lists()

    def _keep_lists(self) -> None:
        searcher = self.pipeline.engine.searcher
        if isinstance(searcher, Estimates):
            keep_lists(self.pipeline.engine, searcher.file)
        if isinstance(searcher, GraphEstimates):
            searcher.keep(self.pipeline.engine)

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
        try:
            self._keep_lists()
        finally:
            self.codes.close()

    @property
    def bytes_per_vector(self) -> int:
        """Bytes that a search may read of a vector: its code, the original if it is kept, and of a graph its part.

        A graph counts once it was built, by :meth:`prepare` or the first search: before, nobody knows how many links it
        takes.
        """
        originals = self.codes.originals
        columns = {} if originals is None else originals.columns
        kept = sum(np.dtype(dtype).itemsize * width for dtype, width in columns.values())
        prepared = self.pipeline.engine.latest
        linked = prepared.bytes_per_node if isinstance(prepared, GraphEstimateRows) else 0
        return self.model.bytes_per_vector + kept + linked

    @property
    def kind(self) -> Kind:
        """Return how rows are searched."""
        if self.store.meta.get(WALKED):
            return "graph"
        return "ivf" if isinstance(self.model, EstimatingBinarizer) and self.model.lists_ > 1 else self.codes.kind

    @property
    def trained(self) -> bool:
        """Return whether vectors can be added."""
        return self.codes.kind != "ivf" or self.codes.coarse is not None

    @property
    def lists(self) -> int:
        """Return how many lists there are; 1 where all rows are compared, or a graph is walked."""
        if isinstance(self.model, EstimatingBinarizer):
            return self.model.lists_
        return 1 if self.codes.coarse is None else len(self.codes.coarse.centroids)

    @property
    def defaults(self) -> Options:
        """Return the options of a search that is given none."""
        return self._options.defaults

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
        self._options.keep(options)

    def chosen(self, k: int, options: Options | None, **given: int | None) -> Options:
        """Return the options of a search for k rows, with as many candidates as the model's codes ask for."""
        return self._options.chosen(k, options, **given)

    def train(self, vectors: Any, lists: int | None = None, *, seed: int = 0) -> None:
        """Find the lists of an ``ivf`` from a sample of the vectors; raises as :meth:`BinaryIndex.train`."""
        if isinstance(self.model, EstimatingBinarizer):
            raise UnsupportedError("the lists of RaBitQ codes are found by the model; fit a RaBitQBinarizer(lists=...)")
        encoding = self.pipeline.encoding
        self.codes.train(encoding.codes(encoding.vectors(vectors)[0]), lists, seed=seed)

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
        encoding = self.pipeline.encoding
        mapped, kept = encoding.vectors(vectors)
        return encoding.codes(mapped), kept

    def verify(self) -> None:
        """Check every byte of the index of codes; the model was checked when it was opened.

        Raises
        ------
        FileFormatError
            If anything differs from what was written.
        """
        self.codes.verify()
        searcher = self.pipeline.engine.searcher
        if isinstance(searcher, Estimates | GraphEstimates) and searcher.file is not None:
            searcher.file.check()

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
        options : FlatOptions, IVFOptions, HNSWOptions or GraphOptions, optional
            Those of the index's kind; or give them by name:
        candidates : int, optional
            Rows that the codes find and that signs, tables or originals then put in order. Left out, this and the next
            two are the index's ``defaults``: ``10 * k``, or ``40 * k`` that all planes of RaBitQ codes put in order,
        probes : int, optional
            16 lists that are looked into, of kind ``ivf``,
        effort : int, optional
            and 64 candidates in hand, of kinds ``hnsw`` and ``graph``, if nothing else was set.
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
        if among is None and prefix is None:
            find = self._recent.finder(k, options, candidates, probes, effort)
            if find is not None:
                return find(as_rows(queries, self.model.n_features_in_, "queries"))
        k = integer(k, "k", 1)
        chosen = self.chosen(k, options, candidates=candidates, probes=probes, effort=effort)
        rows = as_rows(queries, self.model.n_features_in_, "queries")
        return self.pipeline.search(rows, k, chosen, among, prefix)

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

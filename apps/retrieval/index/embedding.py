"""EmbeddingIndex: a binarizer and an index of its codes in one folder; float vectors in, nearest ids out.

The binarizer's metric defines the nearest vectors. All steps but the last compare products of vectors that its
``space_`` has mapped (:mod:`~hdc.apps.retrieval.vectors.space`).
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
"""Default candidates per hit that all planes of RaBitQ codes rank. Each costs some 30 ns. For vectors without
structure, signs find less than half of the best ten among the best hundred."""


class EmbeddingIndex(Index):
    """Nearest-neighbor search of vectors by cosine, inner product or Euclidean distance, through binary codes.

    A search has up to three steps, each of which ranks fewer rows better. First, codes are compared with codes by their
    bits. Second, if the model supports it, float queries are compared with codes by tables or estimates. Third, if the
    index keeps originals, float queries are compared with them. Call :meth:`create` or :meth:`open` to get an index.

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
        """Metric of the scores: ``"cosine"``, ``"ip"`` or ``"l2"``."""
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
        """Create an empty index.

        Parameters
        ----------
        path : path or None
            A new folder for the index and its model; None for an index in memory. The folder is renamed when complete,
            so you never see a partial index.
        model : fitted binarizer
            The index uses its backend and its metric.
        kind : {"flat", "ivf", "hnsw", "graph"}, optional
            As in :class:`BinaryIndex`. An ``ivf`` needs :meth:`train`, or a :class:`RaBitQBinarizer` with several
            lists. Such a binarizer supports only ``ivf`` and ``graph``. A ``graph`` also has the lists, walks from
            vector to vector, and needs ``keep="int8"``. The default is ``flat``, or ``ivf`` for several lists.
        keep : {"int8", "float16", "float32"}, optional
            Also keep the vectors, so that searches end with exact scores. For ``ip`` and ``l2``, which need lengths,
            that takes 4 more bytes per vector.

        Raises
        ------
        ParameterError
            If a parameter is out of range, the folder is in use, or the model is not fitted or was fitted to vectors
            longer than unit vectors.
        UnsupportedError
            If RaBitQ codes are combined with a kind that does not match their lists. For a graph: if the codes are not
            RaBitQ codes, ``keep`` is not ``"int8"``, or the backend has no graphs.
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
        """Open an index of :meth:`create` on a backend with NumPy arrays.

        Raises
        ------
        FileFormatError
            If the folder has no index, or the index is damaged or of another version.
        BlockingIOError
            If you open it for writing while another process writes.
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
        """Return an index of ready-made binary embeddings, to search with float queries.

        A bit is the sign of a component. Signs of the query find candidates; products of the query with their signs
        rank them, which sentence-transformers calls rescoring. To add more vectors, pass floats to :meth:`add`.

        Parameters
        ----------
        codes, dim, bitorder, keys, path
            As in :meth:`BinaryIndex.from_packed`; ``dim`` is the length of queries.
        kind : {"flat", "ivf", "hnsw"}

        Raises
        ------
        DTypeError, DimensionError, PaddingError, ParameterError, MismatchError
            As in :meth:`BinaryIndex.from_packed`.

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
        """Return an index of embeddings quantized by sentence-transformers or Cohere, to search with float queries.

        Parameters
        ----------
        embeddings : (n, d) int8 or uint8 array, or (n, bytes)
            It may be mapped from a file, and is read in blocks. Lists of integers, as services return them, work, too.
        precision : {"int8", "uint8", "binary", "ubinary"}
            Form of the embeddings; see :mod:`hdc.apps.retrieval.vectors.quantized`. Bits are indexed as by
            :meth:`from_packed`. Numbers are kept as int8 originals, with RaBitQ codes to find candidates.
        ranges : (2, d) array, optional
            Ranges of the quantization: the least and the greatest value of each component.
        keys : sequence of n texts, optional
        path : path, optional
            A new folder for the index; after an error it does not exist.
        kind : {"flat", "ivf", "hnsw"}, optional
            Only for bits; numbers need ``"flat"``.

        Raises
        ------
        DTypeError, DimensionError, ParameterError, MismatchError
            If the embeddings do not have that form, or there is not one key per row.
        UnsupportedError
            If ``kind`` is not ``"flat"`` for numbers.
        """
        given = Quantized.of(embeddings, precision, ranges)
        names = None if keys is None else checked_keys(keys, len(given))
        make = partial(cls.create, model=model_of(given), kind=kind, keep=None if given.of_bits else "int8")
        return filled(path, make, lambda index: add_quantized(index, given, names), partial(cls.open, writable=True))

    def __repr__(self) -> str:
        return f"EmbeddingIndex({self.model!r}, {self.codes!r})"

    @property
    def store(self) -> Store:
        """The store of the rows."""
        return self.codes.store

    def prepare(self) -> None:
        """Build what the first search would otherwise build, such as lists or a graph; a writer saves it on closing.

        Raises
        ------
        FileFormatError
            If the index is damaged.
        """
        self.pipeline.engine.prepared()

    def compact(self) -> None:
        """Drop the rows that removals and replacements left behind; raises as :meth:`Index.compact` does."""
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
        """Copy the index to a folder that does not exist or is empty; raises as :meth:`Index.save` does.

        Rows, model and options are copied. Derived data, such as sorted lists or a graph, are not: the first search of
        the copy builds them, and a writer saves them on closing.
        """
        folder = new_folder(path)
        self.codes.save(folder / CODES_FOLDER)
        self.model.save(folder / MODEL_FOLDER)

    def close(self) -> None:
        """Close the files and let another process write. Changed lists are saved first."""
        try:
            self._keep_lists()
        finally:
            self.codes.close()

    @property
    def bytes_per_vector(self) -> int:
        """Bytes per vector that a search may read: its code, its original if kept, and its share of a graph.

        A graph counts once :meth:`prepare` or the first search has built it; before, its number of links is unknown.
        """
        originals = self.codes.originals
        columns = {} if originals is None else originals.columns
        kept = sum(np.dtype(dtype).itemsize * width for dtype, width in columns.values())
        prepared = self.pipeline.engine.latest
        linked = prepared.bytes_per_node if isinstance(prepared, GraphEstimateRows) else 0
        return self.model.bytes_per_vector + kept + linked

    @property
    def kind(self) -> Kind:
        """Kind of the search: ``"flat"``, ``"ivf"``, ``"hnsw"`` or ``"graph"``."""
        if self.store.meta.get(WALKED):
            return "graph"
        return "ivf" if isinstance(self.model, EstimatingBinarizer) and self.model.lists_ > 1 else self.codes.kind

    @property
    def trained(self) -> bool:
        """Whether you can add vectors: an ``ivf`` must be trained first."""
        return self.codes.kind != "ivf" or self.codes.coarse is not None

    @property
    def lists(self) -> int:
        """Number of IVF lists; 1 without lists."""
        if isinstance(self.model, EstimatingBinarizer):
            return self.model.lists_
        return 1 if self.codes.coarse is None else len(self.codes.coarse.centroids)

    @property
    def defaults(self) -> Options:
        """Options of a search that passes none."""
        return self._options.defaults

    def set_defaults(self, options: Options) -> None:
        """Store options in the index, as defaults of searches that do not pass them.

        Raises
        ------
        ParameterError
            If they belong to another kind of index.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        self._options.keep(options)

    def chosen(self, k: int, options: Options | None, **given: int | None) -> Options:
        """Return the options of a search for k rows, with the candidates that the model's codes need."""
        return self._options.chosen(k, options, **given)

    def train(self, vectors: Any, lists: int | None = None, *, seed: int = 0) -> None:
        """Train the lists of an ``ivf`` on a sample of the vectors; raises as :meth:`BinaryIndex.train` does."""
        if isinstance(self.model, EstimatingBinarizer):
            raise UnsupportedError("the model has the lists of RaBitQ codes; fit a RaBitQBinarizer(lists=...) instead")
        encoding = self.pipeline.encoding
        self.codes.train(encoding.codes(encoding.vectors(vectors)[0]), lists, seed=seed)

    def add(self, vectors: Any, keys: Sequence[str | None] | None = None) -> Ids:
        """Add vectors and return their ids. After an error, nothing is added.

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
            If the vectors are not floats, or do not have the model's number of components.
        ParameterError
            If a vector has a NaN or infinity, or a key exists.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        return self.add_encoded(self.encoded(vectors), keys)

    def encoded(self, vectors: Any) -> dict[str, npt.NDArray[Any]]:
        """Return the columns that :meth:`add` would write, for :meth:`add_encoded`, perhaps in another process.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            As in :meth:`add`.
        """
        codes, originals = self._rows_of(vectors)
        return self.codes.columns(codes, originals)

    def add_encoded(self, columns: Mapping[str, npt.NDArray[Any]], keys: Sequence[str | None] | None = None) -> Ids:
        """Add the output of :meth:`encoded`, of an index with the same model and settings; raises as :meth:`add`."""
        return self.store.append(columns, keys)

    def put(self, vectors: Any, keys: Sequence[str]) -> Ids:
        """Add vectors, or replace vectors with the same keys, which keep their ids. Otherwise like :meth:`add`."""
        codes, originals = self._rows_of(vectors)
        return self.codes.put(codes, keys, originals=originals)

    def update(self, ids: npt.ArrayLike, vectors: Any) -> None:
        """Replace the vectors of ids, which keep their keys; raises as :meth:`add` does."""
        codes, originals = self._rows_of(vectors)
        self.codes.update(ids, codes, originals=originals)

    def _rows_of(self, vectors: Any) -> tuple[Words, Floats | None]:
        """Return the codes and the originals of vectors."""
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
        """Find the k nearest vectors to each query.

        Parameters
        ----------
        queries : (q, d) float array
        k : int
            At least 1. You get at most ``len(index)`` results.
        options : FlatOptions, IVFOptions, HNSWOptions or GraphOptions, optional
            The options of the index's kind. You can pass them by name instead; by default they are those of
            ``defaults``:
        candidates : int, optional
            Rows that codes find, and that signs, tables or originals then rank. Unless ``defaults`` set it, ``10 * k``,
            or ``40 * k`` if all planes of RaBitQ codes rank them.
        probes : int, optional
            IVF lists to read per query, for kind ``ivf``; 16 unless ``defaults`` set it.
        effort : int, optional
            Candidates to keep in hand, for kinds ``hnsw`` and ``graph``; 64 unless ``defaults`` set it.
        among : (m,) array of ids, optional
            Find only these rows.
        prefix : int, optional
            Read this many bits of each code first. It needs kind ``flat`` and a model trained with this value among its
            ``prefixes``. The prefix finds candidates, which whole codes then rank. If the index keeps originals, the
            prefix finds four times as many, and whole codes leave the best for the originals.

        Returns
        -------
        scores : (q, k) float32 array
            Descending: cosines, inner products, or negated squared Euclidean distances. They are computed from the
            originals, or estimated from codes if the index keeps none.
        ids : (q, k) int64 array
            -1, with score -inf, where lists or a graph find fewer than k.

        Raises
        ------
        DTypeError, DimensionError
            If the queries are not floats, or do not have the model's number of components.
        ParameterError
            If a query has a NaN or infinity, ``k`` or an option is less than 1, an option belongs to another kind, an
            id does not exist, or the model has no such prefix.
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
        """Find the k nearest vectors to each text, with the encoder that made the vectors of the index.

        Parameters
        ----------
        texts : sequence of q texts, or one text
        encoder : function
            Takes a list of texts and returns one vector per text, for example ``encode`` of sentence-transformers.
        k, options
            As in :meth:`search`, which describes the result and further errors.

        Raises
        ------
        ParameterError, DTypeError, DimensionError, MismatchError
            If the encoder does not return one valid vector per text.
        """
        return self.search(encoded(texts, encoder), k, **options)

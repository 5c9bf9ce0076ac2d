"""BinaryIndex: packed codes, in memory or durable in a folder, searched exactly or approximately."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.index.packed import add_packed, packed_rows
from hdc.checks import array, choice, integer
from hdc.dispatch import numpy_backend, search_kernels
from hdc.errors import ConflictError, DimensionError, FileFormatError, ParameterError, UnsupportedError
from hdc.search.codes import CELLS, CODES, SCALE
from hdc.search.engine import Engine, Exact
from hdc.search.flat import Flat
from hdc.search.folders import filled
from hdc.search.hnsw import Graphs
from hdc.search.index import Index
from hdc.search.ivf import Coarse, Lists, train
from hdc.search.list_files import keep_lists
from hdc.search.measures import Distances, Ids, measure_of
from hdc.search.once import BuildLock
from hdc.search.options import Options, options_of
from hdc.search.reranking import Originals
from hdc.search.searcher import Searcher
from hdc.store import Snapshot, Store
from hdc.words import MAX_DIM, BitOrder, Words, as_words, word_count

Kind = Literal["flat", "ivf", "hnsw", "graph"]

KINDS: tuple[Kind, ...] = ("flat", "ivf", "hnsw")
"""Kinds of an index of codes. A ``"graph"`` needs vectors and their RaBitQ codes."""


class BinaryIndex(Index):
    """Nearest neighbors of binary codes.

    Parameters
    ----------
    dim : int
        Bits of a code, or components if ``levels`` is more than 1; at least 1.
    levels : int
        Bits per component. With 1, codes are compared by Hamming distance. With more, a code is ``levels`` planes of
        ``dim`` bits, the heaviest first. The distance is then one minus the cosine of the components
        ``sum_i 2**(levels-1-i) s_i``, s_i = +1 or -1: the symmetric distance of multi-level codes.
    kind : {"flat", "ivf", "hnsw"}
        ``flat`` compares every code. ``ivf`` probes the IVF lists nearest to the query; call :meth:`train` before you
        add codes. ``hnsw`` walks a graph; it needs the extra ``hnsw`` (usearch).
    originals : (dtype, width) or (dtype, width, True), optional
        Keep the vectors of the codes as ``"int8"``, ``"float16"`` or ``"float32"``. :meth:`search` can then rank the
        candidates that codes find by cosine. With True, their lengths are kept too.
    path : path, optional
        A new folder. Once :meth:`add`, :meth:`update` or :meth:`remove` returns, the change is durable there. By
        default the index is in memory; :meth:`save` writes it.
    backend : str
        ``"auto"`` or one of :func:`hdc.backends` with NumPy arrays, because files are mapped into NumPy arrays.

    Raises
    ------
    ParameterError
        If a parameter is out of range or the folder is in use.
    UnsupportedError
        If the backend's arrays are not NumPy's.
    BackendUnavailableError
        If the kind or backend needs a library that is not installed.

    Examples
    --------
    >>> import hdc
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> codes = hdc.MAPB(256).symbols(range(1000))
    >>> index = BinaryIndex(256)
    >>> index.add(codes)[-1]
    np.int64(999)
    >>> distances, ids = index.search(codes[[5, 7]], k=1)
    >>> distances.tolist(), ids.tolist()
    ([[0], [0]], [[5], [7]])
    >>> index.remove(ids=[5])
    1
    >>> index.search(codes[[5]], k=1, among=[1, 2, 3])[1].shape
    (1, 1)
    """

    KIND = "binary-index"
    ROW = "code"

    reader: str | None = None
    """Class of the binarizer that must compare the codes because Hamming distance cannot; :class:`EmbeddingIndex`
    sets it."""

    def __init__(
        self,
        dim: int,
        *,
        levels: int = 1,
        kind: Kind = "flat",
        originals: tuple[str, int] | tuple[str, int, bool] | None = None,
        path: str | os.PathLike[str] | None = None,
        backend: str = "auto",
    ) -> None:
        meta = {"dim": dim, "levels": levels, "kind": kind, "originals": originals, "coarse": None}
        self._settle(meta, backend, path)
        kept = {**meta, "dim": self.dim, "levels": self.levels}
        self.engine = Engine(Store.create(path, self.KIND, self._columns_kept(), kept), self._searcher)

    @classmethod
    def from_packed(
        cls,
        codes: Any,
        dim: int | None = None,
        *,
        bitorder: BitOrder,
        keys: Sequence[str | None] | None = None,
        path: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Self:
        """Return an index of packed bytes, from ``numpy.packbits`` or ready-made binary embeddings.

        Parameters
        ----------
        codes : (n, bytes) uint8 array
            It may be mapped from a file; it is read in blocks.
        dim : int, optional
            Bits of a code; all bits by default.
        bitorder : {"little", "big"}
            Which bit of a byte comes first: ``"big"`` for :func:`numpy.packbits` and the ``ubinary`` embeddings of
            sentence-transformers and Cohere, ``"little"`` for FAISS. :func:`hdc.words.from_bytes` reads queries.
        keys : sequence of n texts, optional
        path : path, optional
            A new folder for the index; after an error it does not exist.
        **options
            ``kind`` and ``backend`` of :class:`BinaryIndex`. IVF lists are trained on a sample.

        Raises
        ------
        DTypeError, DimensionError, PaddingError, ParameterError, MismatchError
            If ``codes`` are not packed bytes of ``dim`` bits, or there is not one key per row.

        Examples
        --------
        >>> import numpy as np
        >>> from hdc import words
        >>> from hdc.apps.retrieval import BinaryIndex
        >>> packed = np.packbits(np.random.default_rng(0).standard_normal((500, 128)) > 0, axis=1)
        >>> index = BinaryIndex.from_packed(packed, bitorder="big")
        >>> index.search(words.from_bytes(packed[:1], bitorder="big"), k=1)[1].tolist()
        [[0]]
        """
        rows, bits = packed_rows(codes, dim)
        return filled(
            path,
            lambda folder: cls(bits, path=folder, **options),
            lambda index: add_packed(index, rows, keys, bitorder),
            lambda folder: cls.open(folder, writable=True, backend=options.get("backend", "auto")),
        )

    def _settle(
        self,
        meta: Mapping[str, Any],
        backend: str,
        path: str | os.PathLike[str] | None,
        there: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        """Set the attributes from checked settings, before memory is allocated; ``there`` are columns that exist."""
        self.dim, self.levels = integer(meta["dim"], "dim", 1, MAX_DIM), integer(meta["levels"], "levels", 1, 16)
        self.kind: Kind = choice(meta["kind"], "kind", KINDS)
        self.backend = backend
        self.originals = None if meta["originals"] is None else Originals.of(meta["originals"])
        expected = {name: (np.dtype(dtype).str, width) for name, (dtype, width) in self._columns_kept().items()}
        if there is not None and dict(there) != expected:
            raise ParameterError(f"its settings need the columns {expected}, but it has {dict(there)}")
        self._path = None if path is None else checks.path(path)
        self._kernels = search_kernels(numpy_backend(backend, "an index"))
        self.measure = measure_of(self._kernels, self.dim, self.levels)
        self._training = BuildLock()
        self._searcher = self._new_searcher()

    def _columns_kept(self) -> dict[str, tuple[npt.DTypeLike, int]]:
        """Return the columns of the store."""
        columns: dict[str, tuple[npt.DTypeLike, int]] = {CODES: ("uint64", self.levels * word_count(self.dim))}
        if self.levels > 1:
            columns[SCALE] = ("float32", 1)
        if self.kind == "ivf":
            columns[CELLS] = ("int32", 1)
        if self.originals is not None:
            columns |= self.originals.columns
        return columns

    def _new_searcher(self) -> Searcher:
        if self.kind == "ivf":
            return Lists(self.measure, self._path)
        if self.kind == "hnsw":
            return Graphs(self.measure, self._path)
        return Flat(self.measure)

    @property
    def store(self) -> Store:
        """The store of the rows."""
        return self.engine.store

    @property
    def folder(self) -> Path | None:
        """Folder of the index; None in memory."""
        return self._path

    @property
    def coarse(self) -> Coarse | None:
        """Centroids of the IVF lists; None before training and for other kinds."""
        return self._searcher.coarse(self.engine.snapshot) if isinstance(self._searcher, Lists) else None

    def __repr__(self) -> str:
        kind = "" if self.kind == "flat" else f", kind={self.kind!r}"
        levels = "" if self.levels == 1 else f", levels={self.levels}"
        return f"BinaryIndex(dim={self.dim}{levels}{kind}, {self._content()})"

    # ------------------------------------------------------------------ changes

    def train(self, codes: Any, lists: int | None = None, *, seed: int = 0) -> None:
        """Train the centroids of the IVF lists. Call it once, before you add codes.

        Parameters
        ----------
        codes : (n, words) uint64 array
            A sample of the codes that you will add; with levels, ``(n, levels, words)``.
        lists : int, optional
            Number of lists; ``4 * sqrt(n)`` by default.
        seed : int

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            If the codes do not fit this index.
        ParameterError
            If there are fewer codes than lists, or the index is already trained.
        UnsupportedError
            If the index is of another kind, or open for reading.
        """
        self._check_untrained()
        rows = self._checked(codes, "codes")
        count = lists if lists is not None else max(1, min(len(rows), round(4 * len(rows) ** 0.5)))
        self._adopt(train(self._kernels, rows[:, 0], self.dim, integer(count, "lists", 1), seed))

    def set_centroids(self, centroids: Any) -> None:
        """Set the centroids, one per IVF list, instead of calling :meth:`train`; raises as :meth:`train` does.

        Parameters
        ----------
        centroids : (lists, words) uint64 codes, or (lists, dim) int8 array
            Integers are multiplied with components +1 and -1. ``coarse.centroids`` has those of another index.
        """
        self._check_untrained()
        if (given := array(centroids, "centroids")).dtype == np.int8:
            if given.shape != (len(given), self.dim) or not len(given):
                raise DimensionError(f"centroids of int8 must have shape (lists, {self.dim}), not {given.shape}")
            self._adopt(Coarse(self._kernels, np.ascontiguousarray(given)))
        else:
            self._adopt(Coarse.of_codes(self._kernels, self._checked(given, "centroids")[:, 0], self.dim))

    def _adopt(self, coarse: Coarse) -> None:
        with self._training:
            self._check_untrained()
            self.store.set_meta({**self.store.meta, "coarse": coarse.to_json()})

    def _check_untrained(self) -> None:
        if self.kind != "ivf":
            raise UnsupportedError(f"an index of kind {self.kind!r} needs no training; kind='ivf' does")
        if self.coarse is not None:
            raise ParameterError("the index is already trained; create a new index to train again")

    def add(
        self,
        codes: Any,
        *,
        keys: Sequence[str | None] | None = None,
        documents: Sequence[bytes | None] | None = None,
        originals: Any = None,
        ids: npt.ArrayLike | None = None,
    ) -> Ids:
        """Add codes and return their ids. No id is used twice, even after a removal.

        Parameters
        ----------
        codes : (n, words) uint64 array
            Packed as by :func:`hdc.words.pack`; with levels, ``(n, levels, words)``.
        keys : sequence of n texts, optional
            Your own names; :meth:`keys` returns them.
        documents : sequence of n bytes, optional
        originals : (n, width) array of floats
            Required if the index keeps originals.
        ids : (n,) integers, optional
            All different, above every id used so far, and below 2**32. By default the next ids are used.

        Returns
        -------
        (n,) int64 array

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            If the codes are not packed words of this index. After this or any other error, nothing is added.
        ParameterError
            If a key exists, ids do not fit the description above, originals are missing or not finite, or lists are
            not trained.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        return self.store.append(self.columns(codes, originals), keys, documents, ids=ids)

    def put(
        self,
        codes: Any,
        keys: Sequence[str],
        *,
        documents: Sequence[bytes | None] | None = None,
        originals: Any = None,
    ) -> Ids:
        """Add codes, or replace codes with the same keys, which keep their ids. Otherwise like :meth:`add`."""
        return self.store.put(self.columns(codes, originals), keys, documents)

    def update(self, ids: npt.ArrayLike, codes: Any, *, originals: Any = None) -> None:
        """Replace the codes of ids, which keep their keys and documents; raises as :meth:`add` does."""
        self.store.replace(ids, self.columns(codes, originals))

    def codes(self, ids: npt.ArrayLike) -> Words:
        """Return the codes of ids: ``(n, words)`` uint64, or with levels ``(n, levels, words)``.

        Raises
        ------
        ParameterError
            If an id does not exist.
        """
        snapshot = self.engine.snapshot
        rows: Words = snapshot.take(CODES, snapshot.positions(ids))
        return self.shaped(rows) if self.levels > 1 else rows

    def shaped(self, codes: Words) -> Words:
        """Return codes of any shape as ``(n, levels, words)``."""
        return codes.reshape(len(codes), self.levels, word_count(self.dim))

    # ------------------------------------------------------------------ search

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        options: Options | None = None,
        among: npt.ArrayLike | None = None,
        originals: Any = None,
        candidates: int | None = None,
        probes: int | None = None,
        effort: int | None = None,
    ) -> tuple[Distances, Ids]:
        """Find the k nearest codes to each query.

        Parameters
        ----------
        queries : (q, words) uint64 array
            With levels, ``(q, levels, words)``.
        k : int
            At least 1. You get at most ``len(index)`` results.
        options : FlatOptions, IVFOptions or HNSWOptions, optional
            The options of the index's kind. You can pass them by name instead:
        candidates : int, optional
            Rows to compare again: by originals, or, with levels in lists and graphs, by all planes after the first
            plane has found them. The default is ``10 * k``.
        probes : int, optional
            IVF lists to read per query, for kind ``ivf``; 16 by default.
        effort : int, optional
            Candidates to keep in hand, for kind ``hnsw``; 64 by default.
        among : (m,) array of ids, optional
            Find only these rows.
        originals : (q, width) array of floats, optional
            Vectors of the queries. The candidates that codes find are ranked by cosine with the originals that the
            index keeps.

        Returns
        -------
        distances : (q, k) int32 or float32 array
            Ascending Hamming distances, int32; with levels or originals, one minus the cosine, float32.
        ids : (q, k) int64 array
            Ties are in ascending order of ids. If lists or a graph find fewer than k rows, -1; the distance is then
            the greatest int32, or infinity.

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            As in :meth:`add`.
        ParameterError
            If ``k`` or an option is less than 1, an option belongs to another kind, or an id does not exist.
        UnsupportedError
            If you pass originals but the index keeps none.
        """
        chosen = options_of(self.kind, options, candidates=candidates, probes=probes, effort=effort)
        asked = self._checked(queries, "queries")
        exact = None if originals is None else self._exact(self._originals().checked(originals, len(asked)))
        return self.engine.begin(integer(k, "k", 1), chosen, among).run(asked, exact)

    def _exact(self, floats: npt.NDArray[np.float32]) -> Exact:
        """Return the function that compares candidates by the originals that the index keeps."""
        kept, kernels = self._originals(), self._kernels
        return lambda snapshot, positions: kept.distances(kernels, floats, snapshot, positions)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a new folder.

        Raises
        ------
        ParameterError
            If the folder is not empty.
        FileFormatError
            If the index is damaged.
        OSError
            If it cannot be written.
        """
        super().save(path)
        if isinstance(self._searcher, Graphs):
            self._searcher.keep(self.engine.prepared(), checks.path(path))

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, writable: bool = False, backend: str = "auto") -> Self:
        """Open an index in a folder. It takes milliseconds at any size, because codes are mapped, not read.

        The first search builds what it needs besides the codes: bit-planes, lists, a graph that was not saved.

        Raises
        ------
        FileFormatError
            If it is not an index, is from a newer version, or is visibly damaged (:meth:`verify` checks every byte).
        BlockingIOError
            If you open it for writing while another process writes.
        OSError
            If it cannot be read.
        """
        numpy_backend(backend, "an index")
        store = Store.open(path, cls.KIND, writable=writable)
        try:
            index = cls.__new__(cls)
            index._settle(store.meta, backend, path, store.snapshot.state.columns)
            index.engine = Engine(store, index._searcher)
        except (KeyError, TypeError, ParameterError) as error:
            store.close()
            raise FileFormatError(f"{os.fspath(path)} is not an index of codes for this release: {error}") from None
        except BaseException:
            store.close()
            raise
        return index

    def _check_settings(self, snapshot: Snapshot) -> None:
        meta = snapshot.meta
        originals = None if self.originals is None else self.originals.settings
        if [meta.get(name) for name in ("dim", "levels", "kind", "originals")] != [
            self.dim,
            self.levels,
            self.kind,
            originals,
        ]:
            raise ConflictError(f"{self._path} was built anew with other settings; open it again")

    def verify(self) -> None:
        """Check every byte of the folder; raises :class:`~hdc.errors.FileFormatError` as :meth:`Index.verify` does."""
        super().verify()
        if isinstance(self._searcher, Graphs) and self._path is not None:
            self._searcher.verify(self._path)
        if isinstance(self._searcher, Lists) and self._searcher.file is not None:
            self._searcher.file.check()

    def close(self) -> None:
        """Close the files. A changed graph is saved first, so it need not be built again."""
        prepared = self.engine.latest
        if isinstance(self._searcher, Graphs) and prepared is not None and self._path is not None and self.writable:
            with contextlib.suppress(OSError):  # on a full disk the next process builds it
                self._searcher.keep(prepared, self._path)
        self._keep_lists()
        super().close()

    def compact(self) -> None:
        """Drop the rows that removals and replacements left behind; raises as :meth:`Index.compact` does."""
        super().compact()
        self._keep_lists()

    def _keep_lists(self) -> None:
        if isinstance(self._searcher, Lists):
            keep_lists(self.engine, self._searcher.file)

    # ------------------------------------------------------------------ checks

    def columns(self, codes: Any, originals: Any) -> dict[str, npt.NDArray[Any]]:
        """Return the columns of the store for new rows; raises as :meth:`add` does for codes and originals."""
        rows = self._checked(codes, "codes")
        columns: dict[str, npt.NDArray[Any]] = {CODES: rows.reshape(len(rows), self.levels * rows.shape[2])}
        scale = self.measure.scale(rows)
        if scale is not None:
            columns[SCALE] = scale[:, None]
        if self.kind == "ivf":
            if (coarse := self.coarse) is None:
                raise ParameterError("the lists are not trained; call train with a sample of the codes first")
            columns[CELLS] = coarse.nearest(rows[:, 0], 1).astype(np.int32)
        if (originals is None) != (self.originals is None):
            raise ParameterError(f"the index keeps {'no ' if self.originals is None else ''}originals")
        if self.originals is not None:
            kept = self.originals.rows(self.originals.checked(originals, len(rows)))
            columns |= {name: np.asarray(values) for name, values in kept.items()}
        return columns

    def _originals(self) -> Originals:
        if self.originals is None:
            raise UnsupportedError(
                "the index keeps no originals to compare with; create it with originals=(dtype, width)"
            )
        return self.originals

    def _checked(self, codes: Any, what: str) -> Words:
        """Return codes as ``(n, levels, words)``."""
        rows = as_words(codes, self.dim, what)
        shape = (self.levels, word_count(self.dim))
        if self.levels == 1 and rows.ndim == 2:
            return rows[:, None]
        if self.levels == 1 or rows.ndim != 3 or rows.shape[1:] != shape:
            expected = shape[1:] if self.levels == 1 else shape
            raise DimensionError(f"{what} must have shape (n, {', '.join(map(str, expected))}), not {rows.shape}")
        return rows

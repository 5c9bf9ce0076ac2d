"""BinaryIndex: packed codes, in memory or durable in a folder, searched exactly or approximately."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.checks import integer
from hdc.dispatch import backend as find_backend
from hdc.dispatch import search_kernels
from hdc.errors import DimensionError, ParameterError, UnsupportedError
from hdc.search.flat import Flat
from hdc.search.hnsw import FILE as GRAPH
from hdc.search.hnsw import Graph
from hdc.search.index import Index
from hdc.search.ivf import Coarse, InvertedFile, train
from hdc.search.measures import Distances, Hamming, Ids, measure_of, nearest_of
from hdc.search.reranking import Originals
from hdc.search.snapshot import View
from hdc.store import Store
from hdc.words import Words, as_words, word_count

Kind = Literal["flat", "ivf", "hnsw"]

KINDS: tuple[Kind, ...] = ("flat", "ivf", "hnsw")

PROBES = 16
"""Lists that a search of an inverted file looks into, unless told otherwise."""

EFFORT = 64
"""Candidates that a search of a graph has in hand, unless told otherwise."""

NEIGHBOURS, BUILD_EFFORT = 16, 128
"""Links of a graph's node, and candidates in hand when one is added."""

CANDIDATES = 10
"""Times k rows are compared again by more exact distances, unless told otherwise."""

MOST_IDS = 1 << 32
"""Searches rank pairs of distance and id, with 32 bits for each."""

FEW_ROWS = 10_000
"""Up to so many rows that a search is restricted to are scanned one by one."""


class BinaryIndex(Index):
    """Nearest neighbours of binary codes.

    Parameters
    ----------
    dim : int
        Bits of a code (components, where ``levels`` is more than 1), at least 1.
    levels : int
        Bits of a component. With 1, codes are compared by differing bits. With more, a code is ``levels`` planes of
        ``dim`` bits, the heaviest first, and compared by one minus the cosine of the components
        ``sum_i 2**(levels-1-i) s_i``, s_i = +1 or -1: the symmetric distance of multi-level codes.
    kind : {"flat", "ivf", "hnsw"}
        ``flat`` compares every code. ``ivf`` looks into the lists nearest to the query and has to be trained
        (:meth:`train`) before codes are added. ``hnsw`` walks a graph; it needs the extra ``hnsw`` (usearch).
    originals : (dtype, width), optional
        Keep the vectors that the codes were made of, as ``"int8"``, ``"float16"`` or ``"float32"``, for
        :meth:`search` to put what the codes find in the order of cosines.
    path : path, optional
        A new folder: what :meth:`add`, :meth:`update` and :meth:`remove` have returned from is durable there. Left
        out, the index is in memory; :meth:`save` writes it.
    backend : str
        ``"auto"`` or one of :func:`hdc.backends` whose arrays are NumPy's: files are mapped into NumPy arrays.

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

    def __init__(
        self,
        dim: int,
        *,
        levels: int = 1,
        kind: Kind = "flat",
        originals: tuple[str, int] | None = None,
        path: str | os.PathLike[str] | None = None,
        backend: str = "auto",
    ) -> None:
        meta = {
            "dim": integer(dim, "dim", 1),
            "levels": integer(levels, "levels", 1),
            "kind": kind,
            "originals": originals,
            "coarse": None,
        }
        self._settle(meta, backend)
        columns: dict[str, tuple[npt.DTypeLike, int]] = {"codes": ("uint64", self.levels * word_count(self.dim))}
        if levels > 1:
            columns["scale"] = ("float32", 1)
        if kind == "ivf":
            columns["cells"] = ("int32", 1)
        if self.originals is not None:
            columns["originals"] = (self.originals.dtype, self.originals.width)
        self._begin(Store.create(path, self.KIND, columns, meta), path)

    def _settle(self, meta: Mapping[str, Any], backend: str) -> None:
        """Take over what an index is made with."""
        self.dim, self.levels, self.kind, self.backend = meta["dim"], meta["levels"], meta["kind"], backend
        if self.kind not in KINDS:
            raise ParameterError(f"kind must be 'flat', 'ivf' or 'hnsw', not {self.kind!r}")
        if self.levels > 16:
            raise ParameterError(f"levels must be at most 16, not {self.levels}")
        self.originals = None if meta["originals"] is None else Originals(*meta["originals"])
        kernels = find_backend(backend)
        if kernels.xp is not np:
            raise UnsupportedError(
                f"an index keeps NumPy arrays, and backend {kernels.name!r} has others; take backend='auto' and give "
                "codes as vsa.to_numpy(codes)"
            )
        self._kernels = search_kernels(kernels)
        self._measure = measure_of(self._kernels, self.dim, self.levels)
        self.coarse = None if meta["coarse"] is None else Coarse.from_json(self._kernels, meta["coarse"])

    def _begin(self, store: Store, path: str | os.PathLike[str] | None) -> None:
        self._store = store
        self._path = None if path is None else Path(path)
        self._view: tuple[tuple[int, int], View] | None = None
        self._flat = Flat(self._measure)
        self._lists = None if self.coarse is None else InvertedFile(self._measure, self.coarse)
        self._graph: Graph | None = None
        if self.kind == "hnsw":
            saved = None if self._path is None else self._path / GRAPH
            self._graph = Graph(self._measure, NEIGHBOURS, BUILD_EFFORT, saved)

    @property
    def store(self) -> Store:
        """The rows."""
        return self._store

    def __repr__(self) -> str:
        kind = "" if self.kind == "flat" else f", kind={self.kind!r}"
        levels = "" if self.levels == 1 else f", levels={self.levels}"
        return f"BinaryIndex(dim={self.dim}{levels}{kind}, {len(self)} codes)"

    # ------------------------------------------------------------------ changes

    def train(self, codes: Any, lists: int | None = None, *, seed: int = 0) -> None:
        """Find the centroids of an index of lists; once, before codes are added.

        Parameters
        ----------
        codes : (n, words) uint64 array
            A sample of what will be added (with levels, ``(n, levels, words)``).
        lists : int, optional
            Their number; ``4 * sqrt(n)`` if left out.
        seed : int

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            If the codes are not of this index.
        ParameterError
            If there are fewer codes than lists, or the index is trained already.
        UnsupportedError
            If the index is of another kind, or open for reading.
        """
        self._check_untrained()
        rows = self._checked(codes, "codes")
        count = lists if lists is not None else max(1, min(len(rows), round(4 * len(rows) ** 0.5)))
        self._adopt(train(self._kernels, rows[:, 0], self.dim, integer(count, "lists", 1), seed))

    def set_centroids(self, codes: Any) -> None:
        """Take codes, one for each list, as centroids, instead of :meth:`train`; raises as that does."""
        rows = self._checked(codes, "centroids")
        self._check_untrained()
        self._adopt(Coarse.of_codes(self._kernels, rows[:, 0], self.dim))

    def _adopt(self, coarse: Coarse) -> None:
        self.store.set_meta({**self.store.meta, "coarse": coarse.to_json()})
        self.coarse, self._lists = coarse, InvertedFile(self._measure, coarse)

    def _check_untrained(self) -> None:
        if self.kind != "ivf":
            raise UnsupportedError(f"an index of kind {self.kind!r} needs no training; kind='ivf' does")
        if self.coarse is not None:
            raise ParameterError("the index is trained already; make a new one to train it differently")

    def add(
        self,
        codes: Any,
        *,
        keys: Sequence[str | None] | None = None,
        documents: Sequence[bytes | None] | None = None,
        originals: Any = None,
        ids: npt.ArrayLike | None = None,
    ) -> Ids:
        """Add codes and return the ids they were given, which no other code ever has.

        Parameters
        ----------
        codes : (n, words) uint64 array
            Packed as by :func:`hdc.words.pack`; with levels, ``(n, levels, words)``.
        keys : sequence of n texts, optional
            Names of your own; :meth:`keys` gives them back.
        documents : sequence of n bytes, optional
        originals : (n, width) array of floats
            Where the index keeps them.
        ids : (n,) integers, optional
            All different, above every id that was ever given, and below 2**32; else they are counted on.

        Returns
        -------
        (n,) int64 array

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            If the codes are not packed words of this index; nothing is added then, nor by any other error.
        ParameterError
            If a key is there already, ids are not as said, originals are missing or not finite, or lists are not
            trained.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        rows = self._columns(codes, originals)
        if ids is not None and np.max(ids, initial=0) >= MOST_IDS:
            raise ParameterError(f"ids must be below 2**32, which {np.max(ids)} is not")
        return self.store.append(rows, keys, documents, ids=ids)

    def put(
        self,
        codes: Any,
        keys: Sequence[str],
        *,
        documents: Sequence[bytes | None] | None = None,
        originals: Any = None,
    ) -> Ids:
        """Add codes, or replace those of the same keys, which keep their ids; the rest as :meth:`add`."""
        return self.store.put(self._columns(codes, originals), keys, documents)

    def update(self, ids: npt.ArrayLike, codes: Any, *, originals: Any = None) -> None:
        """Replace the codes of some ids, which keep their keys and documents; raises as :meth:`add`."""
        self.store.replace(ids, self._columns(codes, originals))

    def codes(self, ids: npt.ArrayLike) -> Words:
        """Return the codes of some ids: ``(n, words)`` uint64, or ``(n, levels, words)``.

        Raises
        ------
        ParameterError
            If there is no such id.
        """
        rows = self.view().codes[self.store.positions(ids)]
        return rows if self.levels > 1 else rows[:, 0]

    def compact(self) -> None:
        """Drop what removals and updates have left behind; ids stay. Raises as :meth:`Store.compact`."""
        if self._graph is not None:
            self._graph.follow(self.view())
        self.store.compact()
        if self._graph is not None:
            self._graph.moved(self.view())

    # ------------------------------------------------------------------ search

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        among: npt.ArrayLike | None = None,
        originals: Any = None,
        candidates: int | None = None,
        probes: int = PROBES,
        effort: int = EFFORT,
    ) -> tuple[Distances, Ids]:
        """Find the k codes nearest to each query.

        Parameters
        ----------
        queries : (q, words) uint64 array
            With levels, ``(q, levels, words)``.
        k : int
            At least 1; at most ``len(index)`` results come back.
        among : (m,) array of ids, optional
            Find only these.
        originals : (q, width) array of floats, optional
            The queries before they were made codes: what the codes find is put in the order of cosines with the
            originals that the index keeps.
        candidates : int, optional
            How many finds are compared again: by originals, or, with levels in lists and graphs, where the first plane
            finds, by all planes. ``10 * k`` if left out.
        probes : int
            Lists that are looked into (``ivf``).
        effort : int
            Candidates in hand (``hnsw``).

        Returns
        -------
        distances : (q, k) int32 array, or float32
            Ascending: differing bits, int32; with levels or originals, one minus the cosine, float32.
        ids : (q, k) int64 array
            Of equal distances the lower id comes first. Where lists or a graph find fewer than k, -1, with the
            greatest int32, or infinity, as distance.

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            As :meth:`add`.
        ParameterError
            If k, candidates, probes or effort is less than 1, or an id is not there.
        UnsupportedError
            If originals are given, and the index keeps none.
        """
        asked = self._checked(queries, "queries")
        floats = None if originals is None else self._originals().checked(originals, len(asked))
        view = self.view()
        rows = None if among is None else np.unique(self.store.positions(among))
        k = min(integer(k, "k", 1), len(self) if rows is None else len(rows))
        if k == 0:
            dtype = self._measure.dtype if floats is None else np.float32
            return np.empty((len(asked), 0), dtype), np.empty((len(asked), 0), np.int64)
        more = max(k, min(len(self), integer(CANDIDATES * k if candidates is None else candidates, "candidates", 1)))
        probes, effort = integer(probes, "probes", 1), integer(effort, "effort", 1)
        distances, ids = self._nearest(view, asked, k if floats is None else more, more, rows, probes, effort)
        if floats is None:
            return distances[:, :k], ids[:, :k]
        return self.reorder(floats, ids, k)

    def reorder(self, queries: Any, ids: Ids, k: int) -> tuple[Distances, Ids]:
        """Put ids in the order of cosines with the originals that the index keeps.

        Parameters
        ----------
        queries : (q, width) array of floats
        ids : (q, c) int64 array
            -1 for none.
        k : int

        Returns
        -------
        distances : (q, min(k, c)) float32 array
            One minus the cosine, ascending; infinity where there is no id.
        ids : (q, min(k, c)) int64 array

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            If the queries are not such an array, or hold NaN; or there is no such id.
        UnsupportedError
            If the index keeps no originals.
        """
        originals = self._originals()
        floats = originals.checked(queries, len(ids))
        return originals.reorder(self._kernels, floats, self.store.rows("originals"), self._rows_of(ids), ids, k)

    def _nearest(
        self, view: View, queries: Words, k: int, more: int, rows: Ids | None, probes: int, effort: int
    ) -> tuple[Distances, Ids]:
        """Return the k nearest by code."""
        if rows is not None and (self._lists is None or len(rows) <= FEW_ROWS):
            return view.scan(self._measure, queries, rows, k)
        first = k if isinstance(self._measure, Hamming) else more
        if self._lists is not None:
            found = self._lists.search(view, queries, first, probes, _mask(rows, len(view)))
        elif self._graph is not None:
            found = self._graph.search(view, queries, first, effort)
        else:
            return self._flat.search(view, queries, k)
        return found if isinstance(self._measure, Hamming) else self._compare(view, queries, found[1], k)

    def _compare(self, view: View, queries: Words, ids: Ids, k: int) -> tuple[Distances, Ids]:
        """Return the k nearest of the candidates of each query, by all planes."""
        distances = np.full(ids.shape, self._measure.farthest, dtype=self._measure.dtype)
        rows = self._rows_of(ids)
        for q, there in enumerate(ids >= 0):
            if there.any():
                scale = None if view.scale is None else view.scale[rows[q, there]]
                codes = view.codes[rows[q, there]]
                found, order = self._measure.top_k(queries[q : q + 1], codes, scale, len(codes))
                distances[q, np.flatnonzero(there)[order[0]]] = found[0]
        return nearest_of(distances, ids, k)

    def _rows_of(self, ids: Ids) -> Ids:
        rows = np.full(ids.shape, -1, dtype=np.int64)
        rows[ids >= 0] = self.store.positions(ids[ids >= 0])
        return rows

    def view(self) -> View:
        """Return what the store holds, as searchers see it: the same object until it changes."""
        if self._view is None or self._view[0] != self.store.generation:
            codes = self.store.rows("codes")
            alive = self.store.alive()
            view = View(
                codes.reshape(len(codes), self.levels, word_count(self.dim)),
                self.store.rows("scale")[:, 0] if self.levels > 1 else None,
                self.store.ids(),
                np.ones(len(codes), dtype=bool) if alive is None else alive,
                self.store.rows("cells")[:, 0] if self.kind == "ivf" else np.empty(0, np.int32),
                self.store.generation[0],
            )
            self._view = self.store.generation, view
        return self._view[1]

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a new folder.

        Raises
        ------
        ParameterError
            If the folder holds something.
        FileFormatError
            If the index is damaged.
        OSError
            If it cannot be written.
        """
        with self.store.save_copy(path) as copy:
            if self._graph is not None:
                saved = BinaryIndex.__new__(BinaryIndex)
                saved._settle(copy.meta, self.backend)
                saved._begin(copy, path)
                self._graph.follow(self.view())
                self._graph.save(saved.view(), checks.path(path) / GRAPH)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, writable: bool = False, backend: str = "auto") -> Self:
        """Open an index in a folder, in milliseconds whatever its size: codes are mapped, not read.

        What a search needs beside them (bit-planes, lists, a graph that was not saved) is made by the first one.

        Raises
        ------
        FileFormatError
            If it is no index, of a newer version, or damaged where that is seen at once; see :meth:`verify`.
        BlockingIOError
            If it is opened for writing and another process writes.
        OSError
            If it cannot be read.
        """
        store = Store.open(path, cls.KIND, writable=writable)
        try:
            index = cls.__new__(cls)
            index._settle(store.meta, backend)
            index._begin(store, path)
        except BaseException:
            store.close()
            raise
        return index

    def refresh(self) -> bool:
        """Go on to what a writer has changed since; return whether it did."""
        changed = self.store.refresh()
        if changed and self.coarse is None and self.kind == "ivf":
            self._settle(self.store.meta, self.backend)
            self._lists = None if self.coarse is None else InvertedFile(self._measure, self.coarse)
        return changed

    def verify(self) -> None:
        """Check every byte of the folder; raises :class:`~hdc.errors.FileFormatError` as :meth:`Store.verify`."""
        self.store.verify()
        if self._graph is not None and self._path is not None and (self._path / GRAPH).exists():
            self._graph.check(self._path / GRAPH)

    def close(self) -> None:
        """Close the files; a graph that was changed is saved first, so that it need not be built again."""
        if self._graph is not None and self._path is not None and self._graph.changed and self.store.writable:
            self._graph.follow(self.view())
            self._graph.save(self.view(), self._path / GRAPH)
            self._graph.changed = False
        self.store.close()

    # ------------------------------------------------------------------ checks

    def _columns(self, codes: Any, originals: Any) -> dict[str, npt.ArrayLike]:
        """Return the columns of the store for new rows."""
        rows = self._checked(codes, "codes")
        columns: dict[str, npt.ArrayLike] = {"codes": rows.reshape(len(rows), self.levels * rows.shape[2])}
        scale = self._measure.scale(rows)
        if scale is not None:
            columns["scale"] = scale[:, None]
        if self.kind == "ivf":
            if self.coarse is None:
                raise ParameterError("the lists are not trained; call train with a sample of the codes first")
            columns["cells"] = self.coarse.nearest(rows[:, 0], 1).astype(np.int32)
        if (originals is None) != (self.originals is None):
            raise ParameterError(f"the index keeps {'no ' if self.originals is None else ''}originals")
        if self.originals is not None:
            columns["originals"] = self.originals.encoded(self.originals.checked(originals, len(rows)))
        return columns

    def _originals(self) -> Originals:
        if self.originals is None:
            raise UnsupportedError(
                "the index keeps no originals to compare with; make it with originals=(dtype, width)"
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


def _mask(rows: Ids | None, count: int) -> npt.NDArray[np.bool_] | None:
    if rows is None:
        return None
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask

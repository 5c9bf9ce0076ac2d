"""MultiVectorIndex: search documents of several vectors by MaxSim over packed codes (late interaction)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.binarizers.files import digest
from hdc.apps.retrieval.index.documents import CODES, DOCUMENT, INSIDE, NEXT, Documents
from hdc.apps.retrieval.index.folders import CODES_FOLDER, MODEL, MODEL_FOLDER, index_folder, made_by
from hdc.apps.retrieval.vectors.rows import finite
from hdc.apps.retrieval.vectors.sets import as_sets, shares_of
from hdc.checks import flag, instance, integer
from hdc.dispatch import search_kernels, token_kernels
from hdc.errors import ConflictError, FileFormatError, ParameterError, UnsupportedError
from hdc.files import sync_folder
from hdc.search.folders import made_aside, new_folder
from hdc.search.index import Index
from hdc.search.live import alive
from hdc.search.once import BuildLock
from hdc.search.options import PER_HIT
from hdc.store import Snapshot, Store
from hdc.topk import top_scores
from hdc.words import Words

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

CELLS = 1 << 21
"""Pairs of a query and a document to compare per block: 16 MiB of distances."""

SHARE = 1 << 20
"""Integer that represents a share of 1 of a query's vectors."""

BLOCK = 1 << 12
"""Documents that a filter reads per block."""

TABLE_BYTES = 1 << 26
"""Approximate limit on the bytes of the tables of float queries per block (64 MiB)."""


class Asked(NamedTuple):
    """A block of queries.

    Attributes
    ----------
    vectors : (t, d) float32 array
        Unit vectors.
    shares : (t,) float32 array
        Weights of the vectors; those of a query sum to 1.
    bounds : (q + 1,) int64 array
        Query i has the vectors ``bounds[i]`` to ``bounds[i + 1] - 1``.
    """

    vectors: Floats
    shares: Floats
    bounds: Ids


class MultiVectorIndex(Index):
    """Documents of several vectors each, searched by MaxSim: late interaction (Khattab & Zaharia 2020, ColBERT, eq. 3).

    The score of a document is the mean, over the query's vectors, of the greatest similarity to a vector of the
    document. (ColBERT takes the sum, which gives the same order. With weights it is a weighted mean.) A vector is
    stored as a packed code of a binarizer. A search first compares codes with codes, by their bits, for all documents.
    It then compares the best ``candidates`` again by the model's tables for float queries. Only directions count, not
    lengths.

    Call :meth:`create` or :meth:`open` to get an index.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.retrieval import MultiVectorIndex, SignBinarizer
    >>> rng = np.random.default_rng(0)
    >>> texts = [rng.standard_normal((length, 64)).astype(np.float32) for length in (12, 3, 30)]
    >>> index = MultiVectorIndex.create(None, SignBinarizer(128).fit(np.concatenate(texts)))
    >>> index.add(texts, keys=["a", "b", "c"])
    array([0, 1, 2])
    >>> scores, ids = index.search([texts[1][:2], texts[2][5:9]], k=1)
    >>> index.keys(ids), len(index), index.vectors
    (['b', 'c'], 3, 45)
    """

    KIND: ClassVar[str] = "multi-vector-index"
    ROW: ClassVar[str] = "document"

    def __init__(self, model: Binarizer, store: Store) -> None:
        self.model, self._store = model, store
        self._units, self._kernels = search_kernels(model.kernels), token_kernels(model.kernels)
        self._documents: Documents | None = None
        self._changing = BuildLock()

    @classmethod
    def create(cls, path: str | os.PathLike[str] | None, model: Binarizer) -> Self:
        """Create an empty index.

        Parameters
        ----------
        path : path or None
            A new folder for the index and its model; None for an index in memory. The folder is renamed when complete,
            so you never see a partial index.
        model : fitted binarizer
            A binarizer of one bit per component and symmetric codes. The index uses its backend.

        Raises
        ------
        ParameterError
            If the folder is in use, or the model is not fitted.
        UnsupportedError
            If Hamming distance cannot compare the model's codes.
        OSError
            If the folder cannot be written.
        """
        instance(model, "model", Binarizer)
        columns = {CODES: ("uint64", model.words), DOCUMENT: ("uint32", 1)}
        if model.levels > 1 or not model.symmetric or model.words * 64 >= model.bits + 64:
            raise UnsupportedError(
                f"MaxSim needs codes of one level that Hamming distance can compare, not those of {model!r}; use a "
                "SignBinarizer, or a RecurrentBinarizer with loops=0"
            )
        if getattr(model, "metric", "cosine") != "cosine":
            raise UnsupportedError(f"MaxSim compares directions, but {model!r} does not; fit it with metric='cosine'")
        if path is None:
            return cls(model, Store.create(None, cls.KIND, columns))
        with made_aside(path) as aside:
            model.save(aside / MODEL_FOLDER)
            sync_folder(aside / MODEL_FOLDER)
            meta = {MODEL: digest(aside / MODEL_FOLDER)}
            Store.create(aside / CODES_FOLDER, cls.KIND, columns, meta).close()
        return cls.open(path, writable=True, backend=model.backend)

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
        folder = index_folder(path, "MultiVectorIndex.create")
        store = Store.open(folder / CODES_FOLDER, cls.KIND, writable=writable)
        try:
            model = made_by(folder, store.meta, backend)
            expected = {CODES: ("<u8", model.words), DOCUMENT: ("<u4", 1)}
            if dict(store.snapshot.state.columns) != expected:
                raise FileFormatError(f"{folder}: the model's codes do not match the columns of the index")
            return cls(model, store)
        except BaseException:
            store.close()
            raise

    @property
    def store(self) -> Store:
        """The store of the rows, one per vector."""
        return self._store

    def __repr__(self) -> str:
        return f"MultiVectorIndex({self.model!r}, {self._content()})"

    # ------------------------------------------------------------------ reading

    def _now(self) -> Documents:
        """Return the documents of the newest snapshot: the same object until the store changes."""
        documents, snapshot = self._documents, self.store.snapshot
        if documents is None or documents.snapshot is not snapshot:
            documents = self._documents = Documents.of(snapshot, documents)
        return documents

    def __len__(self) -> int:
        return len(self._now().ids)

    @property
    def vectors(self) -> int:
        """Number of vectors of all documents."""
        spans = self._now().spans
        return int((spans[:, 1] - spans[:, 0]).sum())

    @property
    def bytes_per_vector(self) -> int:
        """Bytes per vector that a search may read: its code."""
        return self.model.bytes_per_vector

    def ids(self) -> Ids:
        """Return the ids of all documents, ascending: ``(len(index),)`` int64."""
        return self._now().ids.copy()

    def codes(self, number: int) -> Words:
        """Return the codes of a document's vectors: ``(t, words)`` uint64.

        Raises
        ------
        ParameterError
            If the id has no document.
        """
        documents = self._now()
        (place,) = documents.places(np.array([integer(number, "an id")]))
        return documents.snapshot.take(CODES, np.arange(*documents.spans[place]))

    def find(self, key: str) -> int | None:
        """Return the id of the document with this key, or None."""
        now = self._now()
        row = now.snapshot.find(key)
        return None if row is None else int(now.ids_at([row])[0])

    def keys(self, ids: npt.ArrayLike) -> list[str | None]:
        """Return the keys of ids; see :meth:`Index.keys`."""
        asked, now = checks.ids(ids).ravel(), self._now()
        there = asked >= 0
        found = iter(now.snapshot.keys(now.spans[now.places(asked[there]), 0]))
        return [next(found) if one else None for one in there.tolist()]

    def documents(self, ids: npt.ArrayLike) -> list[Any]:
        """Return the documents passed to :meth:`add` for ids; None where there was none."""
        now = self._now()
        return list(now.snapshot.documents(now.spans[now.places(checks.ids(ids).ravel()), 0]))

    def filter(self, condition: Callable[[Any], bool]) -> Ids:
        """Return the ids of the documents that pass a condition, ascending; see :meth:`Index.filter`."""
        checks.function(condition, "condition")
        now = self._now()
        found: list[bool] = []
        for start in range(0, len(now.ids), BLOCK):
            documents = now.snapshot.documents(now.spans[start : start + BLOCK, 0])
            found += [bool(condition(document)) for document in documents]
        passed: Ids = now.ids[np.array(found, dtype=bool)]
        return passed

    def _check_ids(self, ids: npt.ArrayLike) -> None:
        """Raise ParameterError if an id has no document."""
        self._now().places(checks.ids(ids).ravel())

    # ------------------------------------------------------------------ changes

    def add(
        self,
        vectors: Any,
        offsets: npt.ArrayLike | None = None,
        *,
        keys: Sequence[str | None] | None = None,
        documents: Sequence[bytes | None] | None = None,
    ) -> Ids:
        """Add documents and return their ids. After an error, nothing is added.

        Parameters
        ----------
        vectors : sequence of m (t_i, d) arrays of floats, (m, t, d) array, or (n, d) array with offsets
            The vectors of each document, at least one.
        offsets : (m + 1,) integers, optional
            Document i has the rows ``offsets[i]`` to ``offsets[i + 1] - 1``.
        keys : sequence of m texts, optional
        documents : sequence of m bytes, optional

        Returns
        -------
        (m,) int64 array

        Raises
        ------
        DTypeError, DimensionError
            If the vectors are not floats, or do not have the model's number of components.
        ParameterError
            If a document has no vectors, a vector has a NaN or infinity, or a key exists.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        codes, bounds = self._encoded(vectors, offsets)
        entries = _spread(keys, bounds, "keys"), _spread(documents, bounds, "documents")
        with self._changing:
            ids = self._now().next_id + np.arange(len(bounds) - 1)
            self.store.append(_columns(codes, bounds, ids), *entries)
        return ids

    def put(
        self,
        vectors: Any,
        keys: Sequence[str],
        offsets: npt.ArrayLike | None = None,
        *,
        documents: Sequence[bytes | None] | None = None,
    ) -> Ids:
        """Add documents, or replace documents with the same keys, which keep their ids. Otherwise like :meth:`add`."""
        codes, bounds = self._encoded(vectors, offsets)
        names, entries = _spread(keys, bounds, "keys"), _spread(documents, bounds, "documents")
        if names is None:
            raise ParameterError("put needs keys to find the documents it replaces; use add for documents without keys")
        with self._changing:
            now = self._now()
            ids = now.ids_at(now.snapshot.find_all(list(keys)))
            ids[ids < 0] = now.next_id + np.arange((ids < 0).sum())
            self.store.put(_columns(codes, bounds, ids), names, entries)
        return ids

    def remove(self, ids: npt.ArrayLike | None = None, keys: Sequence[str] | None = None) -> int:
        """Remove documents by id, by key, or both, and return how many; see :meth:`Index.remove`."""
        with self._changing:
            now = self._now()
            chosen = np.empty(0, np.int64) if ids is None else now.places(checks.ids(ids).ravel())
            if keys is not None:
                chosen = np.concatenate([chosen, now.named(checks.texts(keys, "keys"))])
            chosen = np.unique(chosen)
            rows, _ = now.rows_of(chosen)
            self.store.remove(now.snapshot.ids[rows])
        return len(chosen)

    def compact(self) -> None:
        """Drop the rows that removals and replacements left behind; see :meth:`Index.compact`."""
        with self._changing:
            now = self._now()
            kept, _ = now.rows_of(np.arange(len(now.ids)))
            left = alive(now.snapshot).copy()
            left[kept] = False  # the rest belongs to documents that put has replaced
            if left.any():
                self.store.remove(now.snapshot.ids[left])
            if now.next_id != self.store.meta.get(NEXT):
                self.store.set_meta({**self.store.meta, NEXT: now.next_id})
            self.store.compact()

    def _encoded(self, vectors: Any, offsets: npt.ArrayLike | None) -> tuple[Words, Ids]:
        """Return the codes of new documents, and the bounds of each document."""
        rows, bounds = as_sets(vectors, offsets, self.model.n_features_in_, "document")
        return self.model.encode(self._checked(rows)), bounds

    def _checked(self, rows: npt.NDArray[Any]) -> Floats:
        """Check that rows are finite and return them normalized."""
        return np.asarray(self._units.units(finite(rows, 0, "the vectors")))

    # ------------------------------------------------------------------ search

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        offsets: npt.ArrayLike | None = None,
        weights: Any = None,
        among: npt.ArrayLike | None = None,
        asymmetric: bool = True,
        candidates: int | None = None,
    ) -> tuple[Floats, Ids]:
        """Find the k documents with the greatest MaxSim for each query.

        Parameters
        ----------
        queries : sequence of q (t_i, d) arrays of floats, (q, t, d) array, or (n, d) array with offsets
            The vectors of each query, at least one.
        k : int
            At least 1. You get at most ``len(index)`` results.
        offsets : (q + 1,) integers, optional
        weights : sequence of q (t_i,) arrays, or (n,) array, of numbers, optional
            Weight of each vector of a query, at least 0; for words, their rarity (IDF). All equal by default.
        among : (m,) array of ids, optional
            Find only these documents.
        asymmetric : bool
            Compare the best documents again, by the model's tables for float queries. With False, only codes are
            compared with codes.
        candidates : int, optional
            Documents to compare again; ``10 * k`` by default.

        Returns
        -------
        scores : (q, k) float32 array
            Descending: the weighted mean, over a query's vectors, of the greatest score of a document's vectors. The
            score of two codes is the share of equal bits minus the share of differing bits.
        ids : (q, k) int64 array
            Ties are in ascending order of ids.

        Raises
        ------
        DTypeError, DimensionError
            If the queries are not floats, or do not have the model's number of components.
        ParameterError
            If a query has no vectors, a vector has a NaN or infinity, weights are not one per vector, negative, or all
            zero, ``k`` or ``candidates`` is less than 1, you pass candidates with ``asymmetric=False``, or an id does
            not exist.
        FileFormatError
            If the index is damaged.
        """
        k, asymmetric = integer(k, "k", 1), flag(asymmetric, "asymmetric")
        if candidates is not None and not asymmetric:
            raise ParameterError("candidates= has no effect with asymmetric=False; leave one of them out")
        wanted = PER_HIT * k if candidates is None else integer(candidates, "candidates", 1)
        rows, bounds = as_sets(queries, offsets, self.model.n_features_in_, "query")
        asked, shares, now = self._checked(rows), shares_of(weights, bounds), self._now()
        allowed = None if among is None else np.unique(now.places(checks.ids(among).ravel()))
        count = len(now.ids) if allowed is None else len(allowed)
        k = min(k, count)
        scores, numbers = np.empty((len(bounds) - 1, k), np.float32), np.empty((len(bounds) - 1, k), np.int64)
        compared = min(count, max(k, wanted))
        for part in self._blocks(bounds, count) if k else ():
            block = slice(bounds[part.start], bounds[part.stop])
            asking = Asked(asked[block], shares[block], bounds[part.start : part.stop + 1] - bounds[part.start])
            found = self._by_codes(now, asking, compared if asymmetric else k, allowed)
            if asymmetric:
                found = self._by_tables(now, asking, found[1], k)
            scores[part], numbers[part] = found
        return scores, now.ids[numbers]

    def _blocks(self, bounds: Ids, documents: int) -> list[slice]:
        """Cut the queries into slices that keep distances and tables within limits; a single query may exceed them."""
        each = self.model.words * 8 * 1024  # bytes of tables per vector
        slices, start = [], 0
        for stop in range(1, len(bounds)):
            large = (bounds[stop] - bounds[start]) * each > TABLE_BYTES or (stop - start) * documents > CELLS
            if large and stop - 1 > start:
                slices.append(slice(start, stop - 1))
                start = stop - 1
        return [*slices, slice(start, len(bounds) - 1)] if len(bounds) > 1 else []

    def _by_codes(self, now: Documents, asked: Asked, k: int, allowed: Ids | None) -> tuple[Floats, Ids]:
        """Return scores and numbers of the k best of all or allowed documents by the bits of codes."""
        codes, spans = self.model.encode(asked.vectors), now.spans if allowed is None else now.spans[allowed]
        weights = np.rint(asked.shares * SHARE).astype(np.int64)
        most = self.model.bits * np.add.reduceat(weights, asked.bounds[:-1])[:, None]

        def scores_of(part: slice) -> Floats:
            distances = self._kernels.chamfer(codes, weights, asked.bounds, now.codes, spans[part], None)
            scores: Floats = (1 - 2 * distances / most).astype(np.float32)
            return scores

        scores, numbers = top_scores(self.model.kernels, scores_of, len(spans), k, CELLS)
        return scores, numbers if allowed is None else allowed[numbers]

    def _by_tables(self, now: Documents, asked: Asked, found: Ids, k: int) -> tuple[Floats, Ids]:
        """Return scores and numbers of the k best of each query's candidates by tables."""
        numbers = np.unique(found)
        rows, spans = now.rows_of(numbers)
        codes = now.codes[rows]
        held = self.model.sign_bytes(codes), self.model.scale(codes), self.model.offset(codes)
        tables = self.model.tables(asked.vectors)
        scores = self._kernels.max_sim(
            tables, asked.shares, asked.bounds, *held, spans, np.searchsorted(numbers, found)
        )
        order = np.lexsort((found, -scores), axis=1)[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(found, order, axis=1)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy the index to a folder that does not exist or is empty; raises as :meth:`Index.save` does."""
        folder = new_folder(path)
        self.store.save_copy(folder / CODES_FOLDER).close()
        self.model.save(folder / MODEL_FOLDER)
        with Store.open(folder / CODES_FOLDER, self.KIND, writable=True) as copy:
            copy.set_meta({**copy.meta, MODEL: digest(folder / MODEL_FOLDER)})

    def _check_settings(self, snapshot: Snapshot) -> None:
        if snapshot.meta.get(MODEL) != self.store.meta.get(MODEL):
            raise ConflictError("the index was built anew with another model; open it again")


def _columns(codes: Words, bounds: Ids, ids: Ids) -> dict[str, npt.ArrayLike]:
    """Return the columns of the store for new documents."""
    if len(ids) and ids.max() >= INSIDE:
        raise ParameterError(f"no ids are left: ids of documents are below {INSIDE}")
    document = np.full((len(codes), 1), INSIDE, dtype=np.uint32)
    document[bounds[:-1], 0] = ids
    return {CODES: codes, DOCUMENT: document}


def _spread(values: Sequence[Any] | None, bounds: Ids, what: str) -> list[Any] | None:
    """Return one value per vector: the document's at its first vector, None at the others."""
    if values is None:
        return None
    given = checks.listed(values, what)
    if len(given) != len(bounds) - 1:
        raise ParameterError(f"{what} must be one for each of {len(bounds) - 1} documents, not {len(given)}")
    spread = np.full(int(bounds[-1]), None, dtype=object)
    spread[bounds[:-1]] = np.fromiter(given, dtype=object, count=len(given))
    found: list[Any] = spread.tolist()
    return found

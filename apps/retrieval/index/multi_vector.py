"""MultiVectorIndex: documents of several vectors, found by MaxSim over packed codes (late interaction)."""

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
"""Pairs of a query and a document that are compared at a time: 16 MiB of distances."""

SHARE = 1 << 20
"""Shares of a query's vectors are counted in integers of which so many are 1."""

BLOCK = 1 << 12
"""Documents that a filter reads at a time."""

TABLE_BYTES = 1 << 26
"""Tables of float queries stay under about so many bytes (64 MiB) at a time."""


class Asked(NamedTuple):
    """Some queries.

    Attributes
    ----------
    vectors : (t, d) float32 array
        Of length 1.
    shares : (t,) float32 array
        What each counts; those of a query have a sum of 1.
    bounds : (q + 1,) int64 array
        Where the vectors of a query begin and end.
    """

    vectors: Floats
    shares: Floats
    bounds: Ids


class MultiVectorIndex(Index):
    """Documents of several vectors each, found by MaxSim: late interaction (Khattab & Zaharia 2020, ColBERT, eq. 3).

    The score of a document for a query is the mean, over the query's vectors, of the greatest similarity to a vector of
    the document. (ColBERT has the sum; the order is the same. Weights make it a weighted mean.) A vector is a packed
    code of a binarizer. A search compares codes with codes, by their bits, for all documents; then the best
    ``candidates`` again, by what the model's tables tell float queries of the codes. Vectors are compared by direction,
    whatever their lengths.

    Made by :meth:`create` and :meth:`open`.

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
        """Make an index of no documents.

        Parameters
        ----------
        path : path or None
            A new folder, in which the model is kept too; None makes an index in memory. It is made aside and renamed,
            so that it is there as a whole or not at all.
        model : fitted binarizer
            Of one bit per component, whose codes are compared with codes. Its backend is the index's.

        Raises
        ------
        ParameterError
            If the folder is in use, or the model is not fitted.
        UnsupportedError
            If codes of the model are not compared by their bits.
        OSError
            If the folder cannot be written.
        """
        instance(model, "model", Binarizer)
        columns = {CODES: ("uint64", model.words), DOCUMENT: ("uint32", 1)}
        if model.levels > 1 or not model.symmetric or model.words * 64 >= model.bits + 64:
            raise UnsupportedError(
                f"MaxSim counts the bits of codes of one level, and those of {model!r} are others; take a "
                "SignBinarizer, or a RecurrentBinarizer with loops=0"
            )
        if getattr(model, "metric", "cosine") != "cosine":
            raise UnsupportedError(f"MaxSim compares directions, and {model!r} does not; fit one with metric='cosine'")
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
        folder = index_folder(path, "MultiVectorIndex.create")
        store = Store.open(folder / CODES_FOLDER, cls.KIND, writable=writable)
        try:
            model = made_by(folder, store.meta, backend)
            expected = {CODES: ("<u8", model.words), DOCUMENT: ("<u4", 1)}
            if dict(store.snapshot.state.columns) != expected:
                raise FileFormatError(f"{folder}: the model makes other codes than the index has")
            return cls(model, store)
        except BaseException:
            store.close()
            raise

    @property
    def store(self) -> Store:
        """The rows: one per vector."""
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
        """Bytes that a search may read of a vector: its code."""
        return self.model.bytes_per_vector

    def ids(self) -> Ids:
        """Return the ids of all documents, ascending: ``(len(index),)`` int64."""
        return self._now().ids.copy()

    def codes(self, number: int) -> Words:
        """Return the codes of a document's vectors: ``(t, words)`` uint64.

        Raises
        ------
        ParameterError
            If there is no document of that id.
        """
        documents = self._now()
        (place,) = documents.places(np.array([integer(number, "an id")]))
        return documents.snapshot.take(CODES, np.arange(*documents.spans[place]))

    def find(self, key: str) -> int | None:
        """Return the id of the document with a key, or None."""
        now = self._now()
        row = now.snapshot.find(key)
        return None if row is None else int(now.ids_at([row])[0])

    def keys(self, ids: npt.ArrayLike) -> list[str | None]:
        """Return the keys of some ids; see :meth:`Index.keys`."""
        asked, now = checks.ids(ids).ravel(), self._now()
        there = asked >= 0
        found = iter(now.snapshot.keys(now.spans[now.places(asked[there]), 0]))
        return [next(found) if one else None for one in there.tolist()]

    def documents(self, ids: npt.ArrayLike) -> list[Any]:
        """Return what was given as documents beside the vectors, None where nothing was."""
        now = self._now()
        return list(now.snapshot.documents(now.spans[now.places(checks.ids(ids).ravel()), 0]))

    def filter(self, condition: Callable[[Any], bool]) -> Ids:
        """Return the ids of the rows whose document passes, ascending; see :meth:`Index.filter`."""
        checks.function(condition, "condition")
        now = self._now()
        found: list[bool] = []
        for start in range(0, len(now.ids), BLOCK):
            documents = now.snapshot.documents(now.spans[start : start + BLOCK, 0])
            found += [bool(condition(document)) for document in documents]
        passed: Ids = now.ids[np.array(found, dtype=bool)]
        return passed

    def _check_ids(self, ids: npt.ArrayLike) -> None:
        """Raise ParameterError if there is no document of an id."""
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
        """Add documents, all of them or, after an error, none; return their ids.

        Parameters
        ----------
        vectors : sequence of m (t_i, d) arrays of floats, (m, t, d) array, or (n, d) array with offsets
            The vectors of each document, at least one.
        offsets : (m + 1,) integers, optional
            Document i is the rows ``offsets[i]`` to ``offsets[i + 1] - 1``.
        keys : sequence of m texts, optional
        documents : sequence of m bytes, optional

        Returns
        -------
        (m,) int64 array

        Raises
        ------
        DTypeError, DimensionError
            If the vectors are not floats of the model's length.
        ParameterError
            If a document has no vectors, a vector holds NaN or infinity, or a key is there already.
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
        """Add documents, or replace those of the same keys, which keep their ids; the rest as :meth:`add`."""
        codes, bounds = self._encoded(vectors, offsets)
        names, entries = _spread(keys, bounds, "keys"), _spread(documents, bounds, "documents")
        if names is None:
            raise ParameterError("put needs keys, which say what it replaces; add takes documents without")
        with self._changing:
            now = self._now()
            ids = now.ids_at(now.snapshot.find_all(list(keys)))
            ids[ids < 0] = now.next_id + np.arange((ids < 0).sum())
            self.store.put(_columns(codes, bounds, ids), names, entries)
        return ids

    def remove(self, ids: npt.ArrayLike | None = None, keys: Sequence[str] | None = None) -> int:
        """Remove documents by id, by key, or both; return how many; see :meth:`Index.remove`."""
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
        """Drop what removals and replacements have left behind; see :meth:`Index.compact`."""
        with self._changing:
            now = self._now()
            kept, _ = now.rows_of(np.arange(len(now.ids)))
            left = alive(now.snapshot).copy()
            left[kept] = False  # what is left is of documents that put has replaced
            if left.any():
                self.store.remove(now.snapshot.ids[left])
            if now.next_id != self.store.meta.get(NEXT):
                self.store.set_meta({**self.store.meta, NEXT: now.next_id})
            self.store.compact()

    def _encoded(self, vectors: Any, offsets: npt.ArrayLike | None) -> tuple[Words, Ids]:
        """Return the codes of new documents, and where each one's begin and end."""
        rows, bounds = as_sets(vectors, offsets, self.model.n_features_in_, "document")
        return self.model.encode(self._checked(rows)), bounds

    def _checked(self, rows: npt.NDArray[Any]) -> Floats:
        """Return finite rows at length 1."""
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
        """Find the k documents of the greatest MaxSim for each query.

        Parameters
        ----------
        queries : sequence of q (t_i, d) arrays of floats, (q, t, d) array, or (n, d) array with offsets
            The vectors of each query, at least one.
        k : int
            At least 1; at most ``len(index)`` results come back.
        offsets : (q + 1,) integers, optional
        weights : sequence of q (t_i,) arrays, or (n,) array, of numbers, optional
            What each vector of a query counts, at least 0: for words, their rarity (IDF). The same if left out.
        among : (m,) array of ids, optional
            Find only these.
        asymmetric : bool
            Compare the best documents again, by what the model's tables tell float vectors of codes. False compares
            codes with codes only.
        candidates : int, optional
            How many of them; ``10 * k`` if left out.

        Returns
        -------
        scores : (q, k) float32 array
            Descending: weighted means, over a query's vectors, of the greatest score of a document's vectors. Between
            codes that is the share of equal bits less that of differing ones.
        ids : (q, k) int64 array
            Of equal scores the lower id comes first.

        Raises
        ------
        DTypeError, DimensionError
            If the queries are not floats of the model's length.
        ParameterError
            If a query has no vectors, a vector holds NaN or infinity, weights are not one per vector, negative, or all
            zero, k or candidates is less than 1, candidates are given for codes alone, or an id is not there.
        FileFormatError
            If the index is damaged.
        """
        k, asymmetric = integer(k, "k", 1), flag(asymmetric, "asymmetric")
        if candidates is not None and not asymmetric:
            raise ParameterError("candidates= are compared again by float queries; leave it out with asymmetric=False")
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
        """Cut the queries into slices whose distances, and whose tables, are not too large; a query may be."""
        each = self.model.words * 8 * 1024  # bytes of the tables of a vector
        slices, start = [], 0
        for stop in range(1, len(bounds)):
            large = (bounds[stop] - bounds[start]) * each > TABLE_BYTES or (stop - start) * documents > CELLS
            if large and stop - 1 > start:
                slices.append(slice(start, stop - 1))
                start = stop - 1
        return [*slices, slice(start, len(bounds) - 1)] if len(bounds) > 1 else []

    def _by_codes(self, now: Documents, asked: Asked, k: int, allowed: Ids | None) -> tuple[Floats, Ids]:
        """Return the k best of all documents, or of those allowed, by the bits of codes: scores and numbers."""
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
        """Return the k best of each query's candidates, by tables: scores and numbers."""
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
        """Copy the index to a folder that does not exist or is empty; raises as :meth:`Index.save`."""
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
        raise ParameterError(f"no ids are left: those of documents are below {INSIDE}")
    document = np.full((len(codes), 1), INSIDE, dtype=np.uint32)
    document[bounds[:-1], 0] = ids
    return {CODES: codes, DOCUMENT: document}


def _spread(values: Sequence[Any] | None, bounds: Ids, what: str) -> list[Any] | None:
    """Return a value for each vector: the document's for its first one, else None."""
    if values is None:
        return None
    given = checks.listed(values, what)
    if len(given) != len(bounds) - 1:
        raise ParameterError(f"{what} must be one for each of {len(bounds) - 1} documents, not {len(given)}")
    spread = np.full(int(bounds[-1]), None, dtype=object)
    spread[bounds[:-1]] = np.fromiter(given, dtype=object, count=len(given))
    found: list[Any] = spread.tolist()
    return found

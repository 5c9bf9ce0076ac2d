"""Collection: vectors with a key, a JSON document and metadata each, in one EmbeddingIndex."""

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import numpy as np

from hdc import checks
from hdc.apps.retrieval import EmbeddingIndex, ScalarBinarizer
from hdc.apps.stores.documents import Floats, Hit, Ids, decoded, hits_of, metadata_of, parsed, text_of
from hdc.apps.stores.metadata import Metadata, Where
from hdc.errors import DimensionError, FileFormatError, HDCError, ParameterError, UnsupportedError
from hdc.search.live import live
from hdc.store import Snapshot

Answer = TypeVar("Answer")

WIDER = (4, 64)
"""Hits, for each that is wanted, that a function is tried on before it is tried on all documents."""

BLOCK = 1 << 12
"""Documents that a function is tried on at a time."""


Accept = Callable[[str | None, dict[str, Any]], bool]
"""Says of a key and a document whether it may be found."""


class Collection:
    """Documents found by their vectors, among those whose metadata pass a filter.

    Keys, vectors, documents and metadata are rows of one :class:`~hdc.apps.retrieval.EmbeddingIndex`, so that a change
    is there as a whole or not at all. Filters are answered from posting lists, which the first one makes of the
    metadata; later ones go on from there, and :meth:`close` keeps them beside the index.

    Any number of threads may use one object: searches run side by side, changes one after another.

    Parameters
    ----------
    path : path, optional
        The folder of an index: it is opened, or made when the first vectors come. None keeps them in memory.
    index : EmbeddingIndex, optional
        Instead of a path: an open index of any kind and binarizer. Without one, codes are
        ``ScalarBinarizer(rotation="random", center=False)``, which learns nothing but the number of components, and
        the vectors are kept as float16, so that scores are those of the vectors.
    writable : bool
        Whether a path is opened for changes, which one process at a time may do.

    Raises
    ------
    ParameterError
        If both a path and an index are given.
    FileFormatError, BlockingIOError, OSError
        As :meth:`EmbeddingIndex.open`.

    Examples
    --------
    >>> from hdc.apps.stores import Collection
    >>> pets = Collection()
    >>> pets.put(["cat", "dog"], [[1.0, 0.0], [0.6, 0.8]], [{"metadata": {"legs": 4}}, {"metadata": {}}])
    >>> [(hit.key, round(hit.score, 2)) for hit in pets.search([1.0, 0.0], k=2)]
    [('cat', 1.0), ('dog', 0.6)]
    >>> [hit.key for hit in pets.search([0.0, 1.0], where=lambda metadata: metadata.where("legs >= 2"))]
    ['cat']
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        index: EmbeddingIndex | None = None,
        writable: bool = True,
    ) -> None:
        if path is not None and index is not None:
            raise ParameterError("a collection is at a path or in an index; give one of them")
        self._path = None if path is None else checks.path(path)
        self._index = index
        self._changing, self._filtering = threading.RLock(), threading.Lock()
        self._metadata = Metadata(lambda text: metadata_of(parsed(text)), self._path)
        if self._path is not None and not (writable and _unused(self._path)):
            self._index = EmbeddingIndex.open(self._path, writable=writable)

    def __len__(self) -> int:
        return 0 if self._index is None else len(self._index)

    @property
    def index(self) -> EmbeddingIndex | None:
        """The index; None before the first vectors."""
        return self._index

    # ------------------------------------------------------------------ changes

    def put(self, keys: Sequence[str], vectors: Any, documents: Sequence[dict[str, Any]]) -> None:
        """Add documents, or replace those of the same keys; all of them or, after an error, none.

        Parameters
        ----------
        keys : sequence of n texts
            Of equal ones, the last counts.
        vectors : (n, d) floats
        documents : sequence of n JSON objects
            What is to be filtered by is at ``"metadata"``, an object.

        Raises
        ------
        ParameterError
            If a document is no JSON, or does not come back as it was: a tuple, say, or a key that is a number.
        DTypeError, DimensionError
            If there are not as many of each, or vectors have another length than those before.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        if not len(keys) == len(vectors) == len(documents):
            raise DimensionError(
                f"{len(keys)} keys, {len(vectors)} vectors and {len(documents)} documents: not as many"
            )
        if not len(keys):
            return
        rows = _floats(vectors, "vectors")
        last = sorted({key: row for row, key in enumerate(checks.texts(keys, "keys"))}.values())
        texts = [text_of(documents[row], keys[row]) for row in last]
        with self._changing:
            if self._index is None:
                model = ScalarBinarizer(rotation="random", center=False).fit(rows)
                self._index = EmbeddingIndex.create(self._path, model, keep="float16")
            self._index.store.put(self._index.encoded(rows[last]), [keys[row] for row in last], texts)

    def remove(self, keys: Sequence[str] | None = None) -> list[str]:
        """Remove the documents of some keys, or all of them; return the keys that were there.

        Raises
        ------
        UnsupportedError, OSError
            As :meth:`put`.
        """
        with self._changing:
            if self._index is None:
                return []
            store = self._index.store
            if keys is None:
                ids = self._index.ids()
                there = [key for key in store.keys(ids) if key is not None]
            else:
                rows = dict(zip(keys, store.snapshot.find_all(list(keys)), strict=True))
                there = [key for key, row in rows.items() if row is not None]
                ids = store.snapshot.ids[np.array([rows[key] for key in there], np.int64)]
            if len(ids):
                store.remove(ids)
            return there

    # ------------------------------------------------------------------ reading

    def get(self, keys: Sequence[str]) -> list[Hit]:
        """Return the documents of some keys, in their order; those that are not there are left out. Scores are 0."""
        if self._index is None:
            return []
        snapshot = self._index.store.snapshot
        rows = _rows(snapshot, keys)
        return hits_of(snapshot, rows, np.zeros(len(rows)))

    def select(self, where: Where) -> list[Hit]:
        """Return the documents whose metadata pass a filter, in the order they came in; scores are 0."""
        if self._index is None:
            return []
        snapshot, rows = self._passing(self._index, where)
        return hits_of(snapshot, rows, np.zeros(len(rows)))

    def search(
        self,
        vector: Any,
        k: int = 10,
        *,
        where: Where | None = None,
        accept: Accept | None = None,
        keys: Sequence[str] | None = None,
        vectors: bool = False,
        **options: Any,
    ) -> list[Hit]:
        """Find the k documents with the nearest vectors.

        Parameters
        ----------
        vector : (d,) floats
        k : int
            At least 1.
        where : function of a :class:`Metadata`, optional
            Returns the rows that may be found.
        accept : function of key and document, optional
            Says which documents may be found. It is tried on documents in order of score; on all of them, if few pass.
        keys : sequence of str, optional
            Find only documents of these.
        vectors : bool
            Return vectors too.
        options
            As :meth:`EmbeddingIndex.search` takes them: ``candidates``, ``probes``, ``effort``.

        Returns
        -------
        list of Hit
            Best first.

        Raises
        ------
        ParameterError, DTypeError, DimensionError, FileFormatError
            As :meth:`EmbeddingIndex.search`.
        UnsupportedError
            If vectors are asked for, and the index keeps none.
        """
        checks.integer(k, "k", 1)
        index = self._index
        if index is None or not len(index):
            return []
        query = _floats(vector, "a query")
        if query.ndim != 1:
            raise DimensionError(f"a query is one vector, not an array of shape {query.shape}")

        def found(count: int, among: Ids | None) -> list[Hit]:
            if among is not None and not len(among):
                return []
            scores, ids = index.search(query[None], count, among=among, **options)
            there = ids[0] >= 0
            snapshot = index.store.snapshot
            rows = snapshot.positions(ids[0][there])
            return hits_of(snapshot, rows, scores[0][there], decoded(index, snapshot, rows) if vectors else None)

        def search() -> list[Hit]:
            among = self._among(index, where, keys)
            if accept is None:
                return found(k, among)
            for wider in WIDER:
                passed = [hit for hit in found(k * wider, among) if accept(hit.key, hit.document)]
                if len(passed) >= k:
                    return passed[:k]
            return found(k, _accepted(index.store.snapshot, accept, among))

        return self._steady(index, search)

    def _steady(self, index: EmbeddingIndex, search: Callable[[], Answer]) -> Answer:
        """Return what a search says of one state of the index: if that changed meanwhile, search while none can."""
        before = index.store.generation
        try:
            answer = search()
        except HDCError:
            if index.store.generation == before:
                raise
        else:
            if index.store.generation == before:
                return answer
        with self._changing:
            return search()

    def _among(self, index: EmbeddingIndex, where: Where | None, keys: Sequence[str] | None) -> Ids | None:
        """Return the ids of the rows that may be found; None for all."""
        if where is None:
            if keys is None:
                return None
            snapshot = index.store.snapshot
            return snapshot.ids[_rows(snapshot, keys)]
        snapshot, rows = self._passing(index, where)
        if keys is not None:
            rows = np.intersect1d(rows, _rows(snapshot, keys), assume_unique=True)
        return snapshot.ids[rows]

    def _passing(self, index: EmbeddingIndex, where: Where) -> tuple[Snapshot, Ids]:
        """Return the newest snapshot and which of its rows pass."""
        with self._filtering:
            snapshot = index.store.snapshot
            self._metadata.follow(snapshot)
            return snapshot, self._metadata.passing(where)

    # ------------------------------------------------------------------ files

    def refresh(self) -> bool:
        """Go on to what a writer in another process has changed since; return whether it did."""
        with self._changing:
            return self._index is not None and self._index.refresh()

    def compact(self) -> None:
        """Drop what removals and replacements have left behind; raises as :meth:`EmbeddingIndex.compact`."""
        with self._changing:
            if self._index is not None:
                self._index.compact()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy the collection to a folder that does not exist or is empty; raises as :meth:`EmbeddingIndex.save`."""
        if self._index is None:
            raise UnsupportedError("nothing was added yet, so that the length of vectors is not known; save later")
        self._index.save(path)

    def close(self) -> None:
        """Close the files and let another process write; what filters were answered from is kept beside them."""
        with self._changing, self._filtering:
            if self._index is not None and self._index.store.is_open:
                if self._index.writable:
                    with contextlib.suppress(OSError, FileFormatError):  # it can be made anew
                        self._metadata.keep()
                self._metadata.close()
                self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rows(snapshot: Snapshot, keys: Sequence[str]) -> Ids:
    """Return where the rows of those keys are that are there."""
    return np.array([row for row in snapshot.find_all(list(dict.fromkeys(keys))) if row is not None], np.int64)


def _unused(path: "os.PathLike[str]") -> bool:
    """Return whether a path is a new folder, or an empty one."""
    try:
        with os.scandir(path) as entries:
            return not any(entries)
    except FileNotFoundError:
        return True


def _floats(vectors: Any, name: str) -> Floats:
    array = checks.array(vectors, name)
    return array.astype(np.float32) if array.dtype.kind in "iuf" else array


def _accepted(snapshot: Snapshot, accept: Accept, among: Ids | None) -> Ids:
    """Return the ids of the documents that a function accepts: each is read."""
    rows = live(snapshot) if among is None else snapshot.positions(among)
    passed = []
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        passed.append(part[[accept(key, parsed(text)) for key, text, _ in snapshot.entries(part)]])
    ids: Ids = snapshot.ids[np.concatenate([np.empty(0, np.int64), *passed])]
    return ids

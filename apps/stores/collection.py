"""Collection: an EmbeddingIndex of vectors, each with a key, a JSON document and metadata."""

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
"""Hits per wanted hit to try an accept function on, in turn, before all documents are tried."""

BLOCK = 1 << 12
"""Documents per block that an accept function is tried on."""


Accept = Callable[[str | None, dict[str, Any]], bool]
"""Function of a key and a document; returns whether the document may be found."""


class Collection:
    """Documents that you search by vector and filter by metadata.

    Keys, vectors, documents and metadata are rows of one :class:`~hdc.apps.retrieval.EmbeddingIndex`, so a change is
    complete or has no effect. Posting lists answer filters. The first filter builds them from the metadata, later ones
    add new rows, and :meth:`close` saves them beside the index.

    Any number of threads may use one object. Searches run in parallel; changes run one after another.

    Parameters
    ----------
    path : path, optional
        Folder of an index. It is opened, or created by the first :meth:`put`. None keeps the rows in memory.
    index : EmbeddingIndex, optional
        An open index of any kind and binarizer, instead of a path. By default codes are
        ``ScalarBinarizer(rotation="random", center=False)``, which learns only the number of components. Vectors are
        then kept as float16, so scores are those of the vectors.
    writable : bool
        Open the path for changes; only one process at a time can.

    Raises
    ------
    ParameterError
        If you pass both a path and an index.
    FileFormatError, BlockingIOError, OSError
        As in :meth:`EmbeddingIndex.open`.

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
            raise ParameterError("a collection takes a path or an index; pass one of them")
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
        """The index; None before the first :meth:`put`."""
        return self._index

    # ------------------------------------------------------------------ changes

    def put(self, keys: Sequence[str], vectors: Any, documents: Sequence[dict[str, Any]]) -> None:
        """Add documents, or replace documents with the same keys. After an error, nothing changes.

        Parameters
        ----------
        keys : sequence of n texts
            If a key repeats, the last one counts.
        vectors : (n, d) floats
        documents : sequence of n JSON objects
            Each has an object ``"metadata"``, which filters read.

        Raises
        ------
        ParameterError
            If a document is not JSON, or JSON would change it: a tuple or a numeric key, for example.
        DTypeError, DimensionError
            If keys, vectors and documents differ in number, or vectors do not have the length of earlier ones.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        if not len(keys) == len(vectors) == len(documents):
            raise DimensionError(
                f"pass one key and document per vector, not {len(keys)} keys, {len(vectors)} vectors and "
                f"{len(documents)} documents"
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
        """Remove the documents of keys, or all documents; return the keys that existed.

        Raises
        ------
        UnsupportedError, OSError
            As in :meth:`put`.
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
        """Return the documents of keys, in the same order, with score 0. Keys that do not exist are skipped."""
        if self._index is None:
            return []
        snapshot = self._index.store.snapshot
        rows = _rows(snapshot, keys)
        return hits_of(snapshot, rows, np.zeros(len(rows)))

    def select(self, where: Where) -> list[Hit]:
        """Return the documents whose metadata pass a filter, in the order they were added, with score 0."""
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
            Returns whether a document may be found. It is tried in order of score; on all documents, if few pass.
        keys : sequence of str, optional
            Find only documents with these keys.
        vectors : bool
            Also return vectors.
        options
            Options of :meth:`EmbeddingIndex.search`: ``candidates``, ``probes``, ``effort``.

        Returns
        -------
        list of Hit
            Best first.

        Raises
        ------
        ParameterError, DTypeError, DimensionError, FileFormatError
            As in :meth:`EmbeddingIndex.search`.
        UnsupportedError
            If you ask for vectors but the index keeps none.
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
        """Run a search on one state of the index; if the index changed meanwhile, search again while changes wait."""
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
        """Return the ids of the rows that may be found; None for all rows."""
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
        """Return the newest snapshot and the positions of its rows that pass."""
        with self._filtering:
            snapshot = index.store.snapshot
            self._metadata.follow(snapshot)
            return snapshot, self._metadata.passing(where)

    # ------------------------------------------------------------------ files

    def refresh(self) -> bool:
        """Show the changes of a writer in another process; return whether there were any."""
        with self._changing:
            return self._index is not None and self._index.refresh()

    def compact(self) -> None:
        """Drop the rows that removals and replacements left behind; raises as :meth:`EmbeddingIndex.compact` does."""
        with self._changing:
            if self._index is not None:
                self._index.compact()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy the collection to a new or empty folder; raises as :meth:`EmbeddingIndex.save` does."""
        if self._index is None:
            raise UnsupportedError("the collection is empty, so the length of vectors is unknown; add some, then save")
        self._index.save(path)

    def close(self) -> None:
        """Close the files and let another process write. The posting lists of filters are saved beside them."""
        with self._changing, self._filtering:
            if self._index is not None and self._index.store.is_open:
                if self._index.writable:
                    with contextlib.suppress(OSError, FileFormatError):  # they can be built again
                        self._metadata.keep()
                self._metadata.close()
                self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rows(snapshot: Snapshot, keys: Sequence[str]) -> Ids:
    """Return the positions of the rows of keys; keys that do not exist are skipped."""
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
    """Read all documents and return the ids of those that a function accepts."""
    rows = live(snapshot) if among is None else snapshot.positions(among)
    passed = []
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        passed.append(part[[accept(key, parsed(text)) for key, text, _ in snapshot.entries(part)]])
    ids: Ids = snapshot.ids[np.concatenate([np.empty(0, np.int64), *passed])]
    return ids

"""Store documents with their vectors."""

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.json.document.paths import parse_path
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.encoder.leaf_vectors import on_host
from hdc.apps.json.index.documents import Documents
from hdc.apps.json.index.likening import check_width
from hdc.apps.json.index.meaning import Meaning, Meanings
from hdc.apps.json.index.rows import STORED, Rows, Stored, columns, encode_rows, joined
from hdc.apps.json.index.searching import DocumentSearch
from hdc.apps.json.index.texts import NAME, Texts
from hdc.apps.json.values.embedding import StringEncoder
from hdc.checks import choice, instance
from hdc.dispatch import posting_kernels
from hdc.errors import DimensionError, FileFormatError, ParameterError
from hdc.search.engine import Engine
from hdc.search.measures import Ids
from hdc.search.once import BuildLock
from hdc.search.postings import keeping
from hdc.search.postings.searcher import Postings, appended, folder_of, followed
from hdc.search.postings.segment import Segment
from hdc.search.searcher import Searcher
from hdc.search.shards import is_of_shards
from hdc.search.signs import Signs
from hdc.store import Snapshot, Store


class JSONIndex(DocumentSearch):
    """Documents, their vectors, and search with explanations.

    In memory, or in a folder: see :meth:`create` and :meth:`open`. Once a method that changes a folder returns, the
    change is on disk. Documents and vectors stay there: memory does not grow with them.

    Parameters
    ----------
    encoder : JSONEncoder
        Fitted or not; the index stores its state and must be built again to change it.
    key : str, optional
        Path of each document's key, a text or an integer; :meth:`put` needs one.
    vectors : {"packed", "float16", None}
        Stored vectors: sign bits, short floats as well, or none. :meth:`search` does not need them.

    Raises
    ------
    ParameterError
        If a parameter of the encoder is out of range, or the key is not a path.
    """

    KIND = "json-index"
    ROW = "document"

    def __init__(self, encoder: JSONEncoder, *, key: str | None = None, vectors: Stored = "packed") -> None:
        self._begin(*_new(None, encoder, key, vectors), *_unsaved(encoder))

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        encoder: JSONEncoder,
        *,
        key: str | None = None,
        vectors: Stored = "packed",
    ) -> Self:
        """Create an empty index in a folder that does not exist or is empty.

        Raises
        ------
        ParameterError
            As in the class, or if the folder is not empty.
        OSError
            If it cannot be written.
        """
        return cls._of(*_new(path, encoder, key, vectors), *_unsaved(encoder))

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        writable: bool = False,
        string_encoder: StringEncoder | None = None,
        backend: str = "auto",
        device: str = "cpu",
    ) -> "JSONIndex":
        """Open an index; one process may write, and any number may read the state at which they opened it.

        Parameters
        ----------
        path : path or sequence of paths
            A sequence of indexes, or a folder of shards, is opened as one index: a
            :class:`~hdc.apps.json.index.shards.ShardedJSONIndex`.
        writable : bool
        string_encoder : callable, optional
            The string encoder of the index's encoder, if it had one.
        backend, device : str
            What computes; as for :class:`JSONEncoder`.

        Raises
        ------
        FileFormatError
            If it is not an index, from a newer version, or visibly damaged (:meth:`verify` checks every byte).
        BlockingIOError
            If another process writes.
        OSError
            If it cannot be read.
        """
        if not isinstance(path, str | os.PathLike) or is_of_shards(path):
            from hdc.apps.json.index.shards import ShardedJSONIndex  # it imports this module

            return ShardedJSONIndex.open(
                path, writable=writable, string_encoder=string_encoder, backend=backend, device=device
            )
        store = Store.open(path, cls.KIND, writable=writable)
        return cls.of(store, string_encoder=string_encoder, backend=backend, device=device)

    @classmethod
    def of(
        cls,
        store: Store,
        *,
        string_encoder: StringEncoder | None = None,
        backend: str = "auto",
        device: str = "cpu",
    ) -> Self:
        """Return the index of an open store, which it closes; parameters and errors as in :meth:`open`."""
        return cls._of(store, None, string_encoder, backend, device)

    @classmethod
    def _of(cls, store: Store, known: Meaning | None, *unsaved: Any) -> Self:
        index = cls.__new__(cls)
        try:
            index._begin(store, known or Meaning.of(store.snapshot, *unsaved), *unsaved)
        except BaseException:
            store.close()
            raise
        return index

    def _begin(self, store: Store, known: Meaning, *unsaved: Any) -> None:
        self._meanings = Meanings(known, *unsaved)
        kernels = on_host(known.encoder.vsa).kernels
        self._signs: Searcher = Signs(kernels.bits, "scales")
        self._postings = Postings(posting_kernels(kernels), self._meanings.segment)
        self._engine = Engine(store, self._postings)
        self._documents = Documents()
        self._learning = BuildLock()
        self._width = 0  # of what a string encoder makes, where it is known

    @property
    def store(self) -> Store:
        """The store of the rows."""
        return self._engine.store

    @property
    def encoder(self) -> JSONEncoder:
        """The encoder of the vectors."""
        return self._meanings.of(self.store.snapshot).encoder

    @property
    def key(self) -> str | None:
        """Path of the documents' keys; None if they have none."""
        return self._meanings.of(self.store.snapshot).key

    def __repr__(self) -> str:
        return f"JSONIndex({self._meanings.known.encoder!r}, {self._content()})"

    # ------------------------------------------------------------------ documents

    def add(self, documents: Iterable[Any]) -> Self:
        """Add documents, batch by batch; a batch with a document that is not JSON is not added.

        Parameters
        ----------
        documents : iterable of JSON values or of :class:`Record`, or a data frame
            NumPy's scalars, dates, times, decimals, UUIDs and bytes become JSON, see
            :func:`hdc.apps.frames.values.json_value`. The rows of a frame are documents, missing values left out; see
            :func:`hdc.apps.frames.rows.rows_of`.

        Raises
        ------
        ParameterError
            If a document is not JSON, or its key is missing or exists already.
        """
        for _ in self.extend(documents):
            pass
        return self

    def put(self, documents: Iterable[Any]) -> Self:
        """Add documents, or replace those with the same keys, which keep their ids; of equal keys the last one wins.

        Raises
        ------
        ParameterError
            If the index has no key path, or a document is not JSON or has no key.
        """
        for _ in self.extend(documents, replace=True):
            pass
        return self

    def extend(self, documents: Iterable[Any], *, replace: bool = False) -> Iterator[npt.NDArray[np.int64]]:
        """Like :meth:`add`, or with ``replace`` like :meth:`put`; yield the ids of each batch once it is added."""
        if replace and self.key is None:
            raise ParameterError("put needs an index made with key=PATH, the path of the documents' keys")
        for rows in self._rows_of(documents):
            yield self.append(rows, replace=replace)

    def add_segment(self, segment: Segment, first: int) -> None:
        """Add the posting segment of rows just added from a position on, if their numbers match."""
        snapshot = self.store.snapshot
        self._check_width(segment.vectors.width)
        if snapshot.count == first + len(segment):
            self._postings.add(snapshot, dataclasses.replace(segment, first=first))

    def append(self, rows: Rows, *, replace: bool = False) -> npt.NDArray[np.int64]:
        """Add a batch that :func:`encode_rows` made with this index's encoder and key; return the id of each row.

        Parameters
        ----------
        rows : Rows
        replace : bool
            Whether a document replaces another one with its key; otherwise that is an error.
        """
        self._check_width(rows.width)
        texts = self._texts_for(rows.texts)
        if not replace or rows.keys is None:
            before = self.store.snapshot
            numbers = self.store.append(rows.arrays, rows.keys, texts.packed(rows.texts), rows.sources)
            self._add_segment(before, numbers, rows)
            return numbers
        last = rows.take(sorted({key: row for row, key in enumerate(rows.keys)}.values()))
        keys = last.keys or []
        before = self.store.snapshot
        numbers = self.store.put(last.arrays, keys, texts.packed(last.texts), last.sources)
        if len(last.texts) == len(rows.texts):
            self._add_segment(before, numbers, rows)
        ids = dict(zip(keys, numbers.tolist(), strict=True))
        return np.array([ids[key] for key in rows.keys], dtype=np.int64)

    def _check_width(self, given: int) -> None:
        """Raise ParameterError if the string encoder differs from that of earlier rows."""
        if given:
            self._width = self._width or max((s.vectors.width for s in self._posting_rows().segments), default=0)
            check_width(self._width, given)
            self._width = given

    def _texts_for(self, texts: list[bytes]) -> Texts:
        """Return the codec of texts; once there are enough texts, it gets a dictionary learned from them."""
        with self._learning:
            snapshot = self.store.snapshot
            known = self._meanings.of(snapshot).texts
            if not self.writable or (learned := known.learned(texts)) is None:
                return known
            self.store.set_meta({**snapshot.meta, NAME: learned.meta()})
            self._meanings.repack(self.store.snapshot, learned)
            return learned

    def _add_segment(self, before: Snapshot, ids: Ids, rows: Rows) -> None:
        """Store the posting segment of documents that were just encoded."""
        snapshot = self.store.snapshot
        if rows.found is not None and rows.found.documents == len(ids):
            first = appended(before, snapshot, ids)
            if first is not None:
                self._postings.add(snapshot, Segment.of(first, rows.found))

    def update(self, ids: npt.ArrayLike, documents: Iterable[Any]) -> None:
        """Replace the documents of ids. After an error, nothing changes.

        Parameters
        ----------
        ids : (n,) integers
        documents : iterable of n JSON values or of :class:`Record`
            If the index has keys, each has the key of the document that it replaces.

        Raises
        ------
        ParameterError
            If an id has no document or occurs twice, a document is not JSON, or has another key.
        DimensionError
            If there is not one document per id.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        numbers = checks.ids(ids).ravel()
        self._check_ids(numbers)
        batches = list(self._rows_of(documents))
        for batch in batches:
            self._check_width(batch.width)
        rows = joined(batches)
        if len(rows.texts) != len(numbers):
            raise DimensionError(f"there are {len(rows.texts)} documents for {len(numbers)} ids")
        if rows.keys is not None:
            for number, old, new in zip(numbers.tolist(), self.store.keys(numbers), rows.keys, strict=True):
                if old != new:
                    raise ParameterError(f"document {number} has the key {old!r}, and the new one {new!r}; put adds it")
        if len(numbers):
            self._replace(numbers, rows)

    def _replace(self, ids: Ids, rows: Rows) -> None:
        """Replace the documents of ids."""
        texts = self._meanings.of(self.store.snapshot).texts
        self.store.replace(ids, rows.arrays, texts.packed(rows.texts), rows.sources)

    def _rows_of(self, documents: Iterable[Any]) -> Iterator[Rows]:
        meaning = self._meanings.of(self.store.snapshot)
        key = None if meaning.key is None else parse_path(meaning.key)
        return encode_rows(meaning.encoder, documents, key, meaning.taker(), meaning.vectors)

    # ------------------------------------------------------------------ derived data

    def prepare(self) -> None:
        """Build what the first search would otherwise build, such as the postings of documents after a refresh.

        Raises
        ------
        FileFormatError
            If the index is damaged.
        """
        self._posting_rows()

    def compact(self) -> None:
        """Drop the rows that removals and replacements left behind; ids stay. See :meth:`Index.compact`."""
        before = self._posting_rows()
        super().compact()
        snapshot = self.store.snapshot
        if (rows := followed(before, snapshot)) is not None:
            self._engine.take(self._postings.prepared(snapshot, rows))
        self._keep()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy the index to a folder that does not exist or is empty; see :meth:`Index.save`."""
        before = self._posting_rows()
        with self.store.save_copy(path) as copy:
            if (rows := followed(before, copy.snapshot)) is not None:
                self._postings.keep(self._postings.prepared(copy.snapshot, rows))

    def verify(self) -> None:
        """Check every byte; see :meth:`Index.verify`."""
        super().verify()
        folder = folder_of(self.store.snapshot)
        if folder is not None:
            keeping.verify(folder)

    def close(self) -> None:
        """Close the files and let another process write; derived data of searches are saved first."""
        if self.store.is_open and self.store.writable:
            self._keep()
        super().close()

    def _keep(self) -> None:
        """Save derived data for the next process, which could build them again, if possible."""
        with contextlib.suppress(OSError, FileFormatError):
            self._postings.keep(self._posting_rows())


def _unsaved(encoder: JSONEncoder) -> tuple[StringEncoder | None, str, str]:
    """Return the settings that a saved encoder does not include."""
    return encoder.string_encoder, encoder.backend, encoder.device


def _new(
    path: str | os.PathLike[str] | None, encoder: JSONEncoder, key: str | None, vectors: Stored
) -> tuple[Store, Meaning]:
    """Return an empty store and the meaning of its rows."""
    instance(encoder, "encoder", JSONEncoder).check()
    if key is not None:
        parse_path(key)
    if vectors is not None:
        choice(vectors, "vectors", STORED)
    texts, own = Texts(), encoder.frozen()
    meta = {"encoder": own.to_json(), "key": key, "vectors": vectors, NAME: texts.meta()}
    store = Store.create(path, JSONIndex.KIND, columns(own.dim, vectors), meta)
    return store, Meaning(store.snapshot.state.meta, own, key, vectors, texts, own.values, own.layout)

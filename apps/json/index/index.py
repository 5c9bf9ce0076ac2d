"""Store documents with their vectors, find those that hold what a query asks for, and say why."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.given import check_value
from hdc.apps.json.document.paths import any_position, parse_path, show_path
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.encoder.leaf_vectors import on_host
from hdc.apps.json.index.anywhere import asked_of, divided, reasons_of, words_in
from hdc.apps.json.index.candidates import FIRST, Asked, by_nearness
from hdc.apps.json.index.compiled_query import ABSENT
from hdc.apps.json.index.documents import Documents, parsed
from hdc.apps.json.index.interpreting import Interpretation, interpreted
from hdc.apps.json.index.matcher import Matcher, Reason
from hdc.apps.json.index.meaning import Meaning
from hdc.apps.json.index.narrowing import narrowed
from hdc.apps.json.index.noted import Hits
from hdc.apps.json.index.query import DEVIATIONS, MISSING, Best, Missing, Question
from hdc.apps.json.index.rows import LENGTH, Rows, columns, encode_rows, joined
from hdc.apps.json.index.term_query import TermQuery
from hdc.apps.json.index.where import Condition, Conditions, Filter, as_filter
from hdc.apps.json.values.embedding import StringEncoder
from hdc.checks import choice, instance, integer
from hdc.dispatch import posting_kernels
from hdc.errors import DimensionError, FileFormatError, ParameterError
from hdc.search.engine import Engine, Search
from hdc.search.index import Index
from hdc.search.measures import Floats, Ids
from hdc.search.options import FlatOptions
from hdc.search.postings import keeping
from hdc.search.postings.searcher import PostingRows, Postings, appended, folder_of, followed
from hdc.search.postings.segment import Segment
from hdc.search.signs import Signs
from hdc.store import Snapshot, Store

TAKEN = 1 << 9
"""Documents that are taken apart at a time."""

WIDER = 8
"""Times as many documents are asked for when too few of those before passed the filter."""

STEP = 50
"""Documents that are compared before asking whether that is enough."""

Measure: TypeAlias = Literal["coverage", "overlap", "cosine"]

Where: TypeAlias = str | Iterable[str] | Filter | None


@dataclass(frozen=True)
class Hit:
    """A document that was found.

    Attributes
    ----------
    score : float
        For ``"coverage"`` the part of the query that the document holds, 0 … 1; for ``"overlap"`` the part of the
        query and the document together that both hold; for ``"cosine"`` the cosine of the two vectors.
    id : int
        Number of the document in the index.
    document : JSON value
    source : str
        Where it was read, as ``file:line``; empty if it did not come from a file.
    key : str or None
    measure : {"coverage", "overlap", "cosine"}
    """

    score: float
    id: int
    document: Any
    source: str
    key: str | None
    measure: Measure


class JSONIndex(Index):
    """Documents, their vectors, and search with reasons.

    In memory, or in a folder: see :meth:`create` and :meth:`open`. What a method that changes a folder has returned
    from is on the disk. Documents and vectors stay there: memory does not grow with them.

    Parameters
    ----------
    encoder : JSONEncoder
        Fitted or not; the index keeps its state and must be built anew to change it.
    key : str, optional
        Path at which every document has a key, a text or an integer; :meth:`put` needs one.

    Raises
    ------
    ParameterError
        If a parameter of the encoder is out of range, or the key is no path.
    """

    KIND = "json-index"
    ROW = "document"

    def __init__(self, encoder: JSONEncoder, *, key: str | None = None) -> None:
        self._begin(_new_store(None, encoder, key), *_unsaved(encoder))

    @classmethod
    def create(cls, path: str | os.PathLike[str], encoder: JSONEncoder, *, key: str | None = None) -> Self:
        """Make an index of no documents in a folder that does not exist or is empty.

        Raises
        ------
        ParameterError
            As the class, or if the folder holds something.
        OSError
            If it cannot be written.
        """
        return cls._of(_new_store(path, encoder, key), *_unsaved(encoder))

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        writable: bool = False,
        string_encoder: StringEncoder | None = None,
        backend: str = "auto",
        device: str = "cpu",
    ) -> Self:
        """Open an index; one process may write, any number read what was there when they opened it.

        Parameters
        ----------
        path : path
        writable : bool
        string_encoder : callable, optional
            The one that the index's encoder had, if it had one.
        backend, device : str
            As :class:`JSONEncoder` takes them: what computes.

        Raises
        ------
        FileFormatError
            If it is no index, damaged where that shows at once (see :meth:`verify`), or of a newer version.
        BlockingIOError
            If another process writes.
        OSError
            If it cannot be read.
        """
        return cls._of(Store.open(path, cls.KIND, writable=writable), string_encoder, backend, device)

    @classmethod
    def _of(cls, store: Store, *unsaved: Any) -> Self:
        index = cls.__new__(cls)
        try:
            index._begin(store, *unsaved)
        except BaseException:
            store.close()
            raise
        return index

    def _begin(self, store: Store, *unsaved: Any) -> None:
        self._unsaved = unsaved
        self._known = Meaning.of(store.snapshot, *unsaved)
        kernels = on_host(self._known.encoder.vsa).kernels
        self._engine = Engine(store, Signs(kernels.bits, "scales"))
        self._postings = Postings(posting_kernels(kernels), self._segment)
        self._by_postings = Engine(store, self._postings)
        self._documents = Documents()

    def _meaning(self, snapshot: Snapshot) -> Meaning:
        """Return what the rows of a snapshot mean, which a reader may see change when the index was built anew."""
        known = self._known
        if not known.is_of(snapshot):
            known = self._known = Meaning.of(snapshot, *self._unsaved)
        return known

    def _posting_rows(self) -> PostingRows:
        """Return what the newest snapshot is searched with."""
        return cast(PostingRows, self._by_postings.prepared())

    def _segment(self, snapshot: Snapshot, start: int, stop: int) -> Segment:
        """Take the documents of some rows apart."""
        meaning = self._meaning(snapshot)
        taker = meaning.taker()
        parts = []
        for first in range(start, stop, TAKEN):
            rows = np.arange(first, min(first + TAKEN, stop))
            documents = [parsed(text) for text in snapshot.documents(rows)]
            parts.append(Segment.of(first, taker.take(documents)))
        return Segment.merged(parts)

    @property
    def store(self) -> Store:
        """The rows."""
        return self._engine.store

    @property
    def encoder(self) -> JSONEncoder:
        """What made the vectors."""
        return self._meaning(self.store.snapshot).encoder

    @property
    def key(self) -> str | None:
        """Where documents have their keys; None if they have none."""
        return self._meaning(self.store.snapshot).key

    def filter(self, condition: Where) -> npt.NDArray[np.int64]:
        """Return the ids of the documents that pass, ascending.

        Parameters
        ----------
        condition : str, iterable of str, or function of a document
            As ``where`` of :meth:`search`.
        """
        accept = as_filter(condition)
        if not isinstance(accept, Conditions | Condition) or self.encoder.string_encoder is not None:
            return super().filter(accept or (lambda _: True))
        rows = self._posting_rows()
        snapshot = rows.snapshot
        mask, accept = narrowed(rows, accept, self._meaning(snapshot).encoder.layout)
        found = np.flatnonzero(mask)
        if accept is not None:
            parts = [found[start : start + TAKEN] for start in range(0, len(found), TAKEN)]
            passed = [bool(accept(parsed(text))) for part in parts for text in snapshot.documents(part)]
            found = found[np.array(passed, bool)]
        return np.sort(snapshot.ids[found])

    def __repr__(self) -> str:
        return f"JSONIndex({self.encoder!r}, {len(self)} documents)"

    # ------------------------------------------------------------------ documents

    def add(self, documents: Iterable[Any]) -> Self:
        """Add documents, batch by batch: each is added as a whole, or, if one of its documents is no JSON, not at all.

        Parameters
        ----------
        documents : iterable of JSON values or of :class:`Record`

        Raises
        ------
        ParameterError
            If a document is no JSON, or its key is missing or there already.
        """
        for _ in self.extend(documents):
            pass
        return self

    def put(self, documents: Iterable[Any]) -> Self:
        """Add documents, or replace those of the same keys, which keep their ids; of equal keys the last one stays.

        Raises
        ------
        ParameterError
            If the index has no key path, a document is no JSON or has no key.
        """
        for _ in self.extend(documents, replace=True):
            pass
        return self

    def extend(self, documents: Iterable[Any], *, replace: bool = False) -> Iterator[npt.NDArray[np.int64]]:
        """Do as :meth:`add`, or with ``replace`` as :meth:`put`, and yield the ids of each batch when it is added."""
        if replace and self.key is None:
            raise ParameterError("put needs an index made with key=PATH, which says where documents have their keys")
        for rows in self._rows_of(documents):
            yield self.append(rows, replace=replace)

    def append(self, rows: Rows, *, replace: bool = False) -> npt.NDArray[np.int64]:
        """Add a batch that :func:`encode_rows` made with this index's encoder and key; return the id of each row.

        Parameters
        ----------
        rows : Rows
        replace : bool
            Whether a document replaces another one of its key; else that is an error.
        """
        if not replace or rows.keys is None:
            before = self.store.snapshot
            numbers = self.store.append(rows.arrays, rows.keys, rows.texts, rows.sources)
            self._add_segment(before, numbers, rows)
            return numbers
        last = rows.take(sorted({key: row for row, key in enumerate(rows.keys)}.values()))
        keys = last.keys or []
        ids = dict(zip(keys, self.store.put(last.arrays, keys, last.texts, last.sources).tolist(), strict=True))
        return np.array([ids[key] for key in rows.keys], dtype=np.int64)

    def _add_segment(self, before: Snapshot, ids: Ids, rows: Rows) -> None:
        """Note what was found in documents when they were encoded."""
        snapshot = self.store.snapshot
        if rows.found is not None and rows.found.documents == len(ids):
            first = appended(before, snapshot, ids)
            if first is not None:
                self._postings.add(snapshot, Segment.of(first, rows.found))

    def update(self, ids: npt.ArrayLike, documents: Iterable[Any]) -> None:
        """Replace the documents of some ids, all of them or, after an error, none.

        Parameters
        ----------
        ids : (n,) integers
        documents : iterable of n JSON values or of :class:`Record`
            With the keys that the documents of these ids have, where the index has keys.

        Raises
        ------
        ParameterError
            If there is no document of an id, one is given twice, a document is no JSON, or has another key.
        DimensionError
            If there are not as many documents as ids.
        UnsupportedError
            If the index is open for reading.
        OSError
            If the disk is full or fails.
        """
        numbers = checks.ids(ids).ravel()
        self._check_ids(numbers)
        rows = joined(self._rows_of(documents))
        if len(rows.texts) != len(numbers):
            raise DimensionError(f"there are {len(rows.texts)} documents for {len(numbers)} ids")
        if rows.keys is not None:
            for number, old, new in zip(numbers.tolist(), self.store.keys(numbers), rows.keys, strict=True):
                if old != new:
                    raise ParameterError(f"document {number} has the key {old!r}, and the new one {new!r}; put adds it")
        if len(numbers):
            self.store.replace(numbers, rows.arrays, rows.texts, rows.sources)

    def _rows_of(self, documents: Iterable[Any]) -> Iterator[Rows]:
        meaning = self._meaning(self.store.snapshot)
        key = None if meaning.key is None else parse_path(meaning.key)
        return encode_rows(meaning.encoder, documents, key, meaning.taker())

    # ------------------------------------------------------------------ derived data

    def compact(self) -> None:
        """Drop what removals and replacements have left behind; ids stay. See :meth:`Index.compact`."""
        before = self._posting_rows()
        super().compact()
        snapshot = self.store.snapshot
        if (rows := followed(before, snapshot)) is not None:
            self._by_postings.take(self._postings.prepared(snapshot, rows))
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
        """Close the files and let another process write; what searches need is kept beside them."""
        if self.store.is_open and self.store.writable:
            self._keep()
        super().close()

    def _keep(self) -> None:
        """Write what searches need, so that the next process need not make it: best effort, for it can."""
        with contextlib.suppress(OSError, FileFormatError):
            self._postings.keep(self._posting_rows())

    def rows(self) -> int:
        """Return how many rows the store has, those of replaced and removed documents included."""
        return self.store.snapshot.count

    def vectors(self, ids: npt.ArrayLike) -> Floats:
        """Return the stored vectors of documents, rounded to float16 precision: ``(n, dim)`` float32."""
        snapshot = self.store.snapshot
        return snapshot.take("vectors", self._positions(snapshot, ids)).astype(np.float32)

    def source(self, number: int) -> str:
        """Return where a document was read, as :class:`Hit` says it; raises as :meth:`document`."""
        snapshot = self.store.snapshot
        return snapshot.sources(self._positions(snapshot, [number]))[0] or ""

    def _positions(self, snapshot: Snapshot, ids: npt.ArrayLike) -> Ids:
        try:
            return snapshot.positions(ids)
        except ParameterError:
            self._check_ids(ids)
            raise

    def _document(self, text: bytes | None) -> Any:
        return parsed(text)

    # ------------------------------------------------------------------ search

    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        where: Where = None,
        missing: Missing = "ignore",
        among: npt.ArrayLike | None = None,
    ) -> Hits:
        """Find the documents that hold most of what a (partial) document asks for.

        The score is the part of the query's weight that the document holds: 1.0 if everything asked for is
        there. What the query does not mention does not count, so neither does a document's size. The vectors
        choose the candidates; the documents themselves decide (see :mod:`hdc.apps.json.index.compiled_query`).

        Where no document has a value at a path, and one thing alone can be meant, that is searched for: see
        :meth:`interpret`. The hits' ``notes`` say so.

        Parameters
        ----------
        query : JSON value
            The key ``"*"`` stands for any field: ``{"*": "red shoes"}``; beneath a path: ``{"author": {"*": "Ada"}}``.
        k : int
            At least 1.
        where : str, iterable of str, or function of a document, optional
            Conditions that all must hold, as :func:`parse_where` reads them. Postings answer all but ``~`` and the
            order of texts; these and functions are tried on documents in order of score until enough pass. A function
            must leave the documents as they are.
        missing : {"ignore", "count"}
            ``"count"`` divides by what the document has beyond the query, too: only an equal document has 1.0.
        among : (m,) array of ids, optional
            Find only these.

        Returns
        -------
        Hits
            A list of at most k hits, best first, equal scores by id; with ``notes``.

        Raises
        ------
        ParameterError
            If the query is no JSON or asks for nothing, a condition cannot be read, k is below 1, or there is no
            document of an id.
        """
        check_value(query, "the query")
        if self.encoder.string_encoder is None:
            return self._found_by_postings(query, integer(k, "k", 1), as_filter(where), missing, among)
        k, accept, search = integer(k, "k", 1), as_filter(where), self._begun(among)
        snapshot = search.prepared.snapshot
        meaning = self._meaning(snapshot)
        question = Question(query, meaning.encoder, missing, meaning.values)
        best = Best(k, question.least)
        first = max(FIRST, 4 * max(k, question.least))
        for rows, estimates in by_nearness(search, Asked(question.vector, question.estimate), first):
            likely = estimates + np.float32(DEVIATIONS) * question.deviation(snapshot.take("scales", rows))
            numbers = snapshot.ids[rows].tolist()
            for start in range(0, len(rows), STEP):
                if best.enough(float(likely[start : start + STEP].max())):
                    break
                documents = self._documents.read(snapshot, rows[start : start + STEP])
                tried = zip(documents, numbers[start : start + STEP], strict=True)
                passed = [pair for pair in tried if not accept or accept(pair[0])]
                question.prepare([document for document, _ in passed])
                best.add([(question.score(document), number) for document, number in passed], len(documents))
            else:
                continue
            break
        found = [(score, number) for score, number in best if score > 0]
        return Hits(_hits(snapshot, found, "coverage" if missing == "ignore" else "overlap"))

    def _found_by_postings(
        self, query: Any, k: int, accept: Filter | None, missing: Missing, among: npt.ArrayLike | None
    ) -> Hits:
        if isinstance(query, dict | list) and not query:
            raise ParameterError('the query is empty: name at least one field, such as {"name": "Ada"}')
        choice(missing, "missing", MISSING)
        rows = self._posting_rows()
        snapshot = rows.snapshot
        meaning = self._meaning(snapshot)
        values, layout, overlap = meaning.values, meaning.encoder.layout, missing == "count"
        query, notes = interpreted(query, rows, values, layout)
        asked = asked_of(query, rows, values, layout, overlap, lambda at: TermQuery(at, values, layout, overlap))
        allowed = None if among is None else np.unique(self._positions(snapshot, among))
        if accept is not None:
            mask, accept = narrowed(rows, accept, meaning.encoder.layout)
            allowed = np.flatnonzero(mask) if allowed is None else allowed[mask[allowed]]
        measure: Measure = "coverage" if missing == "ignore" else "overlap"
        wider = k
        while True:
            scores, positions = rows.best(asked, wider, allowed)
            if accept is None:
                break
            documents = self._documents.read(snapshot, positions)
            passed = [bool(accept(document)) for document in documents]
            if sum(passed) >= k or len(scores) < wider:
                scores, positions = scores[passed][:k], positions[passed][:k]
                break
            wider *= WIDER
        scored = list(zip(scores.tolist(), snapshot.ids[positions].tolist(), strict=True))
        return Hits(_hits(snapshot, scored, measure), notes)

    def interpret(self, query: Any) -> Interpretation:
        """Return a query as :meth:`search` reads it, and notes on paths where no document has a value.

        Read as what is meant, if that is one thing alone: ``{"author": "Ada"}`` where authors are objects whose name is
        Ada, ``{"tags": "red"}`` where tags are arrays, ``{"auhtor": …}`` for ``author``, a key for the one path that
        ends in it, and a text or number alone for one in any field. With a string encoder queries stay as they are.

        Examples
        --------
        >>> index = JSONIndex(JSONEncoder(64)).add([{"author": {"name": "Ada"}, "tags": ["red"]}])
        >>> index.interpret({"auhtor": "Ada", "tags": "red"}).query
        {'author': {'name': 'Ada'}, 'tags': ['red']}
        """
        if self.encoder.string_encoder is not None:
            return Interpretation(query)
        rows = self._posting_rows()
        meaning = self._meaning(rows.snapshot)
        return interpreted(query, rows, meaning.values, meaning.encoder.layout)

    def like(self, number: int, k: int = 10, *, where: Where = None, among: npt.ArrayLike | None = None) -> list[Hit]:
        """Find the documents nearest to a stored one, by the cosine of their vectors; itself left out.

        Parameters
        ----------
        number : int
            Its id.
        k, where, among
            As for :meth:`search`.

        Raises
        ------
        ParameterError
            If there is no document of an id, a condition cannot be read, or k is below 1.
        """
        k, accept, search = integer(k, "k", 1), as_filter(where), self._begun(among)
        snapshot = search.prepared.snapshot
        encoder = self._meaning(snapshot).encoder
        own = self._positions(snapshot, [number])
        vector = _unit(encoder, self._documents.read(snapshot, own))[0]
        chosen: list[int] = []
        for rows, _ in by_nearness(search, Asked(vector, _cosines), max(FIRST, 4 * k)):
            others = rows[rows != own[0]]
            for start in range(0, len(others), STEP):
                if len(chosen) >= k:
                    break
                part = others[start : start + STEP]
                passed = part.tolist()
                if accept is not None:
                    documents = self._documents.read(snapshot, part)
                    passed = [row for row, document in zip(passed, documents, strict=True) if accept(document)]
                chosen += passed
            if len(chosen) >= k:
                break
        positions = np.array(chosen[:k], np.int64)
        if not len(positions):
            return []
        cosines = _unit(encoder, self._documents.read(snapshot, positions)) @ vector
        scored = zip(cosines.tolist(), snapshot.ids[positions].tolist(), strict=True)
        return _hits(snapshot, sorted(scored, key=lambda hit: (-hit[0], hit[1])), "cosine")

    def _begun(self, among: npt.ArrayLike | None) -> Search:
        """Begin a search for as many rows as there are."""
        try:
            return self._engine.begin(sys.maxsize, FlatOptions(), among)
        except ParameterError:
            if among is not None:
                self._check_ids(among)
            raise

    # ------------------------------------------------------------------ reasons

    def explain(self, query: Any, hit: Hit) -> list[Reason]:
        """Say which leaves of the query made a hit's score.

        Parameters
        ----------
        query : JSON value
            What :meth:`search` was given, or the document that :meth:`like` was asked about.
        hit : Hit

        Returns
        -------
        list of Reason, largest share first
            The shares sum to the score. For a cosine a leaf's share is its own vector's part of the dot
            product: a leaf without counterpart has a share of about 0, within 1/sqrt(dim).
        """
        meaning = self._meaning(self.store.snapshot)
        if instance(hit, "hit", Hit).measure == "cosine":
            reasons = list(_cosine_reasons(query, hit.document, meaning))
        else:
            missing: Missing = "ignore" if hit.measure == "coverage" else "count"
            if meaning.encoder.string_encoder is None:
                rows, values, layout = self._posting_rows(), meaning.values, meaning.encoder.layout
                query, _ = interpreted(query, rows, values, layout)
                rest, asked = divided(query, rows)
                if asked:
                    words = words_in(asked, rows, values, layout)
                    found = reasons_of(hit.document, rest, words, values, layout, missing == "count")
                    return sorted(found, key=lambda reason: -reason.share)
            reasons = Question(query, meaning.encoder, missing, meaning.values).reasons(hit.document)
        return sorted(reasons, key=lambda reason: -reason.share)


def _cosine_reasons(query: Any, document: Any, meaning: Meaning) -> Iterator[Reason]:
    encoder = meaning.encoder
    found = Matcher(query, meaning.values, encoder.layout).reasons(document)
    met = {(any_position(path), _typed(reason.query)): reason.match for path, reason in found}
    target = _unit(encoder, [document])[0]
    leaves, vectors = encoder.leaf_vectors(query)
    length = np.linalg.norm(vectors.sum(axis=0))
    for (path, value), share in zip(leaves, vectors @ target / length, strict=True):
        match = met.get((any_position(path), _typed(plain(value))), ABSENT)
        yield Reason(show_path(path), plain(value), match, float(share))


def _hits(snapshot: Snapshot, scored: list[tuple[float, int]], measure: Measure) -> list[Hit]:
    """Return hits from scores and ids."""
    entries = snapshot.entries(snapshot.positions([number for _, number in scored]))
    return [
        Hit(score, number, parsed(text), source or "", key, measure)
        for (score, number), (key, text, source) in zip(scored, entries, strict=True)
    ]


def _unit(encoder: JSONEncoder, documents: list[Any]) -> Floats:
    vectors = encoder.vectors(documents)
    return np.asarray(vectors / _positive(np.linalg.norm(vectors, axis=1))[:, None], dtype=np.float32)


def _cosines(dots: Floats, scales: Floats) -> Floats:
    return dots / _positive(scales[:, LENGTH])


def _unsaved(encoder: JSONEncoder) -> tuple[StringEncoder | None, str, str]:
    """Return what a saved encoder does not say of itself."""
    return encoder.string_encoder, encoder.backend, encoder.device


def _new_store(path: str | os.PathLike[str] | None, encoder: JSONEncoder, key: str | None) -> Store:
    instance(encoder, "encoder", JSONEncoder).check()
    if key is not None:
        parse_path(key)
    return Store.create(path, JSONIndex.KIND, columns(encoder.dim), {"encoder": encoder.to_json(), "key": key})


def _positive(lengths: Floats) -> Floats:
    """Return lengths to divide by: a vector of zeros stays one."""
    return np.where(lengths > 0, lengths, np.float32(1))


def _typed(value: Any) -> Any:
    """Return a key that tells values of different JSON types apart."""
    return isinstance(value, bool), json.dumps(value) if isinstance(value, dict | list) else value

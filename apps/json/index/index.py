"""Store documents with their vectors, find those that hold what a query asks for, and say why."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.paths import any_position, parse_path, show_path
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.encoder.leaf_vectors import on_host
from hdc.apps.json.index.candidates import FIRST, Scores, by_nearness
from hdc.apps.json.index.documents import Documents, parsed
from hdc.apps.json.index.matcher import ABSENT, Matcher, Reason
from hdc.apps.json.index.query import DEVIATIONS, Best, Missing, Question
from hdc.apps.json.index.rows import LENGTH, Rows, columns, encode_rows
from hdc.apps.json.index.where import Filter, as_filter
from hdc.apps.json.values.embedding import StringEncoder
from hdc.checks import integer
from hdc.errors import FileFormatError, ParameterError
from hdc.search.index import Index
from hdc.store import Store

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

    def _begin(self, store: Store, string_encoder: StringEncoder | None, backend: str, device: str) -> None:
        try:
            self.encoder = JSONEncoder.from_json(store.meta["encoder"], string_encoder, backend=backend, device=device)
            self.key: str | None = store.meta["key"]
        except ParameterError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"the index is of another version ({error!r}); build it again") from error
        self._store, self._documents = store, Documents(store)
        self._values, self._bits = self.encoder.values, on_host(self.encoder.vsa).kernels.bits

    @property
    def store(self) -> Store:
        """The rows."""
        return self._store

    def filter(self, condition: Where) -> npt.NDArray[np.int64]:
        """Return the ids of the documents that pass, ascending.

        Parameters
        ----------
        condition : str, iterable of str, or function of a document
            As ``where`` of :meth:`search`.
        """
        return super().filter(as_filter(condition) or (lambda _: True))

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
        for rows in encode_rows(self.encoder, documents, None if self.key is None else parse_path(self.key)):
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
            return self._store.append(rows.arrays, rows.keys, rows.texts, rows.sources)
        last = rows.take(sorted({key: row for row, key in enumerate(rows.keys)}.values()))
        keys = last.keys or []
        ids = dict(zip(keys, self._store.put(last.arrays, keys, last.texts, last.sources).tolist(), strict=True))
        return np.array([ids[key] for key in rows.keys], dtype=np.int64)

    def rows(self) -> int:
        """Return how many rows the store has, those of replaced and removed documents included."""
        return len(self._store.ids())

    def vectors(self, ids: Sequence[int]) -> Scores:
        """Return the stored vectors of documents, rounded to float16 precision: ``(n, dim)`` float32."""
        self._check_ids(ids)
        return self._store.rows("vectors")[self._store.positions(ids)].astype(np.float32)

    def source(self, number: int) -> str:
        """Return where a document was read, as :class:`Hit` says it; raises as :meth:`document`."""
        self._check_ids([number])
        return self._store.source(number) or ""

    def _document(self, text: bytes | None) -> Any:
        return parsed(text)

    # ------------------------------------------------------------------ search

    def search(self, query: Any, k: int = 10, *, where: Where = None, missing: Missing = "ignore") -> list[Hit]:
        """Find the documents that hold most of what a (partial) document asks for.

        The score is the part of the query's weight that the document holds: 1.0 if everything asked for is
        there. What the query does not mention does not count, so neither does a document's size. The vectors
        choose the candidates; the documents themselves decide (see :mod:`hdc.apps.json.index.matcher`).

        Parameters
        ----------
        query : JSON value
        k : int
            At least 1.
        where : str, iterable of str, or function of a document, optional
            Conditions that all must hold, as :func:`parse_where` reads them. Candidates are looked at in order of
            nearness until enough pass: all of them, if need be. A function must leave the documents as they are.
        missing : {"ignore", "count"}
            ``"count"`` divides by what the document has beyond the query, too: only an equal document has 1.0.

        Returns
        -------
        list of at most k hits, best first; equal scores by id

        Raises
        ------
        ParameterError
            If the query is no JSON or asks for nothing, a condition cannot be read, or k is below 1.
        """
        question, accept = Question(query, self.encoder, missing, self._values), as_filter(where)
        k = integer(k, "k", 1)
        best = Best(k, question.least)
        scales = self._store.rows("scales")
        ids = self._store.ids()
        for rows, estimates in self._near(question.vector, question.estimate, 4 * max(k, question.least)):
            likely = estimates + np.float32(DEVIATIONS) * question.deviation(scales[rows])
            for start in range(0, len(rows), STEP):
                if best.enough(float(likely[start : start + STEP].max())):
                    break
                numbers = ids[rows[start : start + STEP]].tolist()
                documents = self._documents.read(numbers)
                passed = [pair for pair in zip(documents, numbers, strict=True) if not accept or accept(pair[0])]
                question.prepare([document for document, _ in passed])
                best.add([(question.score(document), number) for document, number in passed], len(numbers))
            else:
                continue
            break
        return [self._hit(score, number, "coverage" if missing == "ignore" else "overlap") for score, number in best]

    def like(self, number: int, k: int = 10, *, where: Where = None) -> list[Hit]:
        """Find the documents nearest to a stored one, by the cosine of their vectors; itself left out.

        Raises
        ------
        ParameterError
            If there is no document of that id, a condition cannot be read, or k is below 1.
        """
        vector = self._unit([self.document(number)])[0]
        accept, ids, first = as_filter(where), self._store.ids(), 4 * integer(k, "k", 1)
        hits: list[Hit] = []
        for rows, cosines in self._near(vector, lambda dots, scales: dots / _positive(scales[:, LENGTH]), first):
            for other, cosine in zip(ids[rows].tolist(), cosines.tolist(), strict=True):
                if other != number and (accept is None or accept(self.document(other))):
                    hits.append(self._hit(cosine, other, "cosine"))
                if len(hits) == k:
                    return self._exact(vector, hits)
        return self._exact(vector, hits)

    def _exact(self, vector: Scores, hits: list[Hit]) -> list[Hit]:
        """Return hits with their cosines computed from the documents: what is stored of vectors is rounded."""
        if not hits:
            return []
        cosines = self._unit([hit.document for hit in hits]) @ vector
        exact = [
            Hit(float(cosine), hit.id, hit.document, hit.source, hit.key, "cosine")
            for hit, cosine in zip(hits, cosines, strict=True)
        ]
        return sorted(exact, key=lambda hit: (-hit.score, hit.id))

    def _unit(self, documents: list[Any]) -> Scores:
        vectors = self.encoder.vectors(documents)
        return np.asarray(vectors / _positive(np.linalg.norm(vectors, axis=1))[:, None], dtype=np.float32)

    def _near(self, vector: Scores, estimate: Any, first: int) -> Iterator[tuple[npt.NDArray[np.int64], Scores]]:
        arrays = {name: self._store.rows(name) for name in columns(self.encoder.dim)}
        alive = self._store.alive()
        rows = np.arange(len(arrays["codes"])) if alive is None else np.flatnonzero(alive)
        return by_nearness(self._bits, arrays, rows, vector, estimate, max(FIRST, first))

    def _hit(self, score: float, number: int, measure: Measure) -> Hit:
        key, text, source = self._store.entry(number)
        return Hit(score, number, parsed(text), source or "", key, measure)

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
        if hit.measure == "cosine":
            reasons = list(self._cosine_reasons(query, hit.document))
        else:
            missing: Missing = "ignore" if hit.measure == "coverage" else "count"
            reasons = Question(query, self.encoder, missing, self._values).reasons(hit.document)
        return sorted(reasons, key=lambda reason: -reason.share)

    def _cosine_reasons(self, query: Any, document: Any) -> Iterator[Reason]:
        found = Matcher(query, self._values, self.encoder.layout).reasons(document)
        met = {(any_position(path), _typed(reason.query)): reason.match for path, reason in found}
        target = self._unit([document])[0]
        leaves, vectors = self.encoder.leaf_vectors(query)
        length = np.linalg.norm(vectors.sum(axis=0))
        for (path, value), share in zip(leaves, vectors @ target / length, strict=True):
            match = met.get((any_position(path), _typed(plain(value))), ABSENT)
            yield Reason(show_path(path), plain(value), match, float(share))


def _unsaved(encoder: JSONEncoder) -> tuple[StringEncoder | None, str, str]:
    """Return what a saved encoder does not say of itself."""
    return encoder.string_encoder, encoder.backend, encoder.device


def _new_store(path: str | os.PathLike[str] | None, encoder: JSONEncoder, key: str | None) -> Store:
    encoder.check()
    if key is not None:
        parse_path(key)
    return Store.create(path, JSONIndex.KIND, columns(encoder.dim), {"encoder": encoder.to_json(), "key": key})


def _positive(lengths: Scores) -> Scores:
    """Return lengths to divide by: a vector of zeros stays one."""
    return np.where(lengths > 0, lengths, np.float32(1))


def _typed(value: Any) -> Any:
    """Return a key that tells values of different JSON types apart."""
    return isinstance(value, bool), json.dumps(value) if isinstance(value, dict | list) else value

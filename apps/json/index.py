"""Store documents with their vectors, find those that hold what a query asks for, and say why."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from hdc import files
from hdc.apps.json.embedding import StringEncoder
from hdc.apps.json.encoder import Floats, JSONEncoder
from hdc.apps.json.matching import ABSENT, Matcher, Reason, plain
from hdc.apps.json.paths import show_path
from hdc.apps.json.profile import any_position
from hdc.apps.json.reading import Record
from hdc.errors import FileFormatError, ParameterError

KIND = "json-index"

CANDIDATES = 200
"""Documents, the nearest by vector, whose exact score is computed (or 4 k, if that is more)."""

COMPARISONS = 2000
"""Beyond so many leaves of the query times candidates, fewer candidates are taken, down to 50: the signal of
a long query stands further above the noise of the vectors, and the exact comparison costs more."""


@dataclass(frozen=True)
class Hit:
    """A document that was found.

    Attributes
    ----------
    score : float
        For ``"coverage"`` the part of the query that the document holds, 0 … 1; for ``"cosine"`` the cosine
        of the two vectors.
    id : int
        Position in the index.
    document : JSON value
    source : str
        Where it was read, as ``file:line``; empty if it did not come from a file.
    measure : {"coverage", "cosine"}
    """

    score: float
    id: int
    document: Any
    source: str
    measure: Literal["coverage", "cosine"]


class JSONIndex:
    """Documents, their vectors, and search with reasons.

    Parameters
    ----------
    encoder : JSONEncoder
        Fitted or not; the index keeps its state and must be built anew to change it.
    """

    def __init__(self, encoder: JSONEncoder) -> None:
        self.encoder = JSONEncoder.from_json(encoder.to_json(), encoder.string_encoder)
        self._texts: list[bytes] = []
        self._sources: list[str] = []
        self._vectors: list[Floats] = []
        self._norms: list[npt.NDArray[np.float64]] = []

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, documents: Iterable[Any]) -> Self:
        """Add documents, all or, if one is no JSON, none.

        Parameters
        ----------
        documents : iterable of JSON values or of :class:`Record`

        Raises
        ------
        ParameterError
            If a document is no JSON.
        """
        texts: list[bytes] = []
        sources: list[str] = []
        vectors, norms = [], []
        for part, scale in self.encoder.encode(_recorded(documents, texts, sources)):
            vectors.append(part)
            norms.append(scale)
        self._texts += texts
        self._sources += sources
        self._vectors += vectors
        self._norms += norms
        return self

    def document(self, number: int) -> Any:
        """Return a stored document.

        Raises
        ------
        ParameterError
            If there is none of that number.
        """
        if not 0 <= number < len(self):
            held = f"the index holds 0 to {len(self) - 1}" if len(self) else "the index is empty"
            raise ParameterError(f"there is no document {number}; {held}")
        return json.loads(self._texts[number])

    # ------------------------------------------------------------------ search

    def search(self, query: Any, k: int = 10) -> list[Hit]:
        """Find the documents that hold most of what a (partial) document asks for.

        The score is the part of the query's weight that the document holds: 1.0 if everything asked for is
        there. What the query does not mention does not count, so neither does a document's size. The vectors
        choose the candidates; the documents themselves decide (see :mod:`hdc.apps.json.matching`).

        Parameters
        ----------
        query : JSON value
        k : int
            At least 1.

        Returns
        -------
        list of at most k hits, best first; equal scores by vector similarity, then by id

        Raises
        ------
        ParameterError
            If the query is no JSON or asks for nothing, or k is below 1.
        """
        if isinstance(query, dict | list) and not query:
            raise ParameterError('the query is empty: name at least one field, such as {"name": "Ada"}')
        vector = self.encoder.vectors([query])[0]
        nearness = (self._matrix() @ vector) * self._scales()
        matcher = self._matcher(query)
        candidates = max(4 * _checked(k), 50, min(CANDIDATES, COMPARISONS // matcher.leaves))
        found = [(int(number), self.document(int(number))) for number in _top(nearness, candidates)]
        matcher.prepare(document for _, document in found)
        hits = [self._hit(matcher.score(document), number, document, "coverage") for number, document in found]
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def like(self, number: int, k: int = 10) -> list[Hit]:
        """Find the documents nearest to a stored one, by the cosine of their vectors; itself left out.

        Raises
        ------
        ParameterError
            If there is no document of that number, or k is below 1.
        """
        self.document(number)
        vectors = self._matrix()
        lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        cosines = (vectors @ vectors[number]) / (lengths * lengths[number])
        nearest = [int(other) for other in _top(cosines, _checked(k) + 1) if other != number][:k]
        return [self._hit(float(cosines[other]), other, self.document(other), "cosine") for other in nearest]

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
        found = self._matcher(query).reasons(hit.document)
        if hit.measure == "cosine":
            met = {(any_position(path), _typed(reason.query)): reason.match for path, reason in found}
            reasons = list(self._cosine_reasons(query, hit.document, met))
        else:
            reasons = [reason for _, reason in found]
        return sorted(reasons, key=lambda reason: -reason.share)

    def _cosine_reasons(self, query: Any, document: Any, met: dict[Any, Any]) -> Iterator[Reason]:
        target = self.encoder.vectors([document])[0]
        leaves, vectors = self.encoder.leaf_vectors(query)
        lengths = np.linalg.norm(vectors.sum(axis=0)) * np.linalg.norm(target)
        for (path, value), share in zip(leaves, vectors @ target / lengths, strict=True):
            match = met.get((any_position(path), _typed(plain(value))), ABSENT)
            yield Reason(show_path(path), plain(value), match, float(share))

    def _matcher(self, query: Any) -> Matcher:
        return Matcher(query, self.encoder.values, self.encoder.layout)

    def _hit(self, score: float, number: int, document: Any, measure: Literal["coverage", "cosine"]) -> Hit:
        return Hit(score, number, document, self._sources[number], measure)

    def _matrix(self) -> Floats:
        """Return all vectors, joined on first use after an add: ``(n, dim)``."""
        if len(self._vectors) != 1:
            empty = np.empty((0, self.encoder.dim), dtype=np.float32)
            self._vectors = [np.concatenate([empty, *self._vectors])]
        return self._vectors[0]

    def _scales(self) -> npt.NDArray[np.float64]:
        if len(self._norms) != 1:
            self._norms = [np.concatenate([np.empty(0), *self._norms])]
        return self._norms[0]

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one file: written aside and renamed, so an existing one is never damaged.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        arrays: dict[str, npt.NDArray[Any]] = {"vectors": self._matrix(), "norms": self._scales()}
        arrays["texts"], arrays["text_ends"] = _joined(self._texts)
        arrays["sources"], arrays["source_ends"] = _joined([source.encode() for source in self._sources])
        files.save(path, KIND, self.encoder.to_json(), arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], string_encoder: StringEncoder | None = None) -> Self:
        """Read an index that :meth:`save` wrote.

        Parameters
        ----------
        path : path
        string_encoder : callable
            The one that the index's encoder had, if it had one.

        Raises
        ------
        FileFormatError
            If the file is no index, is damaged or of a newer version.
        ParameterError
            If the encoder had a string encoder and none is given, or the other way round.
        OSError
            If it cannot be read.
        """
        meta, arrays = files.load(path, KIND)
        index = cls(JSONEncoder.from_json(meta, string_encoder))
        index._texts = _split(arrays["texts"], arrays["text_ends"])
        index._sources = [source.decode() for source in _split(arrays["sources"], arrays["source_ends"])]
        index._vectors, index._norms = [arrays["vectors"]], [arrays["norms"]]
        if not len(index._texts) == len(index._sources) == len(arrays["vectors"]) == len(arrays["norms"]):
            raise FileFormatError(f"{path} holds parts of different lengths; build it again")
        return index


def _recorded(documents: Iterable[Any], texts: list[bytes], sources: list[str]) -> Iterator[Any]:
    for item in documents:
        document, source = (item.document, item.source) if isinstance(item, Record) else (item, "")
        yield document
        try:
            texts.append(json.dumps(document, separators=(",", ":"), allow_nan=False).encode())
        except ValueError as error:
            raise ParameterError(f"document {len(texts)} cannot be stored: {error}") from None
        sources.append(source)


def _checked(k: int) -> int:
    if k < 1:
        raise ParameterError(f"k must be at least 1, not {k}")
    return k


def _top(scores: npt.NDArray[np.floating[Any]], count: int) -> npt.NDArray[np.int64]:
    """Return the positions of the largest scores, in order; ties by position."""
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        chosen = np.flatnonzero(scores >= least)
    else:
        chosen = np.arange(len(scores))
    return chosen[np.lexsort((chosen, -scores[chosen]))][:count]


def _typed(value: Any) -> Any:
    """Return a key that tells values of different JSON types apart."""
    return isinstance(value, bool), json.dumps(value) if isinstance(value, dict | list) else value


def _joined(parts: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    return np.frombuffer(b"".join(parts), dtype=np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64)


def _split(content: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> list[bytes]:
    whole, stops = content.tobytes(), ends.tolist()
    return [whole[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]

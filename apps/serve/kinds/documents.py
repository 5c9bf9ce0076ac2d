"""Indexes of JSON documents."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import orjson

from hdc.apps.json import Hit, Reason
from hdc.apps.json.document.paths import parse_path
from hdc.apps.json.index.hits import read_together
from hdc.apps.json.index.rows import key_of
from hdc.apps.serve import models
from hdc.apps.serve.answers import unprocessable
from hdc.apps.serve.conditions import Given, conditions_of
from hdc.apps.serve.kinds.kind import Kind, Name, Queries, Result
from hdc.apps.serve.projection.region import leaves
from hdc.errors import ParameterError
from hdc.search.measures import Ids

EXAMPLES = 200
"""Documents that a prediction of what can be decoded is made for."""

MOST_PATHS = 400
"""Paths that the page of fields describes."""

LEAVES, WORDS = 3, 40
"""Values of a document, and letters of each, that are searched for at the start."""

UNKNOWN = "q" * 9
"""What no document has; it is long enough that words are compared with it which differ by two letters."""


class Documents(Kind):
    """A :class:`~hdc.apps.json.JSONIndex`."""

    NAME: ClassVar[Name] = "json"
    SINGLE = ("query", "words")
    SEVERAL = ("queries",)
    IGNORED = ("options", "bitorder")

    def asked(self, name: str, values: list[Any], body: models.Found) -> Queries:
        """Return queries; words are asked of any field."""
        return [{"*": value} for value in values] if name == "words" else values

    def search(self, queries: Queries, found: models.Found) -> list[Result]:
        """Return a result for each query, with notes."""
        several = self.index.search_many(
            queries,
            found.k,
            where=conditions_of(found.where),
            missing=found.missing,
            among=found.among,
            weights=found.weights,
        )
        return [
            {"hits": self._said(query, own, found), "notes": list(own.notes)}
            for query, own in zip(queries, several, strict=True)
        ]

    def like(self, number: int, found: models.Like) -> Result:
        """Return the documents nearest to one."""
        for name in models.given(found, "missing", "weights"):
            raise unprocessable(f"{name} is for searches with a query")
        own = self.index.like(number, found.k, where=conditions_of(found.where), among=found.among)
        return {"hits": self._said(self.index.document(number) if found.explain else None, own, found)}

    def _said(self, query: Any, own: Sequence[Hit], found: models.Found) -> list[dict[str, Any]]:
        read_together(own)
        explained = self.index.explain(query, own, weights=found.weights) if found.explain else [None] * len(own)
        return [self._hit(hit, reasons, found.documents) for hit, reasons in zip(own, explained, strict=True)]

    def _hit(self, hit: Hit, reasons: Sequence[Reason] | None, documents: bool) -> dict[str, Any]:
        """Return what :meth:`Hit.to_dict` does, with the document as the text that the index has of it."""
        entry: dict[str, Any] = {"score": hit.score, "id": hit.id, "source": hit.source, "measure": hit.measure}
        if hit.key is not None:
            entry["key"] = hit.key
        if reasons is not None:
            entry["reasons"] = [reason.to_dict() for reason in reasons]
        if documents:
            entry["document"] = orjson.Fragment(hit.text)
        return entry

    def how(self, found: models.Found) -> tuple[bool, dict[str, Any]]:
        """Return that searches by query are exact; those for what is like a document compare the likely ones."""
        return not isinstance(found, models.Like), {}

    def explain(self, body: models.Explain) -> dict[str, Any]:
        """Return score and reasons of one document for a query."""
        if len(models.given(body, "query", "words")) != 1:
            raise unprocessable("send exactly one of query and words")
        query, number = body.query if body.words is None else {"*": body.words}, self.number_of(body)
        own = self.index.search(query, 1, missing=body.missing, among=[number], weights=body.weights)
        explained = self.index.explain(query, own, weights=body.weights)
        reasons = [reason.to_dict() for reasons in explained for reason in reasons]
        return {"id": number, "score": own[0].score if own else 0.0, "reasons": reasons, "notes": list(own.notes)}

    def decode(self, body: models.Decode) -> list[dict[str, Any]]:
        """Return what the vector of a document says of a path."""
        if "query" in body.model_fields_set:
            if body.id is not None or body.key is not None:
                raise unprocessable("send exactly one of id, key and query")
            vector = self.index.encoder.vectors([body.query])[0]
        else:
            vector = self.index.vectors([self.number_of(body)])[0]
        return [value._asdict() for value in self.index.encoder.decode(vector, body.path, body.k)]

    def capacity(self) -> dict[str, Any]:
        """Return how well values can be decoded, predicted for the first documents."""
        numbers = itertools.islice(self.index.ids().tolist(), EXAMPLES)
        found: dict[str, Any] = self.index.encoder.capacity(map(self.index.document, numbers)).to_json()
        return found

    # ------------------------------------------------------------------ rows

    def filtered(self, where: Given) -> Ids:
        """Return the ids of documents that pass."""
        conditions = conditions_of(where)
        ids: Ids = self.index.ids() if conditions is None else self.index.filter(conditions)
        return ids

    def rows(self, ids: Sequence[int], documents: bool) -> list[dict[str, Any]]:
        """Return documents with keys and sources."""
        snapshot = self.index.store.snapshot
        positions = snapshot.positions(ids)
        entries = super().rows(ids, documents)
        entries = [{**e, "source": s or ""} for e, s in zip(entries, snapshot.sources(positions), strict=True)]
        if documents:
            texts = self.index.texts(ids)
            entries = [{**e, "document": orjson.Fragment(t)} for e, t in zip(entries, texts, strict=True)]
        return entries

    def key_of(self, document: Any) -> str:
        """Return the key of a document; ParameterError if it has none."""
        return key_of(document, parse_path(self.index.key))

    def info(self) -> dict[str, Any]:
        """Return dimension and key of the encoder."""
        encoder = self.index.encoder
        return {"dim": encoder.dim, "key": self.index.key, "fitted": bool(encoder.profile_.documents)}

    def prepare(self) -> None:
        """Make postings."""
        self.index.prepare()

    def warm(self) -> None:
        """Search as people do: by words that are there, and by one that is looked up as if it were misspelled."""
        super().warm()
        for number in self.index.ids()[:1].tolist():
            texts = [str(value)[:WORDS] for _, value in itertools.islice(leaves(self.index.document(number)), LEAVES)]
            for text in (*texts, UNKNOWN):
                with contextlib.suppress(ParameterError):  # a text without words
                    self.search([{"*": text}], models.Search(k=1, explain=True))

    def counted(self) -> Iterator[None]:
        """Count the values of each path that the page of fields describes."""
        for path in self.index.paths()[:MOST_PATHS]:
            yield
            self.index.facets([path])

    def add(self, body: models.Write) -> Ids:
        """Add documents."""
        if body.documents is None or body.vectors is not None or body.codes is not None or body.keys is not None:
            raise unprocessable("to an index of documents you add documents; their keys are in a field")
        if body.bitorder is not None:
            raise unprocessable("bitorder is for indexes of codes")
        ids = list(self.index.extend(body.documents, replace=body.replace))
        return np.concatenate([np.empty(0, np.int64), *ids])

"""Searches by vectors: for documents like another one, and where a string encoder likens any two strings."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hdc.apps.json.index.candidates import FIRST, Asked, by_nearness
from hdc.apps.json.index.cosines import cosines, unit
from hdc.apps.json.index.documents import Documents
from hdc.apps.json.index.hits import Hit, Hits, Measure, hits_of
from hdc.apps.json.index.meaning import Meaning
from hdc.apps.json.index.query import DEVIATIONS, Best, Missing, Question
from hdc.apps.json.index.rows import LENGTH
from hdc.apps.json.index.where import Filter
from hdc.search.engine import Search
from hdc.search.measures import Floats

COMPARED, COMPARED_PER_HIT = 40, 4
"""Documents, the likely ones by their sign bits, whose cosines are computed: so many, or so many for each hit."""

STEP = 50
"""Documents that are compared before asking whether that is enough."""


@dataclass(frozen=True, eq=False)
class VectorSearch:
    """A search of all rows that was begun, and what they mean."""

    search: Search
    meaning: Meaning
    documents: Documents

    def found(self, query: Any, k: int, accept: Filter | None, missing: Missing) -> Hits:
        """Return the hits of a query; see :meth:`JSONIndex.search`."""
        snapshot, texts = self.search.prepared.snapshot, self.meaning.texts
        question = Question(query, self.meaning.encoder, missing, self.meaning.values)
        best = Best(k, question.least)
        first = max(FIRST, 4 * max(k, question.least))
        for rows, estimates in by_nearness(self.search, Asked(question.vector, question.estimate), first):
            likely = estimates + np.float32(DEVIATIONS) * question.deviation(snapshot.take("scales", rows))
            numbers = snapshot.ids[rows].tolist()
            for start in range(0, len(rows), STEP):
                if best.enough(float(likely[start : start + STEP].max())):
                    break
                documents = self.documents.read(snapshot, texts, rows[start : start + STEP])
                tried = zip(documents, numbers[start : start + STEP], strict=True)
                passed = [pair for pair in tried if not accept or accept(pair[0])]
                question.prepare([document for document, _ in passed])
                best.add([(question.score(document), number) for document, number in passed], len(documents))
            else:
                continue
            break
        scored = [(score, number) for score, number in best if score > 0]
        positions = snapshot.positions([number for _, number in scored]) if scored else np.empty(0, np.int64)
        measure: Measure = "coverage" if missing == "ignore" else "overlap"
        return Hits(hits_of(snapshot, texts, [score for score, _ in scored], positions, measure))

    def like(self, own: int, k: int, accept: Filter | None) -> list[Hit]:
        """Return the documents nearest to that of a position, by cosine; see :meth:`JSONIndex.like`."""
        snapshot, texts, encoder = self.search.prepared.snapshot, self.meaning.texts, self.meaning.encoder
        (document,) = self.documents.read(snapshot, texts, np.array([own]))
        chosen: list[int] = []
        wanted = k if self.meaning.vectors == "float16" else max(COMPARED, COMPARED_PER_HIT * k)
        (vector,) = unit(encoder, [document])
        asked = Asked(vector, _cosines)
        for rows, _ in by_nearness(self.search, asked, max(FIRST, 4 * k)):
            others = rows[rows != own]
            for start in range(0, len(others), STEP):
                if len(chosen) >= wanted:
                    break
                part = others[start : start + STEP]
                read = self.documents.read(snapshot, texts, part) if accept is not None else part
                chosen += [row for row, one in zip(part.tolist(), read, strict=True) if accept is None or accept(one)]
            if len(chosen) >= wanted:
                break
        positions = np.array(chosen[:wanted], np.int64)
        scores = cosines(encoder, vector, self.documents.read(snapshot, texts, positions))
        order = np.lexsort((snapshot.ids[positions], -scores))[:k]
        return hits_of(snapshot, texts, scores[order].tolist(), positions[order], "cosine")


def _cosines(dots: Floats, scales: Floats) -> Floats:
    lengths = scales[:, LENGTH]
    return np.asarray(dots / np.where(lengths > 0, lengths, np.float32(1)), np.float32)

"""Search by postings: compile the query, filter the documents, and return the best."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.rules import Layout, Weights
from hdc.apps.json.index.anywhere import AnywhereQuery, asked_of
from hdc.apps.json.index.cosines import cosines, unit
from hdc.apps.json.index.documents import Documents, parsed
from hdc.apps.json.index.facets import Counting
from hdc.apps.json.index.hits import Hit, Hits, Measure, hits_of
from hdc.apps.json.index.interpreting import Interpretation, interpreted
from hdc.apps.json.index.leaf_lists import Places
from hdc.apps.json.index.likening import with_likenesses
from hdc.apps.json.index.matcher import mass_of
from hdc.apps.json.index.meaning import TAKEN, Meaning
from hdc.apps.json.index.narrowing import narrowed
from hdc.apps.json.index.nearest import Nearest
from hdc.apps.json.index.spelling import Spelling
from hdc.apps.json.index.term_query import TermQuery
from hdc.apps.json.index.where import Filter
from hdc.errors import ParameterError
from hdc.search.live import Mask
from hdc.search.measures import Ids
from hdc.search.postings.searcher import PostingRows
from hdc.search.searcher import Prepared

Missing: TypeAlias = Literal["ignore", "count"]

MISSING: tuple[Missing, ...] = ("ignore", "count")
"""Whether content of a document beyond the query lowers its score."""

COMPARED, COMPARED_PER_HIT = 64, 4
"""Fewest documents, and documents per hit, to compare with a whole document: those that share most with it."""

NEAR, NEAR_PER_HIT = 40, 4
"""Fewest documents, and documents per hit, to compute cosines with: the most likely ones by their signs."""

WIDER = 8
"""Factor by which more documents are fetched if too few passed."""

Doubles = npt.NDArray[np.float64]

Best: TypeAlias = Callable[[int, Ids | None], tuple[npt.NDArray[Any], Ids]]
"""Function that returns scores, descending, and positions of a limited number of rows, of all or of some."""


class Asking(NamedTuple):
    """Parameters of a search, independent of the query.

    Attributes
    ----------
    k : int
    accept : Filter or None
    missing : {"ignore", "count"}
    allowed : (m,) int64 array or None
        Positions that may be found, ascending; None for all.
    weights : mapping of path to number, or None
    """

    k: int
    accept: Filter | None = None
    missing: Missing = "ignore"
    allowed: Ids | None = None
    weights: Weights = None


@dataclass(frozen=True, eq=False)
class PostingSearch:
    """A snapshot prepared for search by postings, with the meaning of its rows."""

    rows: PostingRows
    meaning: Meaning
    documents: Documents

    @cached_property
    def spelling(self) -> Spelling:
        """The words of the documents, with a cache."""
        known = self.rows.memo.get("spelling")
        if known is None:
            known = self.rows.memo["spelling"] = Spelling(self.rows.segments, self.rows.kernels)
        return cast(Spelling, known)

    @property
    def counting(self) -> Counting:
        """Statistics of the documents per path, with a cache."""
        known = self.rows.memo.get("counting")
        if known is None:
            known = self.rows.memo["counting"] = Counting(self.rows, self.meaning)
        return cast(Counting, known)

    def _places(self, weights: Weights) -> Places:
        """Return the lists for leaves, cached if weights are those of the index."""
        places = self.rows.memo.get("places")
        if places is None or weights is not None:
            known = frozenset().union(*(segment.names.members for segment in self.rows.segments))
            places = Places(self.meaning.values, self.meaning.weighed(weights), self.spelling, known)
            if weights is None:
                self.rows.memo["places"] = places
        return cast(Places, places)

    def interpreted(self, query: Any, layout: Layout) -> Interpretation:
        """Return the interpretation of a query; see :meth:`JSONIndex.interpret`."""
        return interpreted(query, self.rows, self.meaning.values, layout)

    def found(self, query: Any, asking: Asking) -> Hits:
        """Return the hits of a query; see :meth:`JSONIndex.search`."""
        if isinstance(query, dict | list) and not query:
            raise ParameterError('the query is empty: name at least one field, such as {"name": "Ada"}')
        overlap = asking.missing == "count"
        counted = overlap and asking.weights is None  # else what documents weigh is not what the index says
        places, notes = self._places(asking.weights), tuple[str, ...]()
        plain = TermQuery(query, places, counted)
        asked: TermQuery | AnywhereQuery = plain
        if plain.known:
            plain.check()
        else:
            query, notes = self.interpreted(query, places.layout)
            asked = asked_of(query, self.rows, places, counted, self.spelling)
        allowed, passes = self._allowed(asking)
        rows = self._with_likenesses(asked)
        if overlap and not counted:
            scores, positions = self._recounted(rows, asked, places.layout, asking.k, allowed, passes)
        else:
            scores, positions = self._passing(partial(rows.best, asked), asking.k, allowed, passes)
        measure: Measure = "overlap" if overlap else "coverage"
        return Hits(hits_of(self.rows.snapshot, self.meaning.texts, scores.tolist(), positions, measure), notes)

    def _with_likenesses(self, asked: TermQuery | AnywhereQuery) -> PostingRows:
        """Return the rows, with similarities of strings if there is a string encoder."""
        terms = asked.base if isinstance(asked, AnywhereQuery) else asked
        if self.meaning.encoder.string_encoder is None or terms is None or not terms.likened:
            return self.rows
        return with_likenesses(self.rows, terms.likened, terms.columns(), self.meaning.values)

    def like(self, own: int, asking: Asking, signs: Prepared | None) -> list[Hit]:
        """Return the documents nearest to the one at a position, by cosine; see :meth:`JSONIndex.like`.

        Only likely documents are compared: by the signs of their vectors, or otherwise by what they share.
        """
        document = self._read(own)
        (vector,) = unit(self.meaning.encoder, [document])
        allowed, passes = self._allowed(asking)
        if signs is None:
            wanted = max(COMPARED, COMPARED_PER_HIT * asking.k)
            terms = TermQuery(document, Places(self.meaning.values, self.meaning.layout), overlap=True).check()
            best: Best = partial(self._with_likenesses(terms).best, terms)
        else:
            best = Nearest(signs, vector).best
            wanted = asking.k if self.meaning.vectors == "float16" else max(NEAR, NEAR_PER_HIT * asking.k)
        _, positions = self._passing(best, wanted + 1, allowed, passes)
        positions = positions[positions != own][:wanted]
        snapshot, texts = self.rows.snapshot, self.meaning.texts
        scores = cosines(self.meaning.encoder, vector, self.documents.read(snapshot, texts, positions))
        order = np.lexsort((snapshot.ids[positions], -scores))[: asking.k]
        return hits_of(snapshot, texts, scores[order].tolist(), positions[order], "cosine")

    # ------------------------------------------------------------------ which rows

    def _read(self, position: int) -> Any:
        return self.documents.read(self.rows.snapshot, self.meaning.texts, np.array([position]))[0]

    def passing(self, accept: Filter) -> Ids:
        """Return the positions of the rows that pass a filter, ascending."""
        mask, left = self._narrowed(accept)
        found = np.flatnonzero(mask)
        if left is None:
            return found
        texts, passed = self.meaning.texts, list[bool]()
        for start in range(0, len(found), TAKEN):
            rows = self.rows.snapshot.documents(found[start : start + TAKEN])
            passed += [bool(left(parsed(text, texts))) for text in rows]
        kept: Ids = found[np.array(passed, bool)]
        return kept

    def _narrowed(self, accept: Filter) -> tuple[Mask, Filter | None]:
        """Return the rows that may pass a filter, and the part of it that must still be checked."""
        return narrowed(self.rows, accept, self.meaning.layout, "numbers" in self.meaning.encoder.convert)

    def _allowed(self, asking: Asking) -> tuple[Ids | None, Callable[[int], bool] | None]:
        """Return the allowed positions, None for all, and a function that checks one, None if all pass."""
        if asking.accept is None:
            return asking.allowed, None
        mask, accept = self._narrowed(asking.accept)
        allowed = np.flatnonzero(mask) if asking.allowed is None else asking.allowed[mask[asking.allowed]]
        return allowed, None if accept is None else lambda position: accept(self._read(position))

    def _passing(
        self, best: Best, k: int, allowed: Ids | None, passes: Callable[[int], bool] | None
    ) -> tuple[npt.NDArray[Any], Ids]:
        """Return scores and positions of the best k rows that pass, fetching more until there are enough."""
        wider = k = min(k, max(1, self.rows.snapshot.count))
        while True:
            scores, positions = best(wider, allowed)
            if passes is None:
                return scores, positions
            passed = [bool(passes(position)) for position in positions.tolist()]
            if sum(passed) >= k or len(scores) < wider:
                return scores[passed][:k], positions[passed][:k]
            wider *= WIDER

    def _recounted(
        self,
        rows: PostingRows,
        asked: TermQuery | AnywhereQuery,
        layout: Layout,
        k: int,
        allowed: Ids | None,
        passes: Callable[[int], bool] | None,
    ) -> tuple[Doubles, Ids]:
        """Return the best k rows including content beyond the query, with weights other than the index's.

        That lowers scores, so more rows are fetched until no other row can be among the best.
        """
        wider = max(COMPARED, COMPARED_PER_HIT * k)
        while True:
            most, positions = self._passing(partial(rows.best, asked), wider, allowed, passes)
            values = self.meaning.values
            held = np.array(
                [mass_of(self._read(position), values, layout) for position in positions.tolist()], np.float64
            )
            scores = np.asarray(most / (1 + np.maximum(0.0, held / asked.asked - most)))
            order = np.lexsort((self.rows.snapshot.ids[positions], -scores))[:k]
            if len(most) < wider or (len(order) == k and scores[order[-1]] > most[-1]):
                return scores[order], positions[order]
            wider *= WIDER

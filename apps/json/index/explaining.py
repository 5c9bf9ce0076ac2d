"""Explain the scores of hits by the leaves of a query, which is taken apart once for all hits."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.paths import Path, any_position, show_path
from hdc.apps.json.document.rules import Weights
from hdc.apps.json.document.structure import ARRAY, leaf_value
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.anywhere import ANY, Word, divided, found_by, is_empty, words_in
from hdc.apps.json.index.compiled_query import ABSENT
from hdc.apps.json.index.cosines import unit
from hdc.apps.json.index.hits import Hit, read_together
from hdc.apps.json.index.matcher import Matcher, Reason, Reasons, mass_of
from hdc.apps.json.index.posting_search import PostingSearch
from hdc.apps.json.values.values import Values


class Explainer:
    """Explains hits of one query on one state of an index.

    Parameters
    ----------
    search : PostingSearch
    query : JSON value
        The query of the search, as :func:`~hdc.apps.json.document.given.taken` returns it.
    weights : mapping of path to number, or None
        Weights of the search.

    Raises
    ------
    ParameterError
        If a path or weight is invalid, or the query asks for nothing; when the first hit is explained.
    """

    def __init__(self, search: PostingSearch, query: Any, weights: Weights) -> None:
        self._search, self._query, self._weights = search, query, weights

    def reasons(self, hits: Sequence[Hit]) -> list[Reasons]:
        """Return the reasons for the score of each hit, the largest share first."""
        read_together(hits)
        self._search.meaning.values.prepare([self._query, *(hit.document for hit in hits)])
        return [Reasons(sorted(self._of(hit), key=lambda reason: -reason.share)) for hit in hits]

    def _of(self, hit: Hit) -> Iterable[Reason]:
        if hit.measure == "cosine":
            return self._cosine.reasons(hit.document)
        return self._match.reasons(hit.document, hit.measure == "overlap")

    @cached_property
    def _cosine(self) -> "_Cosine":
        meaning = self._search.meaning
        return _Cosine(self._query, meaning.encoder, meaning.values)

    @cached_property
    def _match(self) -> "_Match":
        return _Match(self._search, self._query, self._weights)


class _Match:
    """Compares a query, at paths and for any field, with documents."""

    def __init__(self, search: PostingSearch, query: Any, weights: Weights) -> None:
        self._values, self._layout = search.meaning.values, search.meaning.weighed(weights)
        rest, asked = divided(search.interpreted(query, self._layout).query, search.rows)
        self._words = words_in(asked, search.rows, self._values, self._layout, search.spelling)
        self._matcher = None if is_empty(rest) else Matcher(rest, self._values, self._layout, search.spelling)
        self._asked = sum(word.weight for word in self._words)
        if self._matcher is not None:
            self._asked += self._matcher.asked

    def reasons(self, document: Any, overlap: bool) -> list[Reason]:
        """Return the reasons for a score; their shares sum to it."""
        found, whole = _word_reasons(document, self._words, self._values), self._asked
        if (matcher := self._matcher) is not None:
            found += [reason._replace(share=reason.share * matcher.asked) for _, reason in matcher.reasons(document)]
        if overlap:
            whole += max(0.0, mass_of(document, self._values, self._layout) - sum(reason.share for reason in found))
        return [reason._replace(share=reason.share / whole) for reason in found]


def _word_reasons(document: Any, words: Sequence[Word], values: Values) -> list[Reason]:
    """Return where a document has words; a word's weight is divided equally among its paths."""
    places: list[dict[str, Any]] = [{} for _ in words]
    for path, value in _leaves(document, ()) if words else ():
        terms, number = found_by(values, path, value)
        for place, word in zip(places, words, strict=True):
            if word.is_in(path, terms, number):
                place.setdefault(show_path(path), plain(value))
    reasons = []
    for place, word in zip(places, words, strict=True):
        reasons += [Reason(path, word.text, value, word.weight / len(place)) for path, value in place.items()]
        if not place and not word.whole:
            reasons.append(Reason(show_path((*word.beneath, ANY)), word.text, ABSENT, 0.0))
    return reasons


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the path, without positions, and the value of each leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, ARRAY) and value:
        for item in value:
            yield from _leaves(item, (*path, None))
    else:
        yield path, leaf_value(value, path)


class _Cosine:
    """Shares of the leaves of a document in its cosine with others."""

    def __init__(self, query: Any, encoder: JSONEncoder, values: Values) -> None:
        self._encoder, self._matcher = encoder, Matcher(query, values, encoder.layout)
        self._leaves, self._vectors = encoder.leaf_vectors(query)
        self._length = np.linalg.norm(self._vectors.sum(axis=0))

    def reasons(self, document: Any) -> Iterator[Reason]:
        """Yield the share of each leaf."""
        met = {
            (any_position(path), _typed(reason.query)): reason.match for path, reason in self._matcher.reasons(document)
        }
        shares = self._vectors @ unit(self._encoder, [document])[0] / self._length
        for (path, value), share in zip(self._leaves, shares, strict=True):
            match = met.get((any_position(path), _typed(plain(value))), ABSENT)
            yield Reason(show_path(path), plain(value), match, float(share))


def _typed(value: Any) -> Any:
    """Return a key that differs for values of different JSON types."""
    return isinstance(value, bool), json.dumps(value) if isinstance(value, dict | list) else value

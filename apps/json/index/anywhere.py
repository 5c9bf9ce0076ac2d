"""Search words in any field: ``{"*": "red shoes"}``, or below a path: ``{"author": {"*": "Ada"}}``."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from hdc.apps.json.document.paths import Path, parse_path, show_path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.document.structure import ARRAY
from hdc.apps.json.index.leaf_lists import EXTRA, Places, packed_list
from hdc.apps.json.index.narrowing import columns_at, is_beneath
from hdc.apps.json.index.spelling import Spelling
from hdc.apps.json.index.taking import exact_number
from hdc.apps.json.index.term_query import NO_EXTRA, NO_STARTS, WHOLE, TermQuery
from hdc.apps.json.values.numbers import CELLS, NUMBER
from hdc.apps.json.values.parts import term_hash
from hdc.apps.json.values.statistics import FLOOR
from hdc.apps.json.values.strings import words_of
from hdc.apps.json.values.values import Values
from hdc.checks import shown
from hdc.errors import ParameterError
from hdc.kernels import POSTING_GROUP, POSTING_LIST, PostingQuery
from hdc.search.postings.searcher import PostingRows
from hdc.search.postings.segment import Marks, Segment, of_items

ANY = "*"
"""The key for any field, unless a document has this key itself."""

AS_A_WHOLE = 0.05
"""Share of the weight of several words that goes to a field equal to all of them."""


_NUMERAL = re.compile(r"-?(?:0|[1-9][0-9]{0,400})(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,4})?")


class Word(NamedTuple):
    """A word, or several words as a whole, to find in every field below a path.

    Attributes
    ----------
    text : str
    beneath : Path
    terms : frozenset of int
        Terms that match the word.
    numbers : frozenset of float
        Numbers that match the word.
    documents : list of arrays
        The documents of each segment that have it, ascending.
    weight : float
    whole : bool
        Whether it is the whole text of the query.
    """

    text: str
    beneath: Path
    terms: frozenset[int]
    numbers: frozenset[float]
    documents: list[Marks]
    weight: float
    whole: bool = False

    def is_in(self, path: Path, terms: frozenset[int], number: float | None) -> bool:
        """Return whether a leaf has the word."""
        return path[: len(self.beneath)] == self.beneath and (
            number in self.numbers or not terms.isdisjoint(self.terms)
        )


def divided(query: Any, rows: PostingRows) -> tuple[Any, list[tuple[Path, str | int | float]]]:
    """Split a query into the part at paths and the words for any field, with the path that they are below.

    The first part is an empty object if there is nothing at paths.

    Raises
    ------
    ParameterError
        If a word is not a text or number, or is below an array.
    """
    asked: list[tuple[Path, str | int | float]] = []

    def left(query: Any, path: Path) -> Any:
        if isinstance(query, dict) and query:
            kept = {}
            for key, item in query.items():
                if key == ANY and not _has(rows, (*path, ANY)):
                    asked.extend((path, text) for text in _texts(item, path))
                elif not is_empty(rest := left(item, (*path, key))) or is_empty(item):
                    kept[key] = rest
            return kept
        if isinstance(query, ARRAY):
            return [left(item, (*path, None)) for item in query]
        return query

    return left(query, ()), asked


def is_empty(value: Any) -> bool:
    """Return whether a value is an object without keys."""
    return isinstance(value, dict) and not value


def _texts(given: Any, path: Path) -> list[str | int | float]:
    if None in path:
        array = show_path(path[: path.index(None)])
        raise ParameterError(f'"*" cannot stand inside an array; for all of {array} write {{"*": …}} in its place')
    texts = list(given) if isinstance(given, ARRAY) else [given]
    for text in texts:
        if isinstance(text, bool) or not isinstance(text, str | int | float) or text == "":
            raise ParameterError(f'"*" looks for words or a number in any field, not {shown(text)}')
    if not texts:
        raise ParameterError('"*" looks for words in any field, and there is none; give a text or a list of texts')
    return texts


def _has(rows: PostingRows, path: Path) -> bool:
    above = show_path(path)
    return any(is_beneath(text, above) for segment in rows.segments for text in segment.names.texts)


# ---------------------------------------------------------------------- words


def words_in(
    asked: Iterable[tuple[Path, str | int | float]],
    rows: PostingRows,
    values: Values,
    layout: Layout,
    spelling: Spelling | None = None,
) -> list[Word]:
    """Return the words of a query, each weighted by how few documents have it.

    A word that no document has is replaced by words of which it may be a misspelling, with less weight.
    """
    return [word for path, text in asked for word in _words(path, text, rows, values, layout, spelling)]


def _words(
    path: Path,
    given: str | int | float,
    rows: PostingRows,
    values: Values,
    layout: Layout,
    spelling: Spelling | None,
) -> Iterator[Word]:
    factor = layout.weights[path] ** 2
    text = given if isinstance(given, str) else json.dumps(given)
    words = words_of(text)
    look = _Look(path, rows, layout)
    made = []
    for word in words:
        chunks = {word, text, *(chunk for chunk in text.split() if word in words_of(chunk))}
        terms, numbers = _equal(chunks)
        terms |= {term_hash("~", word)}
        documents, likeness = look(terms, numbers), 1.0
        if spelling is not None and not any(map(len, documents)):
            for near, others in spelling.around(word):
                if any(map(len, found := look(others, ()))):
                    terms, documents, likeness = frozenset(others), found, near
                    break
        part = factor * (1 - AS_A_WHOLE) / len(words) * _rarity(documents, rows, values)
        made.append(Word(word, path, terms, numbers, documents, part * likeness))
        if likeness < 1:
            made.append(Word(word, path, frozenset(), frozenset(), look((), ()), part * (1 - likeness), True))
    terms, numbers = _equal([text])
    documents = look(terms, numbers)
    if words:
        weight = sum(word.weight for word in made) * AS_A_WHOLE / (1 - AS_A_WHOLE)
    else:
        weight = factor * _rarity(documents, rows, values)
    yield from made
    yield Word(text, path, terms, numbers, documents, weight, True)


def _equal(texts: Iterable[str]) -> tuple[frozenset[int], frozenset[float]]:
    """Return the terms and numbers of values that equal one of some texts, or a number written so."""
    terms, numbers = set[int](), set[float]()
    for text in texts:
        terms.add(term_hash("=", text))
        if _NUMERAL.fullmatch(text) and (value := json.loads(text)) - value == 0:
            double, exact = exact_number(NUMBER, value)
            terms.update(exact)
            numbers.update(() if exact else (double,))
    return frozenset(terms), frozenset(numbers)


def _rarity(documents: list[Marks], rows: PostingRows, values: Values) -> float:
    """Return the squared weight of a word that some of all documents have."""
    if not values.options.rarity:
        return 1.0
    found = max(1, sum(map(len, documents)))
    return (math.log((1 + max(found, rows.snapshot.count)) / (1 + found)) + FLOOR) ** 2


class _Look:
    """Looks up terms and numbers below a path."""

    def __init__(self, path: Path, rows: PostingRows, layout: Layout) -> None:
        self._rows, self._layout, self._paths = rows, layout, list[Any]()
        self._columns: list[Any] = []
        above = show_path(path)
        for segment in rows.segments:
            if not path:
                self._paths.append(None)
                self._columns.append(None)
                continue
            names = segment.names
            at = [number for number, text in enumerate(names.texts) if is_beneath(text, above)]
            self._paths.append(names.hashes[at])
            texts = [names.texts[number] for number in at]
            columns = [column for text in texts for column in columns_at(parse_path(text), layout) or ()]
            self._columns.append(np.array(columns, np.uint64))

    def __call__(self, terms: Iterable[int], numbers: Iterable[float]) -> list[Marks]:
        """Return the documents of each segment that have any of them."""
        found = []
        for segment, paths, columns in zip(self._rows.segments, self._paths, self._columns, strict=True):
            parts = segment.anywhere(terms, paths)
            parts += [_with_number(segment, number, columns) for number in numbers]
            found.append(segment.union(parts))
        return found


def _with_number(segment: Segment, number: float, columns: Any) -> Marks:
    """Return the documents that have a number, in given columns or, with None, in all."""
    arrays = segment.arrays
    at = np.flatnonzero(arrays.number_value == number)
    column = arrays.columns[np.searchsorted(arrays.column_starts, at, "right") - 1]
    if columns is not None:
        kept = np.isin(column, columns)
        at, column = at[kept], column[kept]
    nested = of_items(column)
    spots = arrays.number_spot[at]
    documents: Marks = np.concatenate([spots[~nested], arrays.item_document[spots[nested]]])
    return documents


# ---------------------------------------------------------------------- searching


class AnywhereQuery:
    """A query that is partly for any field.

    Parameters
    ----------
    base : TermQuery, or None
        The part of the query at paths.
    words : sequence of Word
    overlap : bool
        As for :class:`TermQuery`.

    Attributes
    ----------
    base : TermQuery, or None
    asked : float
        Its weight.

    Raises
    ------
    ParameterError
        If the query has no weight.
    """

    def __init__(self, base: TermQuery | None, words: Sequence[Word], overlap: bool) -> None:
        self.base, self._words, self._overlap = base, words, overlap
        weight = sum(word.weight for word in words)
        if base is None and not weight:
            raise ParameterError("the query asks for nothing that weighs anything: all its paths have weight 0")
        self._unit = WHOLE / weight if base is None else base.unit
        self.asked = weight + (0.0 if base is None else WHOLE / base.unit)

    def of(self, segments: Sequence[Segment]) -> PostingQuery:
        """Return the query for segments."""
        base = self._nothing() if self.base is None else self.base.of(segments)
        known = (len(base.extra_starts) - 1) // max(1, len(segments))
        parts = np.split(base.extra, base.extra_starts[1:-1]) if known else []
        extra: list[Marks] = []
        for number in range(len(segments)):
            extra += parts[number * known : (number + 1) * known]
            extra += [word.documents[number] for word in self._words]
        records = [packed_list(EXTRA, known + at, 0, 0, 2, word.weight) for at, word in enumerate(self._words)]
        groups = base.groups.copy()
        groups["behind"][-1] += len(records)
        return base._replace(
            lists=np.concatenate([base.lists, np.frombuffer(b"".join(records), POSTING_LIST)]),
            groups=groups,
            extra=np.concatenate([NO_EXTRA, *extra]),
            extra_starts=np.cumsum([0, *map(len, extra)], dtype=np.int64),
        )

    def _nothing(self) -> PostingQuery:
        none, group = np.empty(0, POSTING_LIST), np.zeros(1, POSTING_GROUP)
        return PostingQuery(none, group, NO_EXTRA, NO_STARTS, CELLS, self._overlap, 0.0, self._unit, self._unit)


def asked_of(
    query: Any,
    rows: PostingRows,
    places: Places,
    overlap: bool,
    spelling: Spelling | None = None,
) -> "TermQuery | AnywhereQuery":
    """Compile a query for documents.

    Parameters
    ----------
    query, places, overlap
        As for :class:`TermQuery`.
    rows : PostingRows
    spelling : Spelling, optional
        For words that no document has.
    """
    rest, asked = divided(query, rows)
    if not asked:
        return TermQuery(query, places, overlap).check()
    words = words_in(asked, rows, places.values, places.layout, spelling)
    base = None if is_empty(rest) else TermQuery(rest, places, overlap).check()
    return AnywhereQuery(base, words, overlap)


def found_by(values: Values, path: Path, value: Any) -> tuple[frozenset[int], float | None]:
    """Return the terms and the number of a leaf."""
    parts = values.parts(path, value)
    terms = frozenset(term_hash(term.kind, term.contents[0]) for term in parts.terms)
    if parts.number is None:
        return terms, None
    double, exact = exact_number(parts.number.kind, parts.number.value)
    return terms.union(exact), None if exact else double

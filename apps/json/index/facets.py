"""Statistics of the documents per path, from postings: how many have it, its values, and the spread of numbers.

Counts are exact. Postings store texts only as hashes. So the texts counted are those that ``fit`` has seen often and
those of a sample of documents; a frequent text is missed only if neither has it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.constant import Constant, plain
from hdc.apps.json.document.paths import MAX_POSITION, Path, any_position, parse_path, show_path, values_at
from hdc.apps.json.document.structure import ARRAY, CONTAINER, leaf_value
from hdc.apps.json.index.documents import parsed
from hdc.apps.json.index.histogram import Histogram
from hdc.apps.json.index.meaning import Meaning
from hdc.apps.json.index.narrowing import columns_at
from hdc.apps.json.values.numbers import NUMBER, Quantities
from hdc.apps.json.values.parts import column_hash, path_hash, term_hash
from hdc.apps.json.values.tokens import constant_tokens
from hdc.distinct import distinct, firsts
from hdc.search.live import Mask, alive, live
from hdc.search.postings.names import Hashes, Ints, runs
from hdc.search.postings.searcher import PostingRows
from hdc.search.postings.segment import Segment, of_items

SAMPLED = 512
"""Documents, evenly spaced, to read for their values."""

SAMPLED_BYTES = 1 << 23
"""Most bytes of their texts to read."""

CANDIDATES = 2000
"""Values per path to count: the most frequent in the sample."""

LONGEST = 256
"""Most characters of a text to count."""

REMEMBERED = 500
"""Paths whose statistics over all documents are cached."""

MOST_PATHS = 5000
"""Most paths to list."""

READ_AS: dict[Quantities, str] = {"number": "numbers", "date": "dates", "duration": "durations"}
"""What numbers measure, and the conversion that reads texts as such numbers."""

QUANTITIES = tuple(READ_AS)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Facet:
    """What some documents have at a path.

    Attributes
    ----------
    path : str
    documents : int
        How many of them have a value there.
    kinds : dict of str to int
        How many have a ``"text"``, ``"number"``, ``"date"``, ``"duration"``, ``"truth"``, ``"null"``, or an
        ``"empty"`` object or array.
    values : tuple of (value, int)
        Values, and how many documents have each: most frequent first.
    distinct : int
        How many values were counted.
    histogram : Histogram or None
        Of the numbers.
    """

    path: str
    documents: int
    kinds: dict[str, int]
    values: tuple[tuple[Any, int], ...]
    distinct: int
    histogram: Histogram | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "path": self.path,
            "documents": self.documents,
            "kinds": self.kinds,
            "values": [{"value": value, "documents": count} for value, count in self.values],
            "distinct": self.distinct,
            "histogram": None if self.histogram is None else self.histogram.to_dict(),
        }


class Facets(list[Facet]):
    """Facets, one for each path.

    Attributes
    ----------
    documents : int
        How many documents counted.
    """

    def __init__(self, facets: Iterable[Facet], documents: int) -> None:
        super().__init__(facets)
        self.documents = documents


class _Numbers(NamedTuple):
    """Numbers of a column, and the row of each."""

    values: Doubles
    rows: Ints


class _Terms(NamedTuple):
    """Known values of the rows at a path, the number of rows of each kind, and the rows with any value."""

    counts: list[tuple[Any, int]]
    kinds: dict[str, int]
    rows: Ints


class Counting:
    """Statistics per path of the documents of a snapshot. Parts that do not depend on a filter are computed once.

    Parameters
    ----------
    rows : PostingRows
    meaning : Meaning
    """

    def __init__(self, rows: PostingRows, meaning: Meaning) -> None:
        self._rows, self._meaning = rows, meaning
        self._candidates: dict[Path, dict[int, Any]] = {}
        self._ranges: dict[Path, Doubles] = {}
        self._places: dict[int, tuple[Ints, Hashes]] = {}
        self._remembered: dict[str, Facet] = {}

    # ------------------------------------------------------------------ paths

    @cached_property
    def paths(self) -> list[str]:
        """The paths of leaves, as documents have them, in the order of the first documents; at most MOST_PATHS."""
        names = {text for segment in self._rows.segments for text in segment.names.texts}
        order = self._key_order()

        def rank(path: Path) -> list[tuple[int, str]]:
            tops = [any_position(path[: depth + 1]) for depth in range(len(path))]
            return [(order.get(top, len(order)), str(step)) for top, step in zip(tops, path, strict=True)]

        found = sorted(map(parse_path, names), key=rank)[:MOST_PATHS]
        return [show_path(one) for path in found for one in self._by_position(path)]

    def _by_position(self, path: Path) -> list[Path]:
        """Return the paths of a path's numbers: one per position where positions matter, otherwise the path."""
        if not path or path[-1] is not None:
            return [path]
        own = [(*path[:-1], place) for place in range(MAX_POSITION)]
        there = [one for one in own if any(self._column_is_there(column_hash(one, NUMBER)))]
        if not there:
            return [path]
        rest = any(self._column_is_there(column_hash(path, NUMBER))) or self._lists_at(path)
        return [*there, path] if rest else list(there)

    def _column_is_there(self, column: int) -> Iterable[bool]:
        return (start < stop for start, stop in (segment.column(column) for segment in self._rows.segments))

    def _lists_at(self, path: Path) -> bool:
        return any(len(self._at(segment, path)) for segment in self._rows.segments)

    def _key_order(self) -> dict[Path, int]:
        """Return the paths of the sample's keys and items in order of first occurrence."""
        order: dict[Path, int] = {}
        left: list[tuple[Path, Any]] = [((), document) for document in reversed(self._sample)]
        while left:
            path, value = left.pop()
            order.setdefault(path, len(order))
            if isinstance(value, dict):
                left += [((*path, key), item) for key, item in reversed(value.items())]
            elif isinstance(value, ARRAY):
                left += [((*path, None), item) for item in reversed(value[:MAX_POSITION])]
        return order

    @cached_property
    def _sample(self) -> list[Any]:
        """Evenly spaced live documents."""
        rows = live(self._rows.snapshot)
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLED, len(rows))).astype(np.int64))]
        documents: list[Any] = []
        held, texts = 0, self._meaning.texts
        for row in chosen.tolist():
            (text,) = self._rows.snapshot.documents(np.array([row]))
            held += len(text or b"")
            if held > SAMPLED_BYTES and documents:
                break
            documents.append(parsed(text, texts))
        return documents

    def few(self, documents: int) -> Sequence[Any]:
        """Return this many documents of the sample, evenly spaced."""
        return self._sample[:: max(1, -(-len(self._sample) // documents))]

    # ------------------------------------------------------------------ counting

    def facet(self, path: str, mask: Mask | None = None, most: int = 20) -> Facet:
        """Count what documents have at a path.

        Parameters
        ----------
        path : str
        mask : (rows,) bool array, optional
            Documents to count; all by default. Statistics of all documents are cached for some paths.
        most : int
            Values that are listed at most.

        Raises
        ------
        ParameterError
            If it is not a path.
        """
        if mask is not None:
            found = self._counted(path, mask)
        elif path in self._remembered:
            found = self._remembered[path]
        else:
            found = self._counted(path, alive(self._rows.snapshot))
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[path] = found
        return replace(found, values=found.values[:most])

    def _counted(self, path: str, mask: Mask) -> Facet:
        where = parse_path(path)
        numbers = {kind: self._numbers(where, kind, mask) for kind in QUANTITIES}
        kinds: dict[str, int] = {kind: len(distinct(held.rows)) for kind, held in numbers.items() if len(held.rows)}
        every = [held.rows for held in numbers.values()]
        values = [(_number(value), count) for value, count in _counted(numbers["number"])]
        if not _is_position(where):
            read = [numbers[kind].rows for kind in QUANTITIES if READ_AS[kind] in self._meaning.encoder.convert]
            terms = self._terms(where, mask, distinct(np.concatenate([np.empty(0, np.int64), *read])))
            every.append(terms.rows)
            values += [(plain(value), count) for value, count in terms.counts]
            kinds |= terms.kinds
        values.sort(key=lambda pair: (-pair[1], str(pair[0])))
        documents = len(distinct(np.concatenate([np.empty(0, np.int64), *every])))
        return Facet(path, documents, kinds, tuple(values), len(values), self._histogram(where, numbers))

    def values(self, path: str, prefix: str, mask: Mask | None = None, most: int = 20) -> list[tuple[Any, int]]:
        """Return values at a path that begin with a text, or have a word that does: most frequent first."""
        facet, wanted = self.facet(path, mask, CANDIDATES), prefix.casefold().strip()
        begun, within = [], []
        for value, count in facet.values:
            text = value.casefold() if isinstance(value, str) else str(value).casefold()
            if text.startswith(wanted):
                begun.append((value, count))
            elif f" {wanted}" in text:
                within.append((value, count))
        return [*begun, *within][:most]

    def _terms(self, path: Path, mask: Mask, read: Ints) -> "_Terms":
        """Count the values of rows at a path, except numbers; rows whose texts were read as numbers have no text."""
        known = self._known(path)
        counts, kinds, rows = Counter[int](), Counter[str](), [np.empty(0, np.int64)]
        for segment in self._rows.segments:
            lists = self._at(segment, path)
            terms = segment.arrays.terms[lists]
            owners, own = _postings(segment, lists, mask)
            rows.append(distinct(own))
            left = np.ones(len(own), bool)
            for kind, members in KINDS.items():
                there = np.isin(terms, members)[owners]
                kinds[kind] += len(distinct(own[there]))
                left &= ~there
            kinds["text"] += len(np.setdiff1d(distinct(own[left]), read, assume_unique=True))
            for term, count in zip(terms.tolist(), np.bincount(owners, minlength=len(lists)).tolist(), strict=True):
                if count and term in known:
                    counts[term] += count
        found = [(known[term], count) for term, count in counts.items()]
        return _Terms(found, {kind: count for kind, count in kinds.items() if count}, np.concatenate(rows))

    def _at(self, segment: Segment, path: Path) -> Ints:
        """Return the numbers of the posting lists of a segment at a path."""
        known = self._places.get(id(segment))
        if known is None:
            order = np.argsort(segment.arrays.paths, kind="stable")
            known = self._places[id(segment)] = order, segment.arrays.paths[order]
        order, paths = known
        low, high = (int(np.searchsorted(paths, np.uint64(path_hash(path)[0]), side)) for side in ("left", "right"))
        return np.sort(order[low:high])

    def _known(self, path: Path) -> dict[int, Any]:
        """Return the values of a path to count, by the hashes of their terms."""
        found = self._candidates.get(path)
        if found is None:
            often = self._meaning.values.profile.values(path)
            seen: dict[Any, int] = {v: n for v, n in often if v is None or isinstance(v, str | Constant)}
            for document in self._sample:
                for value in values_at(document, path):
                    if isinstance(value, str) or _is_leaf(value):
                        seen.setdefault(leaf_value(value), 1)
            kept = sorted(seen, key=lambda value: -seen[value])[:CANDIDATES]
            held = [value for value in kept if not isinstance(value, str) or len(value) <= LONGEST]
            found = self._candidates[path] = {_term(value): value for value in held}
        return found

    def _numbers(self, path: Path, kind: Quantities, mask: Mask) -> _Numbers:
        """Return the numbers at a path in the rows to count."""
        columns = [column_hash(path, kind)]
        if kind == NUMBER and not _is_position(path):
            columns = columns_at(path, self._meaning.layout) or columns
        values, rows = [np.empty(0, np.float64)], [np.empty(0, np.int64)]
        for segment in self._rows.segments:
            for column in columns:
                start, stop = segment.column(column)
                spots = segment.arrays.number_spot[start:stop]
                own = segment.first + (segment.arrays.item_document[spots] if column & 1 else spots).astype(np.int64)
                kept = mask[own]
                values.append(segment.arrays.number_value[start:stop][kept])
                rows.append(own[kept])
        return _Numbers(np.concatenate(values), np.concatenate(rows))

    def _histogram(self, path: Path, numbers: dict[Quantities, _Numbers]) -> Histogram | None:
        """Return the histogram of the most frequent kind of numbers, with the bins of all documents."""
        kind = max(QUANTITIES, key=lambda one: len(numbers[one].rows))
        every = self._every(path, kind)
        return Histogram.of(numbers[kind].values, every, kind) if len(every) > 1 else None

    def _every(self, path: Path, kind: Quantities) -> Doubles:
        known = self._ranges.get((*path, kind))
        if known is None:
            values = self._numbers(path, kind, np.ones(self._rows.snapshot.count, bool)).values
            known = self._ranges[(*path, kind)] = distinct(values[np.isfinite(values)])
        return known


def _is_position(path: Path) -> bool:
    return bool(path) and isinstance(path[-1], int)


def _is_leaf(value: Any) -> bool:
    return value is None or isinstance(value, bool) or (isinstance(value, CONTAINER) and not value)


def _term(value: Any) -> int:
    if isinstance(value, str):
        return term_hash("=", value)
    ((kind, content),) = constant_tokens(value)
    return term_hash(kind, content)


def _postings(segment: Segment, lists: Ints, mask: Mask) -> tuple[Ints, Ints]:
    """Return the list and the row of each posting in the rows to count, each pair once."""
    arrays = segment.arrays
    starts = arrays.starts[lists]
    lengths = arrays.starts[lists + 1] - starts
    spots = arrays.postings[runs(starts, lengths)]
    owners = np.repeat(np.arange(len(lists)), lengths)
    inside = bool(len(lists)) and bool(of_items(arrays.paths[lists[:1]])[0])
    rows = segment.first + (arrays.item_document[spots] if inside else spots).astype(np.int64)
    kept = mask[rows]
    owners, rows = owners[kept], rows[kept]
    if inside:
        first = firsts(owners, rows)
        owners, rows = owners[first], rows[first]
    return owners, rows


KINDS: dict[str, Hashes] = {
    kind: np.array([_term(value) for value in members], np.uint64)
    for kind, members in (
        ("truth", (Constant.TRUE, Constant.FALSE)),
        ("null", (None,)),
        ("empty", (Constant.EMPTY_OBJECT, Constant.EMPTY_ARRAY)),
    )
}
"""Terms of values that are neither texts nor numbers."""


def _counted(numbers: _Numbers) -> list[tuple[float, int]]:
    """Return the most frequent numbers, and the number of rows with each."""
    finite = np.isfinite(numbers.values)
    every, rows = numbers.values[finite], numbers.rows[finite]
    order = np.lexsort((rows, every))
    every, rows = every[order], rows[order]
    values, counts = np.unique(every[firsts(every, rows)], return_counts=True)
    first = np.argsort(-counts, kind="stable")[:CANDIDATES]
    return list(zip(values[first].tolist(), counts[first].tolist(), strict=True))


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value

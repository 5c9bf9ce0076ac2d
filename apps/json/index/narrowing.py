"""Answer conditions from postings: which documents can meet them, and which conditions must still be checked."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.paths import MAX_POSITION, Path, parse_path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.document.structure import leaf_value
from hdc.apps.json.index.taking import exact_number
from hdc.apps.json.index.where import COMPARISONS, Condition, Conditions, Filter
from hdc.apps.json.values.numbers import NUMBER
from hdc.apps.json.values.parts import column_hash, path_hash, term_hash
from hdc.apps.json.values.tokens import constant_tokens
from hdc.search.live import Mask, alive
from hdc.search.postings.names import runs
from hdc.search.postings.searcher import PostingRows
from hdc.search.postings.segment import Segment

MOST_COLUMNS = 1 << 12
"""Most columns of numbers, one per position of nested sequences; beyond it, documents are read instead."""

Spots = npt.NDArray[Any]


def narrowed(rows: PostingRows, accept: Filter, layout: Layout, numerals: bool = False) -> tuple[Mask, Filter | None]:
    """Return which rows can pass a filter, and the filter that they must still pass.

    Parameters
    ----------
    rows : PostingRows
    accept : Filter
        Conditions are answered from the postings; any other function is left to be tried.
    layout : Layout
        Of the encoder.
    numerals : bool
        Whether it takes texts that are numerals for numbers; then documents say which of the two is there.

    Returns
    -------
    (count,) bool array
        False where a row is dead or cannot pass.
    Filter or None
        None if every row that is left passes.
    """
    mask = alive(rows.snapshot)
    if isinstance(accept, Condition):
        accept = Conditions((accept,))
    if not isinstance(accept, Conditions):
        return mask, accept
    left = []
    for condition in accept.every:
        question = _Question(condition, layout, numerals)
        if question.columns is not None:
            mask = mask & np.concatenate([np.empty(0, bool), *map(question.documents, rows.segments)])
        if not question.certain:
            left.append(condition)
    return mask, Conditions(tuple(left)) if left else None


class _Question:
    """A condition on segments.

    Attributes
    ----------
    certain : bool
        Whether all documents found so far meet the condition.
    columns : list of int, or None
        Columns of the numbers at the path; None if there are too many.
    """

    def __init__(self, condition: Condition, layout: Layout, numerals: bool) -> None:
        self._path, self._layout, self._numerals = condition.path, layout, numerals
        self._operator, self._value = condition.operator, condition.value
        self._hash, self._text = path_hash(self._path)
        self._places = tuple(step for step in self._path if not isinstance(step, str))
        self.columns = columns_at(self._path, layout)
        self.certain = self.columns is not None

    def documents(self, segment: Segment) -> Mask:
        """Return the documents of a segment that can meet the condition."""
        name = self._operator
        if name == "=":
            return self._equal(segment)
        if name == "!=":
            equal = self._equal(segment)
            return self._existing(segment, True) & ~(equal & self.certain)
        if name == "exists":
            return self._existing(segment, True)
        if name == "missing":
            return ~self._existing(segment, False)
        if isinstance(self._value, str):
            self.certain = False
            return self._marked(segment, [(_at_path(segment, self._hash), 0)])
        return self._compared(segment, *_edge(name, self._value))

    def _equal(self, segment: Segment) -> Mask:
        value = self._value
        if isinstance(value, str):
            return self._having(segment, term_hash("=", value))
        if value is None or isinstance(value, bool):
            ((kind, content),) = constant_tokens(leaf_value(value))
            return self._having(segment, term_hash(kind, content))
        if value - value != 0:
            return np.zeros(len(segment), bool)
        self.certain &= not self._numerals
        double, terms = exact_number(NUMBER, value)
        return self._having(segment, terms[0]) if terms else self._compared(segment, "=", double)

    def _having(self, segment: Segment, term: int) -> Mask:
        """Return the documents that have a term at the path."""
        starts, stops = segment.lists(np.array([term], np.uint64), np.array([self._hash], np.uint64))
        return self._marked(segment, [(segment.arrays.postings[starts[0] : stops[0]], 0)])

    def _compared(self, segment: Segment, name: str, edge: float) -> Mask:
        """Return the documents with a number that meets a comparison, or may: one that a double cannot represent."""
        compare, found = COMPARISONS.get(name, np.equal), []
        self.certain &= not self._numerals
        for start, stop in map(segment.column, self.columns or ()):
            values = segment.arrays.number_value[start:stop]
            held = np.asarray(compare(values, edge))
            if name != "=" and (inexact := np.isnan(values)).any():
                self.certain = False
                held |= inexact
            found.append((segment.arrays.number_spot[start:stop][held], 0))
        return self._marked(segment, found)

    def _existing(self, segment: Segment, unknown: bool) -> Mask:
        """Return the documents with a value at the path, a leaf there or below; ``unknown`` if postings cannot tell."""
        if not self._path:
            return np.ones(len(segment), bool)
        found = []
        for text in segment.names.texts:
            if not is_beneath(text, self._text):
                continue
            path = parse_path(text)
            columns = columns_at(path, self._layout)
            if columns is None:
                self.certain = False
                return np.full(len(segment), unknown)
            deeper = sum(not isinstance(step, str) for step in path) - len(self._places)
            found.append((_at_path(segment, path_hash(path)[0]), deeper))
            for start, stop in map(segment.column, columns):
                found.append((segment.arrays.number_spot[start:stop], deeper))
        return self._marked(segment, found)

    def _marked(self, segment: Segment, found: Iterable[tuple[Spots, int]]) -> Mask:
        """Return the documents of spots whose array positions match those of the path.

        Each comes with the number of arrays around a spot beyond those of the path.
        """
        mask, arrays = np.zeros(len(segment), bool), segment.arrays
        for spots, deeper in found:
            if not self._places and not deeper:
                mask[spots] = True
                continue
            item, fits = spots, np.ones(len(spots), bool)
            if any(place is not None for place in self._places):
                for _ in range(deeper):
                    item = arrays.item_parent[item]
                for level, place in enumerate(reversed(self._places), 1):
                    if place is not None:
                        fits &= arrays.item_place[item] == place
                    if level < len(self._places):
                        item = arrays.item_parent[item]
            mask[arrays.item_document[spots[fits]]] = True
        return mask


def _at_path(segment: Segment, path: int) -> Spots:
    """Return the lists of all terms at a path, one after another."""
    arrays = segment.arrays
    at = np.flatnonzero(arrays.paths == np.uint64(path))
    starts = arrays.starts[at]
    spots: Spots = arrays.postings[runs(starts, arrays.starts[at + 1] - starts)]
    return spots


def is_beneath(text: str, above: str) -> bool:
    """Return whether a path, as text, equals another one or is below it."""
    return text.startswith(above) and text[len(above) : len(above) + 1] in ("", ".", "[")


def columns_at(path: Path, layout: Layout) -> list[int] | None:
    """Return the columns that numbers at a path may be in, whatever their positions; None if there are too many."""
    found: list[Path] = [()]
    for at, step in enumerate(path):
        grown: list[Path] = []
        for above in found:
            if isinstance(step, str):
                grown.append((*above, step))
                continue
            grown.append((*above, None))
            mode = layout.arrays[above]
            if mode == "sequence" or (mode == "auto" and at == len(path) - 1):
                grown += [(*above, place) for place in range(MAX_POSITION)]
        found = grown
        if len(found) > MOST_COLUMNS:
            return None
    return [column_hash(one, NUMBER) for one in found]


def _edge(name: str, value: int | float) -> tuple[str, float]:
    """Return a comparison with doubles that is equivalent to one with any number."""
    try:
        double = float(value)
    except OverflowError:
        double = math.inf if value > 0 else -math.inf
    if double == value or double != double:
        return name, double
    below = double < value
    return (("<=" if below else "<") if name[0] == "<" else (">" if below else ">=")), double

"""Detect the kind of a column's values in one pass in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from hdc.apps.learn.tables import cells

Kind: TypeAlias = Literal["numeric", "date", "category", "text"]

KINDS: tuple[Kind, ...] = ("numeric", "date", "category", "text")

MOST_DISTINCT = 2000
"""Most distinct values to count; a column with more is not a category."""

MOSTLY = 0.95
"""Least share of numbers in a numeric column; other values count as missing."""

FEW = 20
"""A column with at most this many distinct values is a category, even if each row has its own."""

_OWN = 0.9
"""Least share of distinct values in an identifier."""


@dataclass
class ColumnCounts:
    """Statistics of a column.

    Attributes
    ----------
    as_words : bool
        Whether numbers are counted as they are written, as the names of classes.
    rows, known, numbers, dates, phrases, nested : int
        Values, those that are not missing, and of these numbers, dates, texts of more than one word, and lists or
        objects.
    distinct : dict of value to count
        Of known values; no more than ``MOST_DISTINCT`` and one.
    strange : (str, str) or None
        The first value that is no number, with its place.
    steady : bool
        Whether each value is the one before it and a step, which is how rows are numbered.
    """

    as_words: bool = False
    rows: int = 0
    known: int = 0
    numbers: int = 0
    dates: int = 0
    phrases: int = 0
    nested: int = 0
    distinct: dict[Any, int] = field(default_factory=dict)
    strange: tuple[str, str] | None = None
    steady: bool = True
    _last: float | None = None
    _step: float | None = None

    def add(self, values: Any, places: Sequence[str]) -> None:
        """Count the values of a block."""
        self.rows += len(values)
        found = cells.numbers(values)
        self._watch_steps(found)
        if isinstance(values, np.ndarray):  # floats cannot be anything else
            values = found[~np.isnan(found)].tolist()
            self.known += len(values)
            self.numbers += len(values)
            self._count(list(map(cells.word, values)) if self.as_words else values)
            return
        others = np.flatnonzero(np.isnan(found)).tolist()
        self.numbers += len(values) - len(others)
        self.known += len(values) - len(others)
        odd = [row for row in others if not cells.is_missing(values[row])]
        self.known += len(odd)
        if odd and self.strange is None:
            self.strange = (cells.word(values[odd[0]])[:40], places[odd[0]])
        for value, times in _times([values[row] for row in odd]):
            self._add_other(value, times)
        if self.as_words:
            self._count([value for value in cells.words(values) if value is not None])
            return
        self._count([cells.word(values[row]) for row in odd])
        if len(self.distinct) <= MOST_DISTINCT:
            self._count(found[~np.isnan(found)].tolist())

    def _add_other(self, value: Any, times: int) -> None:
        self.nested += times * isinstance(value, dict | list)
        self.dates += times * (not np.isnan(cells.day(value)))
        self.phrases += times * (isinstance(value, str) and len(value.split(None, 2)) > 1)

    def _count(self, values: Sequence[Any]) -> None:
        for value in values if len(self.distinct) <= MOST_DISTINCT else ():
            self.distinct[value] = self.distinct.get(value, 0) + 1
            if len(self.distinct) > MOST_DISTINCT:
                return

    def _watch_steps(self, values: Any) -> None:
        if not self.steady or not len(values):
            return
        before = values if self._last is None else np.concatenate([[self._last], values])
        steps = np.diff(before)
        if self._step is None and len(steps):
            self._step = float(steps[0])
        self.steady = bool(np.all(steps == self._step)) and self._step != 0
        self._last = float(values[-1])

    @property
    def is_numeric(self) -> bool:
        """Whether (nearly) all known values are numbers; few numbers among few words are none."""
        return self.numbers == self.known or (self.numbers >= MOSTLY * self.known and len(self.distinct) > FEW)

    def kind(self) -> tuple[Kind | None, str]:
        """Return the kind, or None and why the column says nothing that can be learned from."""
        if not self.known:
            return None, "no values"
        if len(self.distinct) == 1:
            return None, "one value only" if self.known == self.rows else "one value only, or none"
        if self.nested:
            return None, "lists or objects"
        if self.is_numeric:
            counts = self.steady and self.rows >= FEW and self.known == self.rows
            return (None, "numbers its rows") if counts else ("numeric", "")
        if self.dates >= MOSTLY * self.known:
            return "date", ""
        many = len(self.distinct) > FEW and len(self.distinct) >= min(_OWN * self.known, MOST_DISTINCT)
        if self.phrases >= 0.5 * self.known and (many or len(self.distinct) > 0.2 * self.known):
            return "text", ""
        return (None, "nearly a value of its own in each row") if many else ("category", "")


def _times(values: list[Any]) -> Iterable[tuple[Any, int]]:
    """Return distinct values and their counts; lists and objects, which have no hash, one by one."""
    return Counter(values).items() if {*map(type, values)} == {str} else ((value, 1) for value in values)

"""Which documents have metadata that pass a filter: answered from the posting lists of a JSONIndex in memory."""

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.checks import choice, shown
from hdc.errors import ParameterError
from hdc.search.live import alive
from hdc.store import Snapshot

Ids = npt.NDArray[np.int64]

Where: TypeAlias = Callable[["Metadata"], Ids]
"""Returns which rows pass, as the methods of :class:`Metadata` do."""

COMPARISONS = ("<", "<=", ">", ">=")

OPERATORS = (
    "==",
    "!=",
    *COMPARISONS,
    "in",
    "nin",
    "contains",
    "any",
    "all",
    "text_match",
    "text_match_insensitive",
    "is_empty",
)
"""The operators of LlamaIndex's metadata filters."""

LISTS = ("in", "nin", "any", "all")
"""Operators that compare with a list of values."""

BLOCK = 1 << 13
"""Documents that are read at a time."""


class Metadata:
    """Metadata of the rows of a snapshot, by posting lists.

    Derived data: made of the rows' documents, and brought up to date by those that came since. Methods return
    ascending rows, which :meth:`both`, :meth:`either` and :meth:`without` combine.

    Not for several threads at once; :class:`~hdc.apps.stores.Collection` sees to that.

    Parameters
    ----------
    read : function
        Returns the metadata, a JSON object, of a row's document as it is stored.
    """

    def __init__(self, read: Callable[[bytes | None], dict[str, Any]]) -> None:
        self._read = read
        self._snapshot: Snapshot | None = None
        self._begin()

    def _begin(self) -> None:
        self._index = JSONIndex(JSONEncoder(64), vectors=None)
        self._positions = np.empty(0, np.int64)  # of each document of the index
        self._alive = np.empty(0, bool)

    def follow(self, snapshot: Snapshot) -> None:
        """Go on to the rows of a later snapshot."""
        last = self._snapshot
        if last is snapshot:
            return
        if last is None or last.edition != snapshot.edition or len(self._positions) > 2 * len(snapshot) + BLOCK:
            self._begin()
        self._snapshot = None  # an error on the way leaves what the next call begins anew
        now, known = alive(snapshot), len(self._alive)
        gone = np.flatnonzero(self._alive & ~now[:known])
        if len(gone):
            self._index.remove(np.flatnonzero(np.isin(self._positions, gone)))
        came = known + np.flatnonzero(now[known:])
        for start in range(0, len(came), BLOCK):
            part = came[start : start + BLOCK]
            self._index.add(map(self._read, snapshot.documents(part)))
        self._positions = np.concatenate([self._positions, came])
        self._alive, self._snapshot = now, snapshot

    def passing(self, where: Where) -> Ids:
        """Return the positions of the rows that pass a filter: ``(m,)`` int64, ascending."""
        return self._positions[where(self)]

    # ------------------------------------------------------------------ filters

    def everything(self) -> Ids:
        """Return all rows."""
        return self._index.ids()

    def where(self, conditions: str | Iterable[str]) -> Ids:
        """Return the rows for which conditions hold, as :meth:`hdc.apps.json.JSONIndex.search` reads them.

        Raises
        ------
        ParameterError
            If one cannot be read.
        """
        return self._index.filter(conditions)

    def absent(self, path: Sequence[str]) -> Ids:
        """Return the rows that have nothing at a path, or null."""
        place = _place(path)
        return self.either([self._index.filter(f"{place} missing"), self._index.filter(f"{place} = null")])

    def matching(self, path: Sequence[str], operator: str, value: Any) -> Ids:
        """Return the rows whose value at a path passes an operator.

        Values are compared within their type: no text, number or truth value equals or exceeds another.

        Parameters
        ----------
        path : sequence of str
            Keys, from the outermost on.
        operator : str
            One of :data:`OPERATORS`. ``!=`` and ``nin`` pass where there is no value. ``contains``, ``any`` and
            ``all`` ask for items of an array. ``is_empty`` passes where there is no value, or null, or nothing in it.
        value : JSON scalar, or list of these for ``in``, ``nin``, ``any`` and ``all``

        Raises
        ------
        ParameterError
            If there is no such operator, or the value does not suit it.
        """
        choice(operator, "the operator of a filter", OPERATORS)
        if (operator in LISTS) != isinstance(value, list | tuple | set | frozenset):
            raise ParameterError(
                f"the filter {operator!r} compares with {'a list' if operator in LISTS else 'one value'}, "
                f"not {shown(value)}"
            )
        place = _place(path)
        if operator == "is_empty":
            return self.either([self.absent(path), self._holding(path, place, lambda held: held in ("", [], {}))])
        if operator in ("text_match", "text_match_insensitive"):
            return self._matching_text(path, place, value, operator == "text_match")
        if operator in ("contains", "any", "all"):
            asked = value if operator in LISTS else [value]
            found = [self._comparing(f"{place}[]", "=", item) for item in asked]
            return self.both(found) if operator == "all" else self.either(found)
        if operator in COMPARISONS:
            return self._comparing(place, operator, value)
        equal = self.either([self._comparing(place, "=", item) for item in (value if operator in LISTS else [value])])
        return self.without(equal) if operator in ("!=", "nin") else equal

    def _comparing(self, place: str, operator: str, value: Any) -> Ids:
        if not (value is None or isinstance(value, str | bool | int | float)) or value != value:
            raise ParameterError(f"a filter compares with texts, numbers, true, false or null, not {shown(value)}")
        return self._index.filter(f"{place} {operator} {json.dumps(value)}")

    def _matching_text(self, path: Sequence[str], place: str, value: Any, exactly: bool) -> Ids:
        if not isinstance(value, str):
            raise ParameterError(f"a part of a text is a text, not {shown(value)}")
        part = value if exactly else value.lower()

        def matches(held: Any) -> bool:
            return isinstance(held, str) and part in (held if exactly else held.lower())

        return self._holding(path, place, matches)

    def _holding(self, path: Sequence[str], place: str, test: Callable[[Any], bool]) -> Ids:
        """Return the rows with a value that passes a test, which is tried on all documents that have one."""
        there = self._index.filter(f"{place} exists")
        passed = []
        for start in range(0, len(there), BLOCK):
            part = there[start : start + BLOCK]
            values = (functools.reduce(lambda held, key: held[key], path, d) for d in self._index.documents(part))
            passed.append(part[[test(value) for value in values]])
        return np.concatenate([np.empty(0, np.int64), *passed])

    def both(self, found: Sequence[Ids]) -> Ids:
        """Return the rows that are in all of some; all rows of none."""
        if not found:
            return self.everything()
        return functools.reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), found)

    def either(self, found: Sequence[Ids]) -> Ids:
        """Return the rows that are in any of some."""
        return functools.reduce(np.union1d, found) if found else np.empty(0, np.int64)

    def without(self, found: Ids) -> Ids:
        """Return all other rows."""
        return np.setdiff1d(self.everything(), found, assume_unique=True)


def _place(path: Sequence[str]) -> str:
    """Return a path as conditions have it."""
    return "".join(f"[{json.dumps(step)}]" for step in path)

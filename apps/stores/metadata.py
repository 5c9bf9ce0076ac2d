"""Find the documents whose metadata pass a filter, by the posting lists of a JSONIndex."""

import contextlib
import functools
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.checks import choice, shown
from hdc.errors import FileFormatError, HDCError, ParameterError
from hdc.search.live import alive
from hdc.store import Snapshot

Ids = npt.NDArray[np.int64]

Where: TypeAlias = Callable[["Metadata"], Ids]
"""Function that returns the rows that pass, as the methods of :class:`Metadata` do."""

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
"""Documents to read per block."""

STRINGS = {"exact": 1.0, "words": 0.0}
"""Filters compare whole texts."""

KEPT = "metadata"
"""Prefix of the name of a saved folder; edition, number and hash of the rows follow, as hexadecimal numbers."""

_NAME = re.compile(rf"{KEPT}(-[0-9a-f]{{1,16}}){{3}}")

LEAST, PART = 1000, 8
"""Posting lists are saved if at least this many rows, and one row in this many, are not saved yet."""


class Metadata:
    """Posting lists of the metadata of the rows of a snapshot.

    They are derived data, built from the rows' documents and extended by new rows. If there is a folder, they are saved
    in it and opened from it. Posting lists that are missing, damaged or of other rows are built again in memory.

    Methods return positions of live rows, ascending; :meth:`both`, :meth:`either` and :meth:`without` combine them.
    Only one thread at a time may use an object; :class:`~hdc.apps.stores.Collection` ensures that.

    Parameters
    ----------
    read : function
        Returns the metadata, a JSON object, of a row's stored document.
    folder : path, optional
        Folder in which to save the posting lists, in a folder of their own.
    """

    def __init__(self, read: Callable[[bytes | None], dict[str, Any]], folder: Path | None = None) -> None:
        self._read, self._folder = read, folder
        self._snapshot: Snapshot | None = None
        self._parts: list[tuple[int, JSONIndex]] = []  # (position of the first row, index); dead rows are empty
        self._alive = np.empty(0, bool)

    def follow(self, snapshot: Snapshot) -> None:
        """Extend the posting lists to the rows of a later snapshot."""
        last = self._snapshot
        if last is snapshot:
            return
        self._snapshot = None  # after an error, the next call starts over
        if last is None or last.edition != snapshot.edition:
            self.close()
            self._parts = [*self._opened(snapshot)]
        now, known = alive(snapshot), self._rows()
        if snapshot.count > known:
            if not self._parts or not self._parts[-1][1].writable:  # a saved index stays unchanged
                self._parts.append((known, JSONIndex(_encoder(), vectors=None)))
            self._add(self._parts[-1][1], snapshot, known)
        self._alive, self._snapshot = now, snapshot

    def _rows(self) -> int:
        """Return the number of indexed rows."""
        return self._parts[-1][0] + self._parts[-1][1].rows() if self._parts else 0

    def _add(self, index: JSONIndex, snapshot: Snapshot, start: int) -> None:
        """Add the rows from a position on to an index."""
        now = alive(snapshot)
        for begin in range(start, snapshot.count, BLOCK):
            part = np.arange(begin, min(snapshot.count, begin + BLOCK))
            texts = snapshot.documents(part)
            index.add(self._read(text) if live else {} for text, live in zip(texts, now[part].tolist(), strict=True))

    def passing(self, where: Where) -> Ids:
        """Return the positions of the rows that pass a filter: ``(m,)`` int64, ascending."""
        try:
            return where(self)
        except FileFormatError:
            snapshot = self._snapshot
            if self._folder is None or snapshot is None:
                raise
        self._snapshot = self._folder = None  # the saved posting lists are damaged
        self.follow(snapshot)
        return where(self)

    # ------------------------------------------------------------------ files

    def _opened(self, snapshot: Snapshot) -> Iterator[tuple[int, JSONIndex]]:
        """Yield the saved index of the first rows, if there is a valid one."""
        for path in self._kept():
            edition, count, mark = (int(part, 16) for part in path.name.split("-")[1:])
            if edition == snapshot.edition and 0 < count <= snapshot.count and mark == _mark(snapshot, count):
                with contextlib.suppress(HDCError, OSError):
                    index = JSONIndex.open(path)
                    if index.rows() == count:
                        yield 0, index
                        return
                    index.close()

    def _kept(self) -> list[Path]:
        """Return the saved folders, the one with most rows first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        there = [path for path in self._folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(there, key=lambda path: -int(path.name.split("-")[2], 16))

    def keep(self) -> None:
        """Save the posting lists if enough rows are only in memory."""
        snapshot = self._snapshot
        if self._folder is None or snapshot is None:
            return
        begun = 0 if not self._parts or self._parts[0][1].writable else self._parts[0][1].rows()
        if snapshot.count - begun < max(LEAST, snapshot.count // PART):
            return
        name = f"{KEPT}-{snapshot.edition:x}-{snapshot.count:x}-{_mark(snapshot, snapshot.count):x}"
        aside = self._folder / f"{KEPT}.building"
        shutil.rmtree(aside, ignore_errors=True)
        if begun:
            with JSONIndex.create(aside, _encoder(), vectors=None) as index:
                self._add(index, snapshot, 0)
        else:
            self._parts[0][1].save(aside)
        old = self._kept()
        self.close()
        aside.rename(self._folder / name)
        for path in old:
            if path.name != name:
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Close the open indexes; they are opened again when needed."""
        for _, index in self._parts:
            index.close()
        self._parts, self._snapshot = [], None

    # ------------------------------------------------------------------ filters

    def everything(self) -> Ids:
        """Return all live rows."""
        return np.flatnonzero(self._alive)

    def where(self, conditions: str | Iterable[str]) -> Ids:
        """Return the rows that meet conditions, in the language of :meth:`hdc.apps.json.JSONIndex.search`.

        Raises
        ------
        ParameterError
            If a condition is invalid.
        """
        return self._live([first + index.filter(conditions) for first, index in self._parts])

    def _live(self, found: list[Ids]) -> Ids:
        """Join arrays of rows and return the live ones, ascending."""
        rows: Ids = np.concatenate([np.empty(0, np.int64), *found])
        return rows[self._alive[rows]]

    def absent(self, path: Sequence[str]) -> Ids:
        """Return the rows with nothing or null at a path."""
        place = _place(path)
        return self.either([self.where(f"{place} missing"), self.where(f"{place} = null")])

    def matching(self, path: Sequence[str], operator: str, value: Any) -> Ids:
        """Return the rows whose value at a path passes an operator.

        Values of different types never compare: a text, for example, neither equals nor exceeds a number.

        Parameters
        ----------
        path : sequence of str
            Keys, from the outermost one.
        operator : str
            One of :data:`OPERATORS`. ``!=`` and ``nin`` also pass rows without a value. ``contains``, ``any`` and
            ``all`` compare the items of an array. ``is_empty`` passes a missing value, null and an empty value.
        value : JSON scalar, or list of scalars for ``in``, ``nin``, ``any`` and ``all``

        Raises
        ------
        ParameterError
            If the operator is unknown, or the value does not fit it.
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
            raise ParameterError(f"a filter must compare with a text, number, true, false or null, not {shown(value)}")
        return self.where(f"{place} {operator} {json.dumps(value)}")

    def _matching_text(self, path: Sequence[str], place: str, value: Any, exactly: bool) -> Ids:
        if not isinstance(value, str):
            raise ParameterError(f"a text filter must compare with a text, not {shown(value)}")
        part = value if exactly else value.lower()

        def matches(held: Any) -> bool:
            return isinstance(held, str) and part in (held if exactly else held.lower())

        return self._holding(path, place, matches)

    def _holding(self, path: Sequence[str], place: str, test: Callable[[Any], bool]) -> Ids:
        """Return the rows whose value passes a test; reads every document that has a value."""
        passed = []
        for first, index in self._parts:
            there = index.filter(f"{place} exists")
            for start in range(0, len(there), BLOCK):
                part = there[start : start + BLOCK]
                values = (functools.reduce(lambda held, key: held[key], path, d) for d in index.documents(part))
                passed.append(first + part[[test(value) for value in values]])
        return self._live(passed)

    def both(self, found: Sequence[Ids]) -> Ids:
        """Return the rows that are in all arrays; all rows if there are no arrays."""
        if not found:
            return self.everything()
        return functools.reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), found)

    def either(self, found: Sequence[Ids]) -> Ids:
        """Return the rows that are in any of the arrays."""
        return functools.reduce(np.union1d, found) if found else np.empty(0, np.int64)

    def without(self, found: Ids) -> Ids:
        """Return all live rows except these."""
        return np.setdiff1d(self.everything(), found, assume_unique=True)


def _place(path: Sequence[str]) -> str:
    """Return a path in the language of conditions."""
    return "".join(f"[{json.dumps(step)}]" for step in path)


def _encoder() -> JSONEncoder:
    return JSONEncoder(64, strings=STRINGS)


def _mark(snapshot: Snapshot, count: int) -> int:
    """Return a hash of the first and last row's key and document, which shows whether a store is the same."""
    mark = xxhash.xxh3_64()
    for key, text, _ in snapshot.entries(np.array([0, count - 1])):
        mark.update(repr((key, text)).encode("utf-8", "surrogatepass"))
    return mark.intdigest()

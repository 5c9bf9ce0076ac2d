"""Which documents have metadata that pass a filter: answered from the posting lists of a JSONIndex."""

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

STRINGS = {"exact": 1.0, "words": 0.0}
"""Filters compare whole texts."""

KEPT = "metadata"
"""Begins the name of a folder that was kept: edition, rows and mark of the rows follow, as hexadecimal numbers."""

_NAME = re.compile(rf"{KEPT}(-[0-9a-f]{{1,16}}){{3}}")

LEAST, PART = 1000, 8
"""What was made is kept if it is of so many rows, and such a part of all."""


class Metadata:
    """Metadata of the rows of a snapshot, by posting lists.

    Derived data: made of the rows' documents, and brought up to date by those that came since. What was made is kept
    in a folder, if there is one, and opened there; what is missing, damaged or of other rows is made anew, in memory.

    Methods return positions of live rows, ascending, which :meth:`both`, :meth:`either` and :meth:`without` combine.
    Not for several threads at once; :class:`~hdc.apps.stores.Collection` sees to that.

    Parameters
    ----------
    read : function
        Returns the metadata, a JSON object, of a row's document as it is stored.
    folder : path, optional
        In which to keep what was made: a folder of :data:`KEPT` and what rows it is of.
    """

    def __init__(self, read: Callable[[bytes | None], dict[str, Any]], folder: Path | None = None) -> None:
        self._read, self._folder = read, folder
        self._snapshot: Snapshot | None = None
        self._parts: list[tuple[int, JSONIndex]] = []  # each with the position of its first row; dead rows are empty
        self._alive = np.empty(0, bool)

    def follow(self, snapshot: Snapshot) -> None:
        """Go on to the rows of a later snapshot."""
        last = self._snapshot
        if last is snapshot:
            return
        self._snapshot = None  # an error on the way leaves what the next call begins anew
        if last is None or last.edition != snapshot.edition:
            self.close()
            self._parts = [*self._opened(snapshot)]
        now, known = alive(snapshot), self._rows()
        if snapshot.count > known:
            if not self._parts or not self._parts[-1][1].writable:  # what was kept stays as it is
                self._parts.append((known, JSONIndex(_encoder(), vectors=None)))
            self._add(self._parts[-1][1], snapshot, known)
        self._alive, self._snapshot = now, snapshot

    def _rows(self) -> int:
        """Return how many rows are known."""
        return self._parts[-1][0] + self._parts[-1][1].rows() if self._parts else 0

    def _add(self, index: JSONIndex, snapshot: Snapshot, start: int) -> None:
        """Add rows from a position on."""
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
        self._snapshot = self._folder = None  # what was kept is damaged
        self.follow(snapshot)
        return where(self)

    # ------------------------------------------------------------------ files

    def _opened(self, snapshot: Snapshot) -> Iterator[tuple[int, JSONIndex]]:
        """Yield what was kept of the first rows, if there is anything."""
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
        """Return the folders that were kept, the one of most rows first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        there = [path for path in self._folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(there, key=lambda path: -int(path.name.split("-")[2], 16))

    def keep(self) -> None:
        """Write what was made, if enough of it is in memory alone."""
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
        """Close what is open; it is opened again when it is needed."""
        for _, index in self._parts:
            index.close()
        self._parts, self._snapshot = [], None

    # ------------------------------------------------------------------ filters

    def everything(self) -> Ids:
        """Return all rows."""
        return np.flatnonzero(self._alive)

    def where(self, conditions: str | Iterable[str]) -> Ids:
        """Return the rows for which conditions hold, as :meth:`hdc.apps.json.JSONIndex.search` reads them.

        Raises
        ------
        ParameterError
            If one cannot be read.
        """
        return self._live([first + index.filter(conditions) for first, index in self._parts])

    def _live(self, found: list[Ids]) -> Ids:
        """Return those rows of some, ascending, that are alive."""
        rows: Ids = np.concatenate([np.empty(0, np.int64), *found])
        return rows[self._alive[rows]]

    def absent(self, path: Sequence[str]) -> Ids:
        """Return the rows that have nothing at a path, or null."""
        place = _place(path)
        return self.either([self.where(f"{place} missing"), self.where(f"{place} = null")])

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
        return self.where(f"{place} {operator} {json.dumps(value)}")

    def _matching_text(self, path: Sequence[str], place: str, value: Any, exactly: bool) -> Ids:
        if not isinstance(value, str):
            raise ParameterError(f"a part of a text is a text, not {shown(value)}")
        part = value if exactly else value.lower()

        def matches(held: Any) -> bool:
            return isinstance(held, str) and part in (held if exactly else held.lower())

        return self._holding(path, place, matches)

    def _holding(self, path: Sequence[str], place: str, test: Callable[[Any], bool]) -> Ids:
        """Return the rows with a value that passes a test, which is tried on all documents that have one."""
        passed = []
        for first, index in self._parts:
            there = index.filter(f"{place} exists")
            for start in range(0, len(there), BLOCK):
                part = there[start : start + BLOCK]
                values = (functools.reduce(lambda held, key: held[key], path, d) for d in index.documents(part))
                passed.append(first + part[[test(value) for value in values]])
        return self._live(passed)

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


def _encoder() -> JSONEncoder:
    return JSONEncoder(64, strings=STRINGS)


def _mark(snapshot: Snapshot, count: int) -> int:
    """Return a hash of the keys and documents of the first and last of some rows, which tells of another store."""
    mark = xxhash.xxh3_64()
    for key, text, _ in snapshot.entries(np.array([0, count - 1])):
        mark.update(repr((key, text)).encode("utf-8", "surrogatepass"))
    return mark.intdigest()

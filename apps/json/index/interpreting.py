"""Interpret a query at a path where no document has a value: an array, a key inside, another spelling."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hdc.apps.json.document.paths import Path, parse_path, show_path
from hdc.apps.json.document.rules import Layout, resolved
from hdc.apps.json.document.structure import ARRAY, leaf_value
from hdc.apps.json.index.anywhere import ANY, found_by
from hdc.apps.json.index.narrowing import columns_at
from hdc.apps.json.index.spelling import points_of
from hdc.apps.json.values.parts import path_hash
from hdc.apps.json.values.strings import words_of
from hdc.apps.json.values.values import Values
from hdc.kernels import PostingKernels
from hdc.search.postings.searcher import PostingRows

SHORT, LONG = 4, 8
"""Letters of a key from which one, or two, of them may be wrong."""

COMPARED = 1 << 12
"""Keys of an object, the first ones, to compare for another spelling."""

SUGGESTED = 3
"""Most paths to suggest."""

FOUND = 1 << 10
"""Most paths to examine for what one path could mean."""


class Interpretation(NamedTuple):
    """A query as it is searched, and notes on it.

    Attributes
    ----------
    query : JSON value
    notes : tuple of str
        One per path at which no document has a value: how it was read, or what it may mean.
    """

    query: Any
    notes: tuple[str, ...] = ()


def interpreted(query: Any, rows: PostingRows, values: Values, layout: Layout) -> Interpretation:
    """Return a query in which paths that no document has are replaced if only one thing can be meant."""
    known = [segment.names.members for segment in rows.segments]
    if not any(known) or all(any(path_hash(path)[0] in own for own in known) for path in _leaf_paths(query, ())):
        return Interpretation(query)
    if _is_asked(query):
        return Interpretation({ANY: query}, ("no document is a text or number itself; looked for it in any field",))
    reader = _Reader(rows, values, layout)
    return Interpretation(reader.read(query, (), reader.root), tuple(reader.notes))


def _is_asked(value: Any) -> bool:
    """Return whether a value is a text or a number; only these are looked for elsewhere."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    return bool(value) if isinstance(value, str) else bool(value - value == 0)


def _leaf_paths(query: Any, path: Path) -> Iterator[Path]:
    if isinstance(query, dict) and query:
        for key, item in query.items():
            if key != ANY:
                yield from _leaf_paths(item, (*path, key))
    elif isinstance(query, ARRAY) and query:
        for item in query:
            yield from _leaf_paths(item, (*path, None))
    else:
        yield path


class _Node:
    """What documents have at a path: a leaf, keys, items, or several of these."""

    __slots__ = ("items", "keys", "leaf")

    def __init__(self) -> None:
        self.leaf = False
        self.keys: dict[str, _Node] = {}
        self.items: _Node | None = None

    def add(self, path: Path) -> None:
        """Add a leaf."""
        node = self
        for step in path:
            if isinstance(step, str):
                node = node.keys.setdefault(step, _Node())
            else:
                node.items = node = node.items or _Node()
        node.leaf = True

    def beneath(self, path: Path = ()) -> Iterator[tuple[Path, "_Node"]]:
        """Yield all nodes below, the nearest first in each branch."""
        for step, child in self._children():
            yield (*path, step), child
            yield from child.beneath((*path, step))

    def _children(self) -> Iterable[tuple[str | None, "_Node"]]:
        yield from self.keys.items()
        if self.items is not None:
            yield None, self.items


class _Reader:
    def __init__(self, rows: PostingRows, values: Values, layout: Layout) -> None:
        self._rows, self._values, self._layout = rows, values, layout
        self.root, self.notes = _Node(), list[str]()
        for text in sorted({text for segment in rows.segments for text in segment.names.texts}):
            self.root.add(parse_path(text))

    def read(self, query: Any, path: Path, node: _Node) -> Any:
        """Return the meanings of a part of a query where documents have a node."""
        if isinstance(query, dict) and query:
            if node.items is not None and not (node.keys.keys() & query.keys()) and ANY not in query:
                self.notes.append(f"{show_path(path)} is an array; looked in its items")
                return [self.read(query, (*path, None), node.items)]
            return self._object(query, path, node)
        if isinstance(query, ARRAY) and query:
            if node.items is not None:
                return [self.read(item, (*path, None), node.items) for item in query]
            if len(query) == 1 and query[0] not in ({}, []):
                self.notes.append(f"{show_path(path)} is no array; looked for the item itself")
                return self.read(query[0], path, node)
            self.notes.append(f"{show_path(path)} is no array")
            return query
        return query if node.leaf else self._leaf(query, path, node)

    def _object(self, query: dict[str, Any], path: Path, node: _Node) -> dict[str, Any]:
        meant: dict[str, Any] = {}
        for key, item in query.items():
            own = (*path, key)
            if key == ANY or not isinstance(key, str):
                meant[key] = item
            elif key in node.keys:
                meant[key] = self.read(item, own, node.keys[key])
            else:
                found = self._fitting(item, path, _alike(node, key, self._rows.kernels) or _elsewhere(node, key))
                first = found[0][0][0] if len(found) == 1 else None
                if isinstance(first, str) and first not in query and first not in meant:
                    ((steps, child),) = found
                    self._say(own, f"read as {show_path((*path, *steps))}")
                    meant[first] = _wrapped(steps[1:], self.read(item, (*path, *steps), child))
                else:
                    self._suggest(own, [(*path, *steps) for steps, _ in found])
                    meant[key] = item
        return meant

    def _leaf(self, value: Any, path: Path, node: _Node) -> Any:
        if not _is_asked(value):
            return value
        found = self._fitting(value, path, [pair for pair in _first(node.beneath()) if pair[1].leaf])
        if len(found) != 1 or self._by_position(value, path, found[0][0]):
            self._suggest(path, [(*path, *steps) for steps, _ in found])
            return value
        ((steps, _),) = found
        self._say(path, f"read as {show_path((*path, *steps))}")
        return _wrapped(steps, value)

    def _fitting(self, item: Any, path: Path, found: list[tuple[Path, _Node]]) -> list[tuple[Path, _Node]]:
        """Return, of several possible places of a value, those that match it at least in part; all if none does."""
        if len(found) < 2 or not _is_asked(item):
            return found
        return [pair for pair in found if pair[1].leaf and self._holds((*path, *pair[0]), item)] or found

    def _holds(self, path: Path, value: Any) -> bool:
        terms, number = found_by(self._values, path, leaf_value(value, path))
        where, columns = np.full(len(terms), path_hash(path)[0], np.uint64), columns_at(path, self._layout) or ()
        for segment in self._rows.segments:
            if any(segment.lists(np.array(list(terms), np.uint64), where)[1]):
                return True
            if number is not None and any(segment.column(column)[1] for column in columns):
                return True
        return False

    def _by_position(self, value: Any, path: Path, steps: Path) -> bool:
        """Return whether a place would need an array position that the query did not give."""
        return any(
            step is None and resolved(self._layout.arrays[(*path, *steps[:at])], [value]) == "sequence"
            for at, step in enumerate(steps)
        )

    def _suggest(self, path: Path, others: list[Path]) -> None:
        shown = list(dict.fromkeys(map(show_path, others)))
        more = ", …" if len(shown) > SUGGESTED else ""
        self._say(path, f"did you mean {' or '.join(shown[:SUGGESTED])}{more}?" if shown else "")

    def _say(self, path: Path, more: str) -> None:
        self.notes.append(f"no document has a value at {show_path(path)}" + (f"; {more}" if more else ""))


def _first(found: Iterator[tuple[Path, _Node]]) -> list[tuple[Path, _Node]]:
    return [pair for pair, _ in zip(found, range(FOUND), strict=False)]


def _wrapped(steps: Path, value: Any) -> Any:
    """Wrap a value in objects and arrays, so that it is below the given steps."""
    for step in reversed(steps):
        value = [value] if step is None else {step: value}
    return value


def _alike(node: _Node, key: str, kernels: PostingKernels) -> list[tuple[Path, _Node]]:
    """Return the keys of which another key may be a misspelling."""
    plain, digits = _plain(key), _digits(key)
    most = 2 if len(plain) >= LONG else 1 if len(plain) >= SHORT else 0
    others = [other for other, _ in zip(node.keys, range(COMPARED), strict=False) if _digits(other) == digits]
    written = [_plain(other) for other in others]
    starts = np.cumsum([0, *map(len, written)], dtype=np.int64)
    which, distances = kernels.near(points_of("".join(written)), starts, points_of(plain), most)
    return [((others[i],), node.keys[others[i]]) for i in which[distances == distances.min(initial=most)].tolist()]


def _elsewhere(node: _Node, key: str) -> list[tuple[Path, _Node]]:
    """Return the places below a node that have a key."""
    return [(steps, child) for steps, child in _first(node.beneath()) if steps[-1] == key]


def _plain(key: str) -> str:
    return "".join(words_of(key)) or key


def _digits(key: str) -> str:
    return "".join(filter(str.isdigit, key))

"""Take documents apart into what they are found by: leaves at spots, each a few terms or a number."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from hdc.apps.json.document.batches import uncollected
from hdc.apps.json.document.constant import Constant
from hdc.apps.json.document.paths import MAX_POSITION, Path, show_path
from hdc.apps.json.document.rules import Layout, by_position
from hdc.apps.json.document.structure import ARRAY, leaf_value
from hdc.apps.json.reading import MAX_DEPTH
from hdc.apps.json.values.numbers import Quantities
from hdc.apps.json.values.parts import column_hash, path_hash, term_hash
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError
from hdc.kernels import NO_ITEM
from hdc.search.postings.segment import Occurrences

HELD_LEAVES = 1 << 18
"""Distinct leaves after which what is known of them is dropped."""

INT53 = 1 << 53

TRUE, FALSE = Constant.TRUE, Constant.FALSE

SINGLE = frozenset({str, int, float, type(None)})


class _Node:
    """A path: what its children are, and the leaves that were met there."""

    __slots__ = ("depth", "factor", "hash", "items", "keys", "leaves", "mode", "path", "text")

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.depth = path, len(path)
        self.mode = layout.arrays[path]
        self.factor = layout.weights[path] ** 2
        self.hash, self.text = path_hash(path)
        self.keys: dict[str, _Node] = {}
        self.items: dict[int | None, _Node] = {}
        self.leaves: dict[Any, int] = {}


class Taker:
    """Take documents apart, and remember what leaves are made of.

    Parameters
    ----------
    values : Values
    layout : Layout
    """

    def __init__(self, values: Values, layout: Layout) -> None:
        self._values, self._layout = values, layout
        self._begin()

    def _begin(self) -> None:
        self._root = _Node((), self._layout)
        self._terms: list[list[int]] = []
        self._paths: list[int] = []
        self._columns: list[int] = []
        self._places: list[float] = []
        self._numbers: list[float] = []
        self._masses: list[float] = []
        self._names: list[str] = []
        self._words: dict[int, str] = {}
        self._own_words: list[list[int]] = []
        self._clear()

    def _clear(self) -> None:
        self._spots, self._leaves, self._stops = list[int](), list[int](), list[int]()
        self._document, self._parent, self._place = list[int](), list[int](), list[int]()

    def take(self, documents: Iterable[Any]) -> Occurrences:
        """Return what some documents hold; raises as :meth:`add`."""
        self._clear()
        for document in documents:
            self.add(document)
        return self.taken()

    def add(self, document: Any) -> None:
        """Take one more document apart.

        Raises
        ------
        ParameterError
            If it is no JSON.
        """
        with uncollected():
            self._number = len(self._stops)
            self._walk(self._root, document, self._number, False)
        self._stops.append(len(self._leaves))

    def taken(self) -> Occurrences:
        """Return what the documents hold that were added since the last call."""
        found = self._found(self._stops)
        self._clear()
        if len(self._terms) > HELD_LEAVES:
            self._begin()
        return found

    def _walk(self, node: _Node, value: Any, spot: int, inside: bool) -> None:
        """Walk what stands at a node; strings, truth values and integers, which are most, are found without a call."""
        if isinstance(value, dict) and value:
            keys, found, spots = node.keys, self._leaves, self._spots
            for key, item in value.items():
                child = keys.get(key)
                if child is None:
                    if not isinstance(key, str):
                        raise ParameterError(f"{show_path(node.path)}: a key must be a string, not {key!r}")
                    child = self._child(node, key)
                kind = type(item)
                if kind is bool:
                    item = TRUE if item else FALSE
                elif kind is not str and kind is not int:
                    self._walk(child, item, spot, inside)
                    continue
                leaf = child.leaves.get(item)
                found.append(self._leaf(child, item) if leaf is None else leaf)
                spots.append(spot)
        elif isinstance(value, ARRAY) and value:
            placed = node.mode == "sequence" or (node.mode == "auto" and by_position(value))
            items = node.items
            parent = spot if inside else NO_ITEM
            anywhere = None if placed else items.get(None) or self._child(node, None)
            for place, item in enumerate(value):
                child = anywhere
                if child is None:
                    step = place if place < MAX_POSITION else None
                    child = items.get(step) or self._child(node, step)
                number = len(self._document)
                self._document.append(self._number)
                self._parent.append(parent)
                self._place.append(place)
                if type(item) is str:
                    leaf = child.leaves.get(item)
                    self._leaves.append(self._leaf(child, item) if leaf is None else leaf)
                    self._spots.append(number)
                else:
                    self._walk(child, item, number, True)
        else:
            held = value if type(value) in SINGLE else leaf_value(value, node.path)
            leaf = node.leaves.get(held)
            self._leaves.append(self._leaf(node, held) if leaf is None else leaf)
            self._spots.append(spot)

    def _child(self, node: _Node, step: str | int | None) -> _Node:
        if node.depth >= MAX_DEPTH:
            raise ParameterError(f"a document is nested deeper than {MAX_DEPTH} levels")
        child = _Node((*node.path, step), self._layout)
        if isinstance(step, str):
            node.keys[step] = child
        else:
            node.items[step] = child
        return child

    def _leaf(self, node: _Node, value: Any) -> int:
        """Return the number of a leaf that was not met before."""
        if isinstance(value, float):
            leaf_value(value, node.path)  # raises where it is not finite
        parts = self._values.parts(node.path, value)
        terms, words = [], []
        for kind, (content,), _ in parts.terms:
            term = term_hash(kind, content)
            terms.append(term)
            if kind == "~":
                words.append(term)
                self._words[term] = content
        column, place, number = 0, 0.0, 0.0
        if parts.number is not None:
            column, place = column_hash(node.path, parts.number.kind), parts.number.place
            number, exact = exact_number(parts.number.kind, parts.number.value)
            terms += exact
        self._terms.append(terms)
        self._own_words.append(words)
        self._paths.append(node.hash)
        self._columns.append(column)
        self._places.append(place)
        self._numbers.append(number)
        self._masses.append(node.factor * parts.whole)
        self._names.append(node.text)
        leaf = node.leaves[value] = len(self._terms) - 1
        return leaf

    def _found(self, stops: list[int]) -> Occurrences:
        met, leaves = np.unique(np.array(self._leaves, np.int64), return_inverse=True)
        chosen = met.tolist()
        terms = [self._terms[leaf] for leaf in chosen]
        masses = np.array([self._masses[leaf] for leaf in chosen])[leaves] if chosen else np.empty(0)
        owners = np.repeat(np.arange(len(stops)), np.diff(stops, prepend=0).astype(np.int64))
        return Occurrences(
            len(stops),
            np.array(self._document, np.uint32),
            np.array(self._parent, np.uint32),
            np.array(self._place, np.uint32),
            np.array(self._spots, np.int64),
            leaves.astype(np.int64),
            np.cumsum([0, *map(len, terms)], dtype=np.int64),
            np.array([term for own in terms for term in own], np.uint64),
            np.array([self._paths[leaf] for leaf in chosen], np.uint64),
            np.array([self._columns[leaf] for leaf in chosen], np.uint64),
            np.array([self._places[leaf] for leaf in chosen], np.float64),
            np.array([self._numbers[leaf] for leaf in chosen], np.float64),
            np.bincount(owners, masses, len(stops)).astype(np.float64),
            {word: self._words[word] for leaf in chosen for word in self._own_words[leaf]},
            {self._paths[leaf]: self._names[leaf] for leaf in chosen},
        )


def exact_number(kind: Quantities, value: int | float) -> tuple[float, list[int]]:
    """Return a number as a double, or NaN and the hash of a term that stands for it where no double is equal to it."""
    if isinstance(value, float) or abs(value) <= INT53:
        return float(value), []
    try:
        if int(double := float(value)) == value:
            return double, []
    except OverflowError:
        pass
    return math.nan, [term_hash(kind, f"{value:#x}")]

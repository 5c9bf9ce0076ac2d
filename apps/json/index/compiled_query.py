"""A query compiled once into objects, arrays and leaves, each of which returns how much of it a document has.

Each leaf of the query has a weight (the sum of its squared atom weights) and gets the share of it that the document's
value at the same path matches. An item of an array must match as a whole: the query's
``{"label": "Seizure", "excluded": true}`` must be found in one item, the best one.

A part answers in two ways. :meth:`Part.weigher` returns a function that only adds up weights, for hundreds of documents
per query. :meth:`Part.trace` also returns what each leaf matched, for the few documents that are explained.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from hdc.apps.json.document.paths import Path
from hdc.apps.json.document.rules import Layout, Mode, by_position, overlap, resolved
from hdc.apps.json.document.structure import ARRAY, CONTAINER, leaf_value
from hdc.apps.json.values.parts import Spell
from hdc.apps.json.values.values import Sharing, Values

Weigh: TypeAlias = Callable[[Any], float]
"""Function that returns how much weight of the query's value a document's value at some path has."""


class _Absent(Enum):
    ABSENT = "-"


ABSENT = _Absent.ABSENT
"""Placeholder for a path where the document has no value."""


class Met(NamedTuple):
    """A leaf of the query, the value that it met in the document, and the weight that they share."""

    leaf: "Leaf"
    value: Any
    weight: float


Found: TypeAlias = tuple[float, list[Met]]
"""The weight of a part that a document has, and the match of each leaf of the part."""


class Part(ABC):
    """A part of a query, at its path."""

    __slots__ = ()

    @abstractmethod
    def leaves(self) -> Iterator["Leaf"]:
        """Yield the leaves that weigh anything, in the order of the query."""

    @abstractmethod
    def weigher(self) -> Weigh | None:
        """Return the function that weighs a document's value at the part's path; None if the weight is always 0."""

    @abstractmethod
    def trace(self, value: Any, kept: float = 1.0) -> Found:
        """Return the match of the part in a document's value; pass :data:`ABSENT` if there is none.

        Parameters
        ----------
        value : JSON value
        kept : float
            Part of the weight that the arrays above leave.
        """


@dataclass(slots=True, eq=False)
class Leaf(Part):
    """A scalar or an empty container.

    Attributes
    ----------
    path : Path
    value : str, int, float, None or Constant
    factor : float
        Squared weight of the path.
    sharing : Sharing
        Part of the value's weight that another value shares.
    """

    path: Path
    value: Any
    factor: float
    sharing: Sharing

    def leaves(self) -> Iterator["Leaf"]:
        """Yield the leaf itself."""
        yield self

    @property
    def asked(self) -> float:
        """The weight that the leaf asks with."""
        return self.factor * self.sharing.whole

    def weigher(self) -> Weigh:
        """Compare values, each once."""
        shared, factor = self.sharing.of, self.factor
        met: dict[Any, float] = {}

        def weigh_leaf(value: Any) -> float:
            if value.__class__ is not str:
                if isinstance(value, CONTAINER) and value:
                    return 0.0
                value = leaf_value(value)  # True equals 1, and empty containers cannot be looked up
            found = met.get(value)
            if found is None:
                found = met[value] = factor * shared(value)
            return found

        return weigh_leaf

    def trace(self, value: Any, kept: float = 1.0) -> Found:
        """Compare one value."""
        if value is ABSENT or (isinstance(value, CONTAINER) and value):
            return 0.0, [Met(self, ABSENT, 0.0)]
        held = leaf_value(value)
        weight = kept * (self.factor * self.sharing.of(held))
        return weight, [Met(self, held, weight)]


@dataclass(slots=True, eq=False)
class Object(Part):
    """An object: a part for each key."""

    parts: Mapping[str, Part]

    def leaves(self) -> Iterator[Leaf]:
        """Yield the leaves of all parts."""
        for part in self.parts.values():
            yield from part.leaves()

    def weigher(self) -> Weigh | None:
        """Add up the parts whose keys the document has."""
        pairs = [(key, weigh) for key, part in self.parts.items() if (weigh := part.weigher())]
        if len(pairs) == 1:
            ((only, weigh_only),) = pairs

            def weigh_one(document: Any) -> float:
                return weigh_only(document[only]) if isinstance(document, dict) and only in document else 0.0

            return weigh_one

        def weigh_object(document: Any) -> float:
            total = 0.0
            if isinstance(document, dict):
                for key, weigh in pairs:
                    if key in document:
                        total += weigh(document[key])
            return total

        return weigh_object if pairs else None

    def trace(self, value: Any, kept: float = 1.0) -> Found:
        """Add up the parts."""
        there = value if isinstance(value, dict) else {}
        return _added([part.trace(there.get(key, ABSENT), kept) for key, part in self.parts.items()])


At: TypeAlias = Callable[[int | None], Part]
"""Function that creates the part of an item at a position, or at any, of an array bound differently."""


@dataclass(slots=True, eq=False)
class Positions(Part):
    """An array whose items are compared with those at their own positions.

    Attributes
    ----------
    parts : sequence of Part
    others : sequence of functions
        Make those for arrays in which not all are numbers; none, where all arrays are bound by position.
    """

    parts: Sequence[Part]
    others: Sequence[At] = ()

    def leaves(self) -> Iterator[Leaf]:
        """Yield the leaves of all items."""
        for part in self.parts:
            yield from part.leaves()

    def weigher(self) -> Weigh:
        """Add up the items."""
        parts, mixed = _weighers(self.parts), _weighers([at(None) for at in self.others])

        def weigh_sequence(items: Any) -> float:
            if not isinstance(items, ARRAY):
                return 0.0
            weigh = mixed if mixed and not by_position(items) else parts
            return sum([weigh_one(item) for weigh_one, item in zip(weigh, items, strict=False)])

        return weigh_sequence

    def trace(self, value: Any, kept: float = 1.0) -> Found:
        """Add up the items."""
        items = value if isinstance(value, ARRAY) else ()
        parts = self.parts if by_position(items) or not self.others else [at(None) for at in self.others]
        return _added([part.trace(items[i] if i < len(items) else ABSENT, kept) for i, part in enumerate(parts)])


@dataclass(slots=True, eq=False)
class Places(Part):
    """An array of which each item is matched with the best item of the document, at any position.

    Attributes
    ----------
    parts : sequence of Part
    mode : Mode
    others : sequence of functions
        Create the parts for arrays of only numbers, whose items have positions; none if no array is bound so.
    """

    parts: Sequence[Part]
    mode: Mode
    others: Sequence[At] = ()

    def leaves(self) -> Iterator[Leaf]:
        """Yield the leaves of all items."""
        for part in self.parts:
            yield from part.leaves()

    def weigher(self) -> Weigh:
        """Add up the best items, less where their places count."""
        parts, mode = _weighers(self.parts), self.mode
        placed = [cache(lambda place, at=at: at(place).weigher() or _nothing) for at in self.others]

        def weigh_bag(items: Any) -> float:
            if not isinstance(items, ARRAY) or not items:
                return 0.0
            if placed and by_position(items):
                return sum([max(weigh(place)(item) for place, item in enumerate(items)) for weigh in placed])
            return sum([max(map(weigh, items)) for weigh in parts])

        def weigh_places(items: Any) -> float:
            if not isinstance(items, ARRAY) or not items:
                return 0.0
            return sum(
                max(overlap(position, place, mode) * weigh(item) for place, item in enumerate(items))
                for position, weigh in enumerate(parts)
            )

        return weigh_places if mode in ("soft", "both") else weigh_bag

    def trace(self, value: Any, kept: float = 1.0) -> Found:
        """Add up the best items."""
        items = value if isinstance(value, ARRAY) else ()
        return _added([self._best(position, items, kept) for position in range(len(self.parts))])

    def _best(self, position: int, items: Sequence[Any], kept: float) -> Found:
        part = self.parts[position]
        at = self.others[position] if self.others and by_position(items) else lambda _: part
        best = part.trace(ABSENT)
        for place, item in enumerate(items):
            near = overlap(position, place, self.mode)
            found = at(place).trace(item, kept * near) if near else best
            if found[0] > best[0]:
                best = found
        return best


class Ignored(Part):
    """A leaf of weight 0."""

    def leaves(self) -> Iterator[Leaf]:
        """Yield nothing."""
        yield from ()

    def weigher(self) -> None:
        """Return None."""

    def trace(self, value: Any, kept: float = 1.0) -> Found:
        """Find nothing."""
        return 0.0, []


def compiled(query: Any, values: Values, layout: Layout, spell: Spell | None = None) -> Part:
    """Take a query apart.

    Parameters
    ----------
    query : JSON value
    values : Values
        Measures how much of one value another has.
    layout : Layout
        Says how arrays are bound and what each path weighs.
    spell : function, optional
        For words that no document has.
    """

    def part_of(query: Any, path: Path) -> Part:
        if isinstance(query, dict) and query:
            return Object({key: part_of(item, (*path, key)) for key, item in query.items()})
        if isinstance(query, ARRAY) and query:
            rule = layout.arrays[path]
            mode = resolved(rule, query)
            placed = mode == "sequence"
            parts = [part_of(item, (*path, place if placed else None)) for place, item in enumerate(query)]
            others = [standing(part, path) for part in parts] if rule == "auto" else []
            return Positions(parts, others) if placed else Places(parts, mode, others)
        factor = layout.weights[path]
        if not factor:
            return Ignored()
        value = leaf_value(query)
        return Leaf(path, value, factor**2, values.sharing(path, value, spell))

    def standing(part: Part, array: Path) -> At:
        """Return what makes the part for items that stand elsewhere in an array: numbers have another scale there."""
        if not isinstance(part, Leaf):
            return lambda _: part
        path, value, factor = part.path, part.value, part.factor

        @cache
        def at(place: int | None) -> Part:
            return Leaf(path, value, factor, values.sharing(path, value, spell, (*array, place)))

        return at

    return part_of(query, ())


def _weighers(parts: Iterable[Part]) -> list[Weigh]:
    return [part.weigher() or _nothing for part in parts]


def _nothing(document: Any) -> float:
    return 0.0


def _added(found: list[Found]) -> Found:
    return sum([weight for weight, _ in found]), [met for _, part in found for met in part]

"""Posting lists for the leaves of queries, cached by path and value."""

import math
import struct
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from hdc.apps.json.document.paths import MAX_POSITION, Path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.document.structure import leaf_value
from hdc.apps.json.index.likening import Likened, likened_at
from hdc.apps.json.index.taking import exact_number
from hdc.apps.json.values.numbers import DECADE_WIDTHS, EXACT_NUMBER, NUMBER, QUANTILE_WIDTHS, Quantities
from hdc.apps.json.values.parts import Number, Spell, column_hash, path_hash, term_hash
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError
from hdc.kernels import POSTING_LIST

LIST, EXTRA, COLUMN = 0, 1, 2

HELD = 1 << 16
"""Paths and leaves to cache."""

_RECORD = struct.Struct("=qQQqqddddddd")
_NO_NUMBER = (0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
_LIKENED = (0.0, math.nan, 0.0, 0.0, 0.0, 0.0)

if _RECORD.size != POSTING_LIST.itemsize:
    raise AssertionError("a record is packed as POSTING_LIST has it")


def packed_list(kind: int, number: int, path: int, within: int, counted: int, weight: float) -> bytes:
    """Return a record of :data:`hdc.kernels.POSTING_LIST` for a list, not a column."""
    return _RECORD.pack(kind, number, path, within, counted, weight, *_NO_NUMBER)


class LeafLists(NamedTuple):
    """A leaf as lists.

    Attributes
    ----------
    records : bytes
        Of :data:`hdc.kernels.POSTING_LIST`, one after the other.
    lists : int
        How many.
    asked : float
        Weight of the leaf.
    others : tuple of (int, int, tuple of int)
        Lists that are any of several terms: which of these it is, the path, and the terms.
    likened : Likened or None
        A string to compare by the string encoder.
    """

    records: bytes
    lists: int
    asked: float
    others: tuple[tuple[int, int, tuple[int, ...]], ...]
    likened: Likened | None = None


class Place:
    """A path of queries, with cached lists.

    Attributes
    ----------
    path : Path
    known : bool
        Whether a document has a leaf there.
    leaves : dict of value to LeafLists
    """

    __slots__ = ("factor", "hash", "items", "keys", "known", "leaves", "mode", "path")

    def __init__(self, path: Path, layout: Layout, known: Collection[int]) -> None:
        self.path, self.mode = path, layout.arrays[path]
        self.factor = layout.weights[path] ** 2
        self.hash, _ = path_hash(path)
        self.known = self.hash in known
        self.keys: dict[str, Place] = {}
        self.items: dict[int | None, Place] = {}
        self.leaves: dict[Any, LeafLists] = {}


class Places:
    """What leaves are asked as.

    Parameters
    ----------
    values : Values
    layout : Layout
    spell : function, optional
        For words that no document has.
    known : set of int, optional
        Hashes of the paths that documents have.
    """

    def __init__(
        self, values: Values, layout: Layout, spell: Spell | None = None, known: Collection[int] = frozenset()
    ) -> None:
        self.values, self.layout, self._spell, self._known = values, layout, spell, known
        self.root, self._held = Place((), layout, known), 0

    def begin(self) -> Place:
        """Return the place of whole documents; a cache that is too large is cleared."""
        if self._held > HELD:
            self.root, self._held = Place((), self.layout, self._known), 0
        return self.root

    def key(self, place: Place, key: str) -> Place:
        """Return the place of a key."""
        found = place.keys.get(key)
        if found is None:
            if not isinstance(key, str):
                raise ParameterError(f"a key must be a string, not {key!r}")
            found = place.keys[key] = self._made((*place.path, key))
        return found

    def item(self, place: Place, position: int | None) -> Place:
        """Return the place of an item of an array, or of all of them."""
        found = place.items.get(position)
        if found is None:
            found = place.items[position] = self._made((*place.path, position))
        return found

    def _made(self, path: Path) -> Place:
        self._held += 1
        return Place(path, self.layout, self._known)

    def leaf(self, place: Place, value: Any) -> LeafLists:
        """Return the lists of a leaf that was not met before."""
        value = leaf_value(value, place.path)
        found = place.leaves.get(value)
        if found is None:
            self._held += 1
            found = place.leaves[value] = self._taken_apart(place, value)
        return found

    def _taken_apart(self, place: Place, value: Any) -> LeafLists:
        factor, where = place.factor, place.hash
        if not factor:
            return LeafLists(b"", 0, 0.0, ())
        parts = self.values.parts(place.path, value, self._spell)
        records, others = list[bytes](), list[tuple[int, int, tuple[int, ...]]]()
        pack, terms = _RECORD.pack, parts.terms
        words = len(terms) > 1 and terms[1].kind == "≡"
        for at, (kind, contents, weight) in enumerate(terms):
            if len(contents) > 1:
                others.append((at, where, tuple([term_hash(kind, content) for content in contents])))
                records.append(packed_list(EXTRA, 0, where, 0, 1, factor * weight))
            else:
                # Equal strings have the same words in the same order, and so the same words and pairs.
                within = max(1, at - 1) if words and at and kind in "≡~&" else 0
                number = term_hash(kind, contents[0])
                records.append(pack(LIST, number, where, within, 1, factor * weight, *_NO_NUMBER))
        if parts.number is not None:
            records += self._number(place, parts.number)
        likened = likened_at(where, value) if parts.likened else None
        if likened is not None:
            records.append(_RECORD.pack(COLUMN, likened.column, 0, 0, 1, factor * parts.likened, *_LIKENED))
        return LeafLists(b"".join(records), len(records), factor * parts.whole, tuple(others), likened)

    def _number(self, place: Place, number: Number) -> Iterator[bytes]:
        path, factor = place.path, place.factor
        value, exact = exact_number(number.kind, number.value)
        for term in exact:
            yield packed_list(LIST, term, place.hash, 0, 1, EXACT_NUMBER * factor * number.weight)
        weight = factor * number.weight * (1 - EXACT_NUMBER if exact else 1)
        yield self._column(path, number.kind, value, number.place, weight, 1)
        if number.kind == NUMBER:
            for other in self._elsewhere(path):
                placed = self.values.parts(other, number.value).number
                if placed is not None:
                    yield self._column(other, NUMBER, value, placed.place, weight, 0)

    def _column(self, path: Path, kind: Quantities, value: float, place: float, weight: float, counted: int) -> bytes:
        if self.values.options.numbers == "smooth":
            widths = 0.0, 0.0, 0.0
        else:
            widths = QUANTILE_WIDTHS if self.values.has_scale(path, kind) else DECADE_WIDTHS
        exact = 0.0 if value != value else EXACT_NUMBER
        return _RECORD.pack(COLUMN, column_hash(path, kind), 0, 0, counted, weight, place, value, exact, *widths)

    def _elsewhere(self, path: Path) -> list[Path]:
        """Return other possible places of an array's item: by position if an array has only numbers, or not."""
        if not path or isinstance(path[-1], str) or self.layout.arrays[path[:-1]] != "auto":
            return []
        if path[-1] is None:
            return [(*path[:-1], position) for position in range(MAX_POSITION)]
        return [(*path[:-1], None)] if path[-1] < MAX_POSITION else []

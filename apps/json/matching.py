"""How much of what a query asks for a document holds: exactly, on the documents themselves.

Each leaf of the query asks with its weight (the sum of its squared atom weights) and gets the part of it that
the document's value at the same path shares. An item of an array is looked for as a whole: the query's
``{"label": "Seizure", "excluded": true}`` must be found in one item, the best one.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from hdc.apps.json.leaves import Arrays, Constant, by_position, leaf_value
from hdc.apps.json.paths import Path, show_path
from hdc.apps.json.profile import Profile
from hdc.apps.json.tokens import Tokens

ELSEWHERE = 0.5
"""Part of an item's match that is left where its position differs and ``arrays="both"``."""


CONTAINED = 0.9
"""What a string gets that holds every word of the query's string and is not equal to it."""


class _Absent(Enum):
    ABSENT = "-"


ABSENT = _Absent.ABSENT
"""Stands for a value where the document has none at the path."""


class Reason(NamedTuple):
    """One line of an explanation: a leaf of the query, what it met, and its part of the score."""

    path: str
    query: Any
    match: Any
    share: float


class _Leaf(NamedTuple):
    path: Path
    query: Any
    match: Any


_Found: TypeAlias = "tuple[float, _Leaf | list[_Found]]"
"""Matched weight, and the leaf or the parts that make it up."""


class Matcher:
    """Compare one query with many documents.

    Parameters
    ----------
    query : JSON value
    profile : Profile
        Gives tokens and weights.
    arrays : str
        As :class:`JSONEncoder`'s.
    """

    def __init__(self, query: Any, profile: Profile, arrays: Arrays) -> None:
        self._query, self._profile, self._arrays = query, profile, arrays
        self._tokens: dict[tuple[Path, Any], Tokens] = {}
        self._shared: dict[tuple[Path, Any, Any], float] = {}
        asked = [leaf for _, leaf in _flat(self._compare(query, ABSENT, ()))]
        self.leaves = len(asked)
        self.asked = sum(self._shared_weight(leaf.path, leaf.query, leaf.query) for leaf in asked)

    def score(self, document: Any) -> float:
        """Return the part of the asked weight that the document holds: 1.0 is everything, 0.0 nothing."""
        return self._compare(self._query, document, ())[0] / self.asked

    def reasons(self, document: Any) -> list[tuple[Path, Reason]]:
        """Return path and reason of every leaf of the query; the shares sum to the score."""
        found = []
        for share, leaf in _flat(self._compare(self._query, document, ())):
            reason = Reason(show_path(leaf.path), plain(leaf.query), plain(leaf.match), share / self.asked)
            found.append((leaf.path, reason))
        return found

    # ------------------------------------------------------------------ comparison

    def _compare(self, query: Any, document: Any, path: Path, kept: float = 1.0) -> _Found:
        if isinstance(query, dict) and query:
            there = document if isinstance(document, dict) else {}
            parts = [self._compare(item, there.get(key, ABSENT), (*path, key), kept) for key, item in query.items()]
            return sum(part[0] for part in parts), parts
        if isinstance(query, list | tuple) and query:
            items = document if isinstance(document, list | tuple) else []
            ordered = by_position(query, self._arrays)
            parts = []
            for position, item in enumerate(query):
                step = position if ordered else None
                parts.append(self._best(item, items, position, (*path, step), kept))
            return sum(part[0] for part in parts), parts
        asked = leaf_value(query)
        if document is ABSENT or (isinstance(document, dict | list | tuple) and document):
            return 0.0, _Leaf(path, asked, ABSENT)
        held = leaf_value(document)
        return kept * self._shared_weight(path, asked, held), _Leaf(path, asked, held)

    def _best(self, query: Any, items: Sequence[Any], position: int, path: Path, kept: float) -> _Found:
        """Return the comparison with the item of the document that holds most of the query's item."""
        if path[-1] is not None:
            return self._compare(query, items[position] if position < len(items) else ABSENT, path, kept)
        best = self._compare(query, ABSENT, path)
        for place, item in enumerate(items):
            moved = self._arrays == "both" and place != position
            found = self._compare(query, item, path, kept * ELSEWHERE if moved else kept)
            if found[0] > best[0]:
                best = found
        return best

    def _shared_weight(self, path: Path, query: Any, document: Any) -> float:
        key = (path, query, document)
        shared = self._shared.get(key)
        if shared is None:
            asked, held = self._tokens_of(path, query), self._tokens_of(path, document)
            shared = sum(weight * weight for token, weight in asked.items() if token in held)
            if isinstance(query, str) and isinstance(document, str) and query != document:
                whole = sum(weight * weight for weight in asked.values())
                shared *= CONTAINED * whole / (whole - asked["=", query] ** 2 or whole)
            self._shared[key] = shared
        return shared

    def _tokens_of(self, path: Path, value: Any) -> Tokens:
        key = (path, value)
        if key not in self._tokens:
            self._tokens[key] = self._profile.tokens(path, value)
        return self._tokens[key]


def _flat(found: _Found) -> Iterator[tuple[float, _Leaf]]:
    stack = [found]
    while stack:
        share, part = stack.pop()
        if isinstance(part, _Leaf):
            yield share, part
        else:
            stack += reversed(part)


def plain(value: Any) -> Any:
    """Return the JSON value that a leaf's value stands for."""
    if isinstance(value, Constant):
        return {"true": True, "false": False, "{}": {}, "[]": []}[value.value]
    return value

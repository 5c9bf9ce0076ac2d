"""How much of what a query asks for a document holds: exactly, on the documents themselves.

Each leaf of the query asks with its weight (the sum of its squared atom weights) and gets the part of it that
the document's value at the same path shares. An item of an array is looked for as a whole: the query's
``{"label": "Seizure", "excluded": true}`` must be found in one item, the best one.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.leaves import leaf_value
from hdc.apps.json.document.paths import Path, show_path
from hdc.apps.json.document.rules import Layout, Mode, overlap, resolved
from hdc.apps.json.index.compiled_query import Weigh, compiled
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError


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
    values : Values
        Says how much of one value another holds.
    layout : Layout
        Says how arrays are bound and what each path weighs.

    Raises
    ------
    ParameterError
        If the query asks for nothing that weighs anything.
    """

    def __init__(self, query: Any, values: Values, layout: Layout) -> None:
        self._query, self._values, self._layout = query, values, layout
        self._shared: dict[tuple[Path, Any, Any], float] = {}
        self._factors: dict[Path, float] = {}
        self._weigh: Weigh | None = None
        asked = [leaf for _, leaf in _flat(self._compare(query, ABSENT, ()))]
        self.leaves = len(asked)
        self.asked = sum(self._shared_weight(leaf.path, leaf.query, leaf.query) for leaf in asked)
        if not self.asked:
            raise ParameterError("the query asks for nothing that weighs anything: all its paths have weight 0")

    def prepare(self, documents: Iterable[Any]) -> None:
        """Do at once what is cheaper so than document by document: embed their strings, if there is an encoder."""
        self._values.prepare([self._query, *documents])

    def score(self, document: Any) -> float:
        """Return the part of the asked weight that the document holds: 1.0 is everything, 0.0 nothing."""
        if self._weigh is None:
            self._weigh = compiled(self._query, self._values, self._layout)
        return self._weigh(document) / self.asked

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
            mode = resolved(self._layout.arrays[path], query)
            parts = []
            for position, item in enumerate(query):
                if mode == "sequence":
                    met = items[position] if position < len(items) else ABSENT
                    parts.append(self._compare(item, met, (*path, position), kept))
                else:
                    parts.append(self._best(item, items, position, (*path, None), mode, kept))
            return sum(part[0] for part in parts), parts
        asked = leaf_value(query)
        if not self._factor(path):
            return 0.0, []
        if document is ABSENT or (isinstance(document, dict | list | tuple) and document):
            return 0.0, _Leaf(path, asked, ABSENT)
        held = leaf_value(document)
        return kept * self._shared_weight(path, asked, held), _Leaf(path, asked, held)

    def _best(self, query: Any, items: Sequence[Any], position: int, path: Path, mode: Mode, kept: float) -> _Found:
        """Return the comparison with the item of the document that holds most of the query's item."""
        best = self._compare(query, ABSENT, path)
        for place, item in enumerate(items):
            near = overlap(position, place, mode)
            found = self._compare(query, item, path, kept * near) if near else best
            if found[0] > best[0]:
                best = found
        return best

    def _shared_weight(self, path: Path, query: Any, document: Any) -> float:
        key = (path, query, document)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = self._factor(path) ** 2 * self._values.shared(path, query, document)
        return shared

    def _factor(self, path: Path) -> float:
        factor = self._factors.get(path)
        if factor is None:
            factor = self._factors[path] = self._layout.weights[path]
        return factor


def _flat(found: _Found) -> Iterator[tuple[float, _Leaf]]:
    stack = [found]
    while stack:
        share, part = stack.pop()
        if isinstance(part, _Leaf):
            yield share, part
        else:
            stack += reversed(part)

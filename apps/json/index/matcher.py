"""Compare one query exactly with many documents."""

import json
from typing import Any, NamedTuple

from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.paths import Path, show_path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.index.compiled_query import ABSENT, Weigh, compiled
from hdc.apps.json.values.parts import Spell
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError
from hdc.markup import bar, table


class Reason(NamedTuple):
    """One line of an explanation: a leaf of the query, its match, and its share of the score."""

    path: str
    query: Any
    match: Any
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the reason as a JSON object; without ``match`` where the document has no value."""
        entry = self._asdict()
        if self.match is ABSENT:
            del entry["match"]
        return entry

    @property
    def sign(self) -> str:
        """``=`` where both values are equal, ``~`` where they are similar, ``≠`` where they share nothing.

        Empty where the document has no such value.
        """
        if self.match is ABSENT:
            return ""
        same = self.query == self.match and isinstance(self.query, bool) == isinstance(self.match, bool)
        return "=" if same else "~" if self.share > 0 else "≠"


def mass_of(document: Any, values: Values, layout: Layout) -> float:
    """Return the weight of a whole document; 0 if nothing in it has weight."""
    try:
        return Matcher(document, values, layout).asked
    except ParameterError:
        return 0.0


class Reasons(list[Reason]):
    """The lines of an explanation, the largest share first."""

    def _repr_html_(self) -> str:
        """Return a table with a bar per share, for notebooks."""
        rows = [
            (
                *(bar(one.share), one.path, json.dumps(one.query, ensure_ascii=False), one.sign),
                "not there" if one.match is ABSENT else json.dumps(one.match, ensure_ascii=False),
            )
            for one in self
        ]
        return table(("share", "path", "query", "", "document"), rows)


class Matcher:
    """Compare one query with many documents.

    Parameters
    ----------
    query : JSON value
    values : Values
        Measures how much of one value another has.
    layout : Layout
        Says how arrays are bound and what each path weighs.
    spell : function, optional
        For words that no document has.

    Attributes
    ----------
    leaves : int
        How many leaves the query has.
    asked : float
        The weight that they ask with.

    Raises
    ------
    ParameterError
        If the query asks for nothing that weighs anything.
    """

    def __init__(self, query: Any, values: Values, layout: Layout, spell: Spell | None = None) -> None:
        self._compiled = compiled(query, values, layout, spell)
        self._weigh: Weigh | None = None
        asked = [leaf.asked for leaf in self._compiled.leaves()]
        self.leaves, self.asked = len(asked), sum(asked)
        if not self.asked:
            raise ParameterError("the query asks for nothing that weighs anything: all its paths have weight 0")

    def score(self, document: Any) -> float:
        """Return the share of the query's weight that the document has: 1.0 is everything, 0.0 nothing."""
        if self._weigh is None:
            self._weigh = self._compiled.weigher() or (lambda _: 0.0)
        return self._weigh(document) / self.asked

    def reasons(self, document: Any) -> list[tuple[Path, Reason]]:
        """Return path and reason of every leaf of the query; the shares sum to the score."""
        return [
            (leaf.path, Reason(show_path(leaf.path), plain(leaf.value), plain(value), weight / self.asked))
            for leaf, value, weight in self._compiled.trace(document)[1]
        ]

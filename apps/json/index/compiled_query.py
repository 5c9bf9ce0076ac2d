"""A query made into functions that add up what documents hold of it, leaf by leaf, and remember what they met."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from hdc.apps.json.document.leaves import leaf_value
from hdc.apps.json.document.paths import Path
from hdc.apps.json.document.rules import Layout, Mode, overlap, resolved
from hdc.apps.json.values.values import Values

Weigh: TypeAlias = Callable[[Any], float]
"""Returns the weight that a document's value at some path holds of the query's value there."""


def compiled(query: Any, values: Values, layout: Layout, path: Path = ()) -> Weigh:
    """Return the function that weighs documents against a query.

    Parameters
    ----------
    query : JSON value
    values : Values
        Says how much of one value another holds.
    layout : Layout
        Says how arrays are bound and what each path weighs.
    path : Path
        Where the query stands.
    """
    if isinstance(query, dict) and query:
        return _of_object({key: compiled(item, values, layout, (*path, key)) for key, item in query.items()})
    if isinstance(query, list | tuple) and query:
        mode = resolved(layout.arrays[path], query)
        if mode == "sequence":
            return _of_sequence([compiled(item, values, layout, (*path, i)) for i, item in enumerate(query)])
        return _of_items([compiled(item, values, layout, (*path, None)) for item in query], mode)
    factor = layout.weights[path]
    return _of_leaf(values.sharing(path, leaf_value(query)), factor**2) if factor else _nothing


def _nothing(document: Any) -> float:
    return 0.0


def _of_object(parts: Mapping[str, Weigh]) -> Weigh:
    pairs = [(key, weigh) for key, weigh in parts.items() if weigh is not _nothing]

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

    return weigh_object if pairs else _nothing


def _of_sequence(parts: Sequence[Weigh]) -> Weigh:
    def weigh_sequence(items: Any) -> float:
        if not isinstance(items, list | tuple):
            return 0.0
        return sum([weigh(item) for weigh, item in zip(parts, items, strict=False)])

    return weigh_sequence


def _of_items(parts: Sequence[Weigh], mode: Mode) -> Weigh:
    """Let each part have the item of the document that holds most of it."""

    def weigh_bag(items: Any) -> float:
        return sum([max(map(weigh, items)) for weigh in parts]) if isinstance(items, list | tuple) and items else 0.0

    def weigh_places(items: Any) -> float:
        if not isinstance(items, list | tuple) or not items:
            return 0.0
        return sum(
            max(overlap(position, place, mode) * weigh(item) for place, item in enumerate(items))
            for position, weigh in enumerate(parts)
        )

    return weigh_places if mode in ("soft", "both") else weigh_bag


def _of_leaf(shared: Weigh, factor: float) -> Weigh:
    met: dict[Any, float] = {}

    def weigh_leaf(value: Any) -> float:
        if value.__class__ is not str:
            if isinstance(value, dict | list | tuple) and value:
                return 0.0
            value = leaf_value(value)  # as True equals 1, and what is empty cannot be looked up
        found = met.get(value)
        if found is None:
            found = met[value] = factor * shared(value)
        return found

    return weigh_leaf

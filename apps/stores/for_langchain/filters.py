"""Translate the filters of a LangChain vector store: dictionaries, and conditions as text."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.stores.metadata import Metadata, Where
from hdc.errors import ParameterError

Filter: TypeAlias = Mapping[str, Any] | str | Iterable[str] | Callable[[Any], bool] | None

OPERATORS = {
    "$eq": "==",
    "$ne": "!=",
    "$gt": ">",
    "$gte": ">=",
    "$lt": "<",
    "$lte": "<=",
    "$in": "in",
    "$nin": "nin",
    "$contains": "contains",
    "$text_match": "text_match",
}

Ids = npt.NDArray[np.int64]


def where_of(given: Filter) -> Where | None:
    """Return a dictionary or conditions as a function of :class:`Metadata`; None for None.

    Raises
    ------
    ParameterError
        If the filter is of another type.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        return lambda metadata: _object(metadata, given, ())
    if isinstance(given, str | list | tuple):
        return lambda metadata: metadata.where(given)
    raise ParameterError(
        "filter must be a dictionary such as {'year': {'$gte': 2020}}, conditions such as 'year >= 2020', "
        f"or a function of a Document, not {given!r:.80}"
    )


def _object(metadata: Metadata, given: Mapping[str, Any], path: tuple[str, ...]) -> Ids:
    """Return the rows that pass all entries of a dictionary at a path."""
    return metadata.both([_entry(metadata, key, value, path) for key, value in given.items()])


def _entry(metadata: Metadata, key: str, value: Any, path: tuple[str, ...]) -> Ids:
    if key in ("$and", "$or"):
        if not isinstance(value, list | tuple) or not all(isinstance(part, Mapping) for part in value):
            raise ParameterError(f"the filter {key} needs a list of dictionaries, not {value!r:.80}")
        found = [_object(metadata, part, path) for part in value]
        return metadata.both(found) if key == "$and" else metadata.either(found)
    if key == "$not":
        if not isinstance(value, Mapping):
            raise ParameterError(f"the filter $not needs a dictionary, not {value!r:.80}")
        return metadata.without(_object(metadata, value, path))
    if key == "$exists":
        absent = metadata.absent(path)
        return metadata.without(absent) if value else absent
    if key in OPERATORS:
        return metadata.matching(path, OPERATORS[key], value)
    if not isinstance(key, str) or key.startswith("$"):
        known = ", ".join((*OPERATORS, "$exists", "$and", "$or", "$not"))
        raise ParameterError(f"the operator of a filter must be one of {known}, not {key!r}")
    if isinstance(value, Mapping):
        return _object(metadata, value, (*path, key))
    return metadata.matching((*path, key), "in" if isinstance(value, list | tuple) else "==", value)

"""Documents as callers pass them: values, not JSON text, in a list or a data frame."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from hdc.apps.frames.rows import is_frame, rows_of
from hdc.apps.frames.values import json_value
from hdc.apps.json.document.batches import check_several
from hdc.apps.json.reading.records import Record
from hdc.apps.json.reading.strict import MAX_DEPTH, deeper_than
from hdc.checks import shown
from hdc.errors import ParameterError

STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
"""Types whose orjson form is not used; for UUIDs it is the same."""


def check_value(document: Any, name: str = "a document") -> None:
    """Raise ParameterError for a text that is JSON of an object or array: the value was meant. Other texts are fine."""
    if not isinstance(document, str) or document.lstrip()[:1] not in ("{", "["):
        return
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        return
    kind = "object" if isinstance(value, dict) else "array"
    raise ParameterError(f"{name} is the text of a JSON {kind}, {shown(document)}; pass json.loads(text) instead")


def check_depth(document: Any, name: str) -> None:
    """Raise ParameterError for a value that is nested deeper than files may be."""
    if deeper_than(document, MAX_DEPTH):
        raise ParameterError(f"{name} is nested deeper than {MAX_DEPTH} levels")


def given(documents: Iterable[Any]) -> Iterator[Any]:
    """Yield documents as JSON has them: :func:`taken`, or the rows of a data frame.

    Raises
    ------
    ParameterError
        If they are one document, or one is refused.
    """
    if is_frame(documents):
        return rows_of(documents)
    check_several(documents)
    return map(taken, documents)


def taken(document: Any, name: str = "a document") -> Any:
    """Return a document with its values as JSON has them, the same object if they are such already.

    NumPy's scalars and arrays, dates, times, decimals and others become what
    :func:`hdc.apps.frames.values.json_value` says. What JSON cannot have stays: whoever walks it refuses it.

    Raises
    ------
    ParameterError
        As :func:`check_value`.
    """
    if isinstance(document, Record):
        return document
    check_value(document, name)
    try:
        orjson.dumps(document, option=STRICT)  # faster than checking each value
    except TypeError:
        return json_value(document)
    return document

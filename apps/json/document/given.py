"""Documents as callers give them: values, not JSON text."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hdc.apps.json.document.batches import check_several
from hdc.apps.json.reading.strict import MAX_DEPTH, deeper_than
from hdc.checks import shown
from hdc.errors import ParameterError


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
    """Yield documents; raises ParameterError for one that :func:`check_value` refuses, or if they are one document."""
    check_several(documents)
    return _checked(documents)


def _checked(documents: Iterable[Any]) -> Iterator[Any]:
    for document in documents:
        check_value(document)
        yield document

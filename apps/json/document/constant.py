"""Leaf values that are not strings, numbers or null."""

from enum import Enum
from typing import Any


class Constant(Enum):
    """The value of a leaf that is not a string, number or null: a separate type, as ``True == 1`` in Python."""

    TRUE = "true"
    FALSE = "false"
    EMPTY_OBJECT = "{}"
    EMPTY_ARRAY = "[]"

    __hash__ = object.__hash__  # Enum's own hash is written in Python and slow, and leaves are looked up by it


def plain(value: Any) -> Any:
    """Return the JSON value of a leaf's value."""
    if isinstance(value, Constant):
        return {"true": True, "false": False, "{}": {}, "[]": []}[value.value]
    return value

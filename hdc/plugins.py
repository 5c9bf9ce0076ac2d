"""Names that packages register: built-in tables first, then entry points."""

import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from hdc.checks import known, text

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def find(table: Mapping[str, str], group: str, name: str) -> Any:
    """Return the object registered under a name, in a table of ``module:attribute`` or by an entry point.

    Raises
    ------
    UnknownNameError
        If nothing is; the text lists the names that are.
    """
    what = group.removeprefix("hdc.").rstrip("s")
    if text(name, what) in table:
        module, _, attribute = table[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    for point in points(group):
        if point.name == name:
            return point.load()
    known(name, what, names(table, group))
    raise AssertionError("a name that is listed is found")


@cache
def points(group: str) -> tuple["EntryPoint", ...]:
    """Return the entry points of a group, looked up once."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=group))


def names(table: Mapping[str, str], group: str) -> tuple[str, ...]:
    """Return the names of a table, then those of entry points, sorted."""
    return (*table, *sorted({point.name for point in points(group)} - set(table)))

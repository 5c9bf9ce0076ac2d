"""The kind of each column of a table, given by the caller or detected."""

from collections.abc import Mapping
from typing import Any

from hdc.apps.learn.features.tables import Table
from hdc.checks import mapping, shown
from hdc.errors import ParameterError

KINDS = ("numeric", "category", "text", "series", "json", "drop")
"""Kinds of a column, besides one with its own transformer."""

TRANSFORMER = "transformer"
"""Kind of a column with its own transformer."""


def check_kinds(columns: Mapping[Any, Any] | None) -> None:
    """Raise :class:`ParameterError` unless kinds of columns are such, or transformers."""
    for name, kind in (mapping(columns, "columns") if columns is not None else {}).items():
        if not hasattr(kind, "transform") and not (isinstance(kind, str) and kind in KINDS):
            raise ParameterError(
                f"columns[{shown(name)}] must be one of {', '.join(KINDS)}, or a transformer, not {shown(kind)}"
            )


def kinds_of(table: Table, columns: Mapping[Any, Any] | None) -> list[str]:
    """Return the kind of each column.

    Raises
    ------
    ParameterError
        If a column is asked for that the table lacks.
    """
    asked = dict(columns or {})
    if unknown := [name for name in asked if name not in table.names]:
        raise ParameterError(f"columns has {shown(unknown[0])}, and the columns are {shown(table.names)}")
    return [_kind(table, name, asked.get(name)) for name in table.names]


def _kind(table: Table, name: Any, asked: Any) -> str:
    if asked is None:
        return "numeric" if table.looks_numeric(name) else "category"
    return asked if isinstance(asked, str) else TRANSFORMER

"""The common part of the ``hdc learn`` commands: the input table, and notes about it."""

import argparse
import sys
from contextlib import AbstractContextManager
from typing import Any

from hdc.apps.learn.tables import source
from hdc.apps.learn.tables.columns import Kind
from hdc.apps.learn.tables.schema import Schema, learn_schema
from hdc.errors import ParameterError

SHOWN = 8
"""Most columns that a note names."""


def opened(arguments: argparse.Namespace) -> AbstractContextManager[source.Source]:
    """Open the table of a command line."""
    return source.opened(
        arguments.file,
        format=arguments.format,
        delimiter=arguments.delimiter,
        header=not arguments.no_header,
        encoding=arguments.encoding,
    )


def schema_of(table: source.Source, arguments: argparse.Namespace, drop: list[str]) -> Schema:
    """Return the schema of a table, and say on standard error what a user should know of it."""
    schema = learn_schema(
        table, arguments.target, task=arguments.task, kinds=_kinds(arguments), drop=[*arguments.drop, *drop]
    )
    for note in schema.notes:
        say(note)
    if schema.documents:
        say("rows are nested documents: encoded as a whole, by their paths")
    reasons = [f"{name} ({why})" for name, why in schema.left_out.items() if why != "dropped"]
    if reasons:
        more = f" and {len(reasons) - SHOWN} others" if len(reasons) > SHOWN else ""
        say(f"left out: {', '.join(reasons[:SHOWN])}{more}")
    return schema


def _kinds(arguments: argparse.Namespace) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    named: list[tuple[Kind, list[str]]] = [
        ("numeric", arguments.numeric),
        ("category", arguments.category),
        ("text", arguments.text),
    ]
    for kind, names in named:
        for name in names:
            if kinds.get(name, kind) != kind or name in arguments.drop or name == arguments.target:
                raise ParameterError(f"column {name!r} was given two roles; expected one per column")
            kinds[name] = kind
    return kinds


def say(text: str) -> None:
    """Print a note on standard error."""
    print(f"note: {text}", file=sys.stderr)


def described(schema: Schema) -> str:
    """Return a table in words: ``150 rows; 4 columns (4 numeric); 3 classes``."""
    kinds = list(schema.columns.values())
    each = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    columns = "documents" if schema.documents else f"{counted(len(kinds), 'column')} ({each})"
    goal = f"{len(schema.classes)} classes" if schema.task == "classify" else "a number to predict"
    return f"{counted(schema.rows, 'row')}; {columns}; {goal}"


def counted(number: int, what: str) -> str:
    """Return ``1 row``, ``2,000 rows``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def size_text(size: int) -> str:
    """Return bytes in words."""
    return f"{size:,} B" if size < 10_000 else f"{size / 1e3:,.0f} kB" if size < 10_000_000 else f"{size / 1e6:,.0f} MB"


def value_of(label: Any) -> Any:
    """Return a label or number as plain Python has it."""
    return label.item() if hasattr(label, "item") else label

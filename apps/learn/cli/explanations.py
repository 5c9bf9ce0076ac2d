"""``hdc learn explain``: why a row of a file gets its class."""

import argparse
import json
from typing import Any

import numpy as np

from hdc.apps.learn.cli import trained
from hdc.apps.learn.cli.options import counted, opened, value_of
from hdc.apps.learn.tables.blocks import TableError
from hdc.apps.learn.tables.frames import features_of, taken
from hdc.apps.learn.tables.schema import Schema
from hdc.apps.learn.tables.source import Source
from hdc.checks import integer
from hdc.errors import UnsupportedError

WIDTH = 60
"""Most characters of a value."""


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn explain``."""
    row = integer(arguments.row, "row", 1)
    learner, schema = trained.load(arguments.model, arguments.backend)
    if schema.task != "classify":
        raise UnsupportedError(f"{arguments.model} predicts a number; hdc learn explain works for classes only")
    with opened(arguments) as table:
        features, place = _found(table, schema, row)
    explanation = learner.explain(features, k=arguments.reasons)[0]
    if arguments.json:
        print(json.dumps(_as_json(explanation, place), ensure_ascii=False, default=value_of))
        return 0
    lead = f", {explanation.lead:.3f} ahead of {explanation.rival}" if explanation.rival is not None else ""
    print(f"{place}: {schema.target} {explanation.label}{lead}")
    for reason in explanation.reasons:
        print(f"  {reason.weight:+.3f}  {_path(reason.feature)} = {_short(reason.value)}")
    return 0


def _found(table: Source, schema: Schema, row: int) -> tuple[Any, str]:
    """Return the features of one row, without anything else, and its place."""
    before = 0
    for block in table.blocks():
        if row <= before + len(block):
            at = row - before - 1
            return taken(features_of(schema, block), np.array([at])), block.places[at]
        before += len(block)
    raise TableError(f"{table.name} has {counted(before, 'row')}; --row {row} does not exist")


def _path(feature: Any) -> str:
    """Return a column's name, or the path of a leaf as ``input[].name``."""
    if not isinstance(feature, tuple):
        return str(feature)
    return "".join(f".{part}" if isinstance(part, str) else "[]" for part in feature).removeprefix(".")


def _short(value: Any) -> str:
    text = str(value_of(value))
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _as_json(explanation: Any, place: str) -> dict[str, Any]:
    return {
        "row": place,
        "label": explanation.label,
        "rival": explanation.rival,
        "lead": explanation.lead,
        "reasons": [
            {"feature": _path(reason.feature), "value": reason.value, "weight": reason.weight}
            for reason in explanation.reasons
        ],
    }

"""``hdc learn predict``: predict the target of each row of a file, which is read in blocks."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hdc.apps.learn.cli import trained
from hdc.apps.learn.cli.options import counted, opened, value_of
from hdc.apps.learn.tables.blocks import Block
from hdc.apps.learn.tables.cells import is_missing, number, word
from hdc.apps.learn.tables.frames import features_of
from hdc.apps.learn.tables.schema import Schema, column_of

Print = Callable[[dict[str, Any]], None]


@dataclass
class Checked:
    """How right predictions were, in sums: the rows are not kept.

    Attributes
    ----------
    task : {"classify", "regress"}
    rows : int
        Whose target is known.
    """

    task: str
    rows: int = 0
    _right: int = 0
    _mean: float = 0.0
    _spread: float = 0.0
    _missed: float = 0.0

    def add(self, guessed: Any, value: Any) -> None:
        """Compare a prediction with the cell of a file."""
        if self.task == "classify":
            self.rows, self._right = self.rows + 1, self._right + (word(guessed) == word(value))
            return
        known = number(value)
        if not math.isnan(known):
            self.rows += 1
            change = known - self._mean
            self._mean += change / self.rows
            self._spread += change * (known - self._mean)  # Welford's sum of squares
            self._missed += (known - guessed) ** 2

    @property
    def measure(self) -> str:
        """What :attr:`score` is."""
        return "accuracy" if self.task == "classify" else "R²"

    @property
    def score(self) -> float:
        """The accuracy of classes, or the R² of numbers."""
        return self._right / self.rows if self.task == "classify" else 1 - self._missed / (self._spread or 1.0)


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn predict``."""
    learner, schema = trained.load(arguments.model, arguments.backend)
    checked = Checked(schema.task)
    with opened(arguments) as table:
        show = _printer(arguments.json, schema)
        for block in table.blocks():
            features = features_of(schema, block)
            rows = _predicted(learner, schema, features)
            for row in rows:
                show(row)
            _compare(schema, block, rows, checked)
    if checked.rows:
        what = f"{counted(checked.rows, 'row')} whose {schema.target} is known"
        print(f"note: {checked.measure} {checked.score:.3f} over {what}", file=sys.stderr)
    return 0


def _predicted(learner: Any, schema: Schema, features: Any) -> list[dict[str, Any]]:
    if schema.task == "regress":
        return [{schema.target: float(value)} for value in learner.predict(features)]
    chances = learner.predict_proba(features)
    best = chances.argmax(axis=1)
    return [
        {schema.target: value_of(label), "probability": round(float(chance), 4)}
        for label, chance in zip(learner.classes_[best], chances.max(axis=1), strict=True)
    ]


def _printer(as_json: bool, schema: Schema) -> Print:
    if as_json:
        return lambda row: print(json.dumps(row, ensure_ascii=False))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([schema.target, "probability"] if schema.task == "classify" else [schema.target])
    return lambda row: writer.writerow([_text(value) for value in row.values()])


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _compare(schema: Schema, block: Block, rows: list[dict[str, Any]], checked: Checked) -> None:
    """Compare predictions with the targets, if the file has them."""
    values = column_of(block, schema.target)
    for row, value in zip(rows, [] if values is None else values, strict=False):
        if not is_missing(value):
            checked.add(row[schema.target], value)

"""``hdc learn eval``: cross-validation of several learners, as a table, JSON or a figure."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from hdc.apps.figures import figure_class
from hdc.apps.learn.cli import trained
from hdc.apps.learn.cli.exporting import BitLearner, bit_model_size
from hdc.apps.learn.cli.options import counted, described, opened, say, schema_of, size_text
from hdc.apps.learn.comparison import plots
from hdc.apps.learn.comparison.baselines import baselines
from hdc.apps.learn.comparison.cross_validation import Contender, Outcome, evaluate, folds_of
from hdc.apps.learn.tables.frames import all_rows
from hdc.apps.learn.tables.schema import Schema
from hdc.apps.progress import tracked
from hdc.errors import ParameterError, UnsupportedError


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn eval``."""
    settings = trained.parse_settings(arguments.settings)
    if arguments.group is not None and arguments.group == arguments.target:
        raise ParameterError(f"column {arguments.group!r} cannot be the group and the target")
    if arguments.plot:
        figure_class()  # fail before the work if it cannot be drawn
    with opened(arguments) as table:
        schema = schema_of(table, arguments, [] if arguments.group is None else [arguments.group])
        contenders = _ours(schema, arguments, settings)
        rows = all_rows(table, schema, arguments.group)
    folds = folds_of(rows, schema.task, arguments.folds, arguments.seed)
    contenders += [] if arguments.no_baselines else baselines(schema)
    runs = tracked(evaluate(rows, contenders, folds, schema.task), len(folds) * len(contenders), unit="fits")
    outcomes = list({outcome.name: outcome for outcome in runs}.values())
    measure = "accuracy" if schema.task == "classify" else "R²"
    if arguments.plot:
        plots.save(outcomes, arguments.plot, f"{table.name}: {schema.target}, {len(folds)} folds", measure)
    if arguments.json:
        print(json.dumps(_as_json(outcomes, schema, measure, len(folds)), ensure_ascii=False))
        return 0
    print(f"{described(schema)}; {len(folds)} folds\n")
    print("\n".join(table_of(outcomes, measure)))
    for outcome in outcomes:
        if outcome.left_out:
            say(f"{outcome.name} left out: {outcome.left_out}")
    return 0


def _ours(schema: Schema, arguments: argparse.Namespace, settings: dict[str, Any]) -> list[Contender]:
    def make() -> Any:
        return trained.learner(
            schema, rule=arguments.rule, dim=arguments.dim, settings=settings, backend=arguments.backend
        )

    def in_bits(bits: int) -> Callable[[], Any]:
        return lambda: BitLearner(make(), bits)

    name = f"hdc {getattr(make(), 'rule', '')}".strip()
    if arguments.bits and schema.task != "classify":
        raise UnsupportedError("bit models predict classes only, and the target is a number; leave --bits out")
    several = [Contender(f"{name}, {counted(bits, 'bit')}", in_bits(bits), bit_model_size) for bits in arguments.bits]
    return [Contender(name, make, trained.size), *several]


def _as_json(outcomes: list[Outcome], schema: Schema, measure: str, folds: int) -> dict[str, Any]:
    return {
        "target": schema.target,
        "task": schema.task,
        "measure": measure,
        "rows": schema.rows,
        "columns": schema.columns,
        "left_out": schema.left_out,
        "folds": folds,
        "learners": [outcome.to_json() for outcome in outcomes],
    }


def table_of(outcomes: list[Outcome], measure: str) -> list[str]:
    """Return the lines of a table: score and standard error, time of training and prediction, bytes."""
    heading = ("learner", measure, "training", "rows/s predicted", "model")
    rows = [heading, *(_row(outcome) for outcome in outcomes if outcome.scores and not outcome.left_out)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(heading))]
    return [_aligned(row, widths) for row in rows]


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join([row[0].ljust(widths[0]), *cells])


def _row(outcome: Outcome) -> tuple[str, ...]:
    seconds = sum(outcome.train_seconds) / len(outcome.train_seconds)
    return (
        outcome.name,
        f"{outcome.mean:.3f} ± {outcome.standard_error:.3f}",
        f"{seconds:.3f} s",
        f"{outcome.predict_rate:,.0f}",
        size_text(outcome.model_bytes),
    )

"""Tables for people, as plain text; :func:`hdc.markup.table` writes the same rows as HTML."""

from collections.abc import Sequence
from typing import Any

from hdc import bounds
from hdc.apps.capacity.experiments import Experiment
from hdc.apps.capacity.predictions import failure_bound
from hdc.apps.capacity.results import Point
from hdc.errors import HDCError

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Headings, and rows of values."""


def text(table: Table) -> list[str]:
    """Return the lines of a table: numbers to the right, words to the left."""
    heading, rows = table
    cells = [list(heading), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heading))]
    numeric = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(heading))]
    return [
        "  ".join(
            c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def points_table(points: Sequence[Point]) -> Table:
    """Return measured points with their intervals and the predictions of the bounds."""
    setting = ("experiment", "model", "dim", "other parameters", "trials")
    measured = ("accuracy", "95 % interval", "failure", "95 % interval")
    return (*setting, *measured, "rigorous", "gaussian"), [_point_row(point) for point in points]


def _point_row(point: Point) -> Sequence[Any]:
    hidden = ("model", "dim", "backend", "device")
    others = " ".join(f"{k}={v}" for k, v in point.settings.items() if k not in hidden and v is not None)
    return (
        *(point.experiment, point["model"], point["dim"], others, point.trials),
        *(point.accuracy, _interval(point.accuracy_interval())),
        *(point.failure, _interval(point.failure_interval())),
        *(promised(point, kind) for kind in ("rigorous", "gaussian")),
    )


def promised(point: Point, kind: str) -> float | None:
    """Return the failure rate that a bound promises at a point, or None where none is known."""
    try:
        return failure_bound(Experiment(point.experiment, point.settings), kind)
    except HDCError:
        return None


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def completeness() -> Table:
    """Return the known bounds, one row per task and one column per model: R(igorous), G(aussian) and P(aper)."""
    known: dict[tuple[str, str], str] = {}
    for bound in bounds.table():
        known[bound.task, bound.model] = known.get((bound.task, bound.model), "") + bound.kind[0].upper()
    rows = [(task, *(known.get((task, model)) for model in bounds.MODELS)) for task in bounds.TASKS]
    return ("task", *bounds.MODELS), rows

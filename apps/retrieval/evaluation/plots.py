"""Plots of recall against size and speed. Needs matplotlib, the extra ``plot``."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hdc.apps.figures import MARKERS, figure_class, save_figure
from hdc.apps.retrieval.evaluation.report import Measured, pareto
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (12.0, 4.6)
"""Inches of both panels together."""


def figure(rows: Sequence[Measured], k: int) -> "Figure":
    """Plot recall against bytes per vector and queries per second; a line connects the Pareto-optimal rows.

    Parameters
    ----------
    rows : sequence of Measured
    k : int
        Label the axis recall@k.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If there are no rows.
    BackendUnavailableError
        If matplotlib is not installed.
    """
    new_figure = figure_class()
    if not rows:
        raise ParameterError("there are no rows to plot; measure at least one index")
    drawn: Figure = new_figure(figsize=SIZE, layout="constrained")
    size, speed = drawn.subplots(1, 2, sharey=True)
    _panel(size, rows, lambda row: row.bytes_per_vector, 1, "bytes per vector (fewer are better)")
    _panel(speed, rows, lambda row: row.queries_per_second, -1, "queries per second (more are better)")
    size.set_ylabel(f"recall@{k}")
    speed.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False)
    return drawn


def save(rows: Sequence[Measured], k: int, path: str | os.PathLike[str]) -> None:
    """Write :func:`figure` to a file; the suffix sets the format (``.png``, ``.svg``, ``.pdf``)."""
    save_figure(figure(rows, k), path)


def check() -> None:
    """Raise BackendUnavailableError if matplotlib is not installed."""
    figure_class()


def _panel(axes: "Axes", rows: Sequence[Measured], value: Callable[[Measured], float], sign: int, label: str) -> None:
    """Draw one panel; the cost of a row is ``sign`` times its value."""
    best = [rows[i] for i in pareto([(row.recall, sign * value(row)) for row in rows])]
    axes.plot([value(row) for row in best], [row.recall for row in best], color="#888888", linewidth=1)
    for i, row in enumerate(rows):
        axes.plot([value(row)], [row.recall], marker=MARKERS[i % len(MARKERS)], linewidth=0, label=row.name)
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter())  # 20 k: labels as powers of ten overlap within a decade
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    axes.grid(True, which="major", linewidth=0.4, color="#cccccc")

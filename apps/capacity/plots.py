"""Figures of measured points with intervals and theoretical lines, legible in black and white.

Models differ by marker and shade, kinds of theory by line style. Needs matplotlib, the extra ``plot``.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hdc.apps.capacity.predictions import ACCURACY, FAILURE, LABELS, VALUE, curves, measure_of
from hdc.apps.capacity.results import Point
from hdc.apps.figures import MARKERS, figure_class, save_figure
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES = ("#000000", "#0072b2", "#d55e00", "#7a7a7a", "#009e73", "#b0649a", "#56b4e9", "#8a6d00", "#444444", "#a00000")
STYLES: Mapping[str, Any] = {"rigorous": "--", "gaussian": "-", "expected": "-"}
NAMES = {"rigorous": "rigorous bound", "gaussian": "Gaussian prediction", "expected": "prediction"}
AXES = {
    "dim": "dimension (components)",
    "items": "items in the bundle (count)",
    "universe": "universe (symbols)",
    "depth": "depth (levels)",
    "tolerance": "tolerance (members)",
    "factors": "factors of a binding (count)",
}
PANEL = (6.6, 4.2)
"""Inches of a panel."""


def figure(points: Sequence[Point], axis: str | None = None) -> "Figure":
    """Draw measured points, a panel an experiment, with theory where there is any.

    Parameters
    ----------
    points : sequence of Point
    axis : str, optional
        The parameter along x; the one with most values if not given.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If there are no points, or the axis is not one of their numeric parameters.
    BackendUnavailableError
        If matplotlib is not installed.
    """
    new_figure = figure_class()
    panels: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        panels[point.experiment].append(point)
    if not panels:
        raise ParameterError("there are no points to plot")
    drawn: Figure = new_figure(figsize=(PANEL[0] * len(panels), PANEL[1]), layout="constrained")
    for place, (experiment, members) in enumerate(panels.items(), 1):
        _panel(drawn.add_subplot(1, len(panels), place), experiment, members, axis)
    return drawn


def save(points: Sequence[Point], path: str | os.PathLike[str], axis: str | None = None) -> None:
    """Write :func:`figure` to a file; the ending says the format (``.png``, ``.svg``, ``.pdf``)."""
    save_figure(figure(points, axis), path)


def _panel(axes: "Axes", experiment: str, points: Sequence[Point], axis: str | None) -> None:
    varying = _varying(points)
    axis = axis or _widest(varying)
    if not all(isinstance(point.settings.get(axis), int | float) for point in points):
        raise ParameterError(f"axis must be a numeric parameter of {experiment}, not {axis!r}")
    series: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        series[_label(point, [name for name in varying if name != axis])].append(point)
    measure = measure_of(experiment)
    floor = 0.2 / max(point.trials for point in points)
    for i, (label, members) in enumerate(series.items()):
        members.sort(key=lambda point: float(point[axis]))
        style: dict[str, Any] = {"color": SHADES[i % len(SHADES)], "marker": MARKERS[i % len(MARKERS)]}
        style["markersize"] = 8 - 4 * i / len(series)  # equal points of two models show as one inside the other
        _draw_points(axes, members, axis, measure, label, style)
        _draw_theory(axes, experiment, members, axis, floor if measure == FAILURE else None, style)
    _dress(axes, experiment, points, axis, measure, floor)


def _draw_points(
    axes: "Axes", points: Sequence[Point], axis: str, measure: str, label: str, style: Mapping[str, Any]
) -> None:
    """Draw points with intervals. A failure rate of 0 has no place on a log axis, so an arrow marks its upper limit."""
    x = np.asarray([point[axis] for point in points], dtype=np.float64)
    y = np.asarray([_value(point, measure) for point in points])
    low, high = np.transpose([_interval(point, measure) for point in points])
    limits = (y == 0) if measure == FAILURE else np.zeros(len(y), dtype=np.bool_)
    shown = np.where(limits, high, y)
    spread = np.where(limits, [0.6 * shown, 0 * shown], [y - low, high - y])
    common: dict[str, Any] = {"linewidth": 0, "elinewidth": 1, "capsize": 2, **style}
    axes.errorbar(x[~limits], shown[~limits], yerr=spread[:, ~limits], label=label, **common)
    if np.any(limits):
        axes.errorbar(x[limits], shown[limits], yerr=spread[:, limits], uplims=True, markerfacecolor="white", **common)


def _draw_theory(
    axes: "Axes", experiment: str, points: Sequence[Point], axis: str, floor: float | None, style: Mapping[str, Any]
) -> None:
    """Draw the lines. A rigorous one passes no points, so small marks identify its model in black and white, too."""
    first, last = float(points[0][axis]), float(points[-1][axis])
    for kind, x, y in curves(experiment, points[0].settings, axis, np.geomspace(first, last, 60)):
        visible = y >= floor if floor else np.ones(len(y), dtype=np.bool_)
        marks = {"marker": style["marker"], "markersize": 3, "markevery": 10} if kind == "rigorous" else {}
        axes.plot(x[visible], y[visible], STYLES[kind], color=style["color"], linewidth=1, **marks)


def _dress(axes: "Axes", experiment: str, points: Sequence[Point], axis: str, measure: str, floor: float) -> None:
    from matplotlib.lines import Line2D

    values = [float(point[axis]) for point in points]
    if min(values) > 0 and max(values) > 8 * min(values):
        axes.set_xscale("log")
        axes.minorticks_off()
        ticks = sorted(set(values))[:: max(1, len(set(values)) // 8)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    if measure == FAILURE:
        axes.set_yscale("log")
        axes.set_ylim(floor, 1.6)
    elif measure == ACCURACY:
        axes.set_ylim(min(0.5, *(point.accuracy for point in points)) - 0.03, 1.03)
    else:
        axes.set_ylim(-0.05, 1.1)
    trials = sorted({point.trials for point in points})
    axes.set_title(f"{experiment}: {_fixed(points, axis)}", fontsize=9)
    axes.set_xlabel(AXES.get(axis, axis))
    axes.set_ylabel(LABELS[measure])
    axes.grid(True, which="major", linewidth=0.4, color="#cccccc")
    kinds = ("gaussian", "rigorous") if measure == FAILURE else ("expected",)
    lines = [Line2D([], [], color="black", linewidth=1, linestyle=STYLES[k], label=NAMES[k]) for k in kinds]
    handles, _ = axes.get_legend_handles_labels()
    shown = "means" if measure == VALUE else "95 % intervals"
    title = f"{shown}, {', '.join(map(str, trials))} trials"
    if measure == FAILURE and any(point.failure == 0 for point in points):
        title += "\nhollow: no failure seen,\nupper limit of the rate"
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0, "frameon": False}
    axes.legend(handles=[*handles, *lines], fontsize=7, title=title, title_fontsize=7, alignment="left", **place)


def _value(point: Point, measure: str) -> float:
    if measure == FAILURE:
        return point.failure
    return point.accuracy if measure == ACCURACY or point.value is None else point.value


def _interval(point: Point, measure: str) -> tuple[float, float]:
    if measure == FAILURE:
        return point.failure_interval()
    return point.accuracy_interval() if measure == ACCURACY else (_value(point, measure),) * 2


def _varying(points: Sequence[Point]) -> dict[str, set[Any]]:
    """Return the parameters that differ between points, with their values."""
    values: dict[str, set[Any]] = defaultdict(set)
    for point in points:
        for name, value in point.settings.items():
            values[name].add(value)
    return {name: found for name, found in values.items() if len(found) > 1}


def _widest(varying: Mapping[str, set[Any]]) -> str:
    numeric = {name: len(values) for name, values in varying.items() if all(isinstance(v, int | float) for v in values)}
    return max(numeric, key=lambda name: (numeric[name], name == "dim"), default="dim")


def _label(point: Point, names: Sequence[str]) -> str:
    parts = [str(point["model"])]
    return ", ".join(parts + [f"{name} {point.settings.get(name)}" for name in names if name != "model"])


def _fixed(points: Sequence[Point], axis: str) -> str:
    varying, settings = _varying(points), points[0].settings
    hidden = {"model", "backend", "device", axis, *varying}
    return ", ".join(f"{name} {value}" for name, value in settings.items() if name not in hidden and value is not None)

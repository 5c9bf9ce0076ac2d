"""Draw the figure of docs/guides/values.md: ``python docs/figures/values_figures.py``.

Needs the extra ``plot``. It is read without color: codes differ in marker and lightness.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import hdc
from hdc.values import KERNELS

IMAGES = Path(__file__).parent.parent / "images"

MARKERS = "osD^vP"

DIM = 10_000


def kernels() -> Figure:
    """Draw what similarity is expected of codes at a distance, and what it is: lines, and markers on them."""
    figure = Figure((8, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    fhrr, mapb = hdc.create("FHRR", DIM), hdc.create("MAP-B", DIM)
    for number, name in enumerate(KERNELS):
        _draw(left, hdc.Scalar(fhrr, name, 0, 4, kernel=name, bandwidth=1), name, number)
    left.set(title=f"Scalar on FHRR, {DIM:,} phases", xlabel="distance in bandwidths", ylabel="similarity")
    for number, (name, code) in enumerate(
        {
            "Level": hdc.Level(mapb, "a", 0, 4),
            "Thermometer": hdc.Thermometer(mapb, "b", 0, 4),
            "Scatter, bandwidth 1": hdc.Scatter(mapb, "c", 0, 4, bandwidth=1),
            "Circular": hdc.Circular(mapb, "d", 4),
        }.items()
    ):
        _draw(right, code, name, number)
    right.set(title=f"codes of steps on MAP-B, {DIM:,} bits", xlabel="distance, in a range of 4")
    for axes in (left, right):
        axes.axhline(0, color="0.85", zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8)
    return figure


def _draw(axes: Any, code: Any, name: str, number: int) -> None:
    fine, few = np.linspace(0, 4, 201), np.linspace(0, 4, 9)
    gray = str(0.12 * number)
    axes.plot(fine, code.expected_similarity(fine), color=gray, linewidth=1)
    measured = code.vsa.similarity(code.encode(0), code.encode(few))
    axes.plot(few, measured, MARKERS[number], color=gray, markersize=5, label=name)


def main() -> None:
    """Draw the figure into ``docs/images``."""
    kernels().savefig(IMAGES / "values_kernels.png", dpi=110)


if __name__ == "__main__":
    main()

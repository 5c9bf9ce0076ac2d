"""The figure of an evaluation: each learner's mean, standard error and folds. Legible in black and white."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hdc.apps.figures import figure_class, save_figure
from hdc.apps.learn.comparison.baselines import GUESSES
from hdc.apps.learn.comparison.cross_validation import Outcome
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS = "#0072b2"
OTHERS = "#555555"


def figure(outcomes: Sequence[Outcome], title: str = "", measure: str = "accuracy") -> "Figure":
    """Draw a line for each learner that was run, the best on top; what a guess gets is said, and not drawn.

    Raises
    ------
    ParameterError
        If none was run.
    BackendUnavailableError
        If matplotlib is not installed.
    """
    run = sorted(
        (outcome for outcome in outcomes if outcome.scores and not outcome.left_out), key=lambda outcome: outcome.mean
    )
    if not run:
        raise ParameterError(f"there is no {measure} to plot")
    shown = [outcome for outcome in run if outcome.name not in GUESSES] or run
    drawn: Figure = figure_class()(figsize=(6.6, 1.1 + 0.42 * len(shown)), layout="constrained")
    axes = drawn.add_subplot()
    for place, outcome in enumerate(shown):
        _draw(axes, place, outcome)
    guesses = "".join(f"; {outcome.name} {outcome.mean:.3f}" for outcome in run if outcome not in shown)
    axes.set_yticks(range(len(shown)), [outcome.name for outcome in shown])
    axes.set_ylim(-0.5, len(shown) - 0.3)
    axes.set_xlabel(f"{measure}: mean and standard error, | a fold{guesses}", fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.grid(True, axis="x", linewidth=0.4, color="#cccccc")
    axes.spines[["top", "right"]].set_visible(False)
    return drawn


def _draw(axes: "Axes", place: int, outcome: Outcome) -> None:
    ours = outcome.name.startswith("hdc")
    color = OURS if ours else OTHERS
    axes.plot(outcome.scores, [place] * len(outcome.scores), "|", color=color, alpha=0.5, markersize=10)
    axes.errorbar(outcome.mean, place, xerr=outcome.standard_error, fmt="o" if ours else "s", color=color, capsize=3)
    label = f"{outcome.mean:.3f}"
    axes.annotate(label, (outcome.mean, place), (0, 7), textcoords="offset points", fontsize=7, ha="center")


def save(outcomes: Sequence[Outcome], path: str | os.PathLike[str], title: str = "", measure: str = "accuracy") -> None:
    """Write :func:`figure` to a file; the ending says the format (``.png``, ``.svg``, ``.pdf``)."""
    save_figure(figure(outcomes, title, measure), path)

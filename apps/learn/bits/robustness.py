"""The cost of flipped bits: accuracy by the share of bits that memory gets wrong, and its figure."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.figures import MARKERS, figure_class, save_figure
from hdc.apps.learn.bits.classifier import BitClassifier
from hdc.apps.learn.bits.flips import PARTS
from hdc.checks import array, integer, listed, number
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.0, 0.01, 0.05, 0.1, 0.2)
"""Shares of the bits that are flipped."""

PANEL = (4.2, 3.4)
"""Inches of a panel."""


class Flips(NamedTuple):
    """Accuracy with flipped bits.

    Attributes
    ----------
    shares : (s,) float64 array
    accuracy : (s, repeats) float64 array
        Each time other bits were flipped.
    """

    shares: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]


def accuracy_under_flips(
    model: BitClassifier,
    X: Any,
    y: Any,
    shares: Sequence[float] = SHARES,
    *,
    repeats: int = 10,
    seed: int = 0,
    parts: Sequence[str] = PARTS,
) -> Flips:
    """Measure the accuracy of a model with flipped bits.

    Parameters
    ----------
    model : BitClassifier
    X : (n, features) array of numbers
    y : (n,) array
        The true classes.
    shares : sequence of numbers from 0 to 1
    repeats : int
        How often bits are drawn, for each share.
    seed : int
        Of the first draw of each share; the next one has the next seed.
    parts : sequence of {"classes", "tables"}
        Part to flip; see :meth:`BitClassifier.flipped`.

    Raises
    ------
    ParameterError
        If a parameter is wrong, there are no rows, or not one class for each.

    Examples
    --------
    >>> from hdc.apps.learn.bits import BitClassifier, accuracy_under_flips
    >>> model = BitClassifier.of(None, [[1] * 100, [-1] * 100], [0, 1], [0, 1])
    >>> kept = accuracy_under_flips(model, [[1] * 100, [-1] * 100], [0, 1], [0, 0.2, 1])
    >>> kept.accuracy.mean(axis=1).tolist()
    [1.0, 1.0, 0.0]
    """
    rows, truth = model.encoder.check(X), array(y, "y")
    if truth.shape != (len(rows),) or not len(rows):
        raise ParameterError(f"y must be one class for each of {len(rows)} rows, at least one, not {truth.shape}")
    chosen = np.array([number(share, "each of shares", 0, 1) for share in listed(shares, "shares")])
    accuracy = np.empty((len(chosen), integer(repeats, "repeats", 1)))
    for s, share in enumerate(chosen):
        for r in range(accuracy.shape[1]):
            changed = model.flipped(share, integer(seed, "seed", 0) + r, parts)
            accuracy[s, r] = np.mean(changed.predict(rows) == truth)
    return Flips(chosen, accuracy)


def figure(panels: Mapping[str, Mapping[str, Flips]]) -> "Figure":
    """Draw accuracy by flipped bits, a panel a data set: the mean, and from the least to the greatest as a band.

    Parameters
    ----------
    panels : mapping of titles to mappings of labels to Flips

    Raises
    ------
    ParameterError
        If there are none.
    BackendUnavailableError
        If matplotlib is not installed.
    """
    if not panels or not all(panels.values()):
        raise ParameterError("there is nothing to plot")
    drawn: Figure = figure_class()(figsize=(PANEL[0] * len(panels), PANEL[1]), layout="constrained")
    shared = None
    for place, (title, lines) in enumerate(panels.items(), 1):
        axes = shared = drawn.add_subplot(1, len(panels), place, sharey=shared)
        for number_of, (label, flips) in enumerate(lines.items()):
            percent, color = 100 * flips.shares, f"C{number_of}"
            axes.plot(percent, flips.accuracy.mean(axis=1), MARKERS[number_of % len(MARKERS)] + "-", label=label)
            axes.fill_between(percent, flips.accuracy.min(axis=1), flips.accuracy.max(axis=1), color=color, alpha=0.15)
        axes.set_title(title)
        axes.set_xlabel("flipped bits of the model (%)")
        axes.grid(True, linewidth=0.4, color="#cccccc")
        if place == 1:
            axes.set_ylabel("accuracy")
            axes.legend(fontsize=7)
    return drawn


def save(panels: Mapping[str, Mapping[str, Flips]], path: str | os.PathLike[str]) -> None:
    """Write :func:`figure` to a file; the ending says the format (``.png``, ``.svg``, ``.pdf``)."""
    save_figure(figure(panels), path)

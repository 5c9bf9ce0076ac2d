"""Reference for learning vector quantization."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MOST = 0.5
"""Longest step, as a share of a prototype's length; a longer one could cancel the prototype."""

LEAST = 1e-9
"""Sum of distances below which a row gives no direction to learn from."""


def attract(
    rows: Floats,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    prototypes: Floats,
    owners: npt.NDArray[np.int64],
    steepness: float,
    rate: float,
) -> Floats:
    """Process the rows one after another; see :attr:`hdc.kernels.LearnKernels.attract`."""
    found = prototypes.astype(np.float64)
    for row, label, weight in zip(rows.astype(np.float64), labels, weights, strict=True):
        cosines = found @ row
        own, other = (_best(cosines, owners == label), _best(cosines, owners != label))
        for place, step in _steps(cosines, own, other, float(weight) * rate, steepness):
            moved = found[place] + max(-MOST, min(MOST, step)) * row
            found[place] = moved / np.sqrt(moved @ moved)
    return found.astype(np.float32)


def _best(cosines: Any, among: Any) -> int:
    """Return the first index of the greatest cosine among some, or -1."""
    return int(np.where(among, cosines, -np.inf).argmax()) if among.any() else -1


def _steps(cosines: Any, own: int, other: int, rate: float, steepness: float) -> list[tuple[int, float]]:
    """Return which prototypes move toward the row, and how far."""
    if steepness == 0:
        nearer = own if other < 0 or (own >= 0 and cosines[own] >= cosines[other]) else other
        return [(nearer, rate if nearer == own else -rate)]
    if own < 0 or other < 0:
        return []
    right, wrong = 1 - cosines[own], 1 - cosines[other]
    both = right + wrong
    if both < LEAST:
        return []
    power = math.exp(-abs(steepness * (right - wrong) / both))  # f (1 - f) is symmetric around 0
    slope = 2 * rate * steepness * power / ((1 + power) * both) ** 2
    return [(own, slope * wrong), (other, -slope * right)]

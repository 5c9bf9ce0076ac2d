"""Reference for learning from rows one by one."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.kernels import ADAPT, BUNDLE, MARGIN, REFINE, PerceptronState

Floats = npt.NDArray[np.float32]
DECAY = 0.01
"""Weight of each new margin in the running means of ``refine``."""


def dots(rows: Floats, vectors: Floats) -> Floats:
    """Multiply row by row; see :attr:`hdc.kernels.LearnKernels.dots`."""
    out = np.empty((len(rows), len(vectors)), dtype=np.float32)
    for row, found in zip(rows, out, strict=True):
        found[:] = vectors @ row
    return out


def perceptron(
    rows: Floats,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    state: PerceptronState,
    rule: int,
    rate: float,
    margin: float,
) -> tuple[PerceptronState, npt.NDArray[np.int64]]:
    """Process the rows one after another; see :attr:`hdc.kernels.LearnKernels.perceptron`."""
    prototypes, drift = state.prototypes.astype(np.float32), state.drift.astype(np.float32)
    squares, means, step = state.squares.astype(np.float64), state.means.astype(np.float64), state.step
    nearest = np.zeros(len(rows), dtype=np.int64)
    for i, (row, label, weight) in enumerate(zip(rows, labels, weights, strict=True)):
        dots = (prototypes @ row).astype(np.float64)
        cosines = np.divide(dots, np.sqrt(squares), out=np.zeros(len(dots)), where=squares > 0)
        others = np.where(np.arange(len(dots)) == label, -np.inf, cosines)
        rival = int(others.argmax()) if len(dots) > 1 else int(label)
        cosines = np.append(cosines, -np.inf)  # if there is no rival
        nearest[i] = label if cosines[label] > others[rival] else rival
        for place, change in _changes(rule, int(label), rival, cosines, rate * float(weight), margin, means):
            prototypes[place] += np.float32(change) * row
            drift[place] += np.float32(change * step) * row
            squares[place] = max(0.0, squares[place] + 2 * change * dots[place] + change * change)
        step += 1
    return PerceptronState(prototypes, drift, squares, means, step), nearest


def _changes(
    rule: int, label: int, rival: int, cosines: Any, rate: float, margin: float, means: Any
) -> list[tuple[int, float]]:
    """Return the prototypes to change and by how many times the row; update ``means``."""
    own, other = cosines[label], cosines[rival if rival != label else -1]
    gap = own - other
    if rule == BUNDLE and gap > 0:
        return [(label, rate * (1 - own))]
    if rival == label:
        return []
    if rule == REFINE:
        threshold = margin * (means[0] - means[1])
        means[int(gap <= 0)] += DECAY * (gap - means[int(gap <= 0)])
        return [(label, rate * (1 - own)), (rival, -rate * (1 - other))] if gap <= max(0.0, threshold) else []
    if gap > (margin if rule == MARGIN else 0.0):
        return []
    if rule in (ADAPT, MARGIN):
        return [(label, rate), (rival, -rate)]
    return [(label, rate * (1 - own)), (rival, -rate * (1 - other))]

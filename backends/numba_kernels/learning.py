"""Learning from rows one by one, called retraining in hyperdimensional computing."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import frozen, rows_of
from hdc.backends.numba_kernels.jit import kernel, summing
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numpy_learning import DECAY, Floats
from hdc.kernels import BUNDLE, MARGIN, ONLINE, REFINE, PerceptronState

DOT_TIME = 0.05
"""Approximate nanoseconds per product that is added."""


@summing
def dots_of(prototypes: Any, row: Any, out: Any) -> None:
    """Fill ``out`` with the dot products of the prototypes and a row."""
    for place in range(len(prototypes)):
        other = prototypes[place]
        total = np.float32(0)
        for j in range(len(row)):
            total += other[j] * row[j]
        out[place] = total


@summing
def _added(vector: Any, drift: Any, row: Any, change: Any, late: Any) -> None:
    """Add a row to a prototype, and, weighted by its time, to the drift."""
    for j in range(len(row)):
        vector[j] += change * row[j]
        drift[j] += late * row[j]


@kernel
def _learn(
    rows: Any,
    labels: Any,
    weights: Any,
    prototypes: Any,
    drift: Any,
    squares: Any,
    means: Any,
    step: Any,
    rule: Any,
    rate: Any,
    margin: Any,
    nearest: Any,
) -> None:
    """Update ``prototypes``, ``drift``, ``squares`` and ``means``; fill ``nearest``."""
    classes = len(prototypes)
    dots = np.empty(classes, np.float32)
    for i in range(len(rows)):
        row, label = rows[i], labels[i]
        dots_of(prototypes, row, dots)
        own, other, rival = 0.0, -np.inf, label
        for place in range(classes):
            cosine = dots[place] / np.sqrt(squares[place]) if squares[place] > 0 else 0.0
            if place == label:
                own = cosine
            elif cosine > other:
                other, rival = cosine, place
        gap = own - other
        nearest[i] = label if gap > 0 else rival
        up = down = rate * weights[i]
        if rule != MARGIN:
            up *= 1 - own
            down *= 1 - other
        if rule == BUNDLE and gap > 0:
            down = 0.0
        elif rival == label:
            up = down = 0.0
        elif rule == REFINE:
            threshold = max(0.0, margin * (means[0] - means[1]))
            at = 0 if gap > 0 else 1
            means[at] += DECAY * (gap - means[at])
            if gap > threshold:
                up = down = 0.0
        elif gap > (margin if rule == MARGIN else 0.0):
            up = down = 0.0
        if up != 0:
            _added(prototypes[label], drift[label], row, np.float32(up), np.float32(up * step))
            squares[label] = max(0.0, squares[label] + 2 * up * dots[label] + up * up)
        if down != 0:
            _added(prototypes[rival], drift[rival], row, np.float32(-down), np.float32(-down * step))
            squares[rival] = max(0.0, squares[rival] - 2 * down * dots[rival] + down * down)
        step += 1


@summing
def _all_dots(rows: Any, vectors: Any, out: Any, start: int, stop: int) -> None:
    """Fill ``out[start:stop]``, four vectors at a time, which share one read of a row from the first-level cache."""
    whole = len(vectors) - len(vectors) % 4
    for i in range(start, stop):
        row = rows[i]
        for p in range(0, whole, 4):
            a, b, c, d = vectors[p], vectors[p + 1], vectors[p + 2], vectors[p + 3]
            first, second, third, fourth = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for j in range(len(row)):
                first += a[j] * row[j]
                second += b[j] * row[j]
                third += c[j] * row[j]
                fourth += d[j] * row[j]
            out[i, p], out[i, p + 1], out[i, p + 2], out[i, p + 3] = first, second, third, fourth
        for p in range(whole, len(vectors)):
            a, first = vectors[p], np.float32(0)
            for j in range(len(row)):
                first += a[j] * row[j]
            out[i, p] = first


def dots(rows: Floats, vectors: Floats) -> Floats:
    """Multiply row by row; see :attr:`hdc.kernels.LearnKernels.dots`."""
    out = np.empty((len(rows), len(vectors)), dtype=np.float32)
    given = rows_of(rows, np.float32), rows_of(vectors, np.float32)
    over_rows(_all_dots, len(rows), vectors.size * DOT_TIME, *given, out)
    return out


def perceptron(
    rows: Floats, labels: Any, weights: Any, state: PerceptronState, rule: int, rate: float, margin: float
) -> tuple[PerceptronState, Any]:
    """Process the rows one after another; see :attr:`hdc.kernels.LearnKernels.perceptron`."""
    if rule not in (BUNDLE, ONLINE, REFINE, MARGIN):  # the adapt rule has margin 0
        rule, margin = MARGIN, 0.0
    prototypes, drift = (np.array(x, dtype=np.float32, order="C") for x in (state.prototypes, state.drift))
    squares, means = np.array(state.squares, dtype=np.float64), np.array(state.means, dtype=np.float64)
    nearest = np.zeros(len(rows), dtype=np.int64)
    given = rows_of(rows, np.float32), frozen(labels, np.int64, -1), frozen(weights, np.float32, -1)
    _learn(*given, prototypes, drift, squares, means, float(state.step), rule, float(rate), float(margin), nearest)
    return PerceptronState(prototypes, drift, squares, means, state.step + len(rows)), nearest

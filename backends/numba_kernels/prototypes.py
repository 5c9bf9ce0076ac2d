"""Learning vector quantization: prototypes of a row's class move toward the row, others away."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import frozen, rows_of
from hdc.backends.numba_kernels.jit import kernel, summing
from hdc.backends.numba_kernels.learning import dots_of
from hdc.backends.numpy_prototypes import LEAST, MOST, Floats


@summing
def _moved(vector: Any, row: Any, change: Any) -> None:
    """Add a multiple of a row to a prototype."""
    for j in range(len(row)):
        vector[j] += change * row[j]


@kernel
def _lengthened(length: Any, step: Any, cosine: Any) -> Any:
    """Return the relative length of a prototype after a step toward a row with the given cosine."""
    return length * np.sqrt(max(0.25, 1 + 2 * step * cosine + step * step))


@kernel
def _unit(prototypes: Any) -> None:
    """Normalize prototypes to length 1."""
    for place in range(len(prototypes)):
        vector = prototypes[place]
        total = 0.0
        for j in range(len(vector)):
            total += vector[j] * vector[j]
        scale = np.float32(1 / np.sqrt(total)) if total > 0 else np.float32(1)
        for j in range(len(vector)):
            vector[j] *= scale


@kernel
def _attract(
    rows: Any, labels: Any, weights: Any, prototypes: Any, owners: Any, steepness: Any, rate: Any, lengths: Any
) -> None:
    """Move ``prototypes``, whose lengths are tracked in ``lengths``, and normalize them at the end."""
    dots = np.empty(len(prototypes), np.float32)
    for i in range(len(rows)):
        row = rows[i]
        dots_of(prototypes, row, dots)
        own, other, near, far = -1, -1, -np.inf, -np.inf
        for place in range(len(prototypes)):
            cosine = dots[place] / lengths[place]
            if owners[place] == labels[i]:
                if cosine > near:
                    own, near = place, cosine
            elif cosine > far:
                other, far = place, cosine
        up = down = 0.0
        if steepness == 0:
            up = rate * weights[i] if near >= far else 0.0
            down = 0.0 if near >= far else -rate * weights[i]
        elif own >= 0 and other >= 0 and 2 - near - far >= LEAST:
            both = 2 - near - far
            power = np.exp(-abs(steepness * (far - near) / both))  # f (1 - f) is symmetric around 0
            slope = 2 * rate * weights[i] * steepness * power / ((1 + power) * both) ** 2
            up, down = slope * (1 - far), -slope * (1 - near)
        if up != 0:
            up = max(-MOST, min(MOST, up))
            _moved(prototypes[own], row, np.float32(up * lengths[own]))
            lengths[own] = _lengthened(lengths[own], up, near)
        if down != 0:
            down = max(-MOST, min(MOST, down))
            _moved(prototypes[other], row, np.float32(down * lengths[other]))
            lengths[other] = _lengthened(lengths[other], down, far)
        if max(lengths[own], lengths[other]) > 1e6 or min(lengths[own], lengths[other]) < 1e-6:
            _unit(prototypes)
            for place in range(len(lengths)):
                lengths[place] = 1
    _unit(prototypes)


def attract(
    rows: Floats, labels: Any, weights: Any, prototypes: Any, owners: Any, steepness: float, rate: float
) -> Floats:
    """Process the rows one after another; see :attr:`hdc.kernels.LearnKernels.attract`."""
    found = np.array(prototypes, dtype=np.float32, order="C")
    given = rows_of(rows, np.float32), frozen(labels, np.int64, -1), frozen(weights, np.float32, -1)
    _attract(*given, found, frozen(owners, np.int64, -1), float(steepness), float(rate), np.ones(len(found)))
    return found

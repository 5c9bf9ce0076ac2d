"""Tables that are levels along principal axes: a start that few vectors suffice for, and that more bits never harm.

A start of free tables, signs of rotated axes or residual k-means, has more entries than there are vectors once codes
are long and vectors few. Such tables follow the vectors that they were found from, and no others. Levels have a mean, a
variance and 2 to 16 values per axis, whatever the size of a code. Bits go to the axis where the next one takes off most
error (:func:`~hdc.apps.retrieval.binarizers.levels.allotted`), as for scalar codes, in the metric that codes are chosen
by. A group of four bits has one axis of 16 levels, two axes of 4, or others of 16 combinations. Groups are orthogonal:
codes chosen one group after another are the nearest ones. Training then bends the tables to what axes do not say.

Vectors count by one over the distance to their neighbors, as in
:mod:`~hdc.apps.retrieval.binarizers.bebr.residual`: levels are denser where neighbors are near.
"""

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.axes import Numbers, mixed, principal
from hdc.apps.retrieval.binarizers.base import GROUP_BITS, Floats
from hdc.apps.retrieval.binarizers.bebr.decoder import LEVELS
from hdc.apps.retrieval.binarizers.levels import MOST_LEVEL_BITS, allotted, levels_of

AXES_FROM, LEVELS_FROM = 16_384, 4096
"""Most vectors that the axes, and the levels along them, are found from."""

ROUNDS = 8
"""Rounds of Lloyd's method along an axis, from the levels of a normal distribution."""

MOST_AXIS_BITS = 24
"""Most bits of an axis: those of a float32."""

NORMAL = 1 << 20
"""Components of a random unit vector each of which is normal, as far as levels can tell."""


def level_tables(x: Floats, weights: Floats, groups: int, metric: Floats, rng: np.random.Generator) -> Floats:
    """Return tables, ``(16 * groups, d)`` float32 in the order of a decoder, of centered vectors.

    Parameters
    ----------
    x : (n, d) float32
        Less their mean.
    weights : (n,) float32
    groups : int
    metric : (d, d) float32
        In which distances are taken.
    rng : Generator
    """
    chosen = rng.permutation(len(x))[:AXES_FROM]
    seen, weights = (x[chosen] @ metric).astype(np.float32), weights[chosen]
    d = seen.shape[1]
    variances, axes = principal(seen * np.sqrt(weights)[:, None], np.zeros(d, dtype=np.float32))
    widths = allotted(variances, GROUP_BITS * groups, 1.0, _distortions())
    _, axes = mixed(variances, axes, widths, rng)
    left, counts = seen[:LEVELS_FROM] @ axes, weights[:LEVELS_FROM].astype(np.float64)
    tables = np.zeros((LEVELS, groups, d))
    for group, parts in enumerate(_packed(widths, groups)):
        below = 1
        for axis, bits in parts:
            levels, places = _levels(left[:, axis], counts, bits)
            left[:, axis] -= levels[places]
            tables[:, group] += levels[np.arange(LEVELS) // below % (1 << bits), None] * axes[:, axis]
            below <<= bits
    return (tables.reshape(LEVELS * groups, d) @ np.linalg.inv(metric.astype(np.float64))).astype(np.float32)


def _distortions() -> Numbers:
    """Return the squared error of a normal variable by the number of bits; each beyond those known takes off 3/4."""
    known = [1.0] + [levels_of(NORMAL, bits).distortion for bits in range(1, MOST_LEVEL_BITS + 1)]
    beyond = known[-1] * 0.25 ** np.arange(1, MOST_AXIS_BITS - MOST_LEVEL_BITS + 1)
    return np.concatenate([known, beyond])


def _packed(widths: npt.NDArray[np.int64], groups: int) -> list[list[tuple[int, int]]]:
    """Return, for each group, axes and how many of its four bits each has, the widest axes first.

    An axis of more than four bits, or of more than are left of a group where no other fits, is in several groups. There
    may be fewer bits than the groups have.
    """
    open_bits, packed = widths.copy(), []
    for _ in range(groups):
        room, parts = GROUP_BITS, []
        while room and open_bits.any():
            fitting = np.where(open_bits <= room, open_bits, 0)
            axis = int(np.argmax(fitting if fitting.any() and open_bits.max() <= GROUP_BITS else open_bits))
            bits = min(room, int(open_bits[axis]))
            parts.append((axis, bits))
            open_bits[axis] -= bits
            room -= bits
        packed.append(parts)
    return packed


def _levels(values: Numbers, weights: Numbers, bits: int) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Return ``2**bits`` ascending levels of weighted numbers, by Lloyd's method, and which is nearest to each."""
    mean = np.average(values, weights=weights)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    levels = mean + spread * levels_of(NORMAL, bits).values.astype(np.float64)
    for _ in range(ROUNDS):
        places = _nearest(values, levels)
        counts, sums = (np.bincount(places, w, len(levels)) for w in (weights, weights * values))
        levels = np.sort(np.divide(sums, counts, out=levels, where=counts > 0))
    return levels, _nearest(values, levels)


def _nearest(values: Numbers, levels: Numbers) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = np.searchsorted((levels[1:] + levels[:-1]) / 2, values)
    return found

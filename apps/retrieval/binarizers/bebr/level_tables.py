"""Tables of levels along principal axes: a start that needs few vectors, and that more bits never make worse.

A start with free tables (signs of rotated axes, or residual k-means) has more entries than vectors once codes are long
and vectors few. Such tables overfit the vectors they were found from. Levels have a mean, a variance and 2 to 16 values
per axis, whatever the code size. Each bit goes to the axis where it reduces the error most
(:func:`~hdc.apps.retrieval.binarizers.levels.allotted`), as for scalar codes, in the metric by which codes are chosen.
A group of four bits covers one axis with 16 levels, two axes with 4, or another split into 16 combinations. Groups are
orthogonal, so choosing codes group by group finds the nearest ones. Training then adapts the tables beyond the axes.

Vectors are weighted by one over the distance to their neighbors, as in
:mod:`~hdc.apps.retrieval.binarizers.bebr.residual`: levels are denser where neighbors are near.
"""

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.axes import Numbers, mixed, principal
from hdc.apps.retrieval.binarizers.base import GROUP_BITS, Floats
from hdc.apps.retrieval.binarizers.bebr.decoder import LEVELS
from hdc.apps.retrieval.binarizers.levels import MOST_LEVEL_BITS, allotted, levels_of

AXES_FROM, LEVELS_FROM = 16_384, 4096
"""Most vectors used to find the axes, and the levels along them."""

ROUNDS = 8
"""Rounds of Lloyd's method per axis, starting from the levels of a normal distribution."""

MOST_AXIS_BITS = 24
"""Most bits per axis: the precision of a float32."""

NORMAL = 1 << 20
"""Dimension at which a component of a random unit vector is normal, as far as levels can resolve."""


def level_tables(x: Floats, weights: Floats, groups: int, metric: Floats, rng: np.random.Generator) -> Floats:
    """Return the tables of centered vectors, ``(16 * groups, d)`` float32 in the order of a decoder.

    Parameters
    ----------
    x : (n, d) float32
        Vectors less their mean.
    weights : (n,) float32
    groups : int
    metric : (d, d) float32
        Metric of distances.
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
    """Return the squared error of a normal variable by number of bits; past the known ones, each removes 3/4 of it."""
    known = [1.0] + [levels_of(NORMAL, bits).distortion for bits in range(1, MOST_LEVEL_BITS + 1)]
    beyond = known[-1] * 0.25 ** np.arange(1, MOST_AXIS_BITS - MOST_LEVEL_BITS + 1)
    return np.concatenate([known, beyond])


def _packed(widths: npt.NDArray[np.int64], groups: int) -> list[list[tuple[int, int]]]:
    """Return, per group, its axes and how many of the four bits each gets, the widest axes first.

    An axis spans several groups if it has more than four bits, or if no axis fits into the bits left in a group. There
    may be fewer bits than the groups have room for.
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
    """Return ``2**bits`` ascending levels of weighted numbers by Lloyd's method, and each number's nearest level."""
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

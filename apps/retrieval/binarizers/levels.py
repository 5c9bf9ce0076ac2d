"""Levels of a component of a random unit vector, and how many of them each component of a code is worth.

No vector is looked at: the component of a uniformly random unit vector of d components has the density
``(1 - t^2)^((d - 3) / 2)``, a shifted Beta((d - 1) / 2, (d - 1) / 2), whose optimal levels can be computed (Zandieh et
al. 2025, TurboQuant, arXiv 2504.19874, section 3.1). For large d that is the normal distribution of Max (1960).
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

MOST_LEVEL_BITS = 8
"""Bits of a component at most: with so many, levels are closer than float16 vectors need."""

GRID = 1 << 14
"""Points that the density is summed over."""

FARTHEST = 9.0
"""Standard deviations that it is summed up to; beyond lies less than 1e-18 of it."""

FEW_EDGES = 31
"""Up to so many edges, comparing values with all of them is faster than searching: 3 to 15 times for 15 to 1."""

STEPS = 250
"""Steps of Lloyd's method; from where it starts, the distortion of 256 levels no longer changes in four digits."""


class Levels(NamedTuple):
    """Levels of a component of a unit vector, times the root of d: of variance 1.

    Attributes
    ----------
    values : (2**bits,) float32 array
        Ascending, and symmetric.
    edges : (2**bits - 1,) float32 array
        Between neighbors, halfway.
    distortion : float
        Expected squared distance to the nearest level.
    """

    values: npt.NDArray[np.float32]
    edges: npt.NDArray[np.float32]
    distortion: float

    def places(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Return the numbers of the levels that are nearest to some values: those of the edges below each."""
        if len(self.edges) > FEW_EDGES:
            return np.searchsorted(self.edges, x).astype(np.uint8)
        numbers = np.zeros(x.shape, dtype=np.uint8)
        for edge in self.edges:
            numbers += x > edge
        return numbers


@cache
def levels_of(d: int, bits: int) -> Levels:
    """Return the levels of least expected squared error, found by Lloyd's method.

    Parameters
    ----------
    d : int
        Components of the unit vector; 1 counts as 2.
    bits : int
        At least 1.
    """
    d = max(2, d)
    first = math.acos(min(1.0, FARTHEST / math.sqrt(d)))
    ends = -math.sqrt(d) * np.cos(np.linspace(first, math.pi - first, GRID + 1))
    angle = first + (np.arange(GRID) + 0.5) * (math.pi - 2 * first) / GRID
    points = -math.sqrt(d) * np.cos(angle)  # ascending; uniform in the angle, the density is a power of its sine
    with np.errstate(under="ignore"):
        mass = np.sin(angle) ** (d - 2)
    mass /= mass.sum()
    below = np.concatenate([[0.0], np.cumsum(mass)])
    moment = np.concatenate([[0.0], np.cumsum(mass * points)])
    values = _first_guess(points, mass, 1 << bits)
    for _ in range(STEPS):
        edges = (values[1:] + values[:-1]) / 2
        held = np.diff(np.interp(edges, ends, below), prepend=0.0, append=1.0)
        moments = np.diff(np.interp(edges, ends, moment), prepend=0.0, append=moment[-1])
        means = np.divide(moments, held, out=values.copy(), where=held > 0)
        values = (means - means[::-1]) / 2
    edges = (values[1:] + values[:-1]) / 2
    error = points - values[np.searchsorted(edges, points)]
    return Levels(values.astype(np.float32), edges.astype(np.float32), float(mass @ error**2))


def _first_guess(points: Numbers, mass: Numbers, count: int) -> Numbers:
    """Return levels as dense as is optimal for many of them: as the cube root of the density (Panter & Dite 1951)."""
    # Steps of the angle are sin(angle) wide, so that the density of points is the mass by that.
    width = np.gradient(points)
    dense = np.cumsum(np.cbrt(mass / width) * width)
    shares = (np.arange(count) + 0.5) / count * dense[-1]
    guess: Numbers = points[np.minimum(np.searchsorted(dense, shares), GRID - 1)]
    return guess


def allotted(variances: Numbers, total: int, power: float, distortions: Numbers) -> npt.NDArray[np.int64]:
    """Give each bit to the component where it takes most off ``sum_i variance_i**power * distortion(bits_i)``.

    Since each further bit takes off less, that greedy choice is the best one: reverse water-filling, with whole bits.

    Parameters
    ----------
    variances : (d,) float64 array
        Descending.
    total : int
        Bits; those beyond the last component's last bit are not given.
    power : float
    distortions : (most + 1,) float64 array
        Of a component of variance 1 with 0 bits, 1 bit and so on.

    Returns
    -------
    (d,) int64 array
        Descending.
    """
    gains = -np.diff(distortions)[:, None] * variances**power
    chosen = np.argsort(-gains, axis=None, kind="stable")[:total]
    return np.bincount(chosen % len(variances), minlength=len(variances))

"""Optimal levels for a component of a random unit vector, and the number of bits that each component deserves.

No vectors are needed. A component of a uniformly random unit vector of d components has the density
``(1 - t^2)^((d - 3) / 2)``, a shifted Beta((d - 1) / 2, (d - 1) / 2), so optimal levels can be computed (Zandieh et al.
2025, TurboQuant, arXiv 2504.19874, section 3.1). For large d the density is the normal distribution of Max (1960).
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

MOST_LEVEL_BITS = 8
"""Most bits of a component; at 8 bits, levels are closer than float16 vectors need."""

GRID = 1 << 14
"""Points at which the density is summed."""

FARTHEST = 9.0
"""Standard deviations covered by the sum; less than 1e-18 of the density lies beyond."""

FEW_EDGES = 31
"""Up to this many edges, comparing with every edge beats binary search: 3 times faster with 15 edges, 15 with 1."""

STEPS = 250
"""Steps of Lloyd's method; after them, the distortion of 256 levels no longer changes in four digits."""


class Levels(NamedTuple):
    """Levels of a component of a unit vector, scaled by the root of d to variance 1.

    Attributes
    ----------
    values : (2**bits,) float32 array
        Ascending and symmetric.
    edges : (2**bits - 1,) float32 array
        Midpoints between neighboring levels.
    distortion : float
        Expected squared distance to the nearest level.
    """

    values: npt.NDArray[np.float32]
    edges: npt.NDArray[np.float32]
    distortion: float

    def places(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Return the number of the nearest level of each value: the count of edges below it."""
        if len(self.edges) > FEW_EDGES:
            return np.searchsorted(self.edges, x).astype(np.uint8)
        numbers = np.zeros(x.shape, dtype=np.uint8)
        for edge in self.edges:
            numbers += x > edge
        return numbers


@cache
def levels_of(d: int, bits: int) -> Levels:
    """Return the levels with the least expected squared error, by Lloyd's method.

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
    points = -math.sqrt(d) * np.cos(angle)  # ascending; with uniform angles, the density is a power of the sine
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
    """Return levels as dense as the cube root of the density: optimal for many levels (Panter & Dite 1951)."""
    # A step of the angle is sin(angle) wide, so the density at a point is its mass over that width.
    width = np.gradient(points)
    dense = np.cumsum(np.cbrt(mass / width) * width)
    shares = (np.arange(count) + 0.5) / count * dense[-1]
    guess: Numbers = points[np.minimum(np.searchsorted(dense, shares), GRID - 1)]
    return guess


def allotted(variances: Numbers, total: int, power: float, distortions: Numbers) -> npt.NDArray[np.int64]:
    """Allot each bit to the component where it reduces ``sum_i variance_i**power * distortion(bits_i)`` most.

    Each further bit reduces it less, so this greedy choice is optimal: reverse water-filling with whole bits.

    Parameters
    ----------
    variances : (d,) float64 array
        Descending.
    total : int
        Bits to allot; bits beyond the maximum of every component are not used.
    power : float
    distortions : (most + 1,) float64 array
        Distortion of a component of variance 1 with 0 bits, 1 bit and so on.

    Returns
    -------
    (d,) int64 array
        Descending.
    """
    gains = -np.diff(distortions)[:, None] * variances**power
    chosen = np.argsort(-gains, axis=None, kind="stable")[:total]
    return np.bincount(chosen % len(variances), minlength=len(variances))

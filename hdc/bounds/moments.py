"""Normal approximations of similarities of a bundle with its members and with other symbols, for each kind of model.

Each function takes numbers of members k and of components D, which broadcast.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.bounds.formulas import majority_bias, phasor_bias, plurality_bias

Real = npt.NDArray[np.float64]

MANY = 4096
"""Most members for which sums of signs are enumerated."""


class Moments(NamedTuple):
    """Means and standard deviations of the similarity with a member, and with any other symbol."""

    hit_mean: Real
    hit_sd: Real
    reject_mean: Real
    reject_sd: Real

    @property
    def threshold(self) -> Real:
        """Midway between the means: at least this similar is a member."""
        return (self.hit_mean + self.reject_mean) / 2


class Binomials(NamedTuple):
    """Numbers of components that agree with a bundle, of so many: binomial, each agreeing with the share given."""

    trials: int
    hit: float
    reject: float


def _moments(hit_mean: Real, hit_variance: Real, reject_variance: Real) -> Moments:
    mean, own, other = np.broadcast_arrays(hit_mean, np.maximum(hit_variance, 0), reject_variance)
    return Moments(mean, np.sqrt(own), np.zeros_like(mean), np.sqrt(other))


def linear(k: npt.ArrayLike, dim: npt.ArrayLike, own: float = 0.0, keys: float = 0.0) -> Moments:
    """Return the moments of a sum: a member scores N(1, (k - 1 + own + keys) / D), another N(0, (k + keys) / D).

    Scores are in units of an atom's with itself; similarities are these over the mean length, ``sqrt(k + keys)``. The
    length of one bundle scales all its scores alike, so that orders are those of the scores.

    Parameters
    ----------
    k, dim : number or array
        Members, and real numbers stored.
    own : float
        D times the variance of the score of an atom with itself.
    keys : float
        What reading with keys that bind inexactly adds to both variances, in members.
    """
    n, m = np.asarray(k, np.float64), np.asarray(dim, np.float64)
    length = n + keys
    return _moments(1 / np.sqrt(length), (n - 1 + own + keys) / (length * m), 1 / m)


def majority(k: npt.ArrayLike, dim: npt.ArrayLike) -> Moments:
    """Return the moments of signs of sums: N(p, (1 - p²) / D) with p = :func:`hdc.bounds.majority_bias`, N(0, 1/D)."""
    p, m = np.asarray(majority_bias(k)), np.asarray(dim, np.float64)
    return _moments(p, (1 - p * p) / m, 1 / m)


def phases(k: npt.ArrayLike, dim: npt.ArrayLike, levels: float = np.inf) -> Moments:
    """Return the moments of phases of sums of phasors, rounded to a number of levels.

    A member keeps ``c = phasor_bias(k) sinc(1 / levels)`` with variance ``(1/2 + sinc(2 / levels) / (4k) - c²) / D``
    for k >= 3; another symbol has variance ``1 / (2D)``. Two levels are a majority of signs.
    """
    if levels == 2:
        return majority(k, dim)
    n, m = np.asarray(k, np.float64), np.asarray(dim, np.float64)
    c = np.asarray(phasor_bias(n)) * np.where(n > 1, np.sinc(1 / levels), 1.0)
    doubled = np.where(n > 2, np.sinc(2 / levels) / (2 * n), np.where(n > 1, 0.0, 1.0))
    return _moments(c, ((1 + doubled) / 2 - c * c) / m, 0.5 / m)


def pluralities(k: npt.ArrayLike, dim: npt.ArrayLike, levels: int) -> Moments:
    """Return the moments of most frequent values: shares of equal components, binomial, centered and scaled.

    A member agrees in a share q = :func:`hdc.bounds.plurality_bias` of the components, another symbol in 1/levels.
    """
    share = np.vectorize(lambda size: plurality_bias(int(size), levels), otypes=[np.float64])(k)
    m, chance = np.asarray(dim, np.float64), 1 / levels
    scale = m * (1 - chance) ** 2
    return _moments((share - chance) / (1 - chance), share * (1 - share) / scale, chance * (1 - chance) / scale)


def agreeing(k: int, dim: int, levels: int) -> Binomials:
    """Return how many of D components agree with most frequent values: the exact law behind :func:`pluralities`."""
    return Binomials(dim, plurality_bias(k, levels), 1 / levels)


def covering(k: int, dim: int, ones: int) -> Binomials:
    """Return how many ones of an atom an or of k atoms covers: all of a member's own, of another's its density."""
    return Binomials(ones, 1.0, float(-np.expm1(k * np.log1p(-ones / dim))))


def covered(k: npt.ArrayLike, dim: npt.ArrayLike, ones: npt.ArrayLike) -> Moments:
    """Return the moments of correlations with an or of atoms of so many ones: a member has all of its own covered."""
    n, m, own = (np.asarray(x, np.float64) for x in (k, dim, ones))
    share = -np.expm1(n * np.log1p(-own / m))
    hit = np.sqrt(own * (1 - share) / (m * share * (1 - own / m)))
    return _moments(hit, np.zeros_like(hit), 1 / (m - 1))


def dead_zone(k: npt.ArrayLike, dim: npt.ArrayLike, zone: float) -> Moments:
    """Return the moments of cosines with signs of sums that are 0 where ``|S_k| <= zone * sqrt(k)``.

    With P the probability that a component is not 0 and ``m = E[|S_k|; not 0] / k``, of which the members have equal
    parts, a member scores N(m / sqrt(P), (1 - m² / P) / D), another N(0, 1/D); the length is ``sqrt(P D)``.
    """
    parts = np.vectorize(lambda size: _beyond(int(size), zone), otypes=[np.float64, np.float64])(k)
    m = np.asarray(dim, np.float64)
    kept, mean = parts
    return _moments(mean / np.sqrt(kept), (1 - mean * mean / kept) / m, 1 / m)


def _beyond(size: int, zone: float) -> tuple[float, float]:
    """Return P and m of :func:`dead_zone`, exactly for up to ``MANY`` members, otherwise of a normal sum."""
    limit = int(zone * math.sqrt(size))
    if size > MANY:
        reach = (limit + 1 if (limit + 1 - size) % 2 == 0 else limit + 2) - 1  # halfway between two values of the sum
        z = reach / math.sqrt(size)
        return math.erfc(z / math.sqrt(2)), math.sqrt(2 / (math.pi * size)) * math.exp(-z * z / 2)
    sums = 2 * np.arange(size + 1) - size
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(size, 0, -1) / np.arange(1, size + 1)))])
    shares = np.exp(logs - size * math.log(2))
    kept = np.abs(sums) > limit
    return float(shares[kept].sum()), float((shares * np.abs(sums))[kept].sum() / size)

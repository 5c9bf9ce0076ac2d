"""Moments of clipped sums of uniform components (MAP-C)."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hdc.bounds.moments import Moments, Real

NODES = 48
"""Nodes of each integral: what is integrated is smooth but for the bends of the sums of one and two variables."""

EXACT = 30
"""Number of variables up to which sums are exact; from there the Edgeworth series errs by less than 1e-7."""


def uniform_sum(n: int, t: npt.ArrayLike) -> Real:
    """Return the distribution function of the sum of n variables that are uniform over (-1, 1).

    Source: Irwin (1927), Hall (1927). Standing: exact to rounding up to ``EXACT`` variables, then the Edgeworth series
    with the fourth and sixth cumulants.
    """
    from scipy.special import ndtr

    points = np.asarray(t, np.float64)
    if n > EXACT:
        z = points / math.sqrt(n / 3)
        fourth, sixth = -1.2 / n, (48 / 7) / n**2
        he3, he5, he7 = z**3 - 3 * z, z**5 - 10 * z**3 + 15 * z, z**7 - 21 * z**5 + 105 * z**3 - 105 * z
        correction = fourth / 24 * he3 + sixth / 720 * he5 + fourth**2 / 1152 * he7
        return np.asarray(ndtr(z) - np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * correction)
    lower = np.clip((n - np.abs(points)) / 2, 0, None)  # of the lower half few terms are added, and none cancels much
    terms = [(-1) ** j * math.comb(n, j) * np.clip(lower - j, 0, None) ** n for j in range(n // 2 + 1)]
    below = np.sum(terms, axis=0) / math.factorial(n) if n else np.where(points == 0, 0.5, 0.0)
    return np.where(points > 0, 1 - below, below)


@lru_cache(maxsize=1024)
def _of_components(size: int) -> tuple[float, float, float]:
    """Return hit mean, D times the hit's variance, and the mean square of a component of the bundle.

    With b a component of the bundle and x one of a member, the score is the mean of b x over the root of that of x²:
    its variance is that of ``b x - c x²``, where c takes out what the length of x changes.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half, share = (nodes + 1) / 2, weights / 2  # over (0, 1): bends are at 0
    x, p = np.concatenate([half, -half]), np.concatenate([share, share]) / 2
    square = float(share @ (2 * half * 2 * uniform_sum(size, -half)))
    expected = 2 * uniform_sum(size, x) - 1  # of b, given x
    squared = x**2  # the mean of b², given x
    if size > 1:
        beyond = uniform_sum(size - 1, -half - x[:, None]) + uniform_sum(size - 1, x[:, None] - half)
        squared = beyond @ (2 * half * share)
    hit = float(p @ (x * expected))
    c = hit / (2 / 3)
    own = float(p @ (x**2 * squared - 2 * c * x**3 * expected + c * c * x**4)) - (hit - c / 3) ** 2
    return hit / math.sqrt(square / 3), own / (square / 3), square


def clipped(k: npt.ArrayLike, dim: npt.ArrayLike) -> Moments:
    """Return the moments of sums of k vectors of components uniform over (-1, 1), each clipped to it.

    Of b, a component of the bundle, and x, one of a member, ``E[b | x] = 2 F_k(x) - 1`` with F_k the distribution of a
    sum of k (:func:`uniform_sum`), and ``E[b² | x] = ∫ 2u P(|x + S| > u) du`` over (0, 1), S a sum of k - 1: another
    symbol scores N(0, 1 / D), a member the mean of b x, in units of lengths.

    Source: derived here, from Irwin-Hall sums. Standing: moments exact, scores approximately normal.
    """
    sizes, m = np.broadcast_arrays(np.asarray(k), np.asarray(dim, np.float64))
    found = np.array([_of_components(int(size))[:2] for size in sizes.ravel()]).reshape(*sizes.shape, 2)
    mean, variance = found[..., 0], found[..., 1]
    return Moments(mean, np.sqrt(np.maximum(variance, 0) / m), np.zeros_like(mean), 1 / np.sqrt(m))

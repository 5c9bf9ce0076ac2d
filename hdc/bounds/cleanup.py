"""Clean-up: the probability that a reject scores above the hit, for normal scores, and its inverse."""

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]

_GRID = np.arange(-40.0, 10.0, 1 / 8)
"""Standardized scores of the hit. The integrand is analytic, so the error of this step is below float precision."""

_STEPS = 48
"""Halvings of the interval of an inverse."""

FARTHEST = 200.0
"""Standard deviations that include the smallest error of a float, for any universe."""


def log_cleanup_error(distance: npt.ArrayLike, spread: npt.ArrayLike, universe: npt.ArrayLike) -> Real:
    """Return the logarithm of the probability that one of ``universe - 1`` rejects scores above the hit (P2).

    ``1 - Int N(u; a, s²) Φ(u)^(D - 1) du``, integrated as the complement in log space.

    Parameters
    ----------
    distance : array
        Mean a of the hit's score above the rejects', in standard deviations of theirs.
    spread : array
        Standard deviation s of the hit's score, in the same.
    universe : array
        D; with none but the hit there is no error.

    Source: Frady, Kleyko and Sommer (2018). Standing: approximation (normal, independent scores).
    """
    from scipy.special import log_ndtr, logsumexp

    a, s, size = (np.asarray(x, np.float64)[..., None] for x in (distance, spread, universe))
    log_all_below = (size - 1) * log_ndtr(a + s * _GRID)
    with np.errstate(divide="ignore"):
        log_any_above = np.log(-np.expm1(np.minimum(log_all_below, 0.0)))
    density = -0.5 * (_GRID**2 + np.log(2 * np.pi)) + np.log(_GRID[1] - _GRID[0])
    return np.asarray(np.minimum(logsumexp(density + log_any_above, axis=-1), 0.0))


def distance_for(log_error: npt.ArrayLike, spread: npt.ArrayLike, universe: npt.ArrayLike) -> Real:
    """Return the distance at which :func:`log_cleanup_error` is ``log_error``; 0 where even that is enough."""
    aim = np.asarray(log_error, np.float64)
    shape = np.broadcast_shapes(aim.shape, np.shape(spread), np.shape(universe))
    low, high = np.zeros(shape), np.full(shape, FARTHEST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        reached = log_cleanup_error(middle, spread, universe) <= aim
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.where(log_cleanup_error(np.zeros(shape), spread, universe) <= aim, 0.0, high)

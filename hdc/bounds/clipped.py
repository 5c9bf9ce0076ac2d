"""Moments of clipped sums of uniform components, and of products of two (MAP-C)."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hdc.bounds.moments import Moments, Real

NODES = 64
"""Nodes of the integrals over (-1, 0) and over (0, 1)."""

HIGHEST = 100.0
"""Frequency at which Fourier series end: terms of a sum of one and a clipped one are below 1e-6 there."""

MANY = 10**6
"""Members beyond which all but one in a thousand components are clipped; signs of normal sums are then scored."""

SMALLEST = 1e-18
"""Terms also end where every characteristic function is below this."""


def _clipped_given(characteristic: Real, frequencies: Real, p: Real) -> tuple[Real, Real]:
    """Return the means of b and of b², b = clip(p + S) to [-1, 1], for a sum S by its characteristic function.

    Frequencies are ``w_j = (j + 1/2) h``. For ``|s| < 2 π / h``, ``sign(s) / 2`` is the sum of all
    ``sin(w_j s) h / (π w_j)``; clip(s) is its integral over (s - 1, s + 1), and ``1 - clip(s)²`` that of 2u over all u
    from |s| to 1.
    """
    w, step = frequencies, 2 * frequencies[0]
    share = characteristic * step / (np.pi * w)
    first = np.sin(p[:, None] * w) @ (share * 2 * np.sin(w) / w)
    second = 1 - np.cos(p[:, None] * w) @ (share * 4 * (np.sin(w) - w * np.cos(w)) / w**2)
    return first, second


@lru_cache(maxsize=1024)
def _of_components(size: int, products: bool) -> tuple[float, float]:
    """Return the mean of a hit and dim times its variance.

    b is a component of the bundle, p what a member has put into it, and x the member's own: p = x, or p = x y with a
    key y that the bundle is read with. A member scores the mean of p b over the root of that of x², so that its
    variance is that of ``p b - c x²``, where c takes out what the length of x changes.
    """
    from scipy.special import sici

    if size > MANY:
        kept = np.sqrt(2 / (np.pi * size))
        return float(kept), float(1 - kept**2)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = (nodes + 1) / 2
    p, share = np.concatenate([half, -half]), np.concatenate([weights, weights]) / 2
    if products:
        density = share * -np.log(np.abs(p)) / 2
        own = key = (1 - p * p) / (-2 * np.log(np.abs(p)))  # means of x² and of y², given p
    else:
        density, own, key = share / 2, p * p, np.ones_like(p)
    first, second = p, p * p  # means of b and b², given p
    if size > 1:
        highest = 2 * np.sqrt(750 / size) if size > 60 else HIGHEST  # terms beyond are below SMALLEST
        w = (np.arange(np.ceil(highest * (size + 2) / (2 * np.pi))) + 0.5) * 2 * np.pi / (size + 2)
        of_one = sici(w)[0] / w if products else np.sin(w) / w
        characteristic = of_one ** (size - 1)
        kept = np.maximum.accumulate(np.abs(characteristic)[::-1])[::-1] > SMALLEST
        first, second = _clipped_given(characteristic[kept], w[kept], p)
    hit = float(density @ (p * first))
    c = hit / (2 / 3)
    square = float(density @ (p * p * second)) - 2 * c * float(density @ (p * first * own)) + c * c / 5
    length = float(density @ (key * second)) / 3
    return hit / length**0.5, (square - (hit - c / 3) ** 2) / length


def clipped(k: npt.ArrayLike, dim: npt.ArrayLike, *, products: bool = False) -> Moments:
    """Return the moments of sums of k vectors of components uniform over (-1, 1), clipped to it.

    Parameters
    ----------
    k, dim : number or array
    products : bool
        Whether the members are products of two such vectors, read by multiplying with one of the two.

    Returns
    -------
    Moments
        Another symbol scores N(0, 1 / D); a member's mean and variance are integrals over one component.

    Notes
    -----
    Source: derived here, by Fourier series of the sums' distribution. Standing: moments exact to 1e-5, scores
    approximately normal.
    """
    sizes, m = np.broadcast_arrays(np.asarray(k), np.asarray(dim, np.float64))
    found = np.array([_of_components(int(size), products) for size in sizes.ravel()]).reshape(*sizes.shape, 2)
    mean, variance = found[..., 0], found[..., 1]
    return Moments(mean, np.sqrt(np.maximum(variance, 0) / m), np.zeros_like(mean), 1 / np.sqrt(m))

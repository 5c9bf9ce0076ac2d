"""Kernels by name: distributions of frequencies, and the similarity that phasors of them have.

Phasors ``exp(i θ x)`` with frequencies θ of a distribution have the similarity ``K(x - y) = E cos(θ (x - y))``, its
characteristic function (Bochner; Rahimi and Recht 2007; Frady et al. 2021). Each kernel is given at bandwidth 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]

MOST_HARMONICS = 1 << 12
"""Most harmonics of a periodic kernel; only ``laplace`` has more, and lacks its sharpest part."""

_ALIASES = np.arange(-64, 65)
"""Which multiples of the number of levels rounding adds to a frequency; what is beyond adds less than 1e-3."""

_ODD = 2 * np.arange(2048) + 1
"""Harmonics of a square wave that are added up."""


@dataclass(frozen=True)
class Kernel:
    """A kernel and the distribution of frequencies that it is of.

    Attributes
    ----------
    value : (distances (...) float64) -> (...) float64
        What two values so far apart have for a similarity.
    draw : (u (n,) float64, v (n,) float64) -> (n,) float64
        Frequencies of uniform numbers between 0 and 1.
    density : (frequencies (...) float64) -> (...) float64
        Up to a factor; half of it at a jump.
    reach : float
        Frequencies beyond it are left out of a periodic kernel.
    slope : float
        How steeply the kernel falls from 1: 0 for those that are smooth there.
    """

    value: Callable[[Real], Real]
    draw: Callable[[Real, Real], Real]
    density: Callable[[Real], Real]
    reach: float
    slope: float = 0.0


def _bessel(distances: Real) -> Real:
    from scipy.special import j1

    z = math.pi * np.abs(distances)
    found: Real = np.where(z < 1e-6, 1.0, 2 * j1(z) / np.where(z < 1e-6, 1.0, z))
    return found


def _laplace_quantile(u: Real, v: Real) -> Real:
    centered = u - 0.5
    return np.asarray(-np.sign(centered) * np.log1p(-2 * np.abs(centered)))


def _step(frequencies: Real) -> Real:
    distance = np.abs(frequencies) - math.pi
    return np.where(np.abs(distance) < 1e-9, 0.5, (distance < 0).astype(np.float64))


KERNELS = {
    "gaussian": Kernel(
        value=lambda d: np.exp(-d * d / 2),
        draw=lambda u, v: np.sqrt(-2 * np.log(u)) * np.cos(2 * math.pi * v),
        density=lambda f: np.exp(-f * f / 2),
        reach=9.0,
    ),
    "sinc": Kernel(
        value=lambda d: np.sinc(d),
        draw=lambda u, v: math.pi * (2 * u - 1),
        density=_step,
        reach=math.pi,
    ),
    "sinc2": Kernel(
        value=lambda d: np.sinc(d) ** 2,
        draw=lambda u, v: 2 * math.pi * (u + v - 1),
        density=lambda f: np.maximum(0.0, 2 * math.pi - np.abs(f)),
        reach=2 * math.pi,
    ),
    "cauchy": Kernel(
        value=lambda d: 1 / (1 + d * d),
        draw=_laplace_quantile,
        density=lambda f: np.exp(-np.abs(f)),
        reach=40.0,
    ),
    "laplace": Kernel(
        value=lambda d: np.exp(-np.abs(d)),
        draw=lambda u, v: np.tan(math.pi * (u - 0.5)),
        density=lambda f: 1 / (1 + f * f),
        reach=1e9,
        slope=1.0,
    ),
    "bessel": Kernel(
        value=_bessel,
        draw=lambda u, v: math.pi * np.sqrt(u) * np.cos(2 * math.pi * v),
        density=lambda f: np.sqrt(np.maximum(0.0, math.pi**2 - f * f)),
        reach=math.pi,
    ),
}
"""Kernels by name, widest tails of the frequencies last but one.

========= ========================== ==================================================================
name      K(d)                       frequencies
========= ========================== ==================================================================
gaussian  exp(-d²/2)                 normal
sinc      sin(πd)/(πd)               uniform from -π to π: values a bandwidth apart are orthogonal
sinc2     the square of sinc         triangular from -2π to 2π: never negative
cauchy    1/(1 + d²)                 Laplace
laplace   exp(-abs(d))               Cauchy: the steepest, and the least exact to decode
bessel    2 J₁(πd)/(πd)              semicircle from -π to π
========= ========================== ==================================================================
"""


@dataclass(frozen=True)
class Harmonics:
    """Frequencies of a periodic kernel: whole multiples of one turn, ``exp(2πi j x / period)``.

    Attributes
    ----------
    numbers : (m,) float64 array
        The multiples j, ascending.
    weights : (m,) float64 array
        How likely each is; sums to 1. They are samples of the kernel's density, so that the periodic kernel is the sum
        of the shifted copies of the kernel, ``sum over n of K(d + n period)``, scaled to 1 at 0 (Poisson's formula).
    """

    numbers: Real
    weights: Real

    def draw(self, u: Real) -> Real:
        """Return a multiple for each uniform number."""
        places = np.searchsorted(np.cumsum(self.weights), u)
        return np.asarray(self.numbers[np.minimum(places, len(self.numbers) - 1)])

    def value(self, turns: Real) -> Real:
        """Return the kernel at distances in periods."""
        half = self.numbers >= 0
        weights = np.where(self.numbers[half] > 0, 2.0, 1.0) * self.weights[half]
        return np.asarray(np.cos(2 * math.pi * turns[..., None] * self.numbers[half]) @ weights)


def harmonics(kernel: Kernel, bandwidths: float) -> Harmonics:
    """Return the frequencies of a kernel made periodic.

    Parameters
    ----------
    kernel : Kernel
    bandwidths : float
        Length of the period in bandwidths.
    """
    step = 2 * math.pi / bandwidths
    most = int(min(MOST_HARMONICS, math.floor(kernel.reach / step + 1e-9)))
    numbers = np.arange(-most, most + 1, dtype=np.float64)
    weights = kernel.density(step * numbers)
    return Harmonics(numbers, weights / weights.sum())


def rounded(value: Callable[[Real], Real], distances: Real, levels: int) -> Real:
    """Return the kernel that results if phases are rounded to a number of levels.

    The mean cosine of two rounded angles is the cosine of their difference, interpolated linearly between levels: the
    sum over m of ``sinc(1/levels + m)² K((1 + m levels) d)``. It applies to angles that are uniform between levels.
    """
    factors = 1 + _ALIASES * levels
    weights = np.sinc(1 / levels + _ALIASES) ** 2
    weights /= weights.sum()
    return np.asarray(sum(w * value(f * distances) for f, w in zip(factors, weights, strict=True)))


def squared_off(value: Callable[[Real], Real], distances: Real) -> Real:
    """Return the kernel that results if only the signs of ``cos(θ x + b)``, b uniform, are kept.

    ``8/π² sum over odd j of K(j d) / j²`` (Raginsky and Lazebnik 2009, with another offset).
    """
    weights = 1 / _ODD.astype(np.float64) ** 2
    weights /= weights.sum()
    return np.asarray(sum(w * value(j * distances) for j, w in zip(_ODD, weights, strict=True)))

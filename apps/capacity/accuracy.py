"""Probability of a right answer: clean-up, top-k recall from a bundle, similarity after repeated unbinding.

The formulas take the scores of hits and of rejects as normal variables; their standing is *approximation* except
where said. Errors are computed as such, not as one minus a probability, so they are right down to 1e-300, and
codebooks to 10^9 and beyond.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.bounds import majority_bias, phasor_bias, plurality_bias
from hdc.bounds.cleanup import log_cleanup_error
from hdc.checks import fraction, integer, integers, known, shape_of, shown
from hdc.errors import ParameterError, UnknownNameError, UnsupportedError

Real = npt.NDArray[np.float64]

TASKS = ("bundle", "pairs", "key-value", "sequence")

_COARSE = np.arange(-9.0, 9.0, 1 / 8)
"""Standardised scores of the hit, where only shares near 1, not small errors, are wanted."""


class Moments(NamedTuple):
    """Means and standard deviations of the score of a member and of any other symbol."""

    hit_mean: Real
    hit_sd: Real
    reject_mean: Real
    reject_sd: Real


def _linear(n: Real, m: Real) -> Moments:
    return Moments(m, np.sqrt(m * (n - 1)), np.zeros_like(m * n), np.sqrt(m * n))


def _majority(n: Real, m: Real) -> Moments:
    p = np.asarray(majority_bias(n))
    return Moments(m * p, np.sqrt(m * (1 - p * p)), np.zeros_like(m * p), np.sqrt(m) * np.ones_like(p))


def _holographic(n: Real, m: Real) -> Moments:
    return Moments(np.ones_like(n * m), np.sqrt((n + 1) / m), np.zeros_like(n * m), np.sqrt(n / m))


LEVELS = 16
"""Of MCR and CGR, by default."""


def _phases(n: Real, m: Real) -> Moments:
    c = np.asarray(phasor_bias(n)) * np.where(n > 1, np.sinc(1 / LEVELS), 1.0)
    own = np.where(n > 2, 0.5 + 1 / (4 * n) - c * c, np.where(n > 1, 0.5 - c * c, 0.0))
    return Moments(c * np.ones_like(m), np.sqrt(own / m), np.zeros_like(c * m), np.sqrt(0.5 / m) + 0 * n)


def _pluralities(n: Real, m: Real) -> Moments:
    share = np.vectorize(lambda size: plurality_bias(int(size), LEVELS), otypes=[np.float64])(n)
    chance = np.full_like(share, 1 / LEVELS)
    hit_sd, reject_sd = (np.sqrt(part * (1 - part) / m) for part in (share, chance))
    return Moments(share * np.ones_like(m), hit_sd, chance * np.ones_like(m), reject_sd)


MOMENTS: Mapping[str, Callable[[Real, Real], Moments]] = MappingProxyType(
    {
        "MAP-I": _linear,
        "MBAT": _linear,
        "MAP-B": _majority,
        "BSC": _majority,
        "CountingBloom": lambda n, m: _linear(n, m - 1),
        "HRR": _holographic,
        "FHRR": lambda n, m: _linear(n, 2 * m),
        "MCR": _phases,
        "CGR": _pluralities,
    }
)
"""Moments of n items in dimension m: for MAP-I a member's score is N(m, m (n - 1)), another's N(0, m n); for MAP-B
N(m p, m (1 - p²)) and N(0, m), p = p(n). Centred CountingBloom scores have MAP-I's ratio at m - 1, exactly. Sums of
phasors have two numbers a component; of MCR and CGR a member keeps :func:`hdc.bounds.phasor_bias` times
``sinc(1 / levels)``, and :func:`hdc.bounds.plurality_bias`."""

_PAIRS = ("MAP-I", "MBAT", "MAP-B", "BSC")
"""Models whose unbinding leaves noise like that of a bundle."""


def accuracy(task: str, model: str, *, items: npt.ArrayLike, universe: npt.ArrayLike, dim: npt.ArrayLike) -> Any:
    """Return the expected share of right answers.

    Parameters
    ----------
    task : {"bundle", "pairs", "key-value", "sequence"}
        ``bundle``: the ``items`` most similar of ``universe`` symbols are taken as the members (:func:`recall`).
        The others: the value of a key, or the symbol at a position, is the most similar one (:func:`cleanup_error`).
    model : str
        One of ``MOMENTS`` (``bundle`` also takes Bloom, with ``ceil(sqrt(dim))`` ones).
    items, universe, dim : number or array

    Returns
    -------
    float, or float64 array

    Raises
    ------
    UnknownNameError, UnsupportedError, ParameterError
        What is wrong, and what is allowed.
    """
    n, size, m = _numbers(items, universe, dim)
    known(task, "task", TASKS)
    if task == "bundle" and np.any(n > size):
        raise ParameterError(f"items must not exceed the universe, not items={items!r}, universe={universe!r}")
    if task == "bundle" and model == "Bloom":
        return _plain(_bloom_recall(n, size, m))
    moments = _moments(task, model, n, m)
    return _plain(recall(moments, n, size) if task == "bundle" else 1 - cleanup_error(moments, size))


def error(task: str, model: str, *, items: npt.ArrayLike, universe: npt.ArrayLike, dim: npt.ArrayLike) -> Any:
    """Return the expected share of wrong answers of a clean-up, accurate however small it is.

    Parameters and errors as :func:`accuracy`; ``bundle`` has no such form.
    """
    n, size, m = _numbers(items, universe, dim)
    if not isinstance(task, str) or task not in TASKS[1:]:
        raise UnknownNameError(
            f"error is for {', '.join(TASKS[1:])}, not {shown(task)}; for a bundle take 1 - accuracy"
        )
    return _plain(cleanup_error(_moments(task, model, n, m), size))


def cleanup_error(moments: Moments, universe: npt.ArrayLike) -> Real:
    """Return the probability that one of ``universe - 1`` rejects scores above the hit (P2; P1 for equal moments).

    ``1 - Int N(u; μ_h, s_h²) Φ((u - μ_r)/s_r)^(D - 1) du``; see :mod:`hdc.bounds.cleanup`.
    """
    hit_mean, hit_sd, reject_mean, reject_sd = moments
    return np.exp(log_cleanup_error((hit_mean - reject_mean) / reject_sd, hit_sd / reject_sd, universe))


def recall(moments: Moments, items: npt.ArrayLike, universe: npt.ArrayLike) -> Real:
    """Return the expected share of k members among the k highest of ``universe`` scores.

    A member with score u is found if fewer than k others score higher: ``B(k - 1, P(hit > u)) + B(N - k, P(reject > u))
    <= k - 1``, averaged over u.

    Source: the rank of one among independent scores. Standing: approximation, exact for independent normal scores.
    """
    given = (*moments, np.asarray(items, np.float64), np.asarray(universe, np.float64))
    *columns, k, size = (np.ravel(x) for x in np.broadcast_arrays(*given))
    shares = [_recall_of_one(Moments(*row), int(n), int(d)) for *row, n, d in zip(*columns, k, size, strict=True)]
    return np.asarray(shares).reshape(np.broadcast_shapes(*(np.shape(x) for x in given)))


def _recall_of_one(moments: Moments, k: int, universe: int) -> float:
    from scipy.special import bdtr, gammaln, ndtr, xlog1py, xlogy

    if k == universe:
        return 1.0
    score = moments.hit_mean + moments.hit_sd * _COARSE
    hit_above, reject_above = ndtr(-_COARSE), ndtr((moments.reject_mean - score) / moments.reject_sd)
    hits = np.arange(k, dtype=np.float64)[:, None]
    log_ways = gammaln(k) - gammaln(hits + 1) - gammaln(k - hits)
    exactly = np.exp(log_ways + xlogy(hits, hit_above) + xlog1py(k - 1 - hits, -hit_above))
    found = (exactly * bdtr(k - 1 - hits, universe - k, reject_above)).sum(axis=0)
    density = np.exp(-(_COARSE**2) / 2) / np.sqrt(2 * np.pi) * (_COARSE[1] - _COARSE[0])
    return min(1.0, float(density @ found))


UNBINDING: Mapping[str, Callable[[Real], Real]] = MappingProxyType(
    {
        **dict.fromkeys(("MAP-I", "MAP-B", "MBAT", "Bloom", "CountingBloom", "BSC", "FHRR"), np.ones_like),
        "MAP-C": lambda r: (np.sqrt(5) / 3) ** r,
        "HRR": lambda r: 2 ** (-r / 2),
        "VTB": lambda r: 1 / np.sqrt(r + 1),
        "Gaussian MBAT": lambda r: 1 / np.sqrt(r + 1),
    }
)
"""Normalised similarity after r binds and r unbinds; 1 where unbinding is exact."""


def unbinding_similarity(model: str, depth: npt.ArrayLike) -> Any:
    """Return the normalised similarity to the original after ``depth`` binds and as many unbinds.

    Source: exact inverses give 1; moments of products for MAP-C and HRR; the free product of Marchenko-Pastur laws for
    VTB and Gaussian matrices. Standing: derived, for large dimensions.

    Raises
    ------
    UnknownNameError
        If no closed form is known for the model.
    """
    if not isinstance(model, str) or model not in UNBINDING:
        raise UnknownNameError(f"no closed form is known for {shown(model)}; known: {', '.join(UNBINDING)}")
    return _plain(UNBINDING[model](integers(depth, "depth", 0)))


def _moments(task: str, model: str, items: Real, dim: Real) -> Moments:
    models = MOMENTS if task in ("bundle", "sequence") else _PAIRS
    if not isinstance(model, str) or model not in models:
        raise UnsupportedError(f"no accuracy formula is known for {task} on {shown(model)}; known: {', '.join(models)}")
    return MOMENTS[model](items, dim)


def _bloom_recall(items: Real, universe: Real, dim: Real) -> Real:
    """Return ``n / (n + (N - n) ρ^k)``: all members score k, and so does a reject with all its k bits set."""
    ones = np.ceil(np.sqrt(dim))
    covered = -np.expm1(items * np.log1p(-ones / dim))
    return np.asarray(items / (items + (universe - items) * covered**ones))


def _numbers(items: npt.ArrayLike, universe: npt.ArrayLike, dim: npt.ArrayLike) -> tuple[Real, Real, Real]:
    arrays = integers(items, "items", 1), integers(universe, "universe", 1), integers(dim, "dim", 2)
    shape_of(items=arrays[0], universe=arrays[1], dim=arrays[2])
    n, size, m = np.broadcast_arrays(*arrays)
    return n, size, m


def _plain(value: Real) -> Any:
    return float(value) if np.ndim(value) == 0 else value


def dimension_for(task: str, model: str, *, items: int, universe: int, target: float = 0.99) -> int:
    """Return the smallest dimension at which :func:`accuracy` reaches ``target``.

    Raises
    ------
    UnknownNameError, UnsupportedError, ParameterError
        As :func:`accuracy`; also if the target does not lie strictly between 0 and 1.
    """
    target = fraction(target, "target")
    items, universe = integer(items, "items", 1), integer(universe, "universe", 1)
    low, high = 2, 4
    while accuracy(task, model, items=items, universe=universe, dim=high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        reached = accuracy(task, model, items=items, universe=universe, dim=middle) >= target
        low, high = (low, middle) if reached else (middle, high)
    return high

"""Probability of a right answer: clean-up, top-k recall from a bundle, similarity after repeated unbinding.

The formulas take the scores of hits and of rejects as normal variables; their standing is *approximation* except
where said. Errors are computed as such, not as one minus a probability, so they are right down to 1e-300, and
codebooks to 10^9 and beyond.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import VSA
from hdc.bounds.cleanup import log_cleanup_error
from hdc.bounds.moments import Binomials, Moments
from hdc.bounds.table import SPARSE
from hdc.checks import fraction, integer, integers, known, shape_of, shown
from hdc.errors import ParameterError, UnknownNameError
from hdc.registry import model_class

Real = npt.NDArray[np.float64]

TASKS = ("bundle", "pairs", "key-value", "sequence")

_COARSE = np.arange(-9.0, 9.0, 1 / 8)
"""Standardized scores of the hit, where only shares near 1 are needed, not small errors."""


READ = {"bundle": None, "pairs": "symbol", "key-value": "role", "sequence": None}
"""How the answers of a task are read from a bundle; see :meth:`hdc.VSA.scores`."""


def accuracy(
    task: str, model: str, *, items: npt.ArrayLike, universe: npt.ArrayLike, dim: npt.ArrayLike, **parameters: Any
) -> Any:
    """Return the expected share of right answers.

    Parameters
    ----------
    task : {"bundle", "pairs", "key-value", "sequence"}
        ``bundle``: the ``items`` most similar of ``universe`` symbols are taken as the members (:func:`recall`).
        The others: the value of a key, or the symbol at a position, is the most similar one (:func:`cleanup_error`).
    model : str
        A registered name. :meth:`hdc.VSA.scores` says what it scores, and :meth:`hdc.VSA.agreements` how many
        components agree, where that has an exact law.
    items, universe : number or array
    dim : number or array
        Dimensions that the model takes.
    **parameters
        Those of the model, of one setting.

    Returns
    -------
    float, or float64 array

    Raises
    ------
    UnknownNameError, UnsupportedError, ParameterError
        If a parameter is invalid; the message says what is allowed.
    """
    n, size, m = _numbers(items, universe, dim)
    known(task, "task", TASKS)
    if task == "bundle" and np.any(n > size):
        raise ParameterError(f"items must not exceed the universe, not items={items!r}, universe={universe!r}")
    if task == "bundle":
        return _plain(_each(task, _Family(model, parameters), (n, size, m), recall_of_agreements, recall))
    return _plain(1 - _each(task, _Family(model, parameters), (n, size, m), _error_of_agreements, _error_of_moments))


def error(
    task: str, model: str, *, items: npt.ArrayLike, universe: npt.ArrayLike, dim: npt.ArrayLike, **parameters: Any
) -> Any:
    """Return the expected share of wrong answers of a clean-up, accurate however small it is.

    Parameters and errors as :func:`accuracy`; ``bundle`` has no such form.
    """
    n, size, m = _numbers(items, universe, dim)
    if not isinstance(task, str) or task not in TASKS[1:]:
        raise UnknownNameError(
            f"error is for {', '.join(TASKS[1:])}, not {shown(task)}; for a bundle take 1 - accuracy"
        )
    return _plain(_each(task, _Family(model, parameters), (n, size, m), _error_of_agreements, _error_of_moments))


def _each(
    task: str,
    family: "_Family",
    numbers: tuple[Real, Real, Real],
    exact: Callable[[Binomials, int, int], float],
    normal: Callable[[Moments, Real, Real], Real],
) -> Real:
    """Answer for all items, universes and dimensions: exactly if agreements have a known law, otherwise by moments."""
    out, (items, universe, dims), read = np.empty(np.shape(numbers[0])), numbers, READ[task]
    for dim in np.unique(dims):
        vsa, here = family.at(int(dim)), dims == dim
        if vsa.agreements(1, read=read) is None:
            out[here] = normal(vsa.scores(items[here], read=read), items[here], universe[here])
        else:
            pairs = zip(items[here], universe[here], strict=True)
            out[here] = [_exactly(exact, vsa, int(n), int(size), read) for n, size in pairs]
        if read is not None:
            out[here] += (1 - out[here]) * _collisions(items[here], vsa.keys) / 2
    return out


def _collisions(items: Real, keys: float) -> Real:
    """Return the chance that a key also belongs to another pair: a random one of two answers is then right."""
    return np.asarray(-np.expm1((items - 1) * np.log1p(-1 / keys)))


def _exactly(
    exact: Callable[[Binomials, int, int], float], vsa: VSA, items: int, universe: int, read: str | None
) -> float:
    law = vsa.agreements(items, read=read)
    assert law is not None  # independent of the number of items
    return exact(law, items, universe)


class _Family:
    """A model of all dimensions."""

    def __init__(self, model: str, parameters: Mapping[str, Any]) -> None:
        self._class = model_class(model)
        self._parameters = {**parameters, "backend": "numpy"}

    def at(self, dim: int) -> VSA:
        """Return the model of a dimension."""
        return self._class.from_parameters(dim=dim, **self._parameters)

    def next_dim(self, least: int) -> int:
        """Return the lowest dimension, from a given one on, that the model allows."""
        return self._class.next_dim(least, **self._parameters)


def _error_of_moments(moments: Moments, items: Real, universe: Real) -> Real:
    return cleanup_error(moments, universe)


def _error_of_agreements(law: Binomials, items: int, universe: int) -> float:
    weights, _, above = _levels(law)
    if universe == 1:
        return 0.0
    return float(np.sum(weights * -np.expm1((universe - 1) * np.log1p(-np.minimum(above, 1 - 1e-16)))))


_TIES = (np.arange(16) + 0.5) / 16
"""Possible ranks of a score among equal ones, as shares."""


def _levels(law: Binomials) -> tuple[Real, Real, Real]:
    """Return the chances of a hit's scores, and of the hit and of a reject ranking before each, ties at random."""
    from scipy.stats import binom

    values = np.arange(law.trials + 1)
    hit, reject = (binom.pmf(values, law.trials, share) for share in (law.hit, law.reject))
    higher = [binom.sf(values, law.trials, share) for share in (law.hit, law.reject)]
    kept = hit > hit.max() * 1e-18
    pairs = zip(higher, (hit, reject), strict=True)
    hit_above, reject_above = ((above[kept, None] + equal[kept, None] * _TIES).ravel() for above, equal in pairs)
    return np.repeat(hit[kept] / len(_TIES), len(_TIES)), hit_above, reject_above


def recall_of_agreements(law: Binomials, items: int, universe: int) -> float:
    """Return :func:`recall` where scores are numbers of agreeing components, ties broken by lot.

    Source: the rank of one among independent binomial scores. Standing: exact for independent scores.
    """
    if items == universe:
        return 1.0
    return _found(*_levels(law), items, universe)


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
    from scipy.special import ndtr

    if k == universe:
        return 1.0
    score = moments.hit_mean + moments.hit_sd * _COARSE
    density = np.exp(-(_COARSE**2) / 2) / np.sqrt(2 * np.pi) * (_COARSE[1] - _COARSE[0])
    return _found(density, ndtr(-_COARSE), ndtr((moments.reject_mean - score) / moments.reject_sd), k, universe)


def _found(weights: Real, hit_above: Real, reject_above: Real, k: int, universe: int) -> float:
    """Average, over scores of a hit, the chance that fewer than k of the others rank before it."""
    from scipy.special import bdtr, gammaln, xlog1py, xlogy

    hits = np.arange(k, dtype=np.float64)[:, None]
    log_ways = gammaln(k) - gammaln(hits + 1) - gammaln(k - hits)
    exactly = np.exp(log_ways + xlogy(hits, hit_above) + xlog1py(k - 1 - hits, -hit_above))
    found = (exactly * bdtr(k - 1 - hits, universe - k, reject_above)).sum(axis=0)
    return min(1.0, float(weights @ found))


EXACT = ("MAP-I", "MAP-B", "BSC", "MAP-T", "HLB", "MBAT", "GHRR", "FHRR", "MCR", "CGR", "SBC", "GSBC", *SPARSE)
"""Models that undo every symbol as a key exactly."""

UNBINDING: Mapping[str, Callable[[Real], Real]] = MappingProxyType(
    {
        **dict.fromkeys(EXACT, np.ones_like),
        "MAP-C": lambda r: (np.sqrt(5) / 3) ** r,
        "HRR": lambda r: 2 ** (-r / 2),
        "VTB": lambda r: 1 / np.sqrt(r + 1),
        "TVTB": lambda r: 1 / np.sqrt(r + 1),
        "Gaussian MBAT": lambda r: 1 / np.sqrt(r + 1),
    }
)
"""Normalized similarity after r binds and r unbinds; 1 if unbinding is exact."""


def unbinding_similarity(model: str, depth: npt.ArrayLike) -> Any:
    """Return the normalized similarity to the original after ``depth`` binds and as many unbinds.

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


def _numbers(items: npt.ArrayLike, universe: npt.ArrayLike, dim: npt.ArrayLike) -> tuple[Real, Real, Real]:
    arrays = integers(items, "items", 1), integers(universe, "universe", 1), integers(dim, "dim", 2)
    shape_of(items=arrays[0], universe=arrays[1], dim=arrays[2])
    n, size, m = np.broadcast_arrays(*arrays)
    return n, size, m


def _plain(value: Real) -> Any:
    return float(value) if np.ndim(value) == 0 else value


def dimension_for(task: str, model: str, *, items: int, universe: int, target: float = 0.99, **parameters: Any) -> int:
    """Return the smallest dimension, of those that the model takes, at which :func:`accuracy` reaches ``target``.

    Raises
    ------
    UnknownNameError, UnsupportedError, ParameterError
        As :func:`accuracy`; also if the target does not lie strictly between 0 and 1.
    """
    target = fraction(target, "target")
    items, universe = integer(items, "items", 1), integer(universe, "universe", 1)

    def reached(dim: int) -> bool:
        return bool(accuracy(task, model, items=items, universe=universe, dim=dim, **parameters) >= target)

    next_dim = _Family(model, parameters).next_dim
    low, high = 1, next_dim(4)
    while not reached(high):
        low, high = high, next_dim(2 * high)
    while (middle := next_dim(low + max(1, (high - low) // 2))) < high:
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high

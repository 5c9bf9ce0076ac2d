"""The closed forms: each returns the dimension that is enough, as a real number, for a :class:`Question`.

A docstring states the rule and the size, its source, and its standing: *theorem* (published with this constant),
*derived* (proved here or for this package by the argument named) or *approximation* (central limit theorem). The row
labels D1 to D17 are those of the documentation.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.bounds.cleanup import distance_for, log_cleanup_error
from hdc.bounds.question import Question, Real
from hdc.checks import choice, integer

_EXACT = 64
"""Below it, a table has central binomial probabilities; above, five terms of the series reach 1e-13."""
_COUNTED = 2000
"""Most members for which the largest of their counts is known exactly."""
_CHERNOFF = np.concatenate([np.geomspace(1e-6, 0.4, 400), np.linspace(0.4, 0.4999, 100)])
"""Exponents at which Chernoff bounds are evaluated; each gives a valid bound, and the least is used."""
_MOMENTS = np.geomspace(2, 2000, 400)
"""Orders of the moments at which hypercontractive bounds are evaluated."""


def majority_bias(size: npt.ArrayLike) -> Any:
    """Return the exact expected similarity of a member with a majority of ``size`` random atoms.

    ``p(n) = C(2r, r) / 4^r`` with ``r = floor(n / 2)``, ties random or from an independent vector; close to
    ``sqrt(2 / (π n))``. A float for a number, a float64 array for an array.
    """
    r = np.floor(np.asarray(size, dtype=np.float64) / 2)
    table = np.cumprod(np.concatenate([[1.0], 1 - 0.5 / np.arange(1, _EXACT)]))
    x = 1 / np.maximum(r, 1)
    series = 1 + x * (-1 / 8 + x * (1 / 128 + x * (5 / 1024 + x * (-21 / 32768 - x * 399 / 262144))))
    bias = np.where(r < _EXACT, table[np.minimum(r, _EXACT - 1).astype(np.int64)], series * np.sqrt(x / np.pi))
    return float(bias) if bias.ndim == 0 else bias


@lru_cache
def _phasor_bias(size: int) -> float:
    if size > _EXACT:
        return math.sqrt(math.pi / (4 * size)) * (1 + 1 / (16 * size) + 19 / (1536 * size**2))
    if size <= 2:
        return 1.0 if size == 1 else 2 / math.pi
    from scipy.special import j0

    t = np.linspace(0, 200, (1 << 16) + 1)[1:]
    heights = (1 - j0(t) ** size) / t**2
    inside = np.trapezoid(np.concatenate([[size / 4], heights]), dx=t[0])
    return float(inside + 1 / t[-1]) / size


def phasor_bias(size: npt.ArrayLike) -> Any:
    """Return the expected similarity of a member with the phases of a sum of ``size`` random phasors.

    ``c_n = E|S_n| / n = (1/n) Int_0^inf (1 - J0(t)^n) t^-2 dt``, close to ``sqrt(π / (4 n))``. A float for a number, a
    float64 array for an array.
    """
    sizes = np.asarray(size)
    distinct, places = np.unique(sizes, return_inverse=True)
    found = np.array([_phasor_bias(int(n)) for n in distinct])[places].reshape(sizes.shape)
    return float(found) if found.ndim == 0 else found


@lru_cache
def _plurality_bias(size: int, levels: int) -> float:
    """Sum the probabilities that the largest count exceeds m: counts are Poisson, given that they sum to ``size``."""
    from scipy.special import gammaln, xlogy

    mean = size / levels
    if size > _COUNTED and mean > _COUNTED / 40:
        return (1 + _mean_of_largest(levels) / math.sqrt(mean)) / levels
    counts = np.arange(size + 1, dtype=np.float64)
    chances = np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1))
    whole = math.exp(size * math.log(size) - size - math.lgamma(size + 1))
    total, highest = 0.0, mean + 12 * math.sqrt(mean) + 30
    for most in range(min(size, math.ceil(highest))):
        if most * levels >= size:
            length = 1 << (levels * most).bit_length()
            spectrum = np.fft.rfft(np.where(counts <= most, chances, 0.0)[:length], length)
            below = float(np.fft.irfft(spectrum**levels, length)[size]) / whole
            total += max(0.0, 1 - below)
        else:
            total += 1
    return total / size


def _mean_of_largest(levels: int) -> float:
    """Return the mean of the largest of this many independent normal variables of variance 1."""
    from scipy.special import ndtr

    u = np.linspace(-9, 9, 4001)
    inside = 1 - ndtr(u) ** levels - (u < 0)
    return float(np.trapezoid(inside, u))


def plurality_bias(size: int, levels: int) -> float:
    """Return the expected share of components in which a member agrees with the most frequent value of a bundle.

    ``E[largest count] / size``, ties broken by lot; exact up to 2000 members, or 50 a value; by normal counts beyond.

    Parameters
    ----------
    size : int
        Members.
    levels : int
        Values that a component may have.
    """
    return _plurality_bias(integer(size, "size", 1), integer(levels, "levels", 2))


def best_ones(universe: npt.ArrayLike, error: npt.ArrayLike) -> Any:
    """Return the ones of a Bloom atom that a membership bound assumes: ``ceil(log2(d/δ))``."""
    ratio = np.log2(np.asarray(universe, dtype=np.float64)) - np.log2(np.asarray(error, dtype=np.float64))
    ones = np.ceil(ratio).astype(np.int64)
    return int(ones) if ones.ndim == 0 else ones


def _quantile(log_tail: Real) -> Real:
    """Return ``Φ⁻¹(1 - e^log_tail)``; 0 if the tail is more than one half."""
    from scipy.special import ndtri_exp

    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(-ndtri_exp(np.minimum(log_tail, 0.0)), 0.0))


def _z(q: Question) -> Real:
    return _quantile(-q.log_ratio)


def _log_rivals(q: Question) -> Real:
    """Return ``log(n (d - 1)/δ)``; 0 if there is no other symbol."""
    rivals = np.log(np.maximum(q.universe - 1, 1)) - q.log_error + np.log(q.items)
    return np.where(q.universe > 1, rivals, 0.0)


def _log_error_of_one(q: Question) -> Real:
    """Return the logarithm of the error of each of n answers if all are right with probability 1 - δ."""
    with np.errstate(divide="ignore"):
        all_right = np.log1p(-np.exp(np.minimum(q.log_error, -1e-300)))
        each = np.log(-np.expm1(all_right / q.items))
    return np.where(q.log_error < -30, q.log_error - np.log(q.items), each)


def _log_error_of_all(log_error: Real, items: Real) -> Real:
    """Return the logarithm of the error of n answers together, where each has an error: the inverse of the above."""
    with np.errstate(divide="ignore"):
        together = np.log(-np.expm1(items * np.log1p(-np.exp(log_error))))
    return np.where(log_error < -700, log_error + np.log(items), together)  # where floats are about to end


def _z_two_sided(q: Question) -> Real:
    return _quantile(q.log_error - np.log(2))


# ---------------------------------------------------------------------- membership


def sum_membership(q: Question) -> Real:
    """D1: all d symbols are decided rightly by ``x.S_j >= m/2`` if ``m >= 8 n ln(d/δ)``.

    Source: Hoeffding's inequality on the m n independent signs of the noise; union over the universe.
    Standing: derived.
    """
    return np.asarray(8 * q.items * q.log_ratio)


def sum_membership_gaussian(q: Question) -> Real:
    """D1: the same rule needs about ``m = 4 n z²``.

    Source: normal noise of variance m n; equal to Gallant and Okaywe's sizing (2013).
    Standing: approximation.
    """
    return np.asarray(4 * q.items * _z(q) ** 2)


def majority_membership(q: Question) -> Real:
    """D7: all d symbols are decided rightly by ``x.S_j >= m p(n)/2`` if ``m >= 8 ln(d/δ) / p(n)²``.

    Source: a member has mean p(n) in each component; Hoeffding's inequality; union over the universe.
    Standing: derived; about 4π n ln(d/δ), 4.5 times below the constant of Clarkson, Ubaru and Yang's Theorem 16.
    """
    return np.asarray(8 * q.log_ratio / majority_bias(q.items) ** 2)


def majority_membership_gaussian(q: Question) -> Real:
    """D7: the same rule needs about ``m = 4 z² / p(n)²``.

    Source: normal noise of variance m.
    Standing: approximation.
    """
    return np.asarray(4 * _z(q) ** 2 / majority_bias(q.items) ** 2)


def majority_membership_paper(q: Question) -> Real:
    """Theorem 16: ``x.S_j >= sqrt(2 m ln(2d/δ))`` decides all d symbols rightly if ``m >= 56 n ln(2d/δ)``.

    Source: Clarkson, Ubaru and Yang (2023), Theorem 16 with the constant of its proof, as quoted by later work.
    Standing: theorem.
    """
    return np.asarray(56 * q.items * (q.log_ratio + np.log(2)))


def bloom_membership(q: Question) -> Real:
    """D12: no false alarm among d symbols if ``m >= k / (1 - (1 - (δ/d)^(1/k))^(1/n))``, with ``k = ceil(log2(d/δ))``.

    Source: a bit stays clear with probability (1 - k/m)^n, covered bits are negatively associated; union.
    Standing: derived; the exact form, for whole k, of the classic ``n ln(d/δ) / (ln 2)²``.
    """
    ones = q.number("ones", 0)
    k = np.where(ones > 0, ones, np.ceil(q.log_ratio / np.log(2)))
    log_clear = np.log1p(-np.exp(-q.log_ratio / k))
    return np.asarray(k / -np.expm1(log_clear / q.items))


def bloom_membership_classic(q: Question) -> Real:
    """D12: about ``m = n ln(d/δ) / (ln 2)²`` bits, with ``k = log2(d/δ)``; ``-k n / ln(1 - (δ/d)^(1/k))`` for given k.

    Source: the classic analysis of Bloom filters, which takes k as real and bits as independent.
    Standing: approximation.
    """
    ones = q.number("ones", 0)
    k = np.where(ones > 0, ones, q.log_ratio / np.log(2))
    return np.asarray(-k * q.items / np.log1p(-np.exp(-q.log_ratio / k)))


def hopfield_signed_membership(q: Question) -> Real:
    """D16: ``s_j S_jᵀ W S_j >= m²/2`` decides all d symbols if ``m >= min over λ of (2/λ)(l + n ln M(λ))``.

    ``M(λ) = ((1 - 2λ)^-1/2 + (1 + 2λ)^-1/2) / 2`` for ``0 < λ < 1/2``; about ``2 sqrt(6 n l)`` for n much above l.
    Source: Chernoff's bound; the even moments of a sum of signs are at most those of a normal variable.
    Standing: derived.
    """
    x = _CHERNOFF
    log_moment = np.log((1 - 2 * x) ** -0.5 + (1 + 2 * x) ** -0.5) - np.log(2)
    return _least_chernoff(q, log_moment)


def hopfield_membership(q: Question) -> Real:
    """D16: without signs, ``S_jᵀ W S_j - n m >= (m² - m)/2`` decides all d symbols if both Chernoff tails allow.

    ``m >= 1 + min over λ of (2/λ)(l + n g(λ))`` for the upper tail, ``g = -λ - ln(1 - 2λ)/2``, and for the lower
    tail, ``g = λ + ln(1 - λ + 3λ²/2)``.
    Source: Chernoff's bound; the even moments of a sum of signs are at most those of a normal variable.
    Standing: derived.
    """
    x = _CHERNOFF
    upper, lower = -x - 0.5 * np.log1p(-2 * x), x + np.log1p(-x + 1.5 * x * x)
    return 1 + np.maximum(_least_chernoff(q, upper), _least_chernoff(q, lower))


def _least_chernoff(q: Question, log_moment: Real) -> Real:
    sizes = (q.log_ratio[..., None] + q.items[..., None] * log_moment) * 2 / _CHERNOFF
    return np.asarray(sizes.min(axis=-1))


def hopfield_signed_membership_gaussian(q: Question) -> Real:
    """D16: the same rule needs about ``m = 2 sqrt(3 n) z``.

    Source: the noise of S_jᵀ W S_j / m² has variance n (3m² - 2m) / m⁴.
    Standing: approximation.
    """
    return np.asarray(2 * np.sqrt(3 * q.items) * _z(q))


def hopfield_membership_gaussian(q: Question) -> Real:
    """D16: without signs, about ``m = 1 + 2 (χ - n)``, χ the quantile of chi-square(n) at 1 - δ/d.

    Source: the noise is a sum of n squares of dot products, which are close to normal.
    Standing: approximation.
    """
    from scipy.special import gammainccinv

    with np.errstate(under="ignore"):
        quantile = 2 * gammainccinv(q.items / 2, np.exp(-q.log_ratio))
    return np.asarray(1 + 2 * np.maximum(quantile - q.items, 0))


# ---------------------------------------------------------------------- intersection


def sum_intersection(q: Question) -> Real:
    """D2: ``|x.y/m - t| <= α`` if ``m >= 4 ln(4/δ) / (ε² - 2ε³/3)``, ``ε = α / sqrt(ab)`` (at most 1).

    Source: Achlioptas's form of the Johnson-Lindenstrauss lemma, and polarization.
    Standing: derived.
    """
    epsilon = np.minimum(_relative_tolerance(q), 1)
    return np.asarray(4 * (np.log(4) - q.log_error) / (epsilon**2 - 2 * epsilon**3 / 3))


def sum_intersection_gaussian(q: Question) -> Real:
    """D2: about ``m = z₂² (ab + t² - 2t) / α²``.

    Source: x.y/m is unbiased with exactly the variance (ab + t² - 2t)/m.
    Standing: approximation.
    """
    return np.asarray(_z_two_sided(q) ** 2 * q.pairs / _tolerance(q) ** 2)


def majority_intersection(q: Question) -> Real:
    """D9: ``|sqrt(ab) sin(π c/2) - E| <= α``, ``c = x.y/m``, if ``m >= (π²/2) ab ln(2/δ) / α²``.

    Source: Hoeffding's inequality on c, and the slope of the sine.
    Standing: derived, around the estimate's mean E, which differs from t by a share of order 1/sqrt(n).
    """
    return np.asarray(np.pi**2 / 2 * (np.log(2) - q.log_error) / _relative_tolerance(q) ** 2)


def majority_intersection_gaussian(q: Question) -> Real:
    """D9: about ``m = z₂² (π²/4)(ab - t²)(1 - c²) / α²``, with ``c = (2/π) asin(t / sqrt(ab))``.

    Source: variance of the sample mean c, carried through the sine.
    Standing: approximation.
    """
    a, b = q.sizes
    t = np.minimum(a, b) if q.overlap is None else q.overlap
    c = 2 / np.pi * np.arcsin(t / np.sqrt(a * b))
    return np.asarray(_z_two_sided(q) ** 2 * np.pi**2 / 4 * (a * b - t * t) * (1 - c * c) / _tolerance(q) ** 2)


def bloom_intersection(q: Question) -> Real:
    """D13: ``|t^ - t| <= α`` for ``n(x) + n(y) - n(x or y)`` if ``m >= 9 e (u/α)² ln(6/δ)``, with ``k = m/(2u)``.

    u is the size of the union; for given k, ``m = 2 k u / ln(2 α² k / (9 u ln(6/δ)))``.
    Source: McDiarmid's inequality on the clear bits of the three vectors.
    Standing: derived, to first order in the logarithm of the estimate.
    """
    a, b = q.sizes
    union = a + b - (np.minimum(a, b) if q.overlap is None else q.overlap)
    log_tails, k = np.log(6) - q.log_error, q.number("ones", 0)
    best = 9 * np.e * (union / _tolerance(q)) ** 2 * log_tails
    with np.errstate(divide="ignore"):
        margin = np.log(2 * _tolerance(q) ** 2 * k / (9 * union * log_tails))
        given = np.where(margin > 0, 2 * k * union / np.where(margin > 0, margin, 1), np.inf)
    return np.asarray(np.where(k > 0, given, best))


def counting_intersection(q: Question) -> Real:
    """D14: ``|t^ - t| <= α`` for ``t^ = (x.y - abk²/m)/(k - k²/m)`` if ``m >= 1 + (ab + t² - 2t)/(δ α²)``, any k.

    Source: Chebyshev's inequality on the exact hypergeometric variance (ab + t² - 2t)/(m - 1).
    Standing: derived.
    """
    return np.asarray(1 + q.pairs / (np.exp(q.log_error) * _tolerance(q) ** 2))


def counting_intersection_gaussian(q: Question) -> Real:
    """D14: about ``m = 1 + z₂² (ab + t² - 2t) / α²``, any k.

    Source: the exact variance (ab + t² - 2t)/(m - 1).
    Standing: approximation.
    """
    return np.asarray(1 + _z_two_sided(q) ** 2 * q.pairs / _tolerance(q) ** 2)


def hopfield_signed_intersection(q: Question) -> Real:
    """D17: ``|<W_X, W_Y>/m² - t| <= α`` if ``m >= sqrt(3 (ab + t² - 2t) / δ) / α``.

    Source: Chebyshev's inequality; the estimate is unbiased with variance (ab + t² - 2t)(3 - 2/m)/m².
    Standing: derived.
    """
    return np.asarray(np.sqrt(3 * q.pairs) * np.exp(-q.log_error / 2) / _tolerance(q))


def hopfield_signed_intersection_gaussian(q: Question) -> Real:
    """D17: about ``m = z₂ sqrt(3 (ab + t² - 2t)) / α``.

    Source: the variance above.
    Standing: approximation.
    """
    return np.asarray(_z_two_sided(q) * np.sqrt(3 * q.pairs) / _tolerance(q))


def hopfield_intersection(q: Question) -> Real:
    """D17: without signs, ``|t^ - t| <= α`` for ``t^ = (<W_X, W_Y>/m - ab)/(m - 1)`` if ``m (m - 1) >= v``.

    ``v = 2 (ab + t² - 2t) / (δ α²)``, so ``m = 1/2 + sqrt(1/4 + v)``.
    Source: Chebyshev's inequality on the variance 2 (ab + t² - 2t)/(m (m - 1)).
    Standing: derived.
    """
    return np.asarray(0.5 + np.sqrt(0.25 + 2 * q.pairs * np.exp(-q.log_error) / _tolerance(q) ** 2))


def hopfield_intersection_gaussian(q: Question) -> Real:
    """D17: without signs, about ``m = 1/2 + sqrt(1/4 + 2 z₂² (ab + t² - 2t) / α²)``.

    Source: the variance above.
    Standing: approximation.
    """
    return np.asarray(0.5 + np.sqrt(0.25 + 2 * q.pairs * (_z_two_sided(q) / _tolerance(q)) ** 2))


def _tolerance(q: Question) -> Real:
    return q.number("tolerance", np.nan)


def _relative_tolerance(q: Question) -> Real:
    a, b = q.sizes
    return np.asarray(_tolerance(q) / np.sqrt(a * b))


# ---------------------------------------------------------------------- pairs, bindings, sequences


def sum_key_value(q: Question) -> Real:
    """D3: all n values are found by the largest score among d if ``m >= 8 n ln(n (d - 1)/δ)``; keys distinct.

    Source: distinct keys make the cross-talk independent signs; D1 for each query, union over queries and rejects.
    Standing: derived.
    """
    return np.asarray(8 * q.items * _log_rivals(q))


def sum_key_value_gaussian(q: Question) -> Real:
    """D3: about ``m = n a²``, a the distance at which a clean-up among d errs with probability ``1 - (1 - δ)^(1/n)``.

    Source: normal scores, a hit's of variance m (n - 1) and a reject's of m n (Frady, Kleyko and Sommer 2018).
    Standing: approximation.
    """
    spread = np.sqrt(1 - 1 / q.items)
    return np.asarray(q.items * distance_for(_log_error_of_one(q), spread, q.universe) ** 2)


def sum_key_value_log_error(q: Question, dim: Real) -> Real:
    """Return the logarithm of the error at which :func:`sum_key_value_gaussian` asks for a dimension."""
    each = log_cleanup_error(np.sqrt(dim / q.items), np.sqrt(1 - 1 / q.items), q.universe)
    return _log_error_of_all(each, q.items)


def majority_key_value(q: Question) -> Real:
    """D8: all n values are found by the largest score among d if ``m >= 8 ln(n (d - 1)/δ) / p(n)²``; keys distinct.

    Source: as D7, union over queries and rejects.
    Standing: derived.
    """
    return np.asarray(8 * _log_rivals(q) / majority_bias(q.items) ** 2)


def majority_key_value_gaussian(q: Question) -> Real:
    """D8: about ``m = a² / p(n)²``, a as in D3.

    Source: normal scores, a hit's of variance m (1 - p²) and a reject's of m.
    Standing: approximation.
    """
    bias = majority_bias(q.items)
    return np.asarray((distance_for(_log_error_of_one(q), np.sqrt(1 - bias**2), q.universe) / bias) ** 2)


def majority_key_value_log_error(q: Question, dim: Real) -> Real:
    """Return the logarithm of the error at which :func:`majority_key_value_gaussian` asks for a dimension."""
    bias = majority_bias(q.items)
    each = log_cleanup_error(bias * np.sqrt(dim), np.sqrt(1 - bias**2), q.universe)
    return _log_error_of_all(each, q.items)


def sum_bindings(q: Question) -> Real:
    """D4: d named k-bindings are decided by ``x.S_e >= m/2`` if ``m >= 4 n min over p of (p - 1)^(2k) (d/δ)^(2/p)``.

    p = 2 is Chebyshev's ``4 n d/δ``. Where each binding has a factor of its own, D1's ``8 n ln(d/δ)`` applies.
    Source: the noise has variance m n and is a polynomial of degree 2k in signs; Bonami's hypercontractivity.
    Standing: derived.
    """
    if q.own:
        return sum_membership(q)
    k, p = q.number("factors", 2)[..., None], _MOMENTS
    log_sizes = 2 * k * np.log(p - 1) + 2 * q.log_ratio[..., None] / p
    return np.asarray(4 * q.items * np.exp(log_sizes.min(axis=-1)))


def majority_bindings(q: Question) -> Real:
    """D4: d named bindings, each with a factor of its own: ``m >= 8 ln(d/δ) / p(n)²``, as D7.

    Source: the bindings are independent atoms.
    Standing: derived; none is known where factors are shared (``own=False``).
    """
    return majority_membership(q)


def sum_sequence(q: Question) -> Real:
    """D5: every position is found by the largest score among d if ``m >= 8 (n + 1) ln(n (d-1)/δ)``; symbols distinct.

    With a symbol at up to K positions, D6: ``m >= 64 K n ln(5 n d K/δ)``; simulation needs no more than D5.
    Source: as D3; a candidate elsewhere in the sequence adds an autocorrelation of sub-Gaussian proxy 2m.
    Standing: derived; D6 is loose.
    """
    repeats, log_all = q.number("repeats", 1), q.log_ratio + np.log(q.items)
    distinct = 8 * (q.items + 1) * _log_rivals(q)
    repeated = 64 * repeats * q.items * (log_all + np.log(5 * repeats))
    return np.asarray(np.where(repeats > 1, repeated, distinct))


# ---------------------------------------------------------------------- nested bundles


def majority_nested(q: Question) -> Real:
    """D10, D11: all d symbols by ``x.S_j >= m c/2`` if ``m >= 8 ln(d/δ) / c²``, c the first leaf's correlation.

    A tree of depth r with n children a node has ``c = p(n)^r``, as a node's ties depend on its children's other
    components; n vectors bundled one after another have ``c = 2^-(n-1)`` for the first.
    Source: a vector depends on a leaf only through its parent; Hoeffding's inequality; union over the universe.
    Standing: derived; the chain is the 1/2^depth of Clarkson, Ubaru and Yang's Lemma 17.
    """
    return np.asarray(8 * q.log_ratio * np.exp(-2 * _log_leaf_bias(q)))


def majority_nested_gaussian(q: Question) -> Real:
    """D10, D11: about ``m = 4 z² / c²``.

    Source: normal noise of variance m.
    Standing: approximation.
    """
    return np.asarray(4 * _z(q) ** 2 * np.exp(-2 * _log_leaf_bias(q)))


def _log_leaf_bias(q: Question) -> Real:
    if q.shape == "chain":
        return np.asarray(-np.log(2) * (q.items - 1))
    return np.asarray(np.log(majority_bias(q.items)) * q.number("depth", 1))


def thinned_density(density: npt.ArrayLike, rotations: npt.ArrayLike, form: str = "subtractive") -> Any:
    """Return the expected density of a vector after context-dependent thinning (Rachkovskij and Kussul 2001).

    Ones of density z stay that T rotations of the vector do not cover, ``z (1 - z)^T`` (``"subtractive"``), or do,
    ``z (1 - (1 - z)^T)`` (``"additive"``). An or of S atoms of density p has ``z = 1 - (1 - p)^S``. A float for
    numbers, a float64 array for arrays.
    """
    choice(form, "form", ("subtractive", "additive"))
    z = np.asarray(density, np.float64)
    bare = (1 - z) ** np.asarray(rotations, np.float64)
    left = z * (bare if form == "subtractive" else 1 - bare)
    return float(left) if left.ndim == 0 else left

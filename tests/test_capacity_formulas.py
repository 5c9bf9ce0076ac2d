"""Every formula of a dimension has a second statement: what fails at that dimension is the error that was asked for.

A simulation of a rigorous bound cannot see a factor: the bound holds with room. So each size is put into the tail bound
or the distribution it was solved from, written here from the argument alone, and must give the error back.
"""

import itertools
import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from hdc import bounds, errors
from hdc.bounds import formulas
from hdc.bounds.question import Question

SETTINGS = [(3, 10, 0.2), (50, 1000, 0.01), (400, 10**6, 1e-9)]
"""Items, universe, error."""
SETS = [(40, 25, 10, 4.0, 0.05), (7, 7, 7, 0.5, 0.3), (300, 20, 1, 11.0, 1e-6), (2, 2, 0, 1.9, 0.3)]
"""Sizes of two sets and of their intersection, tolerance, error."""


def size(task, model, kind, **numbers):
    error = numbers.pop("error")
    items, universe = numbers.pop("items"), numbers.pop("universe", None)
    question = Question.ask(task, items=items, universe=universe, error=error, options=numbers)
    return float(bounds.find(task, model, kind).size(question))


def p(n):
    """Return the exact correlation of a member with a majority of n, from the binomial coefficient."""
    half = n // 2
    return float(Fraction(math.comb(2 * half, half), 4**half))


def hoeffding(signal, *squares):
    """Return the tail of a sum of independent terms of mean 0 in [-c, c], given the sum of all c²."""
    return math.exp(-(signal**2) / (2 * sum(squares)))


def q(x):
    return stats.norm.sf(x)


MEMBERSHIP = {
    ("MAP-I", "rigorous"): lambda m, n, d: d * hoeffding(m / 2, m * n),
    ("MAP-I", "gaussian"): lambda m, n, d: d * q(m / 2 / math.sqrt(m * n)),
    ("MAP-B", "rigorous"): lambda m, n, d: d * hoeffding(m * p(n) / 2, m),
    ("MAP-B", "gaussian"): lambda m, n, d: d * q(m * p(n) / 2 / math.sqrt(m)),
    ("Hopfield±", "gaussian"): lambda m, n, d: d * q(m * m / 2 / math.sqrt(n * 3 * m * m)),
    ("Hopfield", "gaussian"): lambda m, n, d: d * stats.chi2.sf(n + (m - 1) / 2, n),
}


@pytest.mark.parametrize(("n", "d", "error"), SETTINGS)
@pytest.mark.parametrize(("model", "kind"), MEMBERSHIP)
def test_membership(model, kind, n, d, error):
    m = size("membership", model, kind, items=n, universe=d, error=error)
    assert MEMBERSHIP[model, kind](m, n, d) == pytest.approx(error, rel=1e-8)
    if model == "MAP-I":
        assert size("membership", "MBAT", kind, items=n, universe=d, error=error) == m
        if kind == "gaussian":
            assert size("bindings", "MAP-I", kind, items=n, universe=d, error=error) == m
    if model == "MAP-B":
        own = {"own": True} if kind == "rigorous" else {}
        assert size("bindings", "MAP-B", kind, items=n, universe=d, error=error, **own) == m


@pytest.mark.parametrize(("n", "d", "error"), SETTINGS)
def test_published_membership_of_majorities(n, d, error):
    """A member's score is at least m / sqrt(7 n), and that is twice the threshold."""
    m = size("membership", "MAP-B", "paper", items=n, universe=d, error=error)
    assert m / math.sqrt(7 * n) == pytest.approx(2 * math.sqrt(2 * m * math.log(2 * d / error)), rel=1e-12)


@pytest.mark.parametrize(("n", "d", "error"), SETTINGS)
@pytest.mark.parametrize("model", ["Bloom", "CountingBloom"])
def test_membership_of_sparse_models(model, n, d, error):
    best = math.log2(d / error)
    for ones in (None, 1, 3, 11):
        given = {} if ones is None else {"ones": ones}
        k = math.ceil(best) if ones is None else ones
        m = size("membership", model, "rigorous", items=n, universe=d, error=error, **given)
        assert d * (-math.expm1(n * math.log1p(-k / m))) ** k == pytest.approx(error, rel=1e-6)
        m, k = size("membership", model, "gaussian", items=n, universe=d, error=error, **given), ones or best
        assert d * (-math.expm1(-k * n / m)) ** k == pytest.approx(error, rel=1e-8)
    classic = size("membership", model, "gaussian", items=n, universe=d, error=error)
    assert classic == pytest.approx(n * math.log(d / error) / math.log(2) ** 2, rel=1e-12)
    assert bounds.best_ones(d, error) == math.ceil(best)


def chernoff(log_moment, n, d, error):
    """Return the least ``2 (ln(d/δ) + n ln E) / λ``, found without a grid."""
    least = optimize.minimize_scalar(
        lambda x: 2 * (math.log(d / error) + n * log_moment(math.exp(x))) / math.exp(x),
        bounds=(math.log(1e-6), math.log(0.4999)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return least.fun


@pytest.mark.parametrize(("n", "d", "error"), [*SETTINGS, (1, 10**9, 1e-12), (10**9, 10**9, 0.5)])
def test_membership_of_hopfield_memories(n, d, error):
    """A rank-one term has mean E exp(±λ g²) for a normal g at worst; the lower tail needs its moments 1 and 3."""

    for x in (0.01, 0.2, 0.4):
        exact = integrate.quad(lambda g, x=x: math.cosh(x * g * g) * stats.norm.pdf(g), -26, 26, limit=200)[0]
        assert ((1 - 2 * x) ** -0.5 + (1 + 2 * x) ** -0.5) / 2 == pytest.approx(exact, rel=1e-6)
    expected = chernoff(lambda x: math.log(((1 - 2 * x) ** -0.5 + (1 + 2 * x) ** -0.5) / 2), n, d, error)
    found = size("membership", "Hopfield±", "rigorous", items=n, universe=d, error=error)
    assert expected * (1 - 1e-9) <= found <= expected * 1.002
    upper = chernoff(lambda x: -x - math.log(1 - 2 * x) / 2, n, d, error)
    lower = chernoff(lambda x: x + math.log(1 - x + 3 * x * x / 2), n, d, error)
    found = size("membership", "Hopfield", "rigorous", items=n, universe=d, error=error)
    assert max(upper, lower) * (1 - 1e-9) <= found - 1 <= max(upper, lower) * 1.002


def variance(a, b, t):
    """Return the variance of x.y in units of m: pairs of different symbols once, or twice where both hold both."""
    return a * b - t + t * (t - 1)


INTERSECTION = {
    ("MAP-I", "rigorous"): lambda m, a, b, t, x: 4 * math.exp(-m / 2 * jl(min(1, x / math.sqrt(a * b)))),
    ("MAP-I", "gaussian"): lambda m, a, b, t, x: 2 * q(x / math.sqrt(variance(a, b, t) / m)),
    ("MAP-B", "rigorous"): lambda m, a, b, t, x: 2 * hoeffding(m * x / (math.pi / 2 * math.sqrt(a * b)), m),
    ("MAP-B", "gaussian"): lambda m, a, b, t, x: 2 * q(x / spread_of_sine(a, b, t) * math.sqrt(m)),
    ("CountingBloom", "rigorous"): lambda m, a, b, t, x: variance(a, b, t) / (m - 1) / x**2,
    ("CountingBloom", "gaussian"): lambda m, a, b, t, x: 2 * q(x / math.sqrt(variance(a, b, t) / (m - 1))),
    ("Hopfield±", "rigorous"): lambda m, a, b, t, x: 3 * variance(a, b, t) / m**2 / x**2,
    ("Hopfield±", "gaussian"): lambda m, a, b, t, x: 2 * q(x * m / math.sqrt(3 * variance(a, b, t))),
    ("Hopfield", "rigorous"): lambda m, a, b, t, x: 2 * variance(a, b, t) / (m * (m - 1)) / x**2,
    ("Hopfield", "gaussian"): lambda m, a, b, t, x: 2 * q(x / math.sqrt(2 * variance(a, b, t) / (m * (m - 1)))),
}


def jl(epsilon):
    """Return Achlioptas's exponent: a norm is off by ε with probability at most ``2 exp(-m/2 (ε²/2 - ε³/3))``."""
    return epsilon**2 / 2 - epsilon**3 / 3


def spread_of_sine(a, b, t):
    """Return the slope of ``sqrt(ab) sin(π c / 2)`` at its mean, times the deviation of one component."""
    c = math.asin(t / math.sqrt(a * b)) * 2 / math.pi
    slope = math.sqrt(a * b) * math.cos(math.pi * c / 2) * math.pi / 2
    return slope * math.sqrt(1 - c * c)


@pytest.mark.parametrize(("a", "b", "t", "x", "error"), SETS)
@pytest.mark.parametrize(("model", "kind"), INTERSECTION)
def test_intersection(model, kind, a, b, t, x, error):
    m = size("intersection", model, kind, items=a, other=b, overlap=t, tolerance=x, error=error)
    if model == "MAP-B" and kind == "gaussian" and a == b == t:
        assert m == 0  # equal bundles are known to be equal
        return
    assert INTERSECTION[model, kind](m, a, b, t, x) == pytest.approx(error, rel=1e-8)
    if model == "MAP-I":
        assert size("intersection", "MBAT", kind, items=a, other=b, overlap=t, tolerance=x, error=error) == m
    if a == b == t:
        assert size("intersection", model, kind, items=a, tolerance=x, error=error) == m
    worst = size("intersection", model, kind, items=a, other=b, overlap=min(a, b), tolerance=x, error=error)
    assert size("intersection", model, kind, items=a, other=b, tolerance=x, error=error) == worst


def test_tolerances_beyond_both_sets():
    """The Johnson-Lindenstrauss exponent is of a relative error of at most 1."""
    m = size("intersection", "MAP-I", "rigorous", items=2, tolerance=50, error=0.1)
    assert m == pytest.approx(12 * math.log(40), rel=1e-12)


@pytest.mark.parametrize(("a", "b", "t", "x", "error"), SETS)
def test_intersection_of_bloom_filters(a, b, t, x, error):
    """Clear bits are exp(-k u/m) of all; McDiarmid's bound on three of their logarithms."""
    ask = {"items": a, "other": b, "overlap": t, "tolerance": x, "error": error}
    union = a + b - t
    best = size("intersection", "Bloom", "rigorous", **ask)
    assert 6 * math.exp(-2 * x**2 * (best / union / 2) * math.exp(-1) / (9 * union)) == pytest.approx(error, rel=1e-8)
    for ones in (round(best / union / 2), round(best / union)):
        m = size("intersection", "Bloom", "rigorous", **ask, ones=ones)
        exponent = 2 * x**2 * ones * math.exp(-2 * ones * union / m) / (9 * union)
        assert 6 * math.exp(-exponent) == pytest.approx(error, rel=1e-6)
        assert m >= best * (1 - 1e-3)
    too_few = 2 * x**2 <= 9 * union * math.log(6 / error)
    assert math.isinf(size("intersection", "Bloom", "rigorous", **ask, ones=1)) == too_few
    worst = size("intersection", "Bloom", "rigorous", **{**ask, "overlap": min(a, b)})
    del ask["overlap"]
    assert size("intersection", "Bloom", "rigorous", **ask) == worst


def any_wrong(n, d, hit_mean, hit_variance, reject_variance):
    """Return the probability that one of n normal hits is below one of d - 1 normal rejects, by quadrature."""

    def beaten(u):
        score = (hit_mean + math.sqrt(hit_variance) * u) / math.sqrt(reject_variance)
        return math.exp(-u * u / 2) / math.sqrt(2 * math.pi) * -math.expm1((d - 1) * special.log_ndtr(score))

    one, _ = integrate.quad(beaten, -30, 10, limit=500, epsabs=0, epsrel=1e-11, points=[-20, -10, -5, -3, -1, 0, 1, 3])
    return -math.expm1(n * math.log1p(-one))


KEY_VALUE = {
    ("MAP-I", "rigorous"): lambda m, n, d: n * (d - 1) * hoeffding(m / 2, m * n),
    ("MAP-I", "gaussian"): lambda m, n, d: any_wrong(n, d, m, m * (n - 1), m * n),
    ("MAP-B", "rigorous"): lambda m, n, d: n * (d - 1) * hoeffding(m * p(n) / 2, m),
    ("MAP-B", "gaussian"): lambda m, n, d: any_wrong(n, d, m * p(n), m * (1 - p(n) ** 2), m),
}


@pytest.mark.parametrize(("n", "d", "error"), SETTINGS)
@pytest.mark.parametrize(("model", "kind"), KEY_VALUE)
def test_key_value(model, kind, n, d, error):
    m = size("key-value", model, kind, items=n, universe=d, error=error)
    assert KEY_VALUE[model, kind](m, n, d) == pytest.approx(error, rel=1e-8)
    if kind == "gaussian":
        assert size("sequence", model, kind, items=n, universe=d, error=error) == m
    if model == "MAP-I":
        assert size("key-value", "MBAT", kind, items=n, universe=d, error=error) == m


@pytest.mark.parametrize(("n", "d", "error"), SETTINGS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_bindings(n, d, error, k):
    """Markov's inequality on the best moment; a moment of order p of a chaos of degree k is (p - 1)^(pk/2) at most."""

    def log_failure(moment, m):
        return math.log(d) + moment * (k * math.log(moment - 1) + math.log(m * n) / 2 - math.log(m / 2))

    m = size("bindings", "MAP-I", "rigorous", items=n, universe=d, error=error, factors=k)
    best = optimize.minimize_scalar(lambda moment: log_failure(moment, m), bounds=(2, 2000), method="bounded")
    least = min(best.fun, log_failure(2, m))
    assert math.log(error) - 0.01 <= least <= math.log(error) + 1e-9
    own = size("bindings", "MAP-I", "rigorous", items=n, universe=d, error=error, factors=k, own=True)
    assert own == size("membership", "MAP-I", "rigorous", items=n, universe=d, error=error)
    if k == 2:
        assert size("bindings", "MAP-I", "rigorous", items=n, universe=d, error=error) == m
        named = size("bindings", "MAP-I", "rigorous", items=n, universe=1, error=error)
        assert size("bindings", "MAP-I", "rigorous", items=n, error=error) == named


@pytest.mark.parametrize(("n", "d", "error"), SETTINGS)
def test_sequences(n, d, error):
    m = size("sequence", "MAP-I", "rigorous", items=n, universe=d, error=error)
    assert n * (d - 1) * hoeffding(m / 2, m * (n + 1)) == pytest.approx(error, rel=1e-8)
    assert size("sequence", "MBAT", "rigorous", items=n, universe=d, error=error) == m
    for repeats in (2, 3):
        m = size("sequence", "MAP-I", "rigorous", items=n, universe=d, error=error, repeats=repeats)
        assert 5 * n * d * repeats * math.exp(-m / (64 * repeats * n)) == pytest.approx(error, rel=1e-8)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("model", ["MAP-I", "MBAT", "Bloom", "CountingBloom"])
@pytest.mark.parametrize("kind", ["rigorous", "gaussian"])
def test_nested_sums_are_bundles_of_their_leaves(model, kind, depth):
    ask = {"universe": 1000, "error": 0.01}
    flat = size("membership", model, kind, items=4**depth, **ask)
    assert size("nested", model, kind, items=4, depth=depth, **ask) == flat
    if depth == 1:
        assert size("nested", model, kind, items=4, **ask) == flat
    chain = size("nested", model, kind, items=5, shape="chain", **ask)
    assert chain == size("membership", model, kind, items=5, **ask)


def leaf_bias(n, depth):
    """Return the correlation of a leaf with a tree of majorities: of one with its bundle, over all signs, each level.

    A sum of zero is as often positive as negative, whatever the leaf.
    """
    votes = [signs[0] * np.sign(sum(signs)) for signs in itertools.product((1, -1), repeat=n)]
    return float(np.mean(votes)) ** depth


@pytest.mark.parametrize(
    ("n", "depth"), [(1, 1), (1, 4), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1)]
)
def test_nested_majorities(n, depth):
    bias = leaf_bias(n, depth)
    assert bounds.majority_bias(n) ** depth == pytest.approx(bias, rel=1e-12)
    d, error = 1000, 0.01
    options = {"items": n, "universe": d, "error": error, "depth": depth}
    m = size("nested", "MAP-B", "rigorous", **options)
    assert d * hoeffding(m * bias / 2, m) == pytest.approx(error, rel=1e-8)
    if depth == 1:
        del options["depth"]
        assert size("nested", "MAP-B", "rigorous", **options) == m
    m = size("nested", "MAP-B", "gaussian", **options)
    assert d * q(m * bias / 2 / math.sqrt(m)) == pytest.approx(error, rel=1e-8)


def test_one_symbol_needs_no_dimension():
    for task in ("key-value", "sequence"):
        for kind in ("rigorous", "gaussian"):
            assert bounds.dimension(task, "MAP-I", items=1, universe=1, error=0.01, bound=kind) == 1


def test_phasor_bias_is_the_mean_length_of_a_walk():
    """Published values to four digits, the series where the integral ends, and steps of random angle."""
    published = {1: 1, 2: 2 / math.pi, 3: 0.5249, 4: 0.4498, 5: 0.4016, 7: 0.3381, 10: 0.2820, 31: 0.1595, 50: 0.1255}
    for n, bias in published.items():
        assert bounds.phasor_bias(n) == pytest.approx(bias, abs=6e-5)
    below, above = bounds.phasor_bias([64, 65]) * np.sqrt([64, 65])
    assert below == pytest.approx(above * (1 + 1 / (16 * 64)) / (1 + 1 / (16 * 65)), rel=1e-6)
    assert bounds.phasor_bias(10**6) == pytest.approx(math.sqrt(math.pi / 4e6), rel=1e-6)
    walks = np.abs(np.exp(2j * np.pi * np.random.default_rng(0).random((20_000, 7))).sum(axis=1)) / 7
    assert abs(walks.mean() - bounds.phasor_bias(7)) < 6 * walks.std() / math.sqrt(20_000)
    assert isinstance(bounds.phasor_bias(3), float)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_chains_of_majorities(n):
    d, error = 1000, 0.01
    m = size("nested", "MAP-B", "rigorous", items=n, universe=d, error=error, shape="chain")
    assert d * hoeffding(m * 2.0 ** (1 - n) / 2, m) == pytest.approx(error, rel=1e-8)


def test_majority_bias_is_the_binomial_coefficient():
    """Exact up to the end of the table and beyond it, where five terms of the series are enough."""
    for n in [*range(1, 140), 255, 1000, 4001]:
        assert bounds.majority_bias(n) == pytest.approx(p(n), rel=2e-13)
    assert bounds.majority_bias([1, 2, 129]).tolist() == [bounds.majority_bias(n) for n in (1, 2, 129)]
    assert isinstance(bounds.majority_bias(3), float)


def test_quantiles():
    for tail in (0.4, 1e-3, 1e-12):
        assert float(formulas._quantile(np.log(tail))) == pytest.approx(-NormalDist().inv_cdf(tail), rel=1e-7)
    assert formulas._quantile(np.log([0.5, 0.7, 1.0])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("bound", bounds.table(), ids=lambda b: f"{b.task}-{b.model}-{b.kind}")
def test_one_item_is_an_answer(bound):
    ask = {"error": 0.01, "bound": bound.kind}
    ask |= {"tolerance": 1} if bound.task == "intersection" else {"universe": 1000}
    ask |= {"own": True} if bound.task == "bindings" else {}
    dim = bounds.dimension(bound.task, bound.model, items=1, **ask)
    assert bounds.capacity(bound.task, bound.model, dim=dim, **ask) >= 1
    if dim > 1:
        assert bounds.capacity(bound.task, bound.model, dim=dim - 1, **ask) == 0


def test_what_is_drawn_from_a_universe_is_in_it():
    for task, items in (("membership", 11), ("sequence", 11), ("nested", 11)):
        with pytest.raises(errors.ParameterError, match="at least 11 different symbols, and universe=10"):
            size(task, "MAP-I", "rigorous", items=items, universe=10, error=0.1)
        assert size(task, "MAP-I", "rigorous", items=10, universe=10, error=0.1) > 0
    assert size("sequence", "MAP-I", "rigorous", items=20, universe=10, error=0.1, repeats=2) > 0
    with pytest.raises(errors.ParameterError, match="at least 11 different"):
        size("sequence", "MAP-I", "rigorous", items=21, universe=10, error=0.1, repeats=2)


def test_what_is_known_instead():
    with pytest.raises(errors.UnsupportedError) as raised:
        bounds.find("key-value", "Bloom", "rigorous")
    known = "rigorous for MAP-I, rigorous for MBAT, rigorous for MAP-B"
    assert str(raised.value) == f"no rigorous bound is known for key-value on Bloom; known: {known}"


def test_every_formula_has_a_second_statement():
    stated = {("membership", *key) for key in MEMBERSHIP} | {("membership", "MAP-B", "paper")}
    stated |= {("intersection", *key) for key in INTERSECTION} | {("intersection", "Bloom", "rigorous")}
    stated |= {("key-value", *key) for key in KEY_VALUE}
    stated |= {("membership", m, "rigorous") for m in ("Bloom", "CountingBloom", "Hopfield", "Hopfield±")}
    stated |= {("membership", m, "gaussian") for m in ("Bloom", "CountingBloom")}
    stated |= {("bindings", m, k) for m in ("MAP-I", "MAP-B") for k in ("rigorous", "gaussian")}
    stated |= {("sequence", "MAP-I", "rigorous"), ("sequence", "MAP-I", "gaussian"), ("sequence", "MAP-B", "gaussian")}
    stated |= {("nested", m, k) for m in ("MAP-I", "MAP-B", "Bloom", "CountingBloom") for k in ("rigorous", "gaussian")}
    of_mbat = {(b.task, "MAP-I" if b.model == "MBAT" else b.model, b.kind) for b in bounds.table()}
    assert of_mbat == stated

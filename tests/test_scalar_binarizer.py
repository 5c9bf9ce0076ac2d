"""ScalarBinarizer: levels against published ones, bits against every other way, codes against plain Python."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval import binarizers
from hdc.apps.retrieval.binarizers import ScalarBinarizer, SignBinarizer, factors
from hdc.apps.retrieval.binarizers.axes import mixed, principal, random_rotation
from hdc.apps.retrieval.binarizers.levels import MOST_LEVEL_BITS, allotted, levels_of
from hdc.errors import DTypeError, ParameterError, UnsupportedError
from tests import naive

MAX = {  # J. Max, Quantizing for minimum distortion, 1960, table I: the upper half of the levels, and the distortion
    1: ([0.7980], 0.3634),
    2: ([0.4528, 1.510], 0.1175),
    3: ([0.2451, 0.7560, 1.344, 2.152], 0.03454),
    4: ([0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733], 0.009497),
}
TURBOQUANT = {1: 0.36, 2: 0.117, 3: 0.0345, 4: 0.0095}
"""Mean squared errors of unit vectors by bits (Zandieh et al. 2025, theorem 1; .03 and .009 there, in fewer digits)."""


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def spread(n=700, d=48, seed=0, mean=0.3):
    """Draw vectors around 40 centers, longer along the first axes."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(9).standard_normal((40, d))
    x = (centers[rng.integers(0, 40, n)] + rng.standard_normal((n, d))) * 0.94 ** np.arange(d)
    return (x + mean).astype(np.float32)


def recall(found, x, queries, k=10):
    truth = np.argsort(-(queries @ x.T), axis=1)[:, :k]
    return np.mean([len(np.intersect1d(a, b)) for a, b in zip(found[:, :k], truth, strict=True)]) / k


# Levels


@pytest.mark.parametrize("bits", MAX)
def test_levels_of_long_vectors_are_those_of_the_normal_distribution(bits):
    upper, distortion = MAX[bits]
    found = levels_of(30_000, bits)
    np.testing.assert_allclose(found.values[1 << bits - 1 :], upper, atol=2e-3)
    assert np.array_equal(found.values, -found.values[::-1])
    assert found.distortion == pytest.approx(distortion, rel=2e-3)


@pytest.mark.parametrize("bits", range(1, MOST_LEVEL_BITS + 1))
def test_places_are_those_of_the_nearest_levels(bits):
    levels = levels_of(50, bits)
    x = np.concatenate([np.random.default_rng(bits).standard_normal(300) * 1.5, levels.edges, [-99, 99]])
    x = x.astype(np.float32)[::-1].reshape(-1, 1)
    places = levels.places(x)
    assert (places.dtype, places.shape) == (np.uint8, x.shape)
    gaps = np.abs(x.astype(np.float64) - levels.values)
    np.testing.assert_allclose(
        np.take_along_axis(gaps, places.astype(np.int64), axis=1)[:, 0], gaps.min(axis=1), atol=1e-6
    )
    assert (places[np.isin(x, levels.edges)] == np.searchsorted(levels.edges, x[np.isin(x, levels.edges)])).all()


def test_levels_of_short_vectors_are_those_of_their_own_distribution():
    assert levels_of(2, 1).values[1] == pytest.approx(2 * math.sqrt(2) / math.pi, abs=1e-4)  # of a cosine
    for bits in (1, 2, 5):  # a component of a unit vector of three is uniform
        count = 1 << bits
        even = math.sqrt(3) * (2 * np.arange(count) + 1 - count) / count
        np.testing.assert_allclose(levels_of(3, bits).values, even, atol=1e-3)
    assert levels_of(1, 3) is not None


def test_each_further_bit_takes_off_less():
    for d in (2, 3, 17, 384):
        distortions = [1.0] + [levels_of(d, bits).distortion for bits in range(1, MOST_LEVEL_BITS + 1)]
        gains = -np.diff(distortions)
        assert np.all(gains[1:] < gains[:-1]), d
        assert np.all(gains > 0)


@pytest.mark.parametrize("bits", TURBOQUANT)
def test_distortion_of_unit_vectors_is_turboquants(bits):
    """Of 4,000 vectors; the mean is off by more than five standard errors once in 1.7 million seeds."""
    d, n = 200, 4000
    x = np.random.default_rng(bits).standard_normal((n, d)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    size = -(-(bits * d + 32) // 64) * 8
    model = ScalarBinarizer(size, rotation="random", center=False).fit(x)
    values, rotated = model._values(model._places(model.transform(x))), model._project(x)
    same = model.widths_ == bits  # what is left over in the last word makes some components finer
    errors = d / same.sum() * ((values - rotated)[:, same] ** 2).sum(axis=1)
    expected = levels_of(d, bits).distortion
    assert abs(errors.mean() - expected) < 5 * errors.std() / math.sqrt(n)
    assert expected == pytest.approx(TURBOQUANT[bits], rel=0.02)
    assert expected < math.sqrt(3) * math.pi / 2 * 4.0**-bits  # the bound of the theorem, for any number of bits


# Bits


@given(st.integers(1, 4), st.integers(0, 12), st.sampled_from([0.5, 1.0, 1.5, 2.0]), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_no_other_way_to_give_bits_is_better(d, total, power, seed):
    variances = np.sort(np.random.default_rng(seed).exponential(size=d))[::-1]
    distortions = np.array([1, 0.36, 0.12, 0.035])
    most = len(distortions) - 1
    given_out = allotted(variances, total, power, distortions)
    assert given_out.sum() == min(total, most * d)
    assert np.all(given_out[1:] <= given_out[:-1])

    def cost(widths):
        return sum(v**power * distortions[b] for v, b in zip(variances, widths, strict=True))

    every = [w for w in itertools.product(range(most + 1), repeat=d) if sum(w) == given_out.sum()]
    assert cost(given_out) == pytest.approx(min(cost(w) for w in every))


def test_axes_are_principal_and_mixed_among_equals():
    x = spread(3000)
    rng = np.random.default_rng(0)
    variances, axes = principal(x, x.mean(axis=0))
    np.testing.assert_allclose(axes.T @ axes, np.eye(48), atol=1e-9)
    assert variances.sum() == pytest.approx(x.var(axis=0, dtype=np.float64).sum(), rel=1e-5)
    along = (x - x.mean(axis=0)) @ axes
    np.testing.assert_allclose(along.var(axis=0), variances, atol=0.02)
    groups = np.array([3] * 8 + [1] * 30 + [0] * 10)
    own, turned = mixed(variances, axes, groups, rng)
    np.testing.assert_allclose(turned.T @ turned, np.eye(48), atol=1e-9)
    assert np.abs(axes.T @ turned)[groups[:, None] != groups].max() < 1e-9
    assert own[:8] == pytest.approx(variances[:8].mean())
    q = random_rotation(5, rng)
    np.testing.assert_allclose(q @ q.T, np.eye(5), atol=1e-12)


def test_variances_of_few_vectors_are_drawn_together():
    x = np.random.default_rng(0).standard_normal((20, 60)).astype(np.float32)
    variances, _ = principal(x, x.mean(axis=0))
    assert variances.min() > 0.5 * variances.max()  # all are 1; of the sample, 41 are 0
    many = np.random.default_rng(0).standard_normal((4000, 6)) * np.arange(1, 7)
    variances, _ = principal(many.astype(np.float32), np.zeros(6, np.float32))
    np.testing.assert_allclose(variances, np.arange(6, 0, -1) ** 2, rtol=0.1)


# Codes


@given(
    st.sampled_from([1, 2, 5, 63, 64, 65, 130]),
    st.integers(1, 9),
    st.sampled_from(["principal", "random"]),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 30.0]),
    st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_codes_are_planes_of_the_nearest_levels(d, words, rotation, center, mean, seed):
    words = min(words, -(-(8 * d + 32) // 64))
    x = np.random.default_rng(seed).standard_normal((20, d)).astype(np.float32) * 3 + np.float32(mean)
    model = ScalarBinarizer(8 * words, rotation, center=center).fit(x)
    codes = model.transform(x)
    assert (codes.shape, codes.dtype, model.bytes_per_vector) == ((20, words), np.uint64, 8 * words)
    assert model.bits == min(8 * d, 64 * words - int(model.factor_bits_.sum()))
    assert np.all(np.diff(model.widths_.astype(int)) <= 0)
    x.flags.writeable = False
    residuals = unit(x) - model.mean_
    components, lengths = model._project(residuals), np.linalg.norm(residuals, axis=1)
    places = model._places(codes)
    for row in range(0, 20, 7):
        levels = [levels_of(d, int(b)).values for b in model.widths_[: model.dim_]]
        scaled = components[row] / (lengths[row] * model.spreads_[: model.dim_])
        assert naive.scalar_code(scaled, levels, codes[row]) == places[row].tolist()


@pytest.mark.parametrize("scale", [16, 24])
@pytest.mark.parametrize("share", [8, 16])
def test_factors_come_back(scale, share):
    rng = np.random.default_rng(0)
    bits = factors.FactorBits(scale, share)
    scales = np.concatenate([[0, 1, 1e9], rng.exponential(size=500)]).astype(np.float32)
    shares = np.concatenate([[0, 1, -1], rng.standard_normal(500) / 30]).astype(np.float32)
    kept = factors.rounded_scale(scales, scale)
    words = factors.written(kept, shares, bits)
    assert not (words & np.uint64((1 << 64 - bits.total) - 1)).any()
    found, near = factors.read(words, bits)
    assert np.array_equal(found, kept)
    np.testing.assert_allclose(kept[3:], scales[3:], rtol=2.0 ** (-11 if scale == 16 else -17), atol=1e-7)
    assert kept[2] == (65504 if scale == 16 else pytest.approx(1e9, rel=2.0**-17))
    most = 2.0 ** (share - 1) - 1
    assert np.abs(near - shares).max() < 1.1 / most  # of a root: twice its error, at most
    assert np.abs(near - shares)[np.abs(shares) < 1e-2].max() < 0.11 / most + 0.3 / most**2


@pytest.mark.parametrize("rotation", ["principal", "random"])
@pytest.mark.parametrize("mean", [0.0, 5.0])
def test_scores_are_products_with_scaled_levels(rotation, mean):
    x, queries = unit(spread(mean=mean)), unit(spread(7, seed=1, mean=mean))
    model = ScalarBinarizer(24, rotation).fit(x)
    codes = model.transform(x)
    rows = model._values(model._places(codes)) * model.scale(codes)[:, None]
    expected = model._project(queries) @ rows.T + model.offset(codes)
    np.testing.assert_allclose(model.scores(queries, codes), expected, rtol=1e-5, atol=1e-4)
    # What is kept beside the levels makes the scores exact for the mean.
    known = (x - model.mean_) @ model.mean_
    limit = (0.02 if mean else 0.1) * np.abs(known).max()
    assert np.abs(model.products(model.mean_[None], codes)[0] - known).max() < limit


def test_with_a_random_rotation_the_product_with_the_vector_itself_is_exact():
    x = unit(spread())
    model = ScalarBinarizer(16, "random").fit(x)
    codes = model.transform(x)
    own = np.array([model.products(x[i : i + 1] - model.mean_, codes[i : i + 1])[0, 0] for i in range(len(x))])
    own -= model.offset(codes)
    np.testing.assert_allclose(own, ((x - model.mean_) ** 2).sum(axis=1), rtol=2e-3)  # of a float16


@pytest.mark.parametrize("queries", [0, 1, 6])
def test_search_returns_the_greatest_scores(queries, monkeypatch):
    x, asked = spread(), spread(queries, seed=1)
    model = ScalarBinarizer(16).fit(x)
    codes = model.transform(np.concatenate([x, x[:50]]))
    every = model.scores(asked, codes)
    expected = np.argsort(-every, axis=1, kind="stable")[:, :20]
    for block in (1 << 26, 1 << 16):
        monkeypatch.setattr("hdc.apps.retrieval.binarizers.scalar.BLOCK_BYTES", block)
        scores, ids = model.search(asked, codes, 20)
        np.testing.assert_allclose(scores, np.take_along_axis(every, expected, axis=1), rtol=1e-5, atol=1e-5)
        assert np.mean(ids == expected) > 0.99 if queries else ids.shape == (0, 20)
    assert model.search(asked, codes[:0], 3)[1].shape == (queries, 0)


def test_more_bytes_find_more_and_principal_axes_more_than_a_random_rotation():
    x = spread(3000)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    vectors, queries = x[:2900], x[2900:]
    found = {}
    for rotation, size in itertools.product(("principal", "random"), (8, 16, 32)):
        model = ScalarBinarizer(size, rotation).fit(vectors)
        found[rotation, size] = recall(model.search(queries, model.transform(vectors))[1], vectors, queries)
    for size in (8, 16, 32):
        assert found["principal", size] > found["random", size] + 0.02
    assert found["principal", 8] + 0.05 < found["principal", 16] < found["principal", 32] - 0.05
    sign = SignBinarizer(128).fit(vectors)
    of_signs = recall(sign.search(queries, sign.transform(vectors))[1], vectors, queries)
    assert found["random", 16] > of_signs + 0.02


def test_the_power_that_finds_most_is_taken():
    rng = np.random.default_rng(1)
    decaying, same = spread(3000), rng.standard_normal((3000, 48)).astype(np.float32)
    sparse = same * (rng.random(same.shape) < 0.05) * 8 + 0.02 * same
    for x in (decaying, same, sparse):
        tried = {}
        for power in (0.0, 0.5, 1.0, 1.5):
            model = ScalarBinarizer(16, power=power).fit(x[200:])
            assert model.power_ == power
            tried[power] = recall(model.search(x[:200], model.transform(x[200:]))[1], x[200:], x[:200])
        chosen = ScalarBinarizer(16).fit(x[200:])
        assert tried[chosen.power_] > max(tried.values()) - 0.03
    flat = ScalarBinarizer(16, power=0).fit(decaying)
    assert set(flat.widths_.tolist()) == {2, 3}
    assert ScalarBinarizer(16).fit(decaying[:60]).power_ == 1.5  # too few to choose by
    with pytest.raises(ParameterError, match="power must be a number from 0 to 4"):
        ScalarBinarizer(power=-1).fit(decaying)


def test_vectors_that_are_no_spread_at_all():
    same = np.full((5, 9), 3, dtype=np.float32)
    for x in (same, np.zeros((1, 9), dtype=np.float32)):
        model = ScalarBinarizer(8).fit(x)
        codes = model.transform(np.concatenate([x, x + 1e9, x - 1e-30]))
        assert np.all(np.isfinite(model.scores(x, codes)))
    two = ScalarBinarizer(8).fit(spread(2, d=300))
    assert two.search(spread(2, d=300), two.transform(spread(2, d=300)), 1)[1].ravel().tolist() == [0, 1]


def test_a_model_comes_back(tmp_path):
    x = spread(mean=4)
    for rotation in ("principal", "random"):
        model = ScalarBinarizer(24, rotation, seed=3).fit(x)
        model.save(tmp_path)
        again = binarizers.load(tmp_path)
        assert again.get_params() == model.get_params()
        assert np.array_equal(again.transform(x), model.transform(x))
        assert np.array_equal(again.scores(x[:3], model.transform(x)), model.scores(x[:3], model.transform(x)))
        assert np.array_equal(ScalarBinarizer(24, rotation, seed=3).fit(x).transform(x), model.transform(x))
        assert not np.array_equal(ScalarBinarizer(24, rotation, seed=4).fit(x).transform(x), model.transform(x))


def test_what_does_not_go_is_told():
    x = spread(20, d=8)
    for size, words in ((12, "multiple of 8 bytes, not 12"), (24, "at most 16, not 24"), (0, "at least 8, not 0")):
        with pytest.raises(ParameterError, match=words):
            ScalarBinarizer(size).fit(x)
    with pytest.raises(ParameterError, match="one of principal, random"):
        ScalarBinarizer(rotation="hadamard").fit(x)
    with pytest.raises(ParameterError, match="not fitted"):
        ScalarBinarizer().transform(x)
    model = ScalarBinarizer().fit(x)
    codes = model.transform(x)
    with pytest.raises(UnsupportedError, match="not compared with codes"):
        model.search(codes, codes)
    with pytest.raises(UnsupportedError, match="tables"):
        model.tables(x)
    with pytest.raises(DTypeError, match="packed uint64"):
        model.scores(x, codes.astype(np.int64))
    x[3, 2] = np.nan
    with pytest.raises(ParameterError, match="row 3 of X contains NaN"):
        model.fit(x)

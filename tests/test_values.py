"""Encoders of values: exact laws against slow oracles, kernels and errors against simulation."""

import hashlib
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc import errors
from hdc.values import KERNELS, Estimate
from hdc.values.spectra import harmonics
from tests.models import BACKENDS, FAMILIES, NO_TORCH, host, make

ANGLES = ("FHRR", "FHRR-phase", "HRR", "MCR", "MCR-256", "GHRR")
SIGNED = ("MAP-I", "MAP-I-float32", "MAP-B", "MBAT-permutation", "FHRR", "MCR", "MAP-C", "HLB", "MAP-T")
PROJECTS = ("MAP-I", "MAP-B", "MBAT-permutation", "HRR", "FHRR", "MAP-C", "GHRR")
FOURIER = ("MAP-I", "MAP-B", "MBAT-permutation", "HRR", "FHRR", "MCR", "GHRR", "HLB")
SPARSE = ("Bloom", "CountingBloom", "SBC", "GSBC")
"""Families of few units, or ones."""
SIX = 6.0
"""Standard deviations that a simulated mean may be from its formula: one false alarm in 5e8 comparisons, of which the
file makes about 2000, with fixed seeds."""


def scalar(vsa, **options):
    return hdc.Scalar(vsa, "x", 0, 10, **{"bandwidth": 1, **options})


STEPWISE = {
    "level": (lambda vsa: hdc.Level(vsa, "x", -2, 8), FAMILIES, (-2, 8)),
    "scatter": (lambda vsa: hdc.Scatter(vsa, "x", -2, 8, bandwidth=3), FAMILIES, (-2, 8)),
    "circular": (lambda vsa: hdc.Circular(vsa, "x", 10), FAMILIES, (-12, 13)),
    "thermometer": (lambda vsa: hdc.Thermometer(vsa, "x", -2, 8), SIGNED, (-2, 8)),
}
QUICK = ("MAP-B", "FHRR", "CGR", "Bloom-segment", "GSBC")
"""Families that are tried in the quick run, for each layout one."""
CODES = [
    pytest.param(code, family, marks=[] if family in QUICK else [pytest.mark.slow])
    for code, (_, families, _) in STEPWISE.items()
    for family in families
]


def some(names, *quick):
    """Return names as cases, of which some are in the quick run."""
    return [pytest.param(name, marks=[] if name in quick else [pytest.mark.slow]) for name in names]


def spread(vsa):
    """Return the greatest standard deviation of the similarity of two codes.

    That of unrelated atoms, and that of how many units, or of few ones, are shared.
    """
    return math.sqrt(float(vsa.scores(1).reject_sd) ** 2 + 0.25 / getattr(vsa, "ones", getattr(vsa, "blocks", vsa.dim)))


def rowwise(vsa, x, y):
    """Return the similarity of each row with that of another array."""
    return np.array([float(vsa.similarity(a, b)) for a, b in zip(x, y, strict=True)])


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


# ---------------------------------------------------------------------- codes of steps


@pytest.mark.parametrize(("code", "family"), CODES)
def test_stepwise_kernel_is_measured(code, family):
    encoder, _, (low, high) = STEPWISE[code]
    vsa = make(family, 4096 if "haar" in family else 10_000, "numpy" if "torch" in family else "numba")
    codes = encoder(vsa)
    values = np.linspace(low, high, 12)
    measured = host(vsa.similarity(codes.encode(values), codes.encode(values)))
    expected = codes.expected_similarity(values[:, None] - values[None])
    assert np.abs(measured - expected).max() < SIX * spread(vsa) + 2 / vsa.dim


@pytest.mark.parametrize("family", ["MAP-I", "MAP-B", "FHRR", "Bloom-segment"])
def test_units_of_a_level_change_once_and_evenly(family):
    vsa = make(family, 96)
    codes = hdc.Level(vsa, "x", 0, 1)
    values = np.linspace(0, 1, 3 * 96 + 1)
    rows = codes.encode(values)
    if family in ("MAP-B", "Bloom-segment"):
        rows = hdc.words.unpack(rows, 96)
    rows = host(rows).reshape(len(values), 96 // vsa.ones if "Bloom" in family else 96, -1)
    if "Bloom" in family:
        rows = host(rows).reshape(len(values), vsa.ones, vsa.segment)
        assert (rows.sum(axis=-1) == 1).all()  # each segment keeps its one 1
    first, last = rows[0], rows[-1]
    is_last = (rows == last).all(axis=-1) & (first != last).any(axis=-1)
    assert (np.diff(is_last.astype(int), axis=0) >= 0).all()
    share = is_last.sum(axis=1) / is_last[-1].sum()
    assert np.abs(share - values).max() < 0.35  # random units differ
    assert np.array_equal(rows[0], np.broadcast_to(first, rows[0].shape))


@given(value=st.floats(0, 1), dim=st.integers(1, 60))
@settings(max_examples=30)
def test_level_takes_as_many_components_as_the_value_says(value, dim):
    vsa = hdc.create("MAP-I", dim, backend="numpy")
    codes = hdc.Level(vsa, "x", 0, 1)
    order = [sum(1 for other in codes._order if other < mine) for mine in codes._order]
    assert sorted(order) == list(range(dim))
    low, high, code = (codes.encode(x).tolist() for x in (0, 1, value))
    assert code == [high[i] if (order[i] + 0.5) / dim < value else low[i] for i in range(dim)]


def naive_scatter(codes, value):
    """Walk through the draws of each component, one by one."""
    atoms = host(codes._atoms)
    return [atoms[sum(1 for draw in column if draw <= value), i] for i, column in enumerate(codes._draws.T)]


def naive_circular(codes, value):
    atoms, turn = host(codes._atoms), (value / codes.period) % 1
    return [atoms[0 if ((turn - start) % 1) < 0.5 else 1, i] for i, start in enumerate(codes._order)]


@given(value=st.floats(0, 5), dim=st.integers(1, 60))
@settings(max_examples=40)
def test_scatter_and_circular_are_put_together_as_written(value, dim):
    vsa = hdc.create("MAP-I", dim, backend="numpy")
    scatter, circular = hdc.Scatter(vsa, "x", 0, 5, bandwidth=1), hdc.Circular(vsa, "x", 3)
    assert scatter.encode(value).tolist() == naive_scatter(scatter, value)
    assert circular.encode(value).tolist() == naive_circular(circular, value)


def test_scatter_of_signs_is_the_code_of_flips():
    """With probability p a component flips at a step: (1 - 2p) ** steps, p = (1 - exp(-step / bandwidth)) / 2."""
    codes = hdc.Scatter(make("MAP-B", 1000), "x", 0, 10, bandwidth=3)
    step, p = 0.5, (1 - math.exp(-0.5 / 3)) / 2
    steps = np.arange(20)
    np.testing.assert_allclose(codes.expected_similarity(step * steps), (1 - 2 * p) ** steps, rtol=1e-12)


def test_a_longer_range_leaves_a_scatter_code_as_it_is():
    vsa = make("MAP-I", 500)
    short, long = (hdc.Scatter(vsa, "x", 0, high, bandwidth=1) for high in (4, 40))
    assert np.array_equal(short.encode([0, 1, 4]), long.encode([0, 1, 4]))


@pytest.mark.parametrize("family", SIGNED)
def test_thermometer_counts(family):
    vsa = make(family, 100)
    codes = hdc.Thermometer(vsa, "t", 0, 50)
    similarity = host(vsa.similarity(codes.encode(0), codes.encode([0, 12.5, 25, 50])))
    np.testing.assert_allclose(similarity, [1, 0.5, 0, -1], atol=1e-5)


@pytest.mark.parametrize(("code", "family"), CODES)
def test_decoding_finds_the_best_of_all_codes(code, family):
    """Against the similarity with the codes of a fine grid, for a bundle of a code and three atoms."""
    encoder, _, (low, high) = STEPWISE[code]
    vsa = make(family, 256)
    codes = encoder(vsa)
    grid = np.linspace(max(low, codes.span[0]), min(high, codes.span[1]), 700)
    for seed in range(3):
        members = np.concatenate([codes.encode([grid[100 + 200 * seed]]), vsa.random(3, seed=seed)])
        bundle = vsa.bundle(members)
        estimate = codes.decode(bundle)
        assert all(np.shape(column) == () for column in estimate)
        best = host(vsa.similarity(bundle, codes.encode(grid))).max()
        found = float(vsa.similarity(bundle, codes.encode(float(estimate.value))))
        slack = 0.03 if family.startswith(SPARSE) else 2e-3  # centering moves with the code
        assert found >= best - slack
        assert float(estimate.similarity) == pytest.approx(found, abs=slack)


@pytest.mark.parametrize(("code", "family"), CODES)
def test_a_code_is_decoded_to_its_step(code, family):
    encoder = STEPWISE[code][0]
    vsa = make(family, 1024)
    codes = encoder(vsa)
    values = np.random.default_rng(0).uniform(*codes.span, (20, 2))
    estimate = codes.decode(codes.encode(values))
    assert isinstance(estimate, Estimate)
    assert estimate.value.shape == estimate.error.shape == estimate.similarity.shape == (20, 2)
    assert host(estimate.similarity).min() > (0.99 if family.startswith(SPARSE) else 0.999)
    extent = codes.span[1] - codes.span[0]
    off = np.abs(host(estimate.value) - values) / extent
    off = np.minimum(off, 1 - off) if code == "circular" else off
    assert off.max() < (0.12 if family.startswith(SPARSE) else 0.012)
    rms, told = np.sqrt(np.mean(off**2)), np.sqrt(np.mean(host(estimate.error) ** 2)) / extent
    assert 0.5 < rms / told < 2


@pytest.mark.slow
@pytest.mark.parametrize("family", ["MAP-I", "MBAT-permutation", "HRR"])
@pytest.mark.parametrize(("dim", "size"), [(1024, 5), (1024, 16), (4096, 16)])
def test_error_of_levels_is_that_of_a_change_point(family, dim, size):
    """rms = 2.55 (k - 1) / D (Yao 1987); the fourth moment of a change point is about 17 times the squared second."""
    vsa, trials = make(family, dim, "numba"), 1000
    codes = hdc.Level(vsa, "x", 0, 1)
    values = np.random.default_rng(1).uniform(0.25, 0.75, trials)
    others = vsa.random(trials * (size - 1), seed=1).reshape(trials, size - 1, dim)
    estimate = codes.decode(vsa.bundle(np.concatenate([codes.encode(values)[:, None], others], axis=1)))
    formula = math.sqrt(26) / 2 * (size - 1) / dim
    rms = math.sqrt(np.mean((estimate.value - values) ** 2))
    assert abs(rms / formula - 1) < SIX * math.sqrt(16 / trials) / 2
    assert abs(math.sqrt(np.mean(estimate.error**2)) / formula - 1) < 0.2


def test_levels_of_sparse_block_codes_change_block_by_block():
    vsa = hdc.create("SBC", 4096, length=16)
    codes = hdc.Level(vsa, "x", 0, 1)
    values = np.array([0, 0.25, 0.5, 0.75, 1])
    rows = codes.encode(values)
    assert rows.shape == (5, 256)
    changed = (rows != rows[0]).sum(axis=1) / (rows[-1] != rows[0]).sum()
    np.testing.assert_allclose(changed, values, atol=0.05)
    measured = vsa.similarity(rows[0], rows)
    np.testing.assert_allclose(measured, codes.expected_similarity(values), atol=SIX * spread(vsa))
    np.testing.assert_allclose(codes.decode(rows).value, values, atol=1 / 100)


# ---------------------------------------------------------------------- codes of angles


@pytest.mark.parametrize("kernel", some(KERNELS, "gaussian"))
@pytest.mark.parametrize(
    ("family", "periodic"),
    [(family, periodic) for family in ANGLES for periodic in (False, True) if (family, periodic) != ("MCR", True)],
)
def test_kernel_of_angles_is_measured(kernel, family, periodic):
    """MCR's few levels of few harmonics are measured on average, below."""
    vsa = make(family, 4000, "numba")
    codes = hdc.Scalar(vsa, "x", 10, 20, kernel=kernel, bandwidth=1.3, periodic=periodic)
    values = np.random.default_rng(3).uniform(10, 20, 25)
    measured = host(vsa.similarity(codes.encode(values), codes.encode(values)))
    expected = codes.expected_similarity(values[:, None] - values[None])
    extra = 2 / 4000 if family == "HRR" else 1e-3  # the frequencies of HRR without a phase
    assert np.abs(measured - expected).max() < SIX / math.sqrt(2 * vsa.phases) + extra


def test_rounded_harmonics_have_their_kernel_on_average():
    vsa = make("MCR", 4000, "numba")
    codes = hdc.Scalar(vsa, "x", 0, 10, bandwidth=1.3, periodic=True)
    values = np.arange(200) * (10 * 0.6180339887498949)
    for distance in (0.4, 1, 2.2):
        measured = rowwise(vsa, codes.encode(values), codes.encode(values + distance)).mean()
        assert abs(measured - codes.expected_similarity(distance)) < SIX / math.sqrt(8000)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_are_the_characteristic_functions_of_their_frequencies(kernel):
    """By the density, integrated numerically, and by the draws at evenly spread uniform numbers."""
    entry, d = KERNELS[kernel], np.linspace(0, 3, 13)
    grid = np.linspace(-1, 1, 400_001) * min(entry.reach, 2000)
    weights = entry.density(grid)
    weights /= weights.sum()
    np.testing.assert_allclose([np.cos(x * grid) @ weights for x in d], entry.value(d), atol=2e-3)
    u, v = ((np.arange(1 << 16) * step) % 1 * (1 - 2e-9) + 1e-9 for step in (0.7548776662466927, 0.5698402909980532))
    draws = entry.draw(u, v)
    np.testing.assert_allclose([np.cos(x * draws).mean() for x in d], entry.value(d), atol=2e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_periodic_kernels_are_sums_of_shifted_copies(kernel):
    period, d = 6.5, np.linspace(-4, 10, 29)
    shifts = period * np.arange(-20_000, 20_001)
    copies = np.array([KERNELS[kernel].value(x + shifts).sum() for x in (0.0, *d)])
    tolerance = {"sinc": 2e-4, "laplace": 5e-4, "bessel": 2e-4}.get(kernel, 1e-4)
    np.testing.assert_allclose(
        harmonics(KERNELS[kernel], period).value(d / period), copies[1:] / copies[0], atol=tolerance
    )


def test_sinc_on_a_circle_of_a_whole_number_of_bandwidths_has_unrelated_integers():
    """Dirichlet's kernel: frequencies are uniform among r = 7, and integers are the symbols of a residue."""
    codes = hdc.Scalar(make("FHRR", 100), "x", 0, 7, kernel="sinc", bandwidth=1, periodic=True)
    np.testing.assert_allclose(codes.expected_similarity(np.arange(8)), [1, 0, 0, 0, 0, 0, 0, 1], atol=1e-12)
    x = 0.3
    dirichlet = math.sin(math.pi * x) / (7 * math.sin(math.pi * x / 7))
    assert codes.expected_similarity(x) == pytest.approx(dirichlet)


@pytest.mark.parametrize("family", ["FHRR", "HRR"])
def test_codes_are_exponentials_of_frequencies(family):
    """The oracle: complex exponentials, one by one; for HRR with conjugates, through an inverse transform."""
    vsa = make(family, 33, precision="float64")
    codes = scalar(vsa)
    for value in (0, 0.5, 10):
        phasors = [np.exp(1j * theta * value) for theta in codes.frequencies]
        if family == "FHRR":
            oracle = np.array([part for z in phasors for part in (z.real, z.imag)])
        else:
            spectrum = np.array([1.0, *phasors, *np.conj(phasors[::-1])])
            oracle = np.fft.ifft(spectrum).real
        np.testing.assert_allclose(codes.encode(value), oracle, atol=1e-12)


@given(a=st.floats(-50, 50), b=st.floats(-50, 50))
@settings(max_examples=30)
def test_adding_binds(a, b):
    for family in ("FHRR", "HRR"):
        vsa = make(family, 65, precision="float64")
        codes = scalar(vsa)
        np.testing.assert_allclose(vsa.bind(codes.shift(a), codes.shift(b)), codes.shift(a + b), atol=1e-11)
        np.testing.assert_allclose(codes.shift(0), vsa.identity, atol=1e-12)
        np.testing.assert_allclose(vsa.inverse(codes.shift(a)), codes.shift(-a), atol=1e-11)


@pytest.mark.parametrize("family", ANGLES)
def test_angles_are_decoded_and_shifted(family):
    vsa = make(family, 1000, "numba")
    codes = scalar(vsa)
    values = np.linspace(1, 8, 12).reshape(3, 4)
    tolerance = 0.03 if family.startswith("MCR") else 1e-4
    estimate = codes.decode(codes.encode(values))
    assert estimate.value.shape == (3, 4)
    np.testing.assert_allclose(estimate.value, values, atol=tolerance)
    assert (estimate.error < tolerance).all()
    assert (estimate.similarity > 0.99).all()
    moved = codes.decode(vsa.bind(codes.shift(1.5), codes.encode(values)))
    np.testing.assert_allclose(moved.value, values + 1.5, atol=2 * tolerance)


@pytest.mark.parametrize("kernel", some(KERNELS, "gaussian", "laplace"))
def test_decoding_of_angles_finds_the_best_of_a_fine_grid(kernel):
    vsa = make("FHRR", 128, "numba")
    codes = scalar(vsa, kernel=kernel)
    grid = np.linspace(0, 10, 4001)
    table = codes.encode(grid)
    for seed in range(5):
        bundle = vsa.bundle(np.concatenate([codes.encode([1.7 + seed]), vsa.random(4, seed=seed)]))
        estimate = codes.decode(bundle)
        scores = vsa.similarity(bundle, table)
        slack = 0.04 if kernel == "laplace" else 1e-5  # which has peaks of any width
        assert float(estimate.similarity) >= scores.max() - slack
        if kernel != "laplace":
            assert float(estimate.value) == pytest.approx(grid[scores.argmax()], abs=5e-3)


def test_values_of_a_circle_come_round():
    vsa = make("FHRR", 1000)
    hour = hdc.Scalar(vsa, "hour", 0, 24, bandwidth=2, periodic=True)
    codes = hour.encode([23.5, 47.5, -0.5, 0.5])
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-5)
    np.testing.assert_allclose(codes[0], codes[2], atol=1e-5)
    turned = hour.decode(vsa.bind(hour.shift(2), codes))
    np.testing.assert_allclose(turned.value, [1.5, 1.5, 1.5, 2.5], atol=1e-3)


@pytest.mark.parametrize("family", some(["FHRR", "FHRR-phase", "HRR", "MCR-256"], "FHRR"))
@pytest.mark.parametrize("size", some([4, 16], 16))
def test_error_of_angles_is_that_of_least_squares(family, size):
    """rms = sqrt((k - 1) / (2 phases)) / sd(θ), sums; of phases ``1 / s² - 1`` stands for k - 1."""
    vsa, trials = make(family, 1024, "numba"), 300
    codes = scalar(vsa)
    values = np.random.default_rng(2).uniform(3, 7, trials)
    others = vsa.random(trials * (size - 1), seed=2).reshape(trials, size - 1, vsa.storage)
    estimate = codes.decode(vsa.bundle(np.concatenate([codes.encode(values)[:, None], others], axis=1)))
    load = size - 1 if family in ("FHRR", "HRR") else 1 / float(vsa.scores(size).hit_mean) ** 2 - 1
    formula = math.sqrt(load / (2 * vsa.phases))
    rms = math.sqrt(np.mean((estimate.value - values) ** 2))
    sampling = SIX * math.sqrt(2 / trials) / 2 + 0.1  # and a tenth for the frequencies drawn and the next term
    assert abs(rms / formula - 1) < sampling
    standardized = (estimate.value - values) / estimate.error
    assert abs(math.sqrt(np.mean(standardized**2)) - 1) < sampling


# ---------------------------------------------------------------------- points


def where(vsa, **options):
    return hdc.Point(vsa, "room", {"x": (0, 10), "y": (-3, 3)}, **{"bandwidth": 1, **options})


def test_a_point_is_the_product_of_its_coordinates():
    vsa = make("FHRR", 50, precision="float64")
    room = where(vsa)
    x, y = room.scalars
    np.testing.assert_allclose(room.encode([4, -2]), vsa.bind(x.encode(4), y.encode(-2)), atol=1e-12)
    assert room.encode(np.zeros((2, 3, 2))).shape == (2, 3, 100)


@pytest.mark.parametrize("family", ["FHRR", "HRR", "MCR-256"])
def test_points_in_a_bundle_are_found_and_moved(family):
    vsa = make(family, 2048, "numba")
    room = where(vsa)
    places = np.array([[1, 2], [7, -1], [4, 0.5]])
    names = (
        vsa.symbols(["lamp", "desk", "door"])
        if family != "HRR"
        else host(vsa.xp.stack([vsa.role(name) for name in ("lamp", "desk", "door")]))
    )
    scene = vsa.bundle(vsa.bind(names, room.encode(places)))
    estimate = room.decode(vsa.unbind(names, scene))
    assert estimate.value.shape == estimate.error.shape == (3, 2)
    assert (np.abs(estimate.value - places) < 6 * estimate.error).all()
    assert (estimate.error < 0.1).all()
    moved = room.decode(vsa.unbind(names[0], vsa.bind(room.shift([2, -1]), scene)))
    np.testing.assert_allclose(moved.value, [3, 1], atol=0.25)


def test_similarity_of_points_is_the_product_of_kernels():
    vsa = make("FHRR", 10_000, "numba")
    room = where(vsa, kernel="sinc", bandwidth={"x": 1, "y": 2})
    steps = np.array([[0, 0], [0.5, 1], [1, 0], [0.3, -0.5]])
    measured = vsa.similarity(room.encode([5, 0]), room.encode(np.array([5, 0]) + steps))
    expected = np.sinc(steps[:, 0]) * np.sinc(steps[:, 1] / 2)
    np.testing.assert_allclose(room.expected_similarity(steps), expected)
    np.testing.assert_allclose(measured, expected, atol=SIX / math.sqrt(20_000))


def test_decoding_of_points_finds_the_best_of_a_grid_in_three_axes():
    vsa = make("FHRR", 256, "numba")
    box = hdc.Point(vsa, "box", {"x": (0, 3), "y": (0, 2), "z": (0, 4)}, bandwidth=1, periodic=["z"])
    grid = np.stack(np.meshgrid(*(np.arange(0, n, 0.2) for n in (3.1, 2.1, 4)), indexing="ij"), axis=-1).reshape(-1, 3)
    bundle = vsa.bundle(np.concatenate([box.encode([[1.1, 0.7, 3.9]]), vsa.random(3, seed=0)]))
    estimate = box.decode(bundle)
    scores = vsa.similarity(bundle, box.encode(grid))
    assert float(estimate.similarity) >= scores.max()
    off = np.abs(estimate.value - grid[scores.argmax()])
    assert (np.minimum(off, [9, 9, 4 - off[2]]) < 0.2).all()


def test_points_keep_their_parameters():
    room = where(make("FHRR", 10), bandwidth={"x": 2}, periodic=["y"])
    assert room.axes == (("x", 0.0, 10.0), ("y", -3.0, 3.0))
    assert room.bandwidth == (2, 6 / 8)
    assert pickle.loads(pickle.dumps(room)) == room
    assert hash(room) == hash(where(make("FHRR", 10), bandwidth={"x": 2}, periodic=["y"]))


# ---------------------------------------------------------------------- integers


@pytest.mark.parametrize("family", ["FHRR", "HRR"])
def test_integers_add_negate_and_are_found(family):
    vsa = make(family, 1200, "numba")
    count = hdc.Integer(vsa, "count", [3, 5, 7])
    codes = count.encode(np.arange(-5, 110))
    estimate = count.decode(codes)
    assert host(estimate.value).tolist() == [n % 105 for n in range(-5, 110)]
    assert estimate.value.dtype == np.int64
    assert (estimate.similarity > 0.999).all()
    assert (estimate.error < 1e-6).all()
    assert int(count.decode(vsa.bind(count.encode(60), count.encode(77))).value) == 32
    assert int(count.decode(vsa.inverse(count.encode(17))).value) == 88
    np.testing.assert_allclose(count.encode(17), count.encode(122), atol=1e-5)
    similarity = vsa.similarity(count.encode(0), count.encode(np.arange(105)))
    np.testing.assert_allclose(similarity, count.expected_similarity(np.arange(105)), atol=SIX / math.sqrt(1198))


def test_integers_are_exact_on_levels_that_are_a_multiple_of_the_range():
    vsa = hdc.create("MCR", 500, levels=210)
    count = hdc.Integer(vsa, "count", (3, 5, 7))
    for a, b in ((1, 1), (50, 60), (104, 104)):
        assert np.array_equal(vsa.bind(count.encode(a), count.encode(b)), count.encode(a + b))


@given(
    moduli=st.sampled_from([(2,), (5, 3), (4, 9, 5), (16, 15), (101,)]), dim=st.integers(1, 40), seed=st.integers(0, 99)
)
@settings(max_examples=40)
def test_integer_decoding_is_the_best_of_all_numbers(moduli, dim, seed):
    vsa = hdc.create("FHRR", dim, backend="numpy", precision="float64")
    count = hdc.Integer(vsa, "count", moduli)
    x = vsa.bundle(np.concatenate([vsa.random(2, seed=seed), count.encode([seed])]))
    scores = vsa.similarity(x, count.encode(np.arange(count.range)))
    estimate = count.decode(x)
    assert scores[int(estimate.value)] == pytest.approx(scores.max(), abs=1e-9)
    assert float(estimate.similarity) == pytest.approx(scores.max(), abs=1e-9)


def test_a_great_range_is_found_by_residues():
    vsa = make("FHRR", 500, "numba")
    count = hdc.Integer(vsa, "count", [101, 103, 97])
    numbers = [0, 1, 12_345, 1_009_090]
    assert host(count.decode(count.encode(numbers)).value).tolist() == numbers
    beyond = hdc.Integer(vsa, "count", [1009, 1013, 1019])
    with pytest.raises(errors.ParameterError, match="decode searches among"):
        beyond.decode(beyond.encode(1))
    assert np.array_equal(beyond.encode(2**80), beyond.encode(2**80 % beyond.range))


# ---------------------------------------------------------------------- vectors of features


def pairs(features, count=8):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(count, features))
    shares, rest = np.linspace(0, 1, count)[:, None], np.linspace(1, 0.2, count)[:, None]
    return x, shares * x + rest * rng.normal(size=(count, features))


@pytest.mark.parametrize("family", some(PROJECTS, "MAP-B", "FHRR"))
@pytest.mark.parametrize("kind", [hdc.RandomProjection, hdc.SparseProjection])
def test_projections_keep_angles(family, kind):
    vsa = make(family, 5000, "numba")
    projection = kind(vsa, "image", 64)
    x, y = pairs(64)
    measured = rowwise(vsa, projection.encode(x), projection.encode(y))
    tolerance = SIX / math.sqrt(5000) + (0.02 if kind is hdc.SparseProjection else 0)  # signs of few features
    np.testing.assert_allclose(measured, projection.expected_similarity(x, y), atol=tolerance)


def test_what_projections_expect_is_the_angle():
    x, y = [1.0, 0.0], [[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]]
    signs, reals = (hdc.RandomProjection(make(family, 10), "p", 2) for family in ("MAP-B", "HRR"))
    np.testing.assert_allclose(signs.expected_similarity(x, y), [1, 0, -1, 0.5], atol=1e-12)
    np.testing.assert_allclose(reals.expected_similarity(x, y), [1, 0, -1, math.sqrt(0.5)], atol=1e-12)


@pytest.mark.parametrize("family", ["MBAT-permutation", "HRR", "FHRR"])
def test_projections_of_reals_are_linear_and_of_the_length_of_atoms(family):
    vsa = make(family, 4000, precision="float64")
    for projection in (hdc.RandomProjection(vsa, "p", 5), hdc.SparseProjection(vsa, "p", 5, nonzeros=2)):
        x = np.array([[3.0, 0, 0, 0, -4.0], [0, 1, 0, 0, 0]])
        codes = projection.encode(x)
        matrix = projection.encode(np.eye(5))
        np.testing.assert_allclose(codes, x @ matrix, atol=1e-12)
        lengths = np.sum(codes**2, axis=-1) / vsa.square
        np.testing.assert_allclose(lengths, [25, 1], rtol=SIX * math.sqrt(6 / 4000))


@pytest.mark.parametrize("kernel", some(["gaussian", "laplace", "sinc2"], "gaussian"))
@pytest.mark.parametrize("family", some(FOURIER, "MAP-B", "FHRR", "MCR"))
def test_random_fourier_features_have_their_kernel(family, kernel):
    vsa = make(family, 5000, "numba")
    fourier = hdc.RandomFourier(vsa, "flower", 3, kernel=kernel, bandwidth=2)
    x, y = pairs(3)
    x, y = x + 20, y + 20
    measured = rowwise(vsa, fourier.encode(x), fourier.encode(y))
    np.testing.assert_allclose(measured, fourier.expected_similarity(x, y), atol=SIX / math.sqrt(5000) + 1e-3)


def test_random_fourier_features_of_angles_add():
    vsa = make("FHRR", 64, precision="float64")
    fourier = hdc.RandomFourier(vsa, "flower", 4)
    x, y = np.arange(4.0), np.array([0.5, -1, 2, 0])
    np.testing.assert_allclose(vsa.bind(fourier.encode(x), fourier.encode(y)), fourier.encode(x + y), atol=1e-12)


@pytest.mark.parametrize("kind", [hdc.RandomProjection, hdc.RandomFourier])
def test_more_features_leave_the_others_as_they_are(kind):
    vsa = make("MAP-B", 500)
    few, more = kind(vsa, "p", 3), kind(vsa, "p", 5)
    assert np.array_equal(few.encode([1, 2, 3]), more.encode([1, 2, 3, 0, 0]))


# ---------------------------------------------------------------------- every encoder

EVERY = {
    "scalar": ("FHRR", lambda vsa: scalar(vsa), [0.5, 3, 9.75]),
    "scalar-hrr": ("HRR", lambda vsa: scalar(vsa, kernel="cauchy"), [0.5, 3, 9.75]),
    "scalar-mcr": ("MCR", lambda vsa: scalar(vsa, kernel="bessel", periodic=True), [0.5, 3, 11]),
    "point": ("FHRR", where, [[0.5, 1], [3, -2], [9, 0]]),
    "integer": ("FHRR", lambda vsa: hdc.Integer(vsa, "n", (3, 5)), [1, 7, 14]),
    "level": ("MAP-B", lambda vsa: hdc.Level(vsa, "x", 0, 10), [0.5, 3, 9.75]),
    "level-fhrr": ("FHRR", lambda vsa: hdc.Level(vsa, "x", 0, 10), [0.5, 3, 9.75]),
    "level-segment": ("Bloom-segment", lambda vsa: hdc.Level(vsa, "x", 0, 10), [0.5, 3, 9.75]),
    "thermometer": ("MAP-B", lambda vsa: hdc.Thermometer(vsa, "x", 0, 10), [0.5, 3, 9.75]),
    "scatter": ("MAP-I", lambda vsa: hdc.Scatter(vsa, "x", 0, 10), [0.5, 3, 9.75]),
    "scatter-mapb": ("MAP-B", lambda vsa: hdc.Scatter(vsa, "x", 0, 10), [0.5, 3, 9.75]),
    "circular": ("CGR", lambda vsa: hdc.Circular(vsa, "x", 10), [0.5, 3, 9.75]),
    "projection": ("MAP-B", lambda vsa: hdc.RandomProjection(vsa, "p", 2), [[0.5, 1], [3, -2], [9, 0]]),
    "sparse": ("MAP-I", lambda vsa: hdc.SparseProjection(vsa, "p", 2, nonzeros=1), [[0.5, 1], [3, -2], [9, 0.5]]),
    "fourier": ("MBAT-permutation", lambda vsa: hdc.RandomFourier(vsa, "p", 2), [[0.5, 1], [3, -2], [9, 0]]),
}


@pytest.mark.parametrize("which", EVERY)
class TestEveryEncoder:
    def test_backends_agree(self, which, backend):
        family, encoder, values = EVERY[which]
        vsa, reference = make(family, 130, backend), make(family, 130)
        codes, expected = encoder(vsa).encode(values), encoder(reference).encode(values)
        assert vsa.check(codes).dtype == vsa.dtype
        assert codes.shape == (3, vsa.storage)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(vsa.to_numpy(codes), expected, atol=1e-5)
        else:
            assert np.array_equal(vsa.to_numpy(codes), expected)
        if hasattr(encoder(vsa), "decode"):
            for ours, theirs in zip(encoder(vsa).decode(codes), encoder(reference).decode(expected), strict=True):
                np.testing.assert_allclose(host(ours), theirs, atol=1e-4)

    def test_batches_and_single_values_have_the_same_codes(self, which, backend):
        family, encoder, values = EVERY[which]
        codes = encoder(make(family, 70, backend))
        batch, single = codes.encode([values]), codes.encode(values[1])
        assert batch.shape == (1, 3, codes.vsa.storage)
        np.testing.assert_allclose(host(batch[0, 1]).astype(float), host(single).astype(float), atol=1e-6)
        empty = codes.encode(np.empty((0, *np.shape(values)[1:]), np.asarray(values).dtype))
        assert empty.shape == (0, codes.vsa.storage)
        if hasattr(codes, "decode"):
            found, some = codes.decode(empty), codes.decode(batch)
            for none, column in zip(found, some, strict=True):
                assert none.shape == (0, *column.shape[2:])
                assert none.dtype == column.dtype
            assert (host(some.similarity) <= 1).all()

    def test_encoders_are_values(self, which):
        family, encoder, values = EVERY[which]
        codes, again = encoder(make(family, 70)), encoder(make(family, 70))
        before = codes.encode(values)
        assert codes == again
        assert hash(codes) == hash(again)
        assert np.array_equal(pickle.loads(pickle.dumps(codes)).encode(values), before)
        other = encoder(make(family, 70, seed=1))
        assert other != codes
        assert which == "thermometer" or not np.array_equal(other.encode(values), before)

    def test_wrong_values_are_refused(self, which, backend):
        family, encoder, values = EVERY[which]
        codes = encoder(make(family, 70, backend))
        wrong = [float("nan"), float("inf"), "three", None, True, 1j, [[1], [2, 3]]]
        for value in wrong:
            bad = np.full(np.shape(values[0]), value) if isinstance(value, float | str) else value
            with pytest.raises(errors.HDCError):
                codes.encode(bad)

    def test_codes_are_golden(self, which):
        family, encoder, values = EVERY[which]
        codes = encoder(make(family, 130)).encode(values)
        whole = codes if codes.dtype.kind != "f" else np.rint(codes * 1000 / np.abs(codes).max()).astype(np.int64)
        assert hashlib.blake2b(np.ascontiguousarray(whole).tobytes(), digest_size=6).hexdigest() == GOLDEN[which]


GOLDEN = {
    "scalar": "30cd554998b6",
    "scalar-hrr": "fe73e430bd52",
    "scalar-mcr": "ccebd5563786",
    "point": "9e6a59eafbce",
    "integer": "0ad8f7e14386",
    "level": "32831fe4e114",
    "level-fhrr": "fbeccace5ea6",
    "level-segment": "98924e4eb214",
    "thermometer": "5ed81b039de9",
    "scatter": "bba483153471",
    "scatter-mapb": "7becd9cbe3af",
    "circular": "866da476f5e4",
    "projection": "00b0f885a5ec",
    "sparse": "930076ccd6e3",
    "fourier": "236e89f3d7e0",
}
"""Digests of codes, floats rounded to a thousandth of the greatest: what is stored means the same in later versions."""


def test_names_are_streams_of_their_own():
    vsa = make("MAP-I", 10_000)
    one, other = hdc.Level(vsa, "age", 0, 1), hdc.Level(vsa, "height", 0, 1)
    assert np.abs(vsa.similarity(one.encode([0, 1]), other.encode([0, 1]))).max() < SIX / 100
    assert np.abs(vsa.similarity(one.encode([0, 1]), vsa.symbols(["age", "low", "high"]))).max() < SIX / 100


@pytest.mark.parametrize(
    ("low", "high"), [(1, 1), (2, 1), (0, float("inf")), (float("nan"), 1), ("a", 2), (-1e308, 1e308)]
)
def test_ranges_are_checked(low, high):
    for kind, family in ((hdc.Level, "MAP-I"), (hdc.Scatter, "MAP-I"), (hdc.Scalar, "FHRR")):
        with pytest.raises(errors.ParameterError, match=r"low|high"):
            kind(make(family, 10), "x", low, high)


def test_values_outside_are_refused():
    for codes in (
        hdc.Level(make("MAP-I", 10), "x", 0, 1),
        hdc.Thermometer(make("MAP-I", 10), "x", 0, 1),
        hdc.Scatter(make("MAP-I", 10), "x", 0, 1),
        hdc.Scalar(make("FHRR", 10), "x", 0, 1),
    ):
        with pytest.raises(errors.ParameterError, match=r"values of x lie from 0 to 1, and 1\.5 was given; clip it"):
            codes.encode([0.5, 1.5])
    with pytest.raises(errors.ParameterError, match=r"coordinates y lie from -3 to 3, and 4 was given"):
        where(make("FHRR", 10)).encode([[1, 1], [1, 4]])


def test_models_that_lack_something_say_what_to_take():
    mapb = make("MAP-B", 64)
    for build in (lambda: scalar(mapb), lambda: where(mapb), lambda: hdc.Integer(mapb, "n", [3])):
        with pytest.raises(errors.UnsupportedError, match="take Level"):
            build()
    for family in ("Bloom-shift", "CGR", "HRR", "GHRR"):
        with pytest.raises(errors.UnsupportedError, match="have no opposite"):
            hdc.Thermometer(make(family, 64), "x", 0, 1)
    with pytest.raises(errors.UnsupportedError, match="have no opposite"):
        hdc.Thermometer(make("MCR", 64, levels=5), "x", 0, 1)
    with pytest.raises(errors.UnsupportedError, match="RandomFourier"):
        hdc.RandomProjection(make("MCR", 64), "x", 3)
    with pytest.raises(errors.UnsupportedError, match="has neither"):
        hdc.RandomFourier(make("Bloom-shift", 64), "x", 3)


class Odd(hdc.MAPI):
    """A model of a third party whose similarity is not a cosine."""

    model = "odd"

    def similarity(self, queries, items):
        return super().similarity(queries, items) ** 3


def test_similarities_that_are_not_known_are_not_decoded():
    codes = hdc.Level(Odd(1000, backend="numpy"), "x", 0, 1)
    with pytest.raises(errors.UnsupportedError, match="no cosine"):
        codes.decode(codes.encode(0.5))


def test_wrong_parameters_are_refused():
    fhrr, mapi = make("FHRR", 10), make("MAP-I", 10)
    for build, expected in (
        (lambda: scalar(fhrr, kernel="box"), "kernel must be one of gaussian"),
        (lambda: scalar(fhrr, bandwidth=0), "bandwidth must be"),
        (lambda: scalar(fhrr, bandwidth=1e-9), "take a wider one"),
        (lambda: scalar(fhrr, periodic=1), "periodic must be"),
        (lambda: hdc.Scatter(mapi, "x", 0, 1, bandwidth=1e-4), "at most 1024 bandwidths"),
        (lambda: hdc.Circular(mapi, "x", -1), "period must be"),
        (lambda: hdc.Point(fhrr, "p", {}), "at least one axis"),
        (lambda: hdc.Point(fhrr, "p", {"x": (0, 1, 2)}), "the range of axis 'x'"),
        (lambda: hdc.Point(fhrr, "p", {1: (0, 1)}), "the name of an axis"),
        (lambda: hdc.Point(fhrr, "p", {"x": (0, 1)}, periodic=["y"]), "one of the axes x"),
        (lambda: hdc.Point(fhrr, "p", {"x": (0, 1)}, bandwidth={"y": 1}), "one of x"),
        (lambda: hdc.Integer(fhrr, "n", []), "at least one modulus"),
        (lambda: hdc.Integer(fhrr, "n", [4, 6]), "common divisor"),
        (lambda: hdc.Integer(fhrr, "n", [1]), "each of moduli"),
        (lambda: hdc.RandomProjection(mapi, "x", 0), "features must be"),
        (lambda: hdc.SparseProjection(mapi, "x", 4, nonzeros=5), "nonzeros must be"),
        (lambda: hdc.RandomFourier(mapi, "x", 4, bandwidth=-1), "bandwidth must be"),
    ):
        with pytest.raises(errors.ParameterError, match=expected):
            build()
    for encoder, values in ((where(fhrr), [1, 2, 3]), (hdc.RandomProjection(mapi, "x", 4), [1, 2])):
        with pytest.raises(errors.DimensionError, match="the last axis must have"):
            encoder.encode(values)
    with pytest.raises(errors.ParameterError, match="values must be integers"):
        hdc.Integer(fhrr, "n", [3]).encode([1.0])
    with pytest.raises(errors.ParameterError, match="a VSA"):
        hdc.Level("MAP-I", "x", 0, 1)
    with pytest.raises(errors.DTypeError, match="a name must be"):
        hdc.Level(mapi, ["x"], 0, 1)


def test_a_vector_without_a_code_has_no_error_that_can_be_told():
    fhrr, mapi = make("FHRR", 64), make("MAP-I", 64)
    estimate = scalar(fhrr).decode(np.zeros(128, np.float32))
    assert estimate.error == math.inf
    assert estimate.similarity == 0
    level = hdc.Level(mapi, "x", 0, 1).decode(np.zeros(64, np.int32))
    assert level.error == math.inf
    assert level.similarity == 0


@pytest.mark.skipif(bool(NO_TORCH), reason=NO_TORCH)
class TestGradients:
    @pytest.mark.parametrize("family", ["FHRR", "HRR"])
    def test_flow_through_angles(self, family):
        """The derivative of similarity is that of the phasors: -mean θ sin(θ (x - y))."""
        import torch

        vsa = make(family, 401, "torch", precision="float64")
        codes = scalar(vsa)
        x = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
        vsa.similarity(codes.encode(x), codes.encode(4.5)).backward()
        waves = -codes.frequencies * np.sin(codes.frequencies * (4.0 - 4.5))
        weight = waves.sum() / 401 * (1 if family == "FHRR" else 2)
        assert float(x.grad) == pytest.approx(weight, rel=1e-6)

    @pytest.mark.parametrize("kind", [hdc.RandomProjection, hdc.SparseProjection, hdc.RandomFourier])
    def test_flow_through_features(self, kind):
        import torch

        codes = kind(make("MBAT-permutation", 50, "torch", precision="float64"), "p", 3)
        x = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
        codes.encode(x).sum().backward()
        for feature in range(3):
            step = torch.zeros(3, dtype=torch.float64)
            step[feature] = 1e-6
            slope = (codes.encode(x.detach() + step).sum() - codes.encode(x.detach() - step).sum()) / 2e-6
            assert float(x.grad[feature]) == pytest.approx(float(slope), abs=1e-6)

    def test_find_a_place(self):
        """Descent on the code of a point finds the place of a thing in a scene."""
        import torch

        vsa = make("FHRR", 512, "torch")
        room = where(vsa)
        desk = vsa.unbind(vsa.symbol("desk"), vsa.bind(vsa.symbol("desk"), room.encode([7, -1])))
        place = torch.tensor([6.5, -0.5], dtype=torch.float64, requires_grad=True)
        for _ in range(60):
            vsa.similarity(room.encode(place), desk).backward()
            with torch.no_grad():
                place += 0.5 * place.grad
                place.grad.zero_()
        assert place.detach().numpy() == pytest.approx([7, -1], abs=0.02)

"""What holographic and cyclic models are, against their definitions written plainly, and their capacity."""

import itertools

import numpy as np
import pytest

import hdc
from hdc import bounds, errors
from hdc.testing import check_law
from tests import models

BACKENDS = models.BACKENDS


def of(vsa, x):
    return vsa.from_numpy(np.ascontiguousarray(x))


# ---------------------------------------------------------------------- HRR


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dim", [1, 2, 5, 64])
def test_hrr_binds_by_circular_convolution(backend, dim):
    vsa = hdc.create("HRR", dim, precision="float64", **models.place(backend))
    a, b = (models.host(x) for x in vsa.symbols(["a", "b"]))
    plain = [sum(a[j] * b[(i - j) % dim] for j in range(dim)) for i in range(dim)]
    back = [sum(a[j] * b[(i + j) % dim] for j in range(dim)) for i in range(dim)]
    np.testing.assert_allclose(models.host(vsa.bind(of(vsa, a), of(vsa, b))), plain, atol=1e-12)
    np.testing.assert_allclose(models.host(vsa.unbind(of(vsa, a), of(vsa, b))), back, atol=1e-12)


def test_hrr_atoms_are_normal_and_roles_unitary():
    vsa = hdc.create("HRR", 1000, precision="float64")
    x = vsa.random(500, seed=1) * np.sqrt(1000)
    assert abs(x.mean()) < 6 / np.sqrt(x.size)
    assert abs((x**2).mean() - 1) < 6 * np.sqrt(2 / x.size)
    assert abs((x**4).mean() - 3) < 6 * np.sqrt(96 / x.size)
    for dim in (64, 65):
        role = hdc.create("HRR", dim, precision="float64").role("r")
        np.testing.assert_allclose(np.abs(np.fft.fft(role)), 1, atol=1e-12)
    loose = hdc.create("HRR", 64, roles="gaussian").role("r")
    assert np.abs(np.abs(np.fft.fft(loose)) - 1).max() > 0.1


def test_a_rotation_cannot_order_an_hrr_and_the_suite_says_so():
    class Rotating(hdc.HRR):
        def permute(self, x, shift=1):
            return np.roll(self.check(x), shift, axis=-1)

    check_law(hdc.create("HRR", 512), "order")
    with pytest.raises(AssertionError, match="are alike"):
        check_law(Rotating(512), "order")


def test_hrr_takes_what_has_transforms():
    with pytest.raises(errors.ParameterError, match="precision"):
        hdc.create("HRR", 64, precision="float16")
    with pytest.raises(errors.ParameterError, match="roles"):
        hdc.create("HRR", 64, roles="orthogonal")
    with pytest.raises(errors.UnsupportedError, match="not operators"):
        hdc.create("HRR", 64).bind(hdc.MBAT(64).role("a"), hdc.create("HRR", 64).symbol("a"))


# ---------------------------------------------------------------------- FHRR


@pytest.mark.parametrize("backend", BACKENDS)
def test_fhrr_multiplies_complex_numbers(backend):
    vsa = hdc.create("FHRR", 70, **models.place(backend))
    a, b = (models.host(x) for x in vsa.symbols(["a", "b"]))
    first, second = a.view(np.complex64), b.view(np.complex64)
    np.testing.assert_allclose(np.abs(first), 1, atol=1e-6)
    made = models.host(vsa.bind(of(vsa, a), of(vsa, b))).view(np.complex64)
    np.testing.assert_allclose(made, first * second, atol=1e-6)
    back = models.host(vsa.unbind(of(vsa, a), of(vsa, b))).view(np.complex64)
    np.testing.assert_allclose(back, second / first, atol=1e-6)
    np.testing.assert_allclose(float(vsa.similarity(of(vsa, a), of(vsa, b))), np.mean((first / second).real), atol=1e-6)


def test_phases_of_a_sum():
    vsa = hdc.create("FHRR", 50, bundles="phase")
    x = vsa.random(5, seed=3)
    total = x.view(np.complex64).sum(axis=0)
    np.testing.assert_allclose(vsa.bundle(x).view(np.complex64), total / np.abs(total), atol=1e-5)
    assert vsa.normalize(np.zeros(100, np.float32)).tolist() == [1, 0] * 50
    np.testing.assert_allclose(vsa.normalize(vsa.bundle(x)), vsa.bundle(x), atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 15])
def test_phases_keep_what_the_bound_says(size):
    """Means of 200 bundles within 6 standard errors."""
    for vsa, factor in (
        (hdc.create("FHRR", 500, bundles="phase"), 1.0),
        (hdc.create("MCR", 500, levels=16), np.sinc(1 / 16)),
        (hdc.create("MCR", 500, levels=256), 1.0),
    ):
        members = vsa.random(200 * size, seed=5).reshape(200, size, -1)
        seen = [float(vsa.similarity(vsa.bundle(x), x[0])) for x in members]
        expected = bounds.phasor_bias(size) * (factor if size > 1 else 1)
        lattice = 0.004 if factor < 1 else 1e-5
        assert abs(np.mean(seen) - expected) < 6 * np.std(seen) / np.sqrt(200) + lattice


# ---------------------------------------------------------------------- MCR and CGR


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("levels", [2, 3, 7, 16, 200, 256])
@pytest.mark.parametrize("model", ["MCR", "CGR"])
def test_cyclic_models_add_modulo_their_levels(model, levels, backend):
    vsa = hdc.create(model, 130, levels=levels, **models.place(backend))
    a, b = (models.host(x).astype(int) for x in vsa.symbols(["a", "b"]))
    assert a.max() < levels
    one, other = of(vsa, a.astype(np.uint8)), of(vsa, b.astype(np.uint8))
    assert models.host(vsa.bind(one, other)).tolist() == ((a + b) % levels).tolist()
    assert models.host(vsa.unbind(one, other)).tolist() == ((b - a) % levels).tolist()
    similarity = float(vsa.similarity(one, other))
    if model == "MCR":
        assert similarity == pytest.approx(np.cos(2 * np.pi * (a - b) / levels).mean(), abs=1e-6)
    else:
        assert similarity == pytest.approx(((a == b).mean() - 1 / levels) / (1 - 1 / levels), abs=1e-6)


def nearest_levels(x, weights, levels):
    """Return the levels nearest to the weighted sums of phasors, -1 where two are as near or the sum is zero."""
    sums = (weights[:, None] * np.exp(2j * np.pi * x / levels)).sum(axis=0)
    scores = np.real(sums[:, None] * np.exp(-2j * np.pi * np.arange(levels) / levels))
    best = scores.argmax(axis=1)
    second = np.partition(scores, -2, axis=1)[:, -2]
    return np.where(scores.max(axis=1) - second > 1e-6, best, -1)


def most_frequent(x, weights, levels):
    """Return the values of the greatest weight, -1 where two have it."""
    sums = np.stack([(weights[:, None] * (x == level)).sum(axis=0) for level in range(levels)], axis=1)
    top = np.sort(sums, axis=1)
    return np.where(top[:, -1] > top[:, -2], sums.argmax(axis=1), -1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("levels", [2, 3, 8, 50])
@pytest.mark.parametrize(("model", "plain"), [("MCR", nearest_levels), ("CGR", most_frequent)])
def test_cyclic_bundles(model, plain, levels, backend):
    """Against plain sums; ties fall on one of the members' neighbors, alike on all backends."""
    vsa, reference = (hdc.create(model, 400, levels=levels, **models.place(b)) for b in (backend, "numpy"))
    for n in (1, 2, 3, 4, 9):
        x = reference.random(n, seed=n)
        for weights in (np.ones(n, int), np.arange(n, 0, -1), np.array([3, -1, 4, 1, -5, 9, 2, 6, 5])[:n]):
            bundle = models.host(vsa.bundle(of(vsa, x), weights.tolist())).astype(int)
            expected = plain(x.astype(int), weights, levels)
            assert (bundle[expected >= 0] == expected[expected >= 0]).all()
            assert bundle.max() < levels
            np.testing.assert_array_equal(bundle, reference.bundle(x, weights))
    flipped = vsa.bundle(of(vsa, x[::-1]))
    np.testing.assert_array_equal(models.host(flipped), models.host(vsa.bundle(of(vsa, x))))


@pytest.mark.parametrize("levels", [2, 8, 16])
@pytest.mark.parametrize("size", [1, 2, 7, 15])
def test_a_plurality_agrees_with_a_member_as_often_as_the_bound_says(levels, size):
    vsa = hdc.create("CGR", 500, levels=levels)
    members = vsa.random(200 * size, seed=7).reshape(200, size, -1)
    equal = [(vsa.bundle(x) == x[0]).mean() for x in members]
    assert abs(np.mean(equal) - bounds.plurality_bias(size, levels)) < 6 * np.std(equal) / np.sqrt(200) + 1e-9


def test_plurality_bias():
    """Published values, all draws written out, and normal counts where counting ends."""
    published = {(7, 8): 0.3419, (15, 8): 0.2674, (7, 16): 0.2721, (15, 16): 0.1969}
    for (size, levels), share in published.items():
        assert bounds.plurality_bias(size, levels) == pytest.approx(share, abs=6e-5)
    for size, levels in ((1, 5), (3, 2), (4, 3), (5, 4)):
        draws = itertools.product(range(levels), repeat=size)
        largest = [max(map(draw.count, draw)) for draw in draws]
        assert bounds.plurality_bias(size, levels) == pytest.approx(np.mean(largest) / size)
    for levels in (2, 8, 30):  # of few a value normal counts know less
        below, above = bounds.plurality_bias(2000, levels), bounds.plurality_bias(2001, levels)
        assert above - 1 / levels == pytest.approx(below - 1 / levels, rel=0.05)
    assert bounds.plurality_bias(7, 2) == pytest.approx((1 + bounds.majority_bias(7)) / 2)


def test_what_cyclic_models_refuse():
    vsa = hdc.create("MCR", 10, levels=5)
    with pytest.raises(errors.ParameterError, match="below levels=5"):
        vsa.bind(np.full(10, 5, np.uint8), vsa.symbol("a"))
    with pytest.raises(errors.DTypeError, match="must be uint8"):
        vsa.check(np.zeros(10, np.uint64))
    with pytest.raises(errors.WideningError, match="keep them below"):
        vsa.bundle(vsa.random(2, seed=1), [2**21, 2**21])
    with pytest.raises(errors.ParameterError, match="levels must be"):
        hdc.create("CGR", 10, levels=257)
    with pytest.raises(errors.ParameterError, match="size must be"):
        vsa.contains(vsa.symbol("a"), vsa.symbols(["a"]))
    running = hdc.Accumulator(vsa)
    running.add(vsa.random(1, seed=1), weights=[2**21])
    with pytest.raises(errors.WideningError, match="keep them below"):
        running.add(vsa.random(1, seed=2), weights=[2**21])


def test_bsc_is_map_b():
    assert hdc.create("BSC", 100) == hdc.create("MAP-B", 100)

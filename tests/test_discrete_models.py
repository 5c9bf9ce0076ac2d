"""SBC, GSBC, MAP-T and thinning against what the papers write out, and their moments against simulation.

Means are compared within 6 standard errors: a false alarm has probability 2e-9 each.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc import bounds, errors
from hdc.apps.capacity.accuracy import accuracy
from hdc.apps.capacity.experiments import Experiment
from tests.models import BACKENDS, host, place


def near(sample, expected, slack=0.0):
    sample = np.asarray(sample, np.float64)
    assert abs(sample.mean() - expected) <= 6 * sample.std(ddof=1) / math.sqrt(len(sample)) + slack


# ---------------------------------------------------------------------- sparse block codes


def one_hot(positions, length):
    return (np.asarray(positions, int)[..., None] == np.arange(length)).astype(int)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("length", [2, 8, 256, 300])
def test_blocks_as_positions_and_as_components(backend, length):
    """SBC, GSBC and CountingBloom are three forms of the same vectors."""
    parameters = {"seed": 3, **place(backend)}
    sbc = hdc.create("SBC", 6 * length, length=length, **parameters)
    gsbc = hdc.create("GSBC", 6 * length, length=length, **parameters)
    assert (sbc.blocks, sbc.storage, gsbc.storage) == (6, 6, 6 * length)
    assert str(sbc.dtype).endswith("uint8" if length <= 256 else "int16")
    a, b = sbc.symbols(["a", "b"])
    one, other = gsbc.symbols(["a", "b"])
    assert host(one).reshape(6, length).tolist() == one_hot(host(a), length).tolist()
    bloom = hdc.create("CountingBloom", 6 * length, ones=6, binding="segment", **parameters)
    assert host(bloom.symbol("a")).tolist() == host(one).tolist()
    bound = host(sbc.bind(a, b)).astype(int)
    assert bound.tolist() == ((host(a).astype(int) + host(b)) % length).tolist()
    np.testing.assert_allclose(host(gsbc.bind(one, other)).reshape(6, length), one_hot(bound, length), atol=1e-6)
    product = host(bloom.bind(bloom.symbol("a"), bloom.symbol("b")))
    assert product.reshape(6, length).argmax(-1).tolist() == bound.tolist()
    share = float((host(a) == host(b)).mean())
    centered = (share - 1 / length) / (1 - 1 / length)
    for vsa, x, y in ((sbc, a, b), (gsbc, one, other), (bloom, bloom.symbol("a"), bloom.symbol("b"))):
        assert float(vsa.similarity(x, y)) == pytest.approx(centered, abs=1e-6)
        assert float(vsa.similarity(x, x)) == pytest.approx(1, abs=1e-5)


@settings(max_examples=20)
@given(length=st.sampled_from([2, 5, 400]), blocks=st.integers(1, 6), n=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_bundle_of_positions_has_the_most_frequent_ones(length, blocks, n, seed):
    vsa = hdc.create("SBC", length * blocks, length=length, backend="numba")
    x = vsa.random(n, seed=seed)
    bundle, counts = vsa.bundle(x), one_hot(x, length).sum(axis=0)
    assert (counts[np.arange(blocks), bundle] == counts.max(axis=1)).all()
    np.testing.assert_array_equal(bundle, vsa.with_backend("numpy").bundle(x))
    running = hdc.Accumulator(vsa)
    running.add(x)
    np.testing.assert_array_equal(running.vector(), bundle)


@pytest.mark.parametrize(("size", "length"), [(3, 16), (7, 16), (7, 300), (15, 8)])
def test_members_and_strangers_agree_in_as_many_blocks_as_the_binomials_say(size, length):
    vsa = hdc.create("SBC", 60 * length, length=length)
    law, moments = vsa.agreements(size), vsa.scores(size)
    members = vsa.random(300 * size, seed=5).reshape(300, size, -1)
    bundles, strangers = vsa.bundle(members), vsa.random(300, seed=6)
    for share, others, mean, sd in (
        (law.hit, members[:, 0], moments.hit_mean, moments.hit_sd),
        (law.reject, strangers, moments.reject_mean, moments.reject_sd),
    ):
        equal = (bundles == others).sum(axis=1)
        near(equal, 60 * share)
        centered = (equal / 60 - 1 / length) / (1 - 1 / length)
        near(centered, float(mean))
        near((centered - float(mean)) ** 2, float(sd) ** 2)


def test_dimensions_of_blocks():
    assert hdc.SBC.next_dim(1000) == 1008
    assert hdc.GSBC.next_dim(1000, length=300) == 1200
    assert hdc.SBC.next_dim(1, length=32768) == 32768
    with pytest.raises(errors.ParameterError, match="length=16, not 1000; take dim=1008"):
        hdc.SBC(1000)
    for length in (1, 32769, 2.5):
        with pytest.raises(errors.ParameterError, match="length"):
            hdc.SBC(1024, length=length)
    vsa = hdc.SBC(6000, length=300)
    for wrong in (-1, 300):
        with pytest.raises(errors.ParameterError, match="below length=300"):
            vsa.check(np.full(20, wrong, np.int16))
    with pytest.raises(errors.DTypeError, match="must be int16"):
        vsa.check(np.zeros(20, np.uint8))


# ---------------------------------------------------------------------- their sums


@pytest.mark.parametrize("backend", BACKENDS)
def test_blocks_of_floats_are_convolved(backend):
    vsa = hdc.create("GSBC", 15, length=5, **place(backend))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 3, 5)).astype(np.float32)
    convolved = [[sum(a[i] * b[(j - i) % 5] for i in range(5)) for j in range(5)] for a, b in zip(x, y, strict=True)]
    correlated = [[sum(a[i] * b[(j + i) % 5] for i in range(5)) for j in range(5)] for a, b in zip(x, y, strict=True)]
    one, other = (vsa.from_numpy(z.reshape(15)) for z in (x, y))
    np.testing.assert_allclose(host(vsa.bind(one, other)).reshape(3, 5), convolved, atol=1e-5)
    np.testing.assert_allclose(host(vsa.unbind(one, other)).reshape(3, 5), correlated, atol=1e-5)
    normal = host(vsa.normalize(one)).reshape(3, 5)
    assert normal.tolist() == one_hot(x.argmax(axis=1), 5).tolist()
    shares = vsa.from_numpy(np.abs(x).reshape(1, 15))
    found = hdc.create("GSBC", 15, length=5, bundles="share", **place(backend)).bundle(shares)
    np.testing.assert_allclose(host(found).reshape(3, 5), np.abs(x) / np.abs(x).sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(("size", "length"), [(2, 8), (9, 8), (20, 32)])
def test_scores_of_sums_of_blocks(size, length):
    """A member shares K and a binomial of (k - 1) K and 1/L with the sum, another a binomial of k K (theory of SBC)."""
    vsa = hdc.create("GSBC", 40 * length, length=length)
    members = vsa.random(300 * size, seed=5).reshape(300, size, -1)
    bundles, strangers = vsa.bundle(members), vsa.random(300, seed=6)
    near((bundles * members[:, 0]).sum(axis=1), 40 + (size - 1) * 40 / length)
    near((bundles * strangers).sum(axis=1), size * 40 / length)
    moments = vsa.scores(size)
    for others, mean, sd in (
        (members[:, 0], moments.hit_mean, moments.hit_sd),
        (strangers, moments.reject_mean, moments.reject_sd),
    ):
        centered = ((bundles * others).sum(axis=1) - size * 40 / length) / math.sqrt(size) / vsa.square
        near(centered, float(mean))
        near((centered - float(mean)) ** 2, float(sd) ** 2)
    common = vsa.intersection_size(bundles, bundles)
    near(np.diagonal(common), size, 4 * size**2 / vsa.dim)


# ---------------------------------------------------------------------- ternary bundles


def naive_ternary(x, weights, zone):
    limit = zone * math.sqrt(sum(abs(w) for w in weights))
    sums = [sum(w * int(row[j]) for w, row in zip(weights, x, strict=True)) for j in range(x.shape[1])]
    return [(s > 0) - (s < 0) if abs(s) > limit else 0 for s in sums]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("zone", [0, 0.5, 0.61, 0.99])
def test_ternary_bundles(backend, zone):
    vsa = hdc.create("MAP-T", 70, zone=zone, **place(backend))
    for n in (1, 2, 3, 8, 30):
        x = vsa.random(n, seed=n)
        for weights in ([1] * n, list(range(-2, n - 2))):
            expected = naive_ternary(host(x), weights, zone)
            assert host(vsa.bundle(x, weights)).tolist() == expected
            running = hdc.Accumulator(vsa)
            running.add(vsa.random(2, seed=99))
            running.add(x, weights)
            running.subtract(vsa.random(2, seed=99))
            assert host(running.vector()).tolist() == expected
        assert host(vsa.bundle(x)).tolist() == naive_ternary(host(x), [1] * n, zone)
    role, bundle = vsa.role("r"), vsa.bundle(x)
    assert host(vsa.bind(role, bundle)).tolist() == (host(role) * host(bundle)).tolist()
    assert host(vsa.normalize(bundle)).tolist() == host(bundle).tolist()


@pytest.mark.parametrize("zone", [0, 0.6])
@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 40])
def test_scores_of_ternary_bundles(size, zone):
    vsa = hdc.create("MAP-T", 400, zone=zone)
    members = vsa.random(200 * size, seed=5).reshape(200, size, -1).astype(int)
    bundles = vsa.bundle(members.astype(np.int8)).astype(int)
    moments = vsa.scores(size)
    length = 400 * math.sqrt((bundles**2).mean())
    hits = (bundles * members[:, 0]).sum(axis=1) / length
    near(hits, float(moments.hit_mean), 1e-3)
    if size > 2:
        near((hits - hits.mean()) ** 2, float(moments.hit_sd) ** 2, 1e-4)
    others = (bundles * vsa.random(200, seed=6)).sum(axis=1) / length
    near(others, 0.0)
    near(others**2, float(moments.reject_sd) ** 2, 1e-4)


def test_ternary_moments_of_many_members():
    """Counted and normal sums meet; .61 is near the best zone: a bundle keeps .9 of the exact sum's similarity."""
    for zone in (0.0, 0.3, 0.61):
        one, other = hdc.bounds.moments.dead_zone([4096, 4098], 1000, zone).hit_mean * np.sqrt([4096, 4098])
        assert one == pytest.approx(other, rel=2e-3)
    kept = {zone: float(bounds.moments.dead_zone(10_000, 1, zone).hit_mean) * 100 for zone in (0, 0.4, 0.61, 0.8)}
    assert kept[0] == pytest.approx(math.sqrt(2 / math.pi), abs=0.005)
    assert kept[0.61] == pytest.approx(0.9, abs=0.005) == max(kept.values())


def test_what_ternary_vectors_refuse():
    vsa = hdc.MAPT(10)
    for zone in (-0.1, 1, math.nan):
        with pytest.raises(errors.ParameterError, match="zone"):
            hdc.MAPT(10, zone=zone)
    with pytest.raises(errors.DTypeError, match="must be int8"):
        vsa.check(np.zeros(10, np.int32))
    with pytest.raises(errors.DTypeError, match="-1, 0 and 1"):
        vsa.bind(np.full(10, 2, np.int8), vsa.symbol("a"))
    with pytest.raises(errors.WideningError, match="below 2"):
        vsa.bundle(vsa.random(2, seed=1), [2**62, 1])


# ---------------------------------------------------------------------- recall


@pytest.mark.parametrize(
    ("model", "parameters"),
    [("SBC", {"length": 8}), ("GSBC", {"length": 8}), ("MAP-T", {"zone": 0.6}), ("MAP-T", {})],
)
def test_recall_from_a_bundle_is_what_the_moments_predict(model, parameters):
    predicted = accuracy("bundle", model, items=15, universe=1000, dim=512, **parameters)
    measured = Experiment("bundle", {"model": model, "dim": 512, **parameters}, seed=3).measure(128)
    assert measured.accuracy == pytest.approx(predicted, abs=0.035)


# ---------------------------------------------------------------------- thinning


def naive_thin(bits, shifts, most, additive, length):
    """Thin a list of zeros and ones, rotated in segments of a length by one number each."""
    if sum(bits) <= most:
        return bits
    dim, covered = len(bits), [0] * len(bits)
    for shift in shifts:
        for j in range(dim):
            segment = j // length
            covered[j] |= bits[segment * length + (j - segment * length - shift[segment]) % length]
        kept = [b & (c if additive else 1 - c) for b, c in zip(bits, covered, strict=True)]
        if (sum(kept) >= most) if additive else (sum(kept) <= most):
            return kept
    raise AssertionError("not thin")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["subtractive", "additive"])
@pytest.mark.parametrize("binding", ["shift", "segment"])
def test_thinning(binding, form, backend):
    parameters = {"ones": 10, "binding": binding, **place(backend)}
    bloom, counting = (hdc.create(name, 200, **parameters) for name in ("Bloom", "CountingBloom"))
    members = counting.random(12, seed=1).reshape(3, 4, -1)
    bundles = counting.bundle(members)
    bits = (host(bundles) > 0).astype(int)
    length = 20 if binding == "segment" else 200
    shifts = [host(shift).reshape(-1).tolist() for shift in counting._rotations]
    for density in (None, 0.1, 0.5):
        most = (0.05 if density is None else density) * 200
        expected = [naive_thin(row.tolist(), shifts, most, form == "additive", length) for row in bits]
        thin = counting.thin(bundles, density, form)
        assert host(thin).tolist() == expected
        packed = bloom.bundle(bloom.random(12, seed=1).reshape(3, 4, -1))
        assert host(bloom.components(bloom.thin(packed, density, form))).astype(int).tolist() == expected
    role = bloom.role("r")
    moved = bloom.thin(bloom.bind(role, packed), form=form)
    assert host(moved).tolist() == host(bloom.bind(role, bloom.thin(packed, form=form))).tolist()
    once = bloom.thin(packed)
    assert host(bloom.thin(once)).tolist() == host(once).tolist()


@pytest.mark.parametrize("form", ["additive", "subtractive"])
@pytest.mark.parametrize("size", [2, 5, 20])
def test_density_after_a_number_of_rotations(size, form):
    """Twenty rotations of an or of atoms of density .01, the first twenty of the model."""
    expected = bounds.thinned_density(1 - 0.99**size, 20, form)
    vsa = hdc.create("CountingBloom", 10_000, ones=100)
    found = []
    for number in range(30):
        z = vsa.bundle(vsa.random(size, seed=number)) > 0
        covered = np.logical_or.reduce([np.roll(z, int(shift)) for shift in vsa._rotations[:20]])
        found.append((z & (covered if form == "additive" else ~covered)).mean())
    near(found, expected, 2 / 10_000)


def test_members_of_a_thinned_bundle_keep_equal_shares():
    vsa = hdc.create("Bloom", 20_000, ones=200)
    members = vsa.random(5 * 40, seed=1).reshape(40, 5, -1)
    thin = vsa.thin(vsa.bundle(members))
    size = host(vsa.kernels.bits.popcount(thin))
    assert (size <= 200).all()
    assert size.mean() > 190
    shared = [
        host(vsa.kernels.bits.shared_ones(t[None], m))[0] / n for t, m, n in zip(thin, members, size, strict=True)
    ]
    near(np.mean(shared, axis=1), 0.2, 0.01)
    near(np.array(shared)[:, 0], 0.2, 0.01)


def test_what_thinning_refuses():
    vsa = hdc.create("Bloom", 100, ones=10)
    x = vsa.bundle(vsa.random(3, seed=1))
    for density in (0, -1, 1.5):
        with pytest.raises(errors.ParameterError, match="density"):
            vsa.thin(x, density)
    with pytest.raises(errors.ParameterError, match="form"):
        vsa.thin(x, form="multiplicative")
    segments = hdc.create("CountingBloom", 100, ones=10, binding="segment")
    with pytest.raises(errors.ParameterError, match="rotations do not bring"):  # ones alone in their segments
        segments.thin(segments.symbol("a"), 0.05)

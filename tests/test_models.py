"""What single models promise beyond the laws: dtypes, widening, ties, estimators, depth."""

import dataclasses
import math

import numpy as np
import pytest

import hdc
from hdc import errors
from hdc.bounds import majority_bias
from hdc.models.operators import ByteCache
from hdc.words import mask_tail
from tests.models import FAMILIES, make


class TestCreation:
    @pytest.mark.parametrize("dim", [0, -1, 1.5, "10", True])
    def test_dim_is_a_positive_integer(self, dim):
        with pytest.raises(errors.ParameterError, match="dim must be an integer"):
            hdc.create("MAP-I", dim)

    def test_unknown_names_list_the_known(self):
        with pytest.raises(errors.UnknownNameError, match="unknown model 'MAP-X'; known: MAP-I"):
            hdc.create("MAP-X", 10)
        with pytest.raises(errors.UnknownNameError, match="unknown backend 'abacus'; known: numpy"):
            hdc.create("MAP-I", 10, backend="abacus")
        with pytest.raises(errors.ParameterError, match="no parameter 'sed'; it takes dim, seed, backend"):
            hdc.create("MAP-I", 10, sed=1)

    def test_dim_fits_32_bit_distances(self):
        assert hdc.MAPB(2**31 - 1).storage == 2**25
        with pytest.raises(errors.ParameterError, match="at most 2147483647"):
            hdc.MAPB(2**31)

    @pytest.mark.parametrize(
        "misuse",
        [
            lambda: hdc.create([], 10),
            lambda: hdc.create("MAP-I", 10, backend=[]),
            lambda: hdc.MBAT(10, matrix=[]),
            lambda: hdc.MBAT(10).role("a") ** 0.5,
            lambda: hdc.NGrams(hdc.MAPB(10), n=1.5),
        ],
    )
    def test_parameters_of_the_wrong_type(self, misuse):
        with pytest.raises(errors.ParameterError):
            misuse()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_integers_are_integers(self, family):
        vsa = make(family, 130)
        x = vsa.random(np.int64(2), seed=np.int32(1))
        np.testing.assert_array_equal(vsa.permute(x, np.int16(-3)), vsa.permute(x, -3))
        vsa.permute(x, -(2**80))
        for call in (lambda: vsa.random(2.5, seed=1), lambda: vsa.permute(x, 1.5), lambda: vsa.permute(x, "1")):
            with pytest.raises(errors.ParameterError, match="must be an integer"):
                call()
        with pytest.raises(errors.DTypeError, match="sequence of names"):
            vsa.symbols(5)
        with pytest.raises(errors.MismatchError):
            vsa.check_same(None)

    @pytest.mark.parametrize("spec", [{}, {"model": "MAP-I"}, [], {"model": 3, "dim": 4}])
    def test_bad_specs(self, spec):
        with pytest.raises(errors.ParameterError, match="a spec is a mapping"):
            hdc.from_spec(spec)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_models_are_values(self, family):
        vsa = make(family, 130, seed=3)
        assert {vsa: 1}[make(family, 130, seed=3)] == 1
        assert vsa != make(family, 130, seed=4)
        assert eval(repr(vsa), {type(vsa).__name__: type(vsa)}) == vsa
        with pytest.raises(AttributeError):
            vsa.dim = 5

    def test_load_is_resolved_to_ones(self):
        assert hdc.Bloom(1000, load=10).ones == round(1000 * math.log(2) / 10)
        assert hdc.from_spec(hdc.Bloom(1000, load=10).spec()) == hdc.Bloom(1000, load=10)


class TestMAPI:
    vsa = hdc.MAPI(256)

    def test_widening(self):
        atom = self.vsa.symbol("a")
        assert self.vsa.bind(atom, atom).dtype == np.int8
        bundle = self.vsa.bundle(self.vsa.symbols(["a", "b"]))
        assert bundle.dtype == np.int32
        assert self.vsa.bind(atom, bundle).dtype == np.int32
        assert self.vsa.bind(bundle, bundle).dtype == np.int64
        large = self.vsa.bundle(np.full((3, 256), 2**31 - 1, np.int32))
        assert large.dtype == np.int64
        assert large[0] == 3 * (2**31 - 1)

    def test_sums_and_products_that_leave_int64_are_refused(self):
        huge = np.full((2, 256), 2**62, np.int64)
        with pytest.raises(OverflowError, match="scale the weights down"):
            self.vsa.bundle(huge)
        with pytest.raises(OverflowError, match="bind with an atom"):
            self.vsa.bind(huge, huge)
        with pytest.raises(OverflowError, match="scale the weights down"):
            self.vsa.bundle(self.vsa.symbols(["a"]), [2**62])

    @pytest.mark.parametrize("value", [0, 2, 100, -128])
    def test_int8_is_for_signs(self, value):
        with pytest.raises(errors.DTypeError, match="int8 components of MAP-I are ±1"):
            self.vsa.bind(np.full(256, value, np.int8), self.vsa.symbol("a"))

    @pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
    def test_the_least_integer_does_not_wrap(self, dtype):
        least = np.full((1, 256), np.iinfo(dtype).min, dtype)
        with pytest.raises(errors.WideningError, match="widen it first"):
            self.vsa.bind(self.vsa.symbol("a"), least)
        assert (self.vsa.bind(self.vsa.symbol("a"), least + 1) == self.vsa.symbol("a") * (least + 1)).all()

    @pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
    @pytest.mark.parametrize("vsa", [hdc.MAPI(256), hdc.MBAT(256)])
    def test_floats_are_single_or_double(self, vsa, dtype):
        with pytest.raises(errors.DTypeError, match="float32 or float64"):
            vsa.permute(vsa.random(2, seed=1).astype(dtype))

    def test_int8_bundles_of_other_values_do_not_wrap(self):
        hundred = np.full((200, 256), 100, np.int8)
        assert self.vsa.bundle(hundred)[0] == 20_000
        assert float(self.vsa.similarity(hundred[0], hundred[0])) == pytest.approx(1)

    def test_exact_dots_beyond_float32(self):
        x = np.full(256, 2**20 + 1, np.int32)
        assert self.vsa.contains(x, np.ones(256, np.int8)).item()
        from hdc.similarity import dots

        assert dots(self.vsa.kernels, x, x) == 256 * (2**20 + 1) ** 2

    def test_float_weights_and_arrays(self):
        x = self.vsa.symbols(["a", "b"])
        expected = 0.5 * x[0] + 0.25 * x[1]
        np.testing.assert_allclose(self.vsa.bundle(x, [0.5, 0.25]), expected)
        assert self.vsa.bundle(x.astype(np.float32)).dtype == np.float32

    def test_operators_are_refused(self):
        with pytest.raises(errors.UnsupportedError, match="not operators"):
            self.vsa.bind(hdc.MBAT(256).role("a"), self.vsa.symbol("a"))


class TestMAPB:
    vsa = hdc.MAPB(1000)

    def test_ties_are_broken_by_the_sums_beside_them(self):
        a, b = self.vsa.symbols(["a", "b"])
        bundle, differs = self.vsa.bundle(np.stack([a, b])), a ^ b
        assert np.array_equal(bundle & ~differs, a & ~differs)
        turned = self.vsa.tie ^ self.vsa.permute(mask_tail(~differs, 1000))  # where both agree, half the sum is odd
        assert np.array_equal(bundle & differs, turned & differs)

    def test_opposites_give_the_tie_vector(self):
        a = self.vsa.symbol("a")
        assert np.array_equal(self.vsa.bundle(np.stack([a, a]), [1, -1]), self.vsa.tie)

    def test_float_weights_are_refused_with_advice(self):
        with pytest.raises(errors.DTypeError, match="scale and round"):
            self.vsa.bundle(self.vsa.symbols(["a", "b"]), [0.5, 1.0])

    def test_weights_beyond_int64_do_not_wrap(self):
        with pytest.raises(errors.ParameterError, match="signed 64-bit"):
            self.vsa.bundle(self.vsa.symbols(["a", "b"]), np.array([2**64 - 1, 1], np.uint64))

    @pytest.mark.parametrize("weights", [[[1], [2, 3]], ["1", "2"], [1j, 1], [None, 1]])
    def test_weights_are_numbers(self, weights):
        with pytest.raises(errors.DTypeError, match="weights must be"):
            self.vsa.bundle(self.vsa.symbols(["a", "b"]), weights)

    @pytest.mark.parametrize("family", [family for family in FAMILIES if "MBAT" not in family])
    def test_batches_must_broadcast(self, family):
        vsa = make(family, 100)
        with pytest.raises(errors.DimensionError, match=r"\(2,\) and \(3,\) do not broadcast"):
            vsa.bind(vsa.random(2, seed=1), vsa.random(3, seed=1))

    def test_weights_must_fit(self):
        with pytest.raises(errors.DimensionError, match="do not broadcast"):
            self.vsa.bundle(self.vsa.symbols(["a", "b"]), [1, 2, 3])

    def test_padding_is_checked_and_kept_clear(self):
        with pytest.raises(errors.PaddingError, match="beyond component 999"):
            self.vsa.permute(np.full(16, 2**64 - 1, np.uint64))

    def test_membership_needs_the_size(self):
        with pytest.raises(errors.ParameterError, match="size must be an integer of at least 1, not None"):
            self.vsa.contains(self.vsa.symbol("a"), self.vsa.symbols(["a"]))

    @pytest.mark.parametrize(("size", "bias"), [(1, 1), (2, 0.5), (3, 0.5), (4, 3 / 8), (5, 3 / 8), (10, 0.24609375)])
    def test_majority_bias_is_exact(self, size, bias):
        assert majority_bias(size) == pytest.approx(bias, rel=1e-12)

    @pytest.mark.parametrize("size", [2, 5, 20])
    def test_majority_bias_is_what_bundles_show(self, size):
        """Mean over 400 independent bundles within six standard errors of the formula (false alarm 2e-9)."""
        members = self.vsa.random(400 * size, seed=size).reshape(400, size, -1)
        s = [float(self.vsa.similarity(self.vsa.bundle(m), m[0])) for m in members]
        assert abs(np.mean(s) - majority_bias(size)) < 6 * np.std(s) / 20


class TestSparse:
    @pytest.mark.parametrize("model", [hdc.Bloom, hdc.CountingBloom])
    def test_parameters(self, model):
        with pytest.raises(errors.ParameterError, match="dim of at least 2"):
            model(1)
        with pytest.raises(errors.ParameterError, match="between 1 and dim - 1 = 9"):
            model(10, ones=10)
        with pytest.raises(errors.ParameterError, match="take dim=99 or ones=10"):
            model(100, ones=11, binding="segment")
        with pytest.raises(errors.ParameterError, match="shift, segment"):
            model(10, binding="xor")
        with pytest.raises(errors.ParameterError, match="load must be"):
            model(10, load=-1)

    @pytest.mark.parametrize("binding", ["shift", "segment"])
    @pytest.mark.parametrize(("dim", "ones"), [(2, 1), (100, 10), (100, 50), (1000, 1), (90, 45)])
    def test_atoms_have_exactly_k_ones(self, binding, dim, ones):
        bloom, counting = (m(dim, ones=ones, binding=binding) for m in (hdc.Bloom, hdc.CountingBloom))
        x = hdc.words.unpack(bloom.random(50, seed=0), dim)
        assert np.array_equal(x, counting.random(50, seed=0))
        assert set(x.sum(axis=1)) == {ones}
        if binding == "segment":
            assert set(x.reshape(50, ones, dim // ones).sum(axis=2).ravel()) == {1}

    def test_dense_atoms_have_exactly_k_ones(self):
        assert set(hdc.CountingBloom(100, ones=90).random(50, seed=0).sum(axis=1)) == {90}

    @pytest.mark.parametrize("model", [hdc.Bloom, hdc.CountingBloom])
    def test_segment_binding_refuses_a_bundle_as_role(self, model):
        vsa = model(100, ones=10, binding="segment")
        bundle = vsa.bundle(vsa.symbols(["a", "b"]))
        with pytest.raises(errors.UnsupportedError, match="exactly one 1 in each segment"):
            vsa.bind(bundle, vsa.symbol("a"))
        assert np.array_equal(vsa.unbind(vsa.role("r"), vsa.bind(vsa.role("r"), bundle)), bundle)

    def test_bloom_cannot_subtract(self):
        vsa = hdc.Bloom(100)
        with pytest.raises(errors.ParameterError, match="CountingBloom"):
            vsa.bundle(vsa.symbols(["a", "b"]), [1, -1])

    def test_counting_bloom_can(self):
        vsa = hdc.CountingBloom(100)
        x = vsa.symbols(["a", "b", "c"])
        assert np.array_equal(vsa.bundle(np.stack([vsa.bundle(x), x[1].astype(np.int64)]), [1, -1]), vsa.bundle(x[::2]))

    def test_bloom_false_positive_rate_is_the_formula(self):
        """Row D12: rate (1 - (1 - k/m)^n)^k; the count over 20 000 strangers within six binomial deviations."""
        vsa, n = hdc.Bloom(512, load=50), 50
        rates, trials = [], 20_000
        for seed in range(20):
            bundle = vsa.bundle(vsa.random(n, seed=seed))
            rates.append(vsa.contains(bundle, vsa.random(1000, seed=1000 + seed)).mean())
        expected = (1 - (1 - vsa.ones / vsa.dim) ** n) ** vsa.ones
        assert abs(np.mean(rates) - expected) < 6 * (math.sqrt(expected / trials) + np.std(rates) / math.sqrt(20))

    def test_bloom_sizes(self):
        """D13: mean estimates over 200 trials within six standard errors plus a bias of 2 %."""
        vsa = hdc.Bloom(4096, load=60)
        sizes, common = [], []
        for seed in range(200):
            x = vsa.random(50, seed=seed)
            a, b = vsa.bundle(x[:30]), vsa.bundle(x[20:])
            sizes.append(float(vsa.set_size(a)))
            common.append(float(vsa.intersection_size(a, b)))
        assert abs(np.mean(sizes) - 30) < 6 * np.std(sizes) / math.sqrt(200) + 0.6
        assert abs(np.mean(common) - 10) < 6 * np.std(common) / math.sqrt(200) + 0.6

    def test_counting_bloom_intersection_is_unbiased_with_the_stated_variance(self):
        """D14: Var = (ab + t² - 2t)/(m - 1); mean and variance of 1000 trials at six standard errors."""
        vsa, (a, b, t) = hdc.CountingBloom(200, ones=5), (30, 20, 10)
        x = vsa.random(1000 * 40, seed=0).reshape(1000, 40, -1)
        left, right = vsa.bundle(x[:, :30]), vsa.bundle(x[:, 20:])
        estimates = np.array([float(vsa.intersection_size(p, q)) for p, q in zip(left, right, strict=True)])
        variance = (a * b + t * t - 2 * t) / (vsa.dim - 1)
        assert abs(estimates.mean() - t) < 6 * math.sqrt(variance / 1000)
        spread = np.std((estimates - t) ** 2) / math.sqrt(1000)
        assert abs(((estimates - t) ** 2).mean() - variance) < 6 * spread

    def test_set_size_does_not_wrap(self):
        assert hdc.CountingBloom(1000, ones=10).set_size(np.full(1000, 2**62)) == 2**62 * 100.0

    def test_sizes_of_batches(self):
        vsa = hdc.Bloom(1000, load=10)
        x = vsa.bundle(vsa.random(12, seed=0).reshape(4, 3, -1))
        assert vsa.set_size(x).shape == (4,)
        assert vsa.intersection_size(x, x[:3]).shape == (4, 3)
        assert vsa.set_size(np.zeros_like(x)).tolist() == [0, 0, 0, 0]
        np.testing.assert_allclose(np.diagonal(vsa.intersection_size(x, x)), vsa.set_size(x))

    def test_contains_takes_atoms_only(self):
        vsa = hdc.CountingBloom(100)
        bundle = vsa.bundle(vsa.symbols(["a", "a"]))
        with pytest.raises(errors.DTypeError, match="takes atoms"):
            vsa.contains(bundle, bundle)


class TestMBAT:
    @pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
    @pytest.mark.parametrize("dim", [64, 100])
    def test_depth_keeps_norms_and_cosines(self, matrix, dim):
        vsa = hdc.MBAT(dim, matrix=matrix)
        x = vsa.bundle(vsa.symbols(["a", "b"]))
        y = x
        for depth in range(1, 31):
            y = vsa.bind(vsa.role(depth), y)
            assert np.linalg.norm(y) == pytest.approx(np.linalg.norm(x), rel=1e-5)
            back = y
            for level in range(depth, 0, -1):
                back = vsa.unbind(vsa.role(level), back)
            assert float(vsa.similarity(back, x)) == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
    @pytest.mark.parametrize("dim", [3, 64, 100])
    def test_operators_are_orthogonal(self, matrix, dim):
        vsa = hdc.MBAT(dim, matrix=matrix, precision="float64")
        m = vsa.bind(vsa.role("r"), np.eye(dim))
        np.testing.assert_allclose(m @ m.T, np.eye(dim), atol=1e-12)
        np.testing.assert_allclose(vsa.unbind(vsa.role("r"), m), np.eye(dim), atol=1e-12)

    @pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
    def test_powers_and_products(self, matrix):
        vsa = hdc.MBAT(100, matrix=matrix, precision="float64")
        r, s, x = vsa.role("r"), vsa.role("s"), vsa.symbols(["a", "b"])

        def bind(role, y):
            return vsa.bind(role, y)

        np.testing.assert_allclose(bind(r**3, x), bind(r, bind(r, bind(r, x))), atol=1e-12)
        np.testing.assert_allclose(bind(r**-2, bind(r**2, x)), x, atol=1e-12)
        np.testing.assert_allclose(bind(r @ s, x), bind(r, bind(s, x)), atol=1e-12)
        np.testing.assert_allclose(bind((r @ s) ** 2, x), bind(r, bind(s, bind(r, bind(s, x)))), atol=1e-12)
        np.testing.assert_allclose(bind((r @ s) ** -1, bind(r @ s, x)), x, atol=1e-12)
        np.testing.assert_allclose(bind(r**0, x), x)
        assert r**2 @ r**-2 == r**0
        assert repr(r @ s**2) == "<role('r') @ role('s')**2 of MBAT, dim 100>"
        with pytest.raises(TypeError):
            r @ "s"

    @pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
    def test_a_role_moves_a_bundle_away_from_itself(self, matrix):
        """|cos| of 200 vectors with their images below six standard deviations, 6 / sqrt(dim)."""
        vsa = hdc.MBAT(1024, matrix=matrix)
        x = vsa.random(200, seed=0)
        y = (
            np.stack([vsa.bind(vsa.role(i), v) for i, v in enumerate(x)])
            if matrix != "haar"
            else vsa.bind(vsa.role(0), x)
        )
        assert np.abs(np.sum(x * y, axis=1)).max() < 6 / 32

    def test_gaussian_matrices_lose_what_orthogonal_ones_keep(self):
        """The contrast of the theory: cos after k Gaussian binds and transposes is 1/sqrt(k + 1), within 0.04."""
        rng = np.random.default_rng(0)
        x = np.sign(rng.standard_normal(1024)) / 32
        for k in range(1, 6):
            matrices = rng.standard_normal((k, 1024, 1024)) / 32
            y = x
            for m in matrices:
                y = m @ y
            for m in matrices[::-1]:
                y = m.T @ y
            assert abs(x @ y / np.linalg.norm(y) - 1 / math.sqrt(k + 1)) < 0.04

    def test_errors(self):
        vsa = hdc.MBAT(100)
        with pytest.raises(errors.UnsupportedError, match=r"vsa.bind\(vsa.role\(name\), x\)"):
            vsa.bind(vsa.symbol("a"), vsa.symbol("b"))
        with pytest.raises(errors.MismatchError, match="another model"):
            vsa.bind(hdc.MBAT(100, seed=1).role("a"), vsa.symbol("b"))
        with pytest.raises(errors.ParameterError, match="permutation"):
            hdc.MBAT(100, matrix="random")
        with pytest.raises(errors.ParameterError, match="float32, float64"):
            hdc.MBAT(100, precision="float8")

    def test_roles_are_equal_as_their_names_are(self):
        vsa = hdc.MBAT(100)
        assert len({vsa.role(name) for name in (1, 1.0, True, "1", (1,), (True,))}) == 6
        assert vsa.role(np.int64(1)) == vsa.role(1)
        assert vsa.role(float("nan")) == vsa.role(float("nan"))
        assert vsa.role("a") != "a"

    def test_role_of_another_backend_is_the_same_role(self):
        vsa = hdc.MBAT(100)
        other = vsa.with_backend("numpy")
        assert np.array_equal(vsa.bind(other.role("a"), vsa.symbol("b")), vsa.bind(vsa.role("a"), vsa.symbol("b")))

    def test_operator_cache_is_bounded(self):
        cache = ByteCache(100)
        for i in range(50):
            assert cache.get(i, lambda i=i: i, lambda _: 30) == i
            assert cache.held <= 100
        assert cache.get("large", lambda: "large", lambda _: 1000) == "large"
        assert cache.held <= 100
        cache.get(49, pytest.fail, lambda _: 30)


def test_a_backend_without_search_kernels_finds_the_same():
    searching, plain = hdc.MAPB(100, backend="numpy"), hdc.MAPB(100, backend="numpy")
    object.__setattr__(plain, "kernels", dataclasses.replace(plain.kernels, search=None))
    items = plain.symbols(range(9))
    for one, other in zip(plain.nearest(items[:3], items, 4), searching.nearest(items[:3], items, 4), strict=True):
        assert np.array_equal(one, other)
    assert [found.shape for found in plain.nearest(items, items[:0])] == [(9, 0), (9, 0)]

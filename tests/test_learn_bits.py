"""Inference on bits: quantized vectors, integer encoders, scores, stopping early, files and flipped bits."""

import itertools
import os
import re
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc.apps.learn.bits import BitClassifier, Density, Fourier, Signs, mean_of, quantize
from hdc.apps.learn.bits.early import stops
from hdc.apps.learn.bits.planes import integers
from hdc.errors import DimensionError, DTypeError, FileFormatError, HDCError, PaddingError, ParameterError
from hdc.words import pack, unpack
from tests import naive

BITS = (1, 2, 4)


def rows_of(n, features, seed, spread=2.0):
    """Return rows with missing values, infinities, and numbers that are great, tiny, or at the ends of ranges."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0, spread, (n, features))
    for share, values in (
        (0.05, [np.nan]),
        (0.04, [np.inf, -np.inf]),
        (0.05, [1e308, -1e308, 5e-324, -0.0, 2, -2]),
    ):
        chosen = rng.random(X.shape) < share
        X[chosen] = rng.choice(values, chosen.sum())
    return X


def density(features=5, dim=200, code=hdc.Level, seed=0):
    vsa = hdc.create("MAP-B", dim, seed=seed)
    roles = vsa.symbols([("feature", i) for i in range(features)])
    return Density.of(code(vsa, "share", 0, 1), roles, np.full(features, -2.0), np.full(features, 2.0))


def fourier(features=5, dim=200, weight_bits=None, seed=0):
    rng = np.random.default_rng(seed)
    ends = np.full(features, -6.0), np.full(features, 6.0)
    return Fourier.of(rng.normal(0, 1, (features, dim)), rng.uniform(0, 7, dim), *ends, weight_bits=weight_bits)


ENCODERS = {
    "signs": lambda dim: Signs(dim),
    "level": lambda dim: density(dim=dim),
    "thermometer": lambda dim: density(4, dim, hdc.Thermometer),
    "fourier 8": lambda dim: fourier(dim=dim, weight_bits=8),
    "fourier 16": lambda dim: fourier(dim=dim, weight_bits=16),
    "fourier 32": lambda dim: fourier(dim=dim, weight_bits=32),
}


def model(encoder, bits=2, prototypes=7, classes=4, seed=0, intercept=True, names=None, **options):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (prototypes, encoder.dim)).astype(np.float32)
    owners = np.append(np.arange(classes), rng.integers(0, classes, prototypes - classes))
    names = [f"class {i} ü" for i in range(classes)] if names is None else names
    added = rng.normal(0, 0.02, classes) if intercept else None
    return BitClassifier.of(encoder, weights, owners, names, bits, intercept=added, **options)


class TestQuantize:
    @pytest.mark.parametrize(("bits", "loss"), [(1, 0.3634), (2, 0.1188), (4, 0.01154)])
    def test_loss_on_normal_components_is_that_of_max(self, bits, loss):
        """Uniform quantizers of Max (1960, table II); 4 vectors of 50 000: standard errors below half a percent."""
        weights = np.random.default_rng(0).standard_normal((4, 50_000)).astype(np.float32)
        planes, scale, _ = quantize(weights, bits)
        rest = weights - integers(planes, weights.shape[1]) * scale[:, None]
        assert (rest**2).sum() / (weights**2).sum() == pytest.approx(loss, rel=0.015)

    @settings(max_examples=40, deadline=None)
    @given(weights=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=5), bits=st.sampled_from(BITS[:2]))
    def test_hardly_any_integers_lose_less(self, weights, bits):
        w = np.array(weights, np.float64)
        levels = range(1 - 2**bits, 2**bits, 2)
        best = max((w @ q) ** 2 / (q @ q) for q in map(np.array, itertools.product(levels, repeat=len(w))))
        planes, scale, _ = quantize(w[None], bits)
        q = integers(planes, len(w))[0].astype(np.float64)
        assert scale[0] == pytest.approx(w @ q / (q @ q), abs=1e-12)
        assert (w @ q) ** 2 / (q @ q) >= (1 - 1e-9 if bits == 1 else 0.97) * best

    @pytest.mark.parametrize("bits", BITS)
    def test_dot_products_are_sums_of_distances(self, bits):
        rng = np.random.default_rng(1)
        weights, rows = rng.normal(0, 1, (3, 130)), pack(rng.integers(0, 2, (6, 130)))
        planes, _, _ = quantize(weights, bits)
        apart = hdc.create("MAP-B", 130).kernels.bits.hamming(rows, planes.reshape(-1, 3)).reshape(6, 3, bits)
        dots = 130 * (2**bits - 1) - 2 * (apart @ (2 ** np.arange(bits)[::-1]))
        assert np.array_equal(dots, (1 - 2 * unpack(rows, 130).astype(int)) @ integers(planes, 130).astype(int).T)

    @pytest.mark.parametrize("bits", BITS)
    def test_a_known_mean_loses_what_the_formula_says(self, bits):
        """20 000 independent rows; the mean squared error is within five standard errors, and there is no bias."""
        rng = np.random.default_rng(4)
        mean, weights, n = rng.uniform(-0.99, 0.99, 200), rng.normal(0.3, 1, (1, 200)), 20_000
        planes, scale, shift = quantize(weights, bits, mean)
        rest = weights[0] - scale[0] * integers(planes, 200)[0]
        rows = np.where(rng.random((n, 200)) < (1 + mean) / 2, 1.0, -1.0)
        error, loss = rows @ rest - shift[0], ((1 - mean**2) * rest**2).sum()
        assert abs(error.mean()) < 5 * np.sqrt(loss / n)
        assert (error**2).mean() == pytest.approx(loss, rel=5 * np.sqrt(2 / n))
        plain, flat, _ = quantize(weights, bits)
        other = weights[0] - flat[0] * integers(plain, 200)[0]
        assert loss <= ((1 - mean**2) * other**2).sum() * (1 + 1e-9)

    def test_components_that_never_change_do_not_count(self):
        planes, scale, shift = quantize([[1.0, 1.0, 100.0]], 1, [0.0, 0.0, -1.0])
        assert scale.tolist() == [1.0]
        assert shift.tolist() == [-99.0]
        assert quantize([[5.0]], 2, [1.0]).scale.tolist() == [0.0]
        assert planes.tolist() == [[[0]]]

    def test_zeros_have_no_scale(self):
        planes, scale, _ = quantize(np.zeros((2, 70)), 4)
        assert scale.tolist() == [0, 0]
        assert planes.shape == (2, 4, 2)

    @pytest.mark.parametrize(
        ("weights", "bits", "error", "text"),
        [
            ([[1.0]], 3, ParameterError, "bits must be one of 1, 2, 4, not 3"),
            ([[1.0]], True, ParameterError, "bits must be one of"),
            ([1.0], 1, DimensionError, "(vectors, components)"),
            (np.empty((0, 3)), 1, DimensionError, "at least one"),
            ([["a"]], 1, DTypeError, "must be numbers"),
            ([[1.0], [np.nan]], 1, ParameterError, "row 1 of weights"),
        ],
    )
    def test_errors(self, weights, bits, error, text):
        with pytest.raises(error, match=re.escape(text)):
            quantize(weights, bits)

    @pytest.mark.parametrize("mean", [[0.5], [0.0, 1.1], [0.0, np.nan], ["a", "b"]])
    def test_means_are_checked(self, mean):
        with pytest.raises(ParameterError, match="mean must be 2 numbers from -1 to 1"):
            quantize([[1.0, 2.0]], 1, mean)


class TestDensity:
    @pytest.mark.parametrize("code", [hdc.Level, hdc.Thermometer])
    @pytest.mark.parametrize("features", [1, 4, 7])
    @pytest.mark.parametrize("dim", [1, 64, 130])
    def test_rows_are_bundles_of_bound_codes(self, code, features, dim):
        vsa = hdc.create("MAP-B", dim, seed=3)
        codes, roles = code(vsa, "share", 0, 1), vsa.symbols(list(range(features)))
        tables = Density.of(codes, roles, np.zeros(features), np.ones(features))
        X = np.random.default_rng(dim).random((30, features))
        X[:4] = [[0.0], [1.0], [1e-9], [1 - 1e-9]]
        missing = np.random.default_rng(1).random(X.shape) < 0.2
        members = vsa.bind(roles, codes.encode(X))
        for weights in (np.ones(X.shape, np.int64), (~missing).astype(np.int64)):
            sums = vsa.tally(members, weights).arrays["sums"]
            expected, found = vsa.bundle(members, weights), tables.encode(np.where(weights == 0, np.nan, X))
            # Ties of levels go by the order of thresholds.
            decided = pack((sums != 0) | (code is hdc.Thermometer))
            assert np.array_equal(found & decided, expected & decided)
        assert tables.agreement(X, tables.encode(X)) == 1

    @settings(max_examples=30, deadline=None)
    @given(dim=st.integers(1, 140), features=st.integers(1, 6), seed=st.integers(0, 999))
    def test_any_tables(self, dim, features, seed):
        rng = np.random.default_rng(seed)
        low, scale, thresholds = rng.normal(0, 1, features), rng.random(features) * dim, rng.permutation(dim)
        roles, flips, tie = (pack(rng.integers(0, 2, (*n, dim))) for n in ((features,), (), ()))
        tables = Density(low, scale, roles, tie, dim, thresholds, flips)
        X = rows_of(4, features, seed)
        X[0] = tables.low + rng.integers(0, 9, features) / 2 / tables.scale  # halves
        expected = [self.naive(tables, x) for x in X]
        for backend in ("numpy", "numba"):
            assert np.array_equal(tables.encode(X, backend), np.array(expected)), backend

    @staticmethod
    def naive(tables, x):
        sums = [0] * tables.dim
        flips, tie = naive.bits(tables.flips, tables.dim), naive.bits(tables.tie, tables.dim)
        for value, low, scale, role in zip(x, tables.low, tables.scale, tables.roles, strict=True):
            with np.errstate(over="ignore"):
                halves = np.ceil((value - low) * (2 * scale))
            for j, bit in enumerate(naive.bits(role, tables.dim)):
                if value == value:
                    reached = 2 * tables.thresholds[j] + 1 < halves
                    sums[j] += 1 if bit ^ (0 if reached else flips[j]) else -1
        place = tables.thresholds.tolist().index
        before = [place((t - 1) % tables.dim) for t in tables.thresholds]
        return naive.words([int(s > 0) if s else tie[j] ^ (sums[before[j]] // 2 % 2) for j, s in enumerate(sums)])

    def test_blocks_change_nothing(self, monkeypatch):
        X = rows_of(20, 5, 4)
        expected = density().encode(X)
        monkeypatch.setattr("hdc.apps.learn.bits.encoders.BLOCK_BYTES", 1)
        assert np.array_equal(density().encode(X), expected)

    def test_errors(self):
        vsa = hdc.create("MAP-B", 100)
        good = {"low": [0.0], "scale": [1.0], "roles": vsa.symbols(["a"]), "tie": vsa.tie, "dim": 100}
        for change, error, text in (
            ({"low": [np.inf]}, ParameterError, "low must be finite"),
            ({"scale": [0.0]}, ParameterError, "scale of feature 0 must be above 0 and below 2^1023, not 0.0"),
            ({"scale": [1.0, 2.0]}, DimensionError, "(features,)"),
            ({"low": ["a"]}, DTypeError, "low must be numbers"),
            ({"roles": vsa.symbols(["a", "b"])}, DimensionError, "roles must be of shape (1, 2)"),
            ({"tie": ~vsa.tie}, PaddingError, "tie has bits set"),
            ({"thresholds": np.arange(99)}, ParameterError, "thresholds must be a permutation of 0 to 99"),
            ({"thresholds": np.arange(1, 101)}, ParameterError, "thresholds must be a permutation of 0 to 99"),
            ({"dim": 1 << 25}, ParameterError, "dim must be"),
        ):
            with pytest.raises(error, match=re.escape(text)):
                Density(**{**good, **change})
        with pytest.raises(ParameterError, match="code must be a Thermometer or Level"):
            Density.of(hdc.Level(hdc.create("MAP-I", 10), "l", 0, 1), good["roles"], [0], [1])


class TestFourier:
    @pytest.mark.parametrize(("weight_bits", "share"), [(None, 0.9995), (8, 0.98), (16, 0.9995), (32, 0.9997)])
    def test_bits_are_those_of_cosines(self, weight_bits, share):
        rng = np.random.default_rng(2)
        frequencies, offsets, X = rng.normal(0, 1, (12, 2000)), rng.uniform(0, 7, 2000), rng.normal(0, 1.5, (40, 12))
        X[rng.random(X.shape) < 0.1] = np.nan
        tables = Fourier.of(
            frequencies, offsets, np.full(12, -9), np.full(12, 7), missing=np.full(12, 0.5), weight_bits=weight_bits
        )
        exact = pack(np.cos(np.where(np.isnan(X), 0.5, X) @ frequencies + offsets) < 0)
        assert share < tables.agreement(X, exact) <= 1

    def test_heavy_tails_take_long_weights(self):
        rng = np.random.default_rng(3)
        frequencies, X = rng.standard_cauchy((6, 3000)), rng.normal(0, 1, (20, 6))
        tables = Fourier.of(frequencies, np.zeros(3000), np.full(6, -5), np.full(6, 5))
        assert tables.weights.dtype == np.int32
        assert tables.agreement(X, pack(np.cos(X @ frequencies) < 0)) > 0.998

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 999), width=st.sampled_from([8, 16, 32]), features=st.integers(1, 300))
    def test_sums_are_exact(self, seed, width, features):
        rng = np.random.default_rng(seed)
        weights = rng.integers(-(2 ** (width - 1)), 2 ** (width - 1), (3, features)).astype(f"int{width}")
        offsets, bit = rng.integers(0, 2**32, 3, dtype=np.uint32), int(rng.integers(1, 32))
        most = int(rng.choice([1, 32767, 65536]))
        tables = Fourier(np.zeros(features), np.full(features, 9e9), offsets, weights, bit, most)
        X = rng.choice([-1.0, 1.0, 0.0, np.nan, np.inf, -np.inf], features)
        steps = [0 if x != x else int(max(-1, min(1, x))) * most for x in X]
        sums = [sum(int(w) * q for w, q in zip(row, steps, strict=True)) for row in weights]
        phases = [int(o) + s for o, s in zip(offsets, sums, strict=True)]
        assert tables.encode(X[None])[0, 0] == sum((phase >> bit & 1) << j for j, phase in enumerate(phases))

    def test_a_constant_feature_does_nothing_within_its_range(self):
        frequencies = np.random.default_rng(0).normal(0, 1, (2, 64))
        tables = Fourier.of(frequencies, np.zeros(64), [3, -1], [3, 1])
        assert np.array_equal(*tables.encode([[3, 0.5], [3.5, 0.5]]))

    def test_errors(self):
        ones, low, high = np.ones((1, 4)), [-1], [1]
        with pytest.raises(ParameterError, match="weight_bits must be 8, 16, 32 or None, not 9"):
            Fourier.of(ones, np.zeros(4), low, high, weight_bits=9)
        with pytest.raises(ParameterError, match="weights of 8 bits do not hold"):
            Fourier.of(1e9 * ones, np.zeros(4), low, high, weight_bits=8)
        with pytest.raises(DimensionError, match="low at most high"):
            Fourier.of(ones, np.zeros(4), high, low)
        with pytest.raises(DTypeError, match="offsets must be of dtype uint32, not float64"):
            Fourier([0], [1], np.zeros(4), np.ones((4, 1), np.int8), 3)
        with pytest.raises(DimensionError, match="offsets must be of shape"):
            Fourier([0], [1], np.zeros(4, np.uint32), np.ones((3, 1), np.int8), 3)
        with pytest.raises(ParameterError, match="bit must be an integer of at most 31"):
            Fourier([0], [1], np.zeros(4, np.uint32), np.ones((4, 1), np.int8), 32)


class TestPredict:
    @pytest.mark.parametrize("encoder", ENCODERS)
    @pytest.mark.parametrize("bits", BITS)
    def test_classes_are_those_of_exact_integers(self, encoder, bits):
        found = model(ENCODERS[encoder](130), bits)
        X = rows_of(40, found.encoder.features, 5)
        rows = found.encoder.encode(X)
        components = [[1 - 2 * b for b in naive.bits(row, 130)] for row in rows]
        levels = integers(found.planes, 130).tolist()
        best = []
        for row in components:
            dots = [sum(a * b for a, b in zip(row, level, strict=True)) for level in levels]
            scores = [int(f) * d + int(b) for f, d, b in zip(found.factors, dots, found.biases, strict=True)]
            best.append(found.classes_[found.prototype_classes[scores.index(max(scores))]])
        assert found.predict(X).tolist() == best
        assert found.predict_rows(rows).tolist() == best
        np.testing.assert_array_equal(found.scores(X), found.scores_rows(rows))
        assert found.classes_[found.scores(X).argmax(axis=1)].tolist() == best

    def test_scores_are_cosines_or_dot_products(self):
        rng = np.random.default_rng(0)
        weights, X, added = rng.normal(0, 1, (3, 4000)), rng.normal(0, 1, (50, 4000)), np.array([0.1, 0.0, -0.2])
        h = np.where(X < 0, -1.0, 1.0)
        exact = h @ weights.T
        dots = BitClassifier.of(None, weights, [0, 1, 2], list("abc"), 4, cosine=False, intercept=added)
        assert dots.classes_.tolist() == ["a", "b", "c"]
        assert np.abs(dots.scores(X) - exact - added).max() < 5 * np.sqrt(0.0116 * 4000)  # 5 sd of what is lost
        cosines = BitClassifier.of(None, weights, [0, 1, 2], ["a", "b", "c"], 4, intercept=added).scores(X)
        expected = exact / np.linalg.norm(weights, axis=1) / np.sqrt(4000) + added
        assert np.abs(cosines - expected).max() < 5 * np.sqrt(0.0116 / 4000)

    @pytest.mark.parametrize("encoder", [None, "level"])
    def test_the_mean_of_rows(self, encoder, monkeypatch):
        tables = None if encoder is None else ENCODERS[encoder](130)
        X = density(dim=130).encode(rows_of(50, 5, 1)) if encoder is None else rows_of(50, 5, 1)
        monkeypatch.setattr("hdc.apps.learn.bits.parts.BLOCK_BYTES", 100)
        signs = 1 - 2.0 * unpack(X if encoder is None else tables.encode(X), 130)
        np.testing.assert_allclose(mean_of(tables, X, 130), signs.mean(axis=0))
        with pytest.raises(ParameterError, match="at least one row"):
            mean_of(tables, X[:0], 130)

    def test_blocks_change_nothing(self, monkeypatch):
        found, X = model(density()), rows_of(300, 5, 1)
        classes, scores = found.predict(X), found.scores(X)
        monkeypatch.setattr("hdc.apps.learn.bits.classifier.BLOCK_BYTES", 1000)
        assert np.array_equal(found.predict(X), classes)
        np.testing.assert_array_equal(found.scores(X), scores)

    def test_backends_agree(self):
        encoder = density(6, 333)
        X = rows_of(200, 6, 2)
        one, other = (model(encoder, backend=name) for name in ("numpy", "numba"))
        assert np.array_equal(one.predict(X), other.predict(X))
        np.testing.assert_array_equal(one.scores(X), other.scores(X))

    def test_bytes_and_text(self):
        found = model(density(5, 1000), bits=2)
        assert found.bytes == 8 * 16 * (5 + 2) + 4 * 1000 + 16 * 5 + 7 * 2 * 8 * 16 + 16 * 7
        assert repr(found) == (
            f"BitClassifier(Density, 4 classes, 7 prototypes of 1000 components of 2 bits, {found.bytes} bytes)"
        )
        assert model(fourier(5, 1000), bits=1).bytes == 1000 * (4 + 2 * 5) + 16 * 5 + 7 * 8 * 16 + 16 * 7

    def test_no_rows(self):
        found = model(density())
        assert found.predict(np.empty((0, 5))).shape == (0,)
        assert found.scores(np.empty((0, 5))).shape == (0, 4)
        assert found.early(np.empty((0, 5))).share == 1

    def test_a_class_without_prototypes_is_never_predicted(self):
        found = BitClassifier.of(None, [[1.0, 1.0]], [1], [10, 20])
        assert found.predict([[-1, -1]]).tolist() == [20]
        assert found.scores([[-1, -1]]).tolist() == [[-np.inf, pytest.approx(-1)]]

    def test_rows_are_checked(self):
        found = model(density())
        for X, error, text in (
            (np.zeros((3, 4)), DimensionError, "X must be of shape (rows, 5), not (3, 4)"),
            (np.zeros(5), DimensionError, "one row is X[None]"),
            ([["a"] * 5], DTypeError, "X must be numbers"),
        ):
            with pytest.raises(error, match=re.escape(text)):
                found.predict(X)
        with pytest.raises(DimensionError, match="rows has shape"):
            found.predict_rows(np.zeros((2, 3), np.uint64))
        with pytest.raises(DimensionError, match="rows must be of shape"):
            found.predict_rows(np.zeros(4, np.uint64))
        with pytest.raises(PaddingError, match="bits set beyond"):
            found.predict_rows(np.full((1, 4), 2**64 - 1, np.uint64))

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"prototype_classes": [0, 1, 2]}, ParameterError, "prototype_classes must be from 0 to 1"),
            ({"prototype_classes": [0, 1]}, DimensionError, "prototype_classes must be of shape (3,)"),
            ({"prototype_classes": [0.0, 1, 1]}, DTypeError, "prototype_classes must be integers"),
            ({"classes": ["a", "a"]}, ParameterError, "all be different"),
            ({"classes": [["a"]]}, ParameterError, "classes must be a list"),
            ({"classes": np.array([1, "a"], object)}, DTypeError, "of several types"),
            ({"classes": [1.0, np.inf]}, ParameterError, "classes must be finite"),
            ({"classes": [1j, 2j]}, DTypeError, "classes must be texts"),
            ({"encoder_tables": "density"}, ParameterError, "encoder_tables must be a Encoder"),
            ({"encoder_tables": Signs(3)}, DimensionError, "weights have 4 components, and encoder_tables make 3"),
            ({"intercept": [1.0]}, ParameterError, "intercept must be 2 finite numbers"),
            ({"intercept": [1e20, 1.0]}, ParameterError, "intercept is too great"),
        ],
    )
    def test_what_it_is_made_of_is_checked(self, change, error, text):
        good = {
            "encoder_tables": None,
            "weights": np.ones((3, 4)),
            "prototype_classes": [0, 1, 1],
            "classes": [1, 2],
        }
        with pytest.raises(error, match=re.escape(text)):
            BitClassifier.of(**{**good, **change})

    def test_without_scikit_learn_or_numba(self):
        code = (
            "import sys; from hdc.apps.learn.bits import BitClassifier;"
            "m = BitClassifier.of(None, [[1., 1], [-1, 1]], [0, 1], [0, 1], backend='numpy'); m.predict([[1, 1]]);"
            "print(sorted({m.split('.')[0] for m in sys.modules} & {'numba', 'torch', 'scipy', 'sklearn'}))"
        )
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert out.strip() == "[]"


class TestEarly:
    @pytest.mark.parametrize("bits", BITS)
    @pytest.mark.parametrize("confidence", [0.8, 0.99])
    def test_winners_are_missed_no_oftener_than_said(self, bits, confidence):
        """Components are drawn independently; 3000 rows, the bound and four standard errors: alarm below 1e-4."""
        rng = np.random.default_rng(7)
        common, n = rng.normal(0, 1, 4096), 3000
        weights = common + rng.normal(0, 1, (6, 4096))
        own = rng.integers(0, 6, n)
        rows = pack(weights[own] * 0.2 + rng.standard_normal((n, 4096), dtype=np.float32) < 0)
        found = BitClassifier.of(None, weights - common, np.arange(6), np.arange(6), bits)
        early = found.early_rows(rows, confidence)
        missed = np.mean(early.classes != found.predict_rows(rows))
        assert missed <= 1 - confidence + 4 * np.sqrt(confidence * (1 - confidence) / n)
        assert 0.125 <= early.share < 0.9
        assert early.share < found.early_rows(rows, 0.999).share + 1e-12

    def test_leads_are_those_of_the_bound(self):
        found = model(Signs(1000), bits=2, prototypes=4, classes=3, intercept=True)
        rest = found.planes, found.factors, found.biases, found.prototype_classes
        words, biases, spans = stops(*rest, 1000, 0.95)
        assert words.tolist() == [2, 4, 8, 16]
        values = integers(found.planes, 1000).astype(float) * found.factors[:, None]
        for i, j in itertools.permutations(range(4), 2):
            if found.prototype_classes[i] == found.prototype_classes[j]:
                assert spans[0, i, j] < -(2**53)
                continue
            squares = (values[i] - values[j]) ** 2
            part, whole = squares[:256].sum(), squares.sum()
            lead = np.sqrt(2 * np.log(3 * 3 / 0.05) * part * (1 - part / whole))
            assert spans[1, i, j] == pytest.approx(lead, rel=1e-6, abs=2)
        assert biases[-1].tolist() == found.biases.tolist()
        assert biases[1].tolist() == np.rint(found.biases * 0.256).tolist()

    def test_of_features_and_of_rows(self):
        found = model(density(5, 2000))
        X = rows_of(100, 5, 3)
        one, other = found.early(X, 0.9), found.early_rows(found.encoder.encode(X), 0.9)
        assert one.share == other.share
        assert np.array_equal(one.classes, other.classes)

    def test_errors(self):
        with pytest.raises(ParameterError, match="level codes or random Fourier"):
            model(density(code=hdc.Thermometer)).early(np.zeros((1, 5)))
        with pytest.raises(ParameterError, match="confidence must be a number strictly between"):
            model(density()).early(np.zeros((1, 5)), 1)
        many = BitClassifier.of(None, np.ones((2049, 1)), np.zeros(2049, int), ["a"])
        with pytest.raises(ParameterError, match="at most 2048 prototypes"):
            many.early_rows(np.zeros((1, 1), np.uint64))

    def test_one_word_is_read_whole(self):
        found = model(Signs(64), prototypes=2, classes=2)
        assert found.early_rows(np.zeros((3, 1), np.uint64)).share == 1


class TestFiles:
    @pytest.mark.parametrize("encoder", ENCODERS)
    def test_a_model_comes_back(self, encoder, tmp_path):
        found = model(ENCODERS[encoder](100), bits=4)
        found.export(tmp_path / "m.bits")
        read = BitClassifier.load(tmp_path / "m.bits", "numpy")
        X = rows_of(60, found.encoder.features, 8)
        assert np.array_equal(read.predict(X), found.predict(X))
        np.testing.assert_array_equal(read.scores(X), found.scores(X))
        assert repr(read) == repr(found)
        read.export(tmp_path / "again.bits")
        assert (tmp_path / "again.bits").read_bytes() == (tmp_path / "m.bits").read_bytes()

    @pytest.mark.parametrize(
        "names",
        [
            ["", "ünï", "a b,c"],
            np.array(["x", "y", "z"], object),
            [3, -(2**63), 2**63 - 1],
            np.array([1, 2, 255], np.uint8),
            [0.5, -1e300, 5e-324],
            np.array([0.1, 0.2, 3], np.float32),
        ],
    )
    def test_classes_come_back(self, names, tmp_path):
        model(Signs(70), classes=3, names=names).export(tmp_path / "m.bits")
        read = BitClassifier.load(tmp_path / "m.bits").classes_
        assert read.tolist() == np.asarray(names).tolist()

    def test_bools_come_back(self, tmp_path):
        model(Signs(70), classes=2, names=[False, True]).export(tmp_path / "m.bits")
        assert BitClassifier.load(tmp_path / "m.bits").classes_.dtype == np.bool_

    def test_nul_is_refused(self, tmp_path):
        with pytest.raises(ParameterError, match="NUL"):
            model(Signs(70), classes=2, names=["a", "b\0c"]).export(tmp_path / "m.bits")
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(
        ("encoder", "apart"),
        [("level", 7), *(pytest.param(name, 1, marks=pytest.mark.slow) for name in ("signs", "level", "fourier 16"))],
    )
    def test_every_damaged_byte_is_detected(self, encoder, apart, tmp_path):
        path = tmp_path / "m.bits"
        model(ENCODERS[encoder](7), bits=1, prototypes=2, classes=2).export(path)
        whole, rng = path.read_bytes(), np.random.default_rng(0)
        damaged = [*(whole[:n] for n in range(0, len(whole), 5 * apart)), whole + b"\0"]
        for at in range(0, len(whole), apart):
            changed = bytearray(whole)
            changed[at] ^= 1 << int(rng.integers(8))
            damaged.append(bytes(changed))
        for content in damaged:
            path.write_bytes(content)
            with pytest.raises(FileFormatError, match=re.escape(str(path))):
                BitClassifier.load(path)

    @settings(max_examples=60, deadline=None)
    @given(
        encoder=st.sampled_from(["signs", "level", "fourier 16"]),
        changes=st.lists(st.tuples(st.integers(8, 5000), st.integers(0, 255)), min_size=1, max_size=3),
        field=st.tuples(st.integers(4, 15), st.one_of(st.integers(0, 80), st.integers(0, 2**32 - 1))) | st.none(),
    )
    def test_forged_files_are_refused_or_work(self, encoder, changes, field, tmp_path_factory):
        """The checksum is right, and something else may not be."""
        path = tmp_path_factory.mktemp("forged") / "m.bits"
        model(ENCODERS[encoder](70), bits=1, prototypes=2, classes=2).export(path)
        content = bytearray(path.read_bytes())
        for at, value in changes:
            content[at % (len(content) - 4)] = value
        if field is not None:
            content[4 * field[0] : 4 * field[0] + 4] = struct.pack("<I", field[1])
        content[:16] = path.read_bytes()[:16]
        content[-4:] = struct.pack("<I", zlib.crc32(content[:-4]))
        path.write_bytes(content)
        try:
            read = BitClassifier.load(path)
        except FileFormatError:
            return
        assert read.predict(rows_of(3, read.encoder.features, 0)).shape == (3,)

    def test_other_versions_and_files(self, tmp_path):
        path = tmp_path / "m.bits"
        model(Signs(70)).export(path)
        content = bytearray(path.read_bytes())
        content[8] = 2
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="version 2 is unknown, and this release reads 1; upgrade"):
            BitClassifier.load(path)
        path.write_bytes(b"\x89HDCFIL\n" + bytes(100))
        with pytest.raises(FileFormatError, match="no model file"):
            BitClassifier.load(path)
        with pytest.raises(FileNotFoundError):
            BitClassifier.load(tmp_path / "none")

    def test_foreign_byte_order_is_written_little(self, tmp_path):
        encoder = fourier(3, 70)
        swapped = Fourier(
            encoder.low.astype(">f8"),
            encoder.scale,
            encoder.offsets.astype(">u4"),
            encoder.weights.astype(">i2"),
            encoder.bit,
            encoder.most,
        )
        for name, one in (("a", encoder), ("b", swapped)):
            model(one).export(tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestFlipped:
    @pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 1.0])
    def test_so_many_bits_are_flipped(self, share):
        found = model(density(5, 300), bits=2)
        changed = found.flipped(share, 1)
        for before, after, vectors in (
            (found.planes, changed.planes, 14),
            (
                np.concatenate([found.encoder.roles, found.encoder.tie[None]]),
                np.concatenate([changed.encoder.roles, changed.encoder.tie[None]]),
                6,
            ),
        ):
            assert np.bitwise_count(before ^ after).sum() == round(share * 300 * vectors)
            assert not np.any(after[..., -1] >> np.uint64(300 % 64))

    def test_tables_of_fourier(self):
        found = model(fourier(5, 300))
        tables = found.flipped(0.1, parts=["tables"])
        assert np.array_equal(tables.planes, found.planes)
        apart = tables.encoder.weights.view(np.uint16) ^ found.encoder.weights.view(np.uint16)
        offsets = tables.encoder.offsets ^ found.encoder.offsets
        flipped = np.bitwise_count(apart).sum() + np.bitwise_count(offsets).sum()
        assert flipped == round(0.1 * 300 * (5 * 16 + 32))

    def test_parts_and_seeds(self):
        found = model(density())
        one, same, other = (found.flipped(0.1, seed, ["classes"]) for seed in (1, 1, 2))
        assert np.array_equal(one.planes, same.planes)
        assert not np.array_equal(one.planes, other.planes)
        assert one.encoder is found.encoder
        assert np.array_equal(found.flipped(0.1, parts=["tables"]).planes, found.planes)
        assert model(Signs(70)).flipped(0.5, parts=["tables"]).encoder.dim == 70

    def test_all_bits_flipped_turn_scores(self):
        found = model(Signs(128), intercept=False)
        X = rows_of(20, 128, 0)
        np.testing.assert_allclose(
            found.flipped(1.0).scores_rows(found.encoder.encode(X)), found.scores_rows(~found.encoder.encode(X))
        )

    def test_errors(self):
        with pytest.raises(ParameterError, match="share must be a number from 0 to 1"):
            model(density()).flipped(1.5)
        with pytest.raises(ParameterError, match="each of parts must be one of classes, tables, not 'roles'"):
            model(density()).flipped(0.5, parts=["roles"])
        with pytest.raises(HDCError, match="seed"):
            model(density()).flipped(0.5, seed=-1)

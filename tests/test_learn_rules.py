"""Rules that learn class vectors otherwise than from row to row, against their definitions and on held-out digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from tests import models, naive
from tests.bridge import backend_of

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.datasets import load_digits

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules import bnn, dimensions, lvq, stepwise
from hdc.apps.learn.rules.settings import Learned, Settings
from hdc.errors import BackendUnavailableError, DimensionError

DIGITS = load_digits()
TRAIN, TEST = np.arange(0, 1797, 3), np.arange(1, 1797, 3)
"""A third to learn from and another to predict, which keeps these tests quick."""


@pytest.fixture(scope="module")
def digits():
    """Return rows and labels to learn from, and rows and labels to predict: signs of random Fourier features."""
    vsa = hdc.create("MAP-B", 1024)
    encoder = hdc.RandomFourier(vsa, "pixels", 64, bandwidth=25.0)
    rows, labels = Rows(encoder.encode(DIGITS.data), vsa.dim), DIGITS.target.astype(np.int64)
    return rows.take(TRAIN), labels[TRAIN], rows.take(TEST), labels[TEST]


def ones(labels):
    return np.ones(len(labels), dtype=np.float32)


def accuracy(learned, rows, labels):
    scores = rows.floats(slice(0, len(rows))) @ learned.weights.T
    best = np.stack([scores[:, learned.classes == c].max(axis=1) for c in range(len(learned.intercept))], axis=1)
    return (np.argmax(best + learned.intercept, axis=1) == labels).mean()


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def units(rng, n, dim):
    return unit(rng.standard_normal((n, dim))).astype(np.float32)


class TestAttract:
    @pytest.mark.parametrize("name", models.NUMPY_BACKENDS)
    @given(
        seed=st.integers(0, 2**32 - 1),
        # cosines of two components or one are often ±1, and ties depend on rounding: the next test has such
        shape=st.tuples(st.integers(0, 9), st.integers(3, 20), st.integers(1, 6), st.integers(1, 4)),
        steepness=st.sampled_from([0.0, 1.0, 30.0]),
        rate=st.sampled_from([0.0, 0.05, 3.0]),
    )
    @settings(max_examples=25, deadline=None)
    def test_it_is_the_definition(self, name, seed, shape, steepness, rate):
        (n, dim, m, classes), rng = shape, np.random.default_rng(seed)
        rows, prototypes = units(rng, n, dim), units(rng, m, dim)
        labels, owners = rng.integers(0, classes, n), rng.integers(0, classes, m)
        weights = rng.choice([0.0, 0.5, 1.0], n).astype(np.float32)
        before = prototypes.copy()
        found = backend_of(name).learn.attract(rows, labels, weights, prototypes, owners, steepness, rate)
        expected = naive.attract(rows, labels, weights, prototypes, owners, steepness, rate)
        np.testing.assert_allclose(found, expected, atol=2e-4)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(prototypes, before)

    @pytest.mark.parametrize("name", models.NUMPY_BACKENDS)
    def test_edges(self, name):
        attract, one = backend_of(name).learn.attract, np.ones((1, 1), dtype=np.float32)
        label, weight = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.float32)
        both, owners = np.ones((2, 1), dtype=np.float32), np.array([0, 1])
        assert attract(one, label, weight, both, owners, 30.0, 1.0).tolist() == [[1], [1]]  # no distance to divide by
        assert attract(one, label, weight, one, label, 30.0, 1.0).tolist() == [[1]]  # no other class
        assert attract(one[:0], label[:0], weight[:0], both, owners, 30.0, 1.0).tolist() == [[1], [1]]
        side = np.array([[0, 1]], dtype=np.float32)
        pair = np.array([[1, 0], [1, 0]], dtype=np.float32)
        moved = attract(side, label, weight, pair, owners, 0.0, 9.0)  # a tie: the own one moves, by half a length
        np.testing.assert_allclose(moved, [np.array([1, 0.5]) / np.sqrt(1.25), [1, 0]], rtol=1e-6)

    @pytest.mark.parametrize("name", models.NUMPY_BACKENDS)
    def test_steep_losses_move_only_what_is_at_the_border(self, name):
        prototypes, row = np.eye(2, dtype=np.float32), np.array([[0.6, 0.8]], dtype=np.float32)
        label, owners = np.zeros(1, dtype=np.int64), np.arange(2)
        args = label, np.ones(1, np.float32), prototypes, owners, 1e5, 1.0
        attract = backend_of(name).learn.attract
        np.testing.assert_array_equal(attract(row, *args), prototypes)
        border = np.full((1, 2), 0.5**0.5, dtype=np.float32)
        assert (attract(border, *args)[0] @ border[0]) > 0.85  # it was .71; steps are half a length

    def test_long_runs_stay_of_length_one(self):
        rng = np.random.default_rng(0)
        rows, labels, owners = units(rng, 5000, 8), rng.integers(0, 2, 5000), np.array([0, 0, 1])
        args = rows, labels, np.ones(5000, np.float32), units(rng, 3, 8), owners, 30.0, 1.0
        found = [backend_of(name).learn.attract(*args) for name in models.NUMPY_BACKENDS]
        for vectors in found:
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)

    def test_a_step_goes_down_the_loss(self):
        """The move is the negative gradient along the sphere: differences of the loss say the same."""
        rng = np.random.default_rng(3)
        row, prototypes, owners, beta = unit(units(rng, 1, 6)), unit(units(rng, 2, 6)), np.array([0, 1]), 7.0

        def loss(vectors):
            right, wrong = ((unit(vectors) - row) ** 2).sum(axis=1)
            return 1 / (1 + np.exp(-beta * (right - wrong) / (right + wrong)))

        gradient, small = np.empty((2, 6)), 1e-6
        for place in np.ndindex(2, 6):
            up = np.zeros((2, 6))
            up[place] = small
            gradient[place] = (loss(prototypes + up) - loss(prototypes - up)) / (2 * small)
        moved = naive.attract(row, [0], [1.0], prototypes, owners, beta, 1e-5)
        np.testing.assert_allclose((np.array(moved) - prototypes) / -1e-5, gradient, atol=1e-5)


class TestLVQ:
    @pytest.mark.parametrize(("steepness", "floor"), [(30.0, 0.95), (0.0, 0.93)])
    def test_held_out_digits(self, digits, steepness, floor):
        known, labels, new, truth = digits
        found = lvq.fit(known, labels, ones(labels), lvq.LVQSettings(10, steepness=steepness))
        assert found.weights.shape == (50, 1024)
        assert np.bincount(found.classes).tolist() == [5] * 10
        assert accuracy(found, new, truth) >= floor
        start = lvq.fit(known, labels, ones(labels), lvq.LVQSettings(10, prototypes=1, epochs=0))
        assert accuracy(found, new, truth) > accuracy(start, new, truth) + 0.02

    def test_epochs_of_none_are_centroids(self, digits):
        known, labels, *_ = digits
        found = lvq.fit(known, labels, ones(labels), lvq.LVQSettings(10, prototypes=1, epochs=0))
        sums = np.stack([known.floats(np.flatnonzero(labels == c)).sum(axis=0) for c in range(10)])
        np.testing.assert_allclose(found.weights, sums / np.linalg.norm(sums, axis=1, keepdims=True), atol=1e-5)

    def test_rows_without_weight_are_not_there(self, digits):
        known, labels, *_ = digits
        weights = (np.arange(len(labels)) % 2).astype(np.float32)
        half = np.flatnonzero(weights)
        setting = lvq.LVQSettings(10, prototypes=1, epochs=0)
        found = lvq.fit(known, labels, weights, setting)
        alone = lvq.fit(known.take(half), labels[half], weights[half], setting)
        np.testing.assert_allclose(found.weights, alone.weights, atol=1e-6)

    def test_few_rows_and_missing_classes(self):
        rows = Rows(units(np.random.default_rng(0), 4, 8), 8)
        labels = np.array([0, 0, 2, 2])
        found = lvq.fit(rows, labels, ones(labels), lvq.LVQSettings(3, prototypes=9))
        assert found.classes.tolist() == [0, 0, 2, 2, 1]
        assert np.isfinite(found.weights).all()
        assert not found.weights[4].any()
        assert found.intercept.tolist() == [0, -1, 0]

    def test_seeds_decide(self, digits):
        known, labels, *_ = digits
        same = [lvq.fit(known, labels, ones(labels), lvq.LVQSettings(10, epochs=1, seed=s)).weights for s in (1, 1, 2)]
        np.testing.assert_array_equal(same[0], same[1])
        assert not np.array_equal(same[0], same[2])


def margin(rows, labels, weights=None):
    """Learn by the usual rule: what others are compared with."""
    rule = Settings(10, epochs=10, margin=0.05)
    return stepwise.learned(stepwise.fit(rows, labels, ones(labels) if weights is None else weights, rule), rule)


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
class TestBNN:
    def test_held_out_digits_on_bits(self, digits):
        """Trained signs predict better than signs of trained numbers: .943 and .932 here."""
        known, labels, new, truth = digits
        found = bnn.fit(known, labels, ones(labels), bnn.BNNSettings(10, epochs=6))
        assert set(np.unique(np.abs(found.weights))) == {np.float32(1 / 32)}
        other = margin(known, labels)
        signs = other._replace(weights=np.sign(other.weights))
        assert accuracy(found, new, truth) >= max(0.93, accuracy(signs, new, truth))

    def test_weights_of_zero_are_rows_that_are_not_there(self):
        """With all rows in one batch, and no dropout, order is nothing and the mean is over weights."""
        rng = np.random.default_rng(0)
        data, labels = units(rng, 40, 30), rng.integers(0, 3, 40)
        weights = (np.arange(40) % 2).astype(np.float32)
        half, rule = np.flatnonzero(weights), bnn.BNNSettings(3, epochs=5, dropout=0.0)
        found = bnn.fit(Rows(data, 30), labels, weights, rule)
        alone = bnn.fit(Rows(data[half], 30), labels[half], ones(half), rule)
        assert (found.weights == alone.weights).mean() > 0.98  # sums differ by rounding

    def test_it_stops_and_repeats(self, digits):
        known, labels, *_ = digits
        some = known.take(np.arange(100))
        rule = bnn.BNNSettings(10, epochs=3, seed=4)
        both = [bnn.fit(some, labels[:100], ones(labels[:100]), rule).weights for _ in range(2)]
        np.testing.assert_array_equal(*both)
        # one row and a rate of 0: the loss never falls, and training ends after patience
        frozen = bnn.BNNSettings(10, epochs=10**6, rate=0.0, dropout=0.0, patience=2)
        assert len(bnn.fit(some.take(np.arange(1)), labels[:1], ones(labels[:1]), frozen).weights) == 10


def test_bnn_names_what_it_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    rows = Rows(np.eye(2, dtype=np.float32), 2)
    with pytest.raises(BackendUnavailableError, match=r"hdc-toolkit\[torch\]"):
        bnn.fit(rows, np.array([0, 1]), np.ones(2, np.float32), bnn.BNNSettings(2))


class TestDimensions:
    @given(dim=st.integers(1, 200), n=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
    @settings(max_examples=30, deadline=None)
    def test_columns_are_the_chosen_components(self, dim, n, seed):
        rng = np.random.default_rng(seed)
        signs = rng.choice(np.array([-1, 1], dtype=np.int8), (n, dim))
        packed = Rows(hdc.words.pack(signs < 0), dim)
        chosen = rng.permutation(dim)[: rng.integers(1, dim + 1)]
        expected = signs[:, chosen] / np.sqrt(len(chosen))
        for rows in (packed, Rows(signs, dim), Rows(signs.astype(np.float32), dim)):
            found = dimensions.columns(rows, chosen)
            assert found.dim == len(chosen)
            assert found.data.dtype == rows.data.dtype
            np.testing.assert_allclose(found.floats(slice(0, n)), expected, rtol=1e-5)

    def test_pull_is_the_definition(self):
        rng = np.random.default_rng(1)
        data, labels, weights = units(rng, 60, 9), rng.integers(0, 3, 60), rng.random(60).astype(np.float32)
        learned = Learned(units(rng, 5, 9), np.array([0, 0, 1, 2, 2]), np.zeros(3, np.float32))
        expected = np.zeros(9)
        for h, label, weight in zip(data, labels, weights, strict=True):
            ranked = sorted(range(5), key=lambda p: -float(h @ learned.weights[p]))
            first, second = ranked[:2]
            own = next(p for p in ranked if learned.classes[p] == label)
            if own != first:
                distance = [np.abs(h - learned.weights[p]) for p in (own, first, second)]
                other = learned.classes[second] != label
                expected += weight * (0.5 * distance[0] - distance[1] - 0.25 * other * distance[2])
        found = dimensions.pull(Rows(data, 9), labels, weights, learned)
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_sparsified_keeps_what_varies(self):
        learned = Learned(np.array([[1, 1, 0, 2], [1, -1, 0.1, 2]], np.float32), np.arange(2), np.zeros(2, np.float32))
        found = dimensions.sparsified(learned, 0.5)
        assert (found.weights != 0).any(axis=0).tolist() == [False, True, True, False]
        assert learned.weights[0, 0] == 1  # the argument is as it was
        np.testing.assert_array_equal(dimensions.sparsified(learned, 0.0).weights, learned.weights)

    def test_sparse_digits_lose_little(self, digits):
        known, labels, new, truth = digits
        learned = margin(known, labels)
        assert accuracy(dimensions.sparsified(learned, 0.2), new, truth) >= accuracy(learned, new, truth) - 0.01

    @pytest.mark.parametrize("by", ["variance", "errors"])
    def test_exchanged_components(self, digits, by):
        known, labels, new, truth = digits
        rule = dimensions.Regeneration(128, share=0.1, rounds=8, by=by)
        assert rule.wide == 128 + 8 * 13

        def learn(rows):
            return stepwise.learned(stepwise.fit(rows, labels, ones(labels), once), once)

        once = Settings(10, epochs=1)  # an epoch leaves rows that are wrong
        learned, chosen = dimensions.regenerated(known, labels, ones(labels), rule, learn)
        assert len(set(chosen)) == 128
        assert 13 < (chosen >= 128).sum() <= 8 * 13
        assert chosen.max() < rule.wide
        assert accuracy(learned, dimensions.columns(new, chosen), truth) >= 0.88
        plain = learn(dimensions.columns(known, np.arange(128)))
        if by == "variance":
            after, before = (np.quantile(dimensions.spread(one), 0.1) for one in (learned, plain))
            assert after > 1.05 * before  # of other encoders 1.14 to 1.32 times

    def test_nothing_is_exchanged_where_no_row_is_wrong(self):
        rows, labels = Rows(np.eye(8, dtype=np.float32)[:, ::-1].copy(), 8), np.arange(8)
        learned = Learned(np.eye(4, dtype=np.float32), np.arange(4), np.zeros(4, np.float32))
        rule = dimensions.Regeneration(4, rounds=4, by="errors")
        perfect = Rows(np.concatenate([np.eye(4), np.eye(4)], axis=1, dtype=np.float32), 8)
        _, chosen = dimensions.regenerated(perfect, labels[:4], ones(labels[:4]), rule, lambda r: learned)
        assert chosen.tolist() == [0, 1, 2, 3]
        _, chosen = dimensions.regenerated(rows, labels % 4, ones(labels), rule, lambda r: learned)
        assert chosen.max() > 3

    def test_too_few_components(self, digits):
        known, labels, *_ = digits
        with pytest.raises(DimensionError, match="1024 components; 10 rounds of 100 new ones need 2000"):
            dimensions.regenerated(known, labels, ones(labels), dimensions.Regeneration(1000), margin)

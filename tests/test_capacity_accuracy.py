"""Accuracies: values known from the literature, far tails against direct sums, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

import hdc
from hdc import errors
from hdc.apps.capacity import theory
from hdc.apps.capacity.accuracy import Moments, recall_of_agreements
from hdc.apps.capacity.experiments import Experiment
from hdc.bounds.moments import Binomials
from hdc.registry import model_class

ALARM = 1e-6


@pytest.mark.parametrize(
    ("dim", "items", "universe", "linear", "majority"),
    [(256, 15, 100, 0.937, 0.787), (512, 50, 27, 0.863, 0.694), (1024, 100, 1000, 0.486, 0.256)],
)
def test_cleanup_of_pairs(dim, items, universe, linear, majority):
    found = [theory.accuracy("key-value", m, items=items, universe=universe, dim=dim) for m in ("MAP-I", "MAP-B")]
    assert found == pytest.approx([linear, majority], abs=6e-4)


@pytest.mark.parametrize("universe", [2, 1000, 10**9])
@pytest.mark.parametrize("dim", [3000, 30_000])
def test_tails_meet_the_union_bound(dim, universe):
    """For rare errors the integral is (D - 1) Q(s / sqrt(1 + r²)) with the two variances added."""
    items = 15
    tail = stats.norm.logsf(math.sqrt(dim / (2 * items - 1))) + math.log(universe - 1)
    error = theory.error("key-value", "MAP-I", items=items, universe=universe, dim=dim)
    assert error < math.exp(tail) * (1 + 1e-9)
    assert math.log(error) == pytest.approx(tail, rel=2e-3)


def test_error_of_two_equal_scores_is_exact():
    error = theory.cleanup_error(Moments(*(np.asarray(x) for x in (1.0, 1.0, 0.0, 1.0))), 2)
    assert error == pytest.approx(stats.norm.sf(1 / math.sqrt(2)), rel=1e-12)


@pytest.mark.parametrize(
    "model", ["MAP-I", "MAP-B", "Bloom", "CountingBloom", "MBAT", "HRR", "FHRR", "MCR", "CGR", "MAP-C", "HLB"]
)
@pytest.mark.parametrize("dim", [200, 500])
def test_recall_from_a_bundle(model, dim):
    predicted = theory.accuracy("bundle", model, items=15, universe=1000, dim=dim)
    measured = Experiment("bundle", {"model": model, "dim": dim}, seed=3).measure(256)
    assert measured.accuracy == pytest.approx(predicted, abs=0.035)


def test_recall_of_independent_binomial_scores():
    """20 000 draws of 5 hits and 45 rejects, ties by lot: within 6 standard errors (a false alarm in 5e8)."""
    rng = np.random.default_rng(0)
    law = Binomials(20, 0.5, 0.2)
    scores = np.concatenate([rng.binomial(20, 0.5, (20_000, 5)), rng.binomial(20, 0.2, (20_000, 45))], axis=1)
    ranks = np.argsort(-(scores + rng.random(scores.shape)), axis=1)[:, :5]
    shares = (ranks < 5).mean(axis=1)
    assert abs(recall_of_agreements(law, 5, 50) - shares.mean()) < 6 * shares.std() / math.sqrt(len(shares))


def test_recall_of_independent_normal_scores():
    """20 000 draws of 5 hits and 45 rejects: within 6 standard errors (a false alarm in 5e8)."""
    rng = np.random.default_rng(0)
    hits, rejects = rng.normal(2, 1.5, (20_000, 5)), rng.normal(0, 1, (20_000, 45))
    threshold = np.sort(np.concatenate([hits, rejects], axis=1))[:, -5, None]
    shares = (hits >= threshold).mean(axis=1)
    moments = Moments(*(np.asarray(x) for x in (2.0, 1.5, 0.0, 1.0)))
    assert abs(theory.recall(moments, 5, 50) - shares.mean()) < 6 * shares.std() / math.sqrt(len(shares))
    assert theory.recall(moments, 5, 5) == 1.0


@pytest.mark.parametrize("task", ["pairs", "key-value", "sequence"])
@pytest.mark.parametrize(
    "model",
    [
        "MAP-I",
        "MAP-B",
        "MBAT",
        "HRR",
        "FHRR",
        "MCR",
        "CGR",
        "MAP-C",
        *(pytest.param(model, marks=pytest.mark.slow) for model in ("Bloom", "HLB", "TVTB")),
    ],
)
def test_cleanup_in_simulation(task, model):
    dim = model_class(model).next_dim(300)
    predicted = theory.accuracy(task, model, items=15, universe=200, dim=dim)
    measured = Experiment(task, {"model": model, "dim": dim, "items": 15, "universe": 200}, seed=5).measure(512)
    spread = 512 * 15 * predicted * (1 - predicted) * 4  # answers of one trial share a bundle
    approximate = 512 * 15 * 0.01  # what normal scores, and agreements taken as independent, are off by
    assert abs(measured.right - 512 * 15 * predicted) < stats.norm.isf(ALARM / 2) * math.sqrt(spread) + approximate


def test_arrays_broadcast():
    grid = theory.accuracy("bundle", "MAP-I", items=15, universe=[100, 1000], dim=np.array([[200], [400], [800]]))
    assert grid.shape == (3, 2)
    assert np.all(np.diff(grid, axis=0) > 0)
    assert np.all(np.diff(grid, axis=1) < 0)


def test_dimension_for_inverts_accuracy():
    dim = theory.dimension_for("pairs", "MAP-B", items=15, universe=1000, target=0.99)
    at = theory.accuracy("pairs", "MAP-B", items=15, universe=1000, dim=[dim - 1, dim])
    assert at[0] < 0.99 <= at[1]


@pytest.mark.parametrize("model", [model for model in hdc.list_models() if model != "MBAT"])
def test_unbinding_with_symbols_is_as_good_as_the_formula_says(model):
    """Twenty draws of three levels: within 6 standard errors and .02, what dimensions of a thousand leave."""
    vsa = hdc.create(model, hdc.registry.model_class(model).next_dim(1024), backend="numpy")
    seen = []
    for seed in range(20):
        x = vsa.random(5, seed=seed)
        y = x[3:]
        for key in x[:3]:
            y = vsa.bind(key, y)
        for key in x[:3][::-1]:
            y = vsa.unbind(key, y)
        seen.append(float(np.diagonal(vsa.similarity(y, x[3:])).mean()))
    error = 6 * np.std(seen, ddof=1) / math.sqrt(len(seen)) + 0.02
    assert np.mean(seen) == pytest.approx(theory.unbinding_similarity(model, 3), abs=error)


def test_unbinding_decays_as_known():
    assert theory.unbinding_similarity("MAP-B", [1, 5]).tolist() == [1, 1]
    assert theory.unbinding_similarity("HRR", 2) == 0.5
    assert theory.unbinding_similarity("VTB", 3) == 0.5
    assert theory.unbinding_similarity("MAP-C", 1) == pytest.approx(math.sqrt(5) / 3)
    with pytest.raises(errors.UnknownNameError, match="no closed form is known for 'XYZ'; known: MAP-I"):
        theory.unbinding_similarity("XYZ", 1)


def test_errors_say_what_is_allowed():
    ask = {"items": 15, "universe": 100, "dim": 100}
    with pytest.raises(errors.UnknownNameError, match="unknown task 'x'; known: bundle, pairs"):
        theory.accuracy("x", "MAP-I", **ask)
    with pytest.raises(errors.UnknownNameError, match="unknown model 'XYZ'"):
        theory.accuracy("pairs", "XYZ", **ask)
    with pytest.raises(errors.ParameterError, match="has no parameter 'levels'"):
        theory.accuracy("pairs", "Bloom", levels=3, **ask)
    with pytest.raises(errors.ParameterError, match="items must not exceed the universe"):
        theory.accuracy("bundle", "MAP-I", items=15, universe=10, dim=100)
    with pytest.raises(errors.ParameterError, match="dim must be an integer of at least 2, not 0"):
        theory.accuracy("bundle", "MAP-I", items=15, universe=100, dim=0)
    with pytest.raises(errors.UnknownNameError, match="error is for pairs, key-value, sequence"):
        theory.error("bundle", "MAP-I", **ask)
    with pytest.raises(errors.ParameterError, match="target must be a number strictly between 0 and 1"):
        theory.dimension_for("pairs", "MAP-B", items=15, universe=1000, target=1.0)


class TestBest:
    def test_least_storage_first(self):
        choices = theory.best("membership", 200, 10**6, 1e-3)
        assert [c.model for c in choices][:2] == ["Bloom", "MAP-B"]
        assert {c.model for c in choices} == set(theory.MODELS)
        assert [c.bits for c in choices] == sorted(c.bits for c in choices)
        for choice in choices:
            assert choice.dim == theory.dimension("membership", choice.model, items=200, universe=10**6, error=1e-3)

    def test_models_without_a_bound_are_left_out(self):
        assert {c.model for c in theory.best("key-value", 20, 100, 0.1)} == {"MAP-I", "MAP-B", "MBAT"}
        with pytest.raises(errors.UnsupportedError, match="no paper bound is known for sequence"):
            theory.best("sequence", 20, 100, 0.1, bound="paper")

    def test_storage(self):
        assert theory.storage_bits("MAP-B", 1000, 7) == 1000
        assert theory.storage_bits("MAP-I", 1000, 7) == 3000
        assert theory.storage_bits("MBAT", 1000, 7) == 32_000
        assert theory.storage_bits("Hopfield", 10, 7) == 45 * 3
        with pytest.raises(errors.UnknownNameError):
            theory.storage_bits("HRR", 10, 7)

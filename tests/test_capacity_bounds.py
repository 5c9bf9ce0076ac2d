"""Closed forms: worked sizes, inverses, numerics, errors, and agreement with simulation.

Simulations have fixed seeds; their limits are binomial quantiles whose chance of a false alarm is ``ALARM`` each.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import hdc
from hdc import bounds, errors
from hdc.apps.capacity.experiments import Experiment
from hdc.apps.capacity.predictions import failure_bound
from hdc.bounds import solve

ALARM = 1e-6
TRIALS = 256
ERROR = 0.1

WORKED = [
    ("MAP-I", "rigorous", 4606, 14737),
    ("MAP-I", "gaussian", 3638, 12598),
    ("MAP-B", "rigorous", 7307, 23265),
    ("MAP-B", "gaussian", 5772, 19888),
    ("MAP-B", "paper", 34178, 107038),
    ("Bloom", "gaussian", 1199, 3835),
    ("MBAT", "rigorous", 4606, 14737),
]


@pytest.mark.parametrize(("model", "kind", "small", "large"), WORKED)
def test_worked_sizes(model, kind, small, large):
    sizes = bounds.dimension(
        "membership", model, items=[50, 100], universe=[1000, 10**6], error=[0.01, 0.01], bound=kind
    )
    assert sizes.tolist() == [small, large]
    assert sizes.dtype == np.int64


def test_bloom_bound_counts_whole_ones():
    """The classic size takes k as real: with whole k its false alarms exceed the error, the rigorous one's do not."""
    n, d, error = 50, 1000, 0.01
    k = bounds.best_ones(d, error)
    m = bounds.dimension("membership", "Bloom", items=n, universe=d, error=error)
    classic = bounds.dimension("membership", "Bloom", items=n, universe=d, error=error, bound="gaussian")

    def alarms(dim):
        return d * (1 - (1 - k / dim) ** n) ** k

    assert k == 17
    assert alarms(m) <= error < alarms(m - 1)
    assert alarms(classic) > error


@pytest.mark.parametrize(("size", "bias"), [(1, 1), (2, 0.5), (3, 0.5), (5, 3 / 8), (10, 63 / 256)])
def test_majority_bias(size, bias):
    assert bounds.majority_bias(size) == pytest.approx(bias, rel=1e-14)


def test_majority_bias_series_meets_the_exact_value():
    sizes = np.array([126, 128, 130, 1000, 5000])
    exact = [math.comb(n, n // 2) / 2**n for n in sizes.tolist()]
    assert bounds.majority_bias(sizes) == pytest.approx(exact, rel=1e-12)
    assert bounds.majority_bias(1e12) == pytest.approx(math.sqrt(2 / (math.pi * 1e12)), rel=1e-6)


OPTIONS = {
    "membership": {"universe": 1000},
    "intersection": {"tolerance": 5, "overlap": 3},
    "key-value": {"universe": 1000},
    "bindings": {"own": True},
    "sequence": {"universe": 1000},
    "nested": {"universe": 10**6},
}


@pytest.mark.parametrize("bound", bounds.table(), ids=lambda bound: f"{bound.task}-{bound.model}-{bound.kind}")
class TestEveryBound:
    def test_says_what_it_is(self, bound):
        assert bound.statement
        assert bound.source
        assert bound.standing.split()[0].rstrip(".;,") in ("theorem", "derived", "approximation")
        assert bounds.find(bound.task, bound.model, bound.kind) is bound

    def test_inverses_are_consistent(self, bound):
        task, model, kind = bound.task, bound.model, bound.kind
        options = OPTIONS[task]
        items, error = np.array([4, 9, 16]), np.array([[0.2], [1e-3]])
        dims = bounds.dimension(task, model, items=items, error=error, bound=kind, **options)
        assert dims.shape == (2, 3)
        assert np.all(np.diff(dims, axis=0) >= 0)
        assert np.all(np.diff(dims, axis=1) >= 0)
        rates = bounds.error_rate(task, model, dim=dims, items=items, bound=kind, **options)
        assert np.all(rates <= error * (1 + 1e-9))
        held = bounds.capacity(task, model, dim=dims, error=error, bound=kind, **options)
        assert np.all(held >= items)
        again = bounds.dimension(task, model, items=held, error=error, bound=kind, **options)
        assert np.all(again <= dims)

    def test_numbers_at_the_edge(self, bound):
        universe = {"universe": 1e9} if "universe" in OPTIONS[bound.task] else {}
        options = {**OPTIONS[bound.task], **universe}
        size = bounds.dimension(bound.task, bound.model, items=4, error=1e-12, bound=bound.kind, **options)
        assert 0 < size < 2**62
        rate = bounds.error_rate(bound.task, bound.model, dim=size, items=4, bound=bound.kind, **options)
        assert 1e-15 < rate <= 1e-12 * (1 + 1e-9)


def test_trees_keep_of_a_leaf_what_the_bound_says():
    """p(n)^depth within 6 standard errors of a mean over 20 000 components; even numbers of children, too."""
    vsa = hdc.MAPB(20_000)
    for n, depth in ((2, 1), (2, 2), (2, 4), (3, 2), (4, 2)):
        root = leaves = vsa.random(n**depth, seed=n)
        for _ in range(depth):
            root = vsa.bundle(root.reshape(-1, n, vsa.storage))
        seen = vsa.similarity(root, leaves)
        assert abs(seen.mean() - bounds.majority_bias(n) ** depth) < 6 / math.sqrt(20_000)


def test_normal_quantiles_far_out():
    z = stats.norm.isf(1e-12 / 1e9)
    size = bounds.dimension("membership", "MAP-I", items=100, universe=1e9, error=1e-12, bound="gaussian")
    assert size == math.ceil(400 * z * z)


@pytest.mark.parametrize("model", ["MAP-I", "MAP-B"])
def test_errors_in_closed_form_are_those_of_a_bisection(model, monkeypatch):
    bound = bounds.find("key-value", model, "gaussian")
    dims, items = [40, 2500, 10**6, 10**6], [30, 30, 1, 2**40]
    asked = {"items": items, "universe": 2**41, "bound": bound.kind}
    rates = bounds.error_rate(bound.task, bound.model, dim=dims, **asked)
    few = {"universe": 100, "error": 0.05, "bound": bound.kind}
    held = bounds.capacity(bound.task, bound.model, dim=dims[:3], **few)
    alone = bounds.error_rate(bound.task, bound.model, dim=7, items=1, universe=1, bound=bound.kind)
    monkeypatch.setattr(solve, "find", lambda *_: replace(bound, log_error=None))
    slowly = bounds.error_rate(bound.task, bound.model, dim=dims, **asked)
    assert rates == pytest.approx(slowly, rel=1e-9)
    assert 0 < rates[2] < 1e-300 < rates[1] < 1 == rates[3]
    assert held.tolist() == bounds.capacity(bound.task, bound.model, dim=dims[:3], **few).tolist()
    assert alone == bounds.error_rate(bound.task, bound.model, dim=7, items=1, universe=1, bound=bound.kind) < 1e-300


def test_dimensions_and_numbers_must_have_shapes_that_go_together():
    for model, kind in (("MAP-I", "rigorous"), ("MAP-I", "gaussian"), ("MAP-B", "gaussian")):
        with pytest.raises(errors.DimensionError):
            bounds.error_rate("key-value", model, dim=[9, 9], items=[1, 2, 3], universe=9, bound=kind)


def test_error_rate_is_one_where_nothing_is_promised():
    assert bounds.error_rate("membership", "MAP-I", dim=10, items=50, universe=1000) == 1.0
    assert bounds.capacity("membership", "MAP-I", dim=10, universe=1000, error=0.01) == 0


def test_capacity_ends_at_the_universe():
    assert bounds.capacity("membership", "MAP-I", dim=10**9, universe=70, error=0.01) == 70


def test_hypercontractive_bound_is_below_chebyshev():
    chebyshev = 4 * 10 / 1e-6
    assert bounds.dimension("bindings", "MAP-I", items=10, error=1e-6) < chebyshev / 10
    assert bounds.dimension("bindings", "MAP-I", items=10, error=0.5) == 80


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error": 0}, "error must be a number strictly between 0 and 1, not 0"),
        ({"error": 1}, "error must be a number strictly between 0 and 1, not 1"),
        ({"error": math.nan}, "error must be a number strictly between 0 and 1"),
        ({"items": 0}, "items must be an integer of at least 1, not 0"),
        ({"items": 2.5}, "items must be an integer"),
        ({"items": "many"}, "items must be an integer of at least 1, not 'many'"),
        ({"items": 2000}, "needs at least 2000 different symbols, and universe=1000"),
        ({"universe": None}, "universe is needed"),
        ({"depth": 2}, "membership has no option 'depth'; it takes items, universe, error, ones"),
    ],
)
def test_wrong_numbers(change, message):
    with pytest.raises(errors.ParameterError, match=message):
        bounds.dimension("membership", "MAP-I", **{"items": 10, "universe": 1000, "error": 0.01, **change})


def test_unknown_and_unbounded():
    ask = {"items": 10, "universe": 100, "error": 0.1}
    with pytest.raises(errors.UnknownNameError, match="unknown task 'weather'; known: membership"):
        bounds.dimension("weather", "MAP-I", **ask)
    with pytest.raises(errors.UnknownNameError, match="no bounds are known for model 'HRR'"):
        bounds.dimension("membership", "HRR", **ask)
    with pytest.raises(errors.UnknownNameError, match="unknown bound 'exact'"):
        bounds.dimension("membership", "MAP-I", bound="exact", **ask)
    with pytest.raises(errors.UnsupportedError, match="no rigorous bound is known for key-value on Bloom; known: rig"):
        bounds.dimension("key-value", "Bloom", **ask)
    with pytest.raises(errors.UnsupportedError, match=r"Theorem 10.*without a constant"):
        bounds.dimension("sequence", "MAP-I", bound="paper", **ask)
    with pytest.raises(errors.UnsupportedError, match="give own=True"):
        bounds.dimension("bindings", "MAP-B", **ask)
    with pytest.raises(errors.ParameterError, match="tolerance is needed"):
        bounds.dimension("intersection", "MAP-I", items=10, error=0.1)
    with pytest.raises(errors.ParameterError, match="overlap must not exceed the smaller set"):
        bounds.dimension("intersection", "MAP-I", items=10, overlap=11, tolerance=1, error=0.1)
    with pytest.raises(errors.ParameterError, match="shape must be one of tree, chain"):
        bounds.dimension("nested", "MAP-B", shape="ring", **ask)
    with pytest.raises(errors.ParameterError, match="no dimension below"):
        bounds.dimension("nested", "MAP-B", shape="chain", items=90, universe=100, error=0.1)


class TestModelsAnswer:
    def test_capacity_of_a_model(self):
        vsa = hdc.create("MAP-B", 7307)
        held = vsa.capacity(universe=1000, error=0.01)
        assert held == bounds.capacity("membership", "MAP-B", dim=7307, universe=1000, error=0.01) == 51

    def test_sparse_models_answer_for_their_own_ones(self):
        few, many = (hdc.Bloom(2000, ones=k).capacity(universe=1000, error=0.01) for k in (2, 17))
        assert few < many == bounds.capacity("membership", "Bloom", dim=2000, universe=1000, error=0.01, ones=17)

    def test_models_of_others_answer_from_their_scores(self):
        """What MAP-I's moments give is near its Gaussian size, which takes all symbols for strangers."""

        class Other(hdc.MAPI):
            model = "Other"

        ask = {"universe": 1000, "error": 0.1, "bound": "gaussian"}
        found, expected = (model(4096).capacity(**ask) for model in (Other, hdc.MAPI))
        assert found == pytest.approx(expected, rel=0.05)
        keyed = [model(4096).capacity("key-value", **ask) for model in (Other, hdc.MAPI)]
        assert keyed[0] == pytest.approx(keyed[1], rel=0.05)
        with pytest.raises(errors.UnsupportedError, match="give bound='gaussian'"):
            Other(100).capacity(universe=100)
        with pytest.raises(errors.UnsupportedError, match="membership, key-value, sequence, not for nested"):
            Other(100).capacity("nested", universe=100, bound="gaussian")

    @pytest.mark.parametrize("model", ["HRR", "FHRR", "MCR", "CGR", "TVTB", "MAP-C", "HLB"])
    def test_capacity_from_scores_is_met(self, model):
        """Of 200 bundles at capacity for an error of .1, at most a share of .1 and 6 standard errors is wrong."""
        vsa = hdc.create(model, 256)
        size = vsa.capacity(universe=100, error=0.1, bound="gaussian")
        assert size > 2
        wrong = 0
        for seed in range(200):
            x = vsa.random(100, seed=seed)
            found = vsa.contains(vsa.bundle(x[:size]), x, size)
            wrong += not (found[:size].all() and not found[size:].any())
        assert wrong / 200 <= 0.1 + 6 * math.sqrt(0.09 / 200)

    def test_warning_is_one_switch(self):
        vsa = hdc.create("MAP-I", 200)
        crowd = vsa.random(100, seed=0)
        vsa.bundle(crowd)
        before = hdc.warn_beyond_capacity()
        try:
            with pytest.warns(hdc.CapacityWarning, match="100 members in one MAP-I bundle of dim 200"):
                vsa.bundle(crowd)
            vsa.bundle(crowd[:3])
        finally:
            hdc.warn_beyond_capacity(before)
        vsa.bundle(crowd)
        assert before is False


SETS = {"items": 20, "universe": 200}
COUNTS = {"items": 40, "overlap": 10}
SIMULATED = [
    ("membership", "MAP-I", SETS),
    ("membership", "MAP-B", SETS),
    ("membership", "MBAT", SETS),
    ("membership", "Bloom", {**SETS, "ones": 11}),
    ("membership", "CountingBloom", {**SETS, "ones": 11}),
    ("membership", "Hopfield", SETS),
    ("membership", "Hopfield±", SETS),
    ("intersection", "MAP-I", {**COUNTS, "tolerance": 10}),
    ("intersection", "MAP-B", {**COUNTS, "tolerance": 14}),
    ("intersection", "MBAT", {**COUNTS, "tolerance": 10}),
    ("intersection", "Bloom", {**COUNTS, "tolerance": 10, "ones": 60}),
    ("intersection", "CountingBloom", {**COUNTS, "tolerance": 10, "ones": 5}),
    ("intersection", "Hopfield", {**COUNTS, "tolerance": 5}),
    ("intersection", "Hopfield±", {**COUNTS, "tolerance": 5}),
    ("key-value", "MAP-I", {"items": 10, "universe": 100}),
    ("key-value", "MAP-B", {"items": 10, "universe": 100}),
    ("key-value", "MBAT", {"items": 10, "universe": 100}),
    ("bindings", "MAP-I", {"items": 10, "universe": 30, "factors": 2}),
    ("sequence", "MAP-I", {"items": 10, "universe": 100}),
    ("sequence", "MAP-B", {"items": 10, "universe": 100}),
    ("sequence", "MBAT", {"items": 10, "universe": 100}),
    ("nested", "MAP-I", {"items": 3, "depth": 2, "universe": 200}),
    ("nested", "MAP-B", {"items": 3, "depth": 2, "universe": 200}),
    ("nested", "MAP-B", {"items": 2, "depth": 2, "universe": 200}),
    ("nested", "MAP-B", {"items": 4, "shape": "chain", "universe": 200}),
    ("nested", "MBAT", {"items": 3, "depth": 2, "universe": 200}),
    ("nested", "Bloom", {"items": 3, "depth": 2, "universe": 200, "ones": 11}),
    ("nested", "CountingBloom", {"items": 3, "depth": 2, "universe": 200, "ones": 11}),
]


def sized(task, model, parameters, kind):
    options = dict(parameters)
    if task in ("intersection", "bindings"):
        options.pop("universe", None)
    if task == "bindings":
        options["universe"] = 2
    return bounds.dimension(task, model, error=ERROR, bound=kind, **options)


def failures(task, model, parameters, dim):
    setting = Experiment(task, {**parameters, "model": model, "dim": dim}, seed=11)
    return TRIALS - setting.measure(TRIALS).perfect


def test_every_rigorous_bound_is_simulated():
    rigorous = {(b.task, b.model) for b in bounds.table() if b.kind == "rigorous"}
    assert rigorous - {(task, model) for task, model, _ in SIMULATED} == {("bindings", "MAP-B")}  # is D7


@pytest.mark.parametrize(
    ("task", "model", "parameters"),
    [case for case in SIMULATED if case[:2] != ("sequence", "MAP-B")],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_rigorous_sizes_are_enough(task, model, parameters):
    failed = failures(task, model, parameters, sized(task, model, parameters, "rigorous"))
    assert failed <= stats.binom.isf(ALARM, TRIALS, ERROR)


@pytest.mark.parametrize(
    ("task", "model", "parameters"),
    [case for case in SIMULATED if case[:2] not in (("intersection", "Bloom"), ("intersection", "MAP-B"))],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_gaussian_sizes_are_sharp(task, model, parameters):
    """At the Gaussian size the failure rate is at most about the error; at a part of it, it is above the error."""
    size = sized(task, model, parameters, "gaussian")
    shrunk = math.ceil((0.8 if task in ("key-value", "sequence") else 0.6) * size)
    assert failures(task, model, parameters, size) <= stats.binom.isf(ALARM, TRIALS, 1.3 * ERROR)
    assert failures(task, model, parameters, shrunk) >= stats.binom.ppf(ALARM, TRIALS, ERROR)


def test_predictions_use_the_settings_of_the_experiment():
    setting = Experiment("membership", {**SETS, "model": "Bloom", "dim": 600})
    promised = failure_bound(setting, "rigorous")
    assert promised == bounds.error_rate("membership", "Bloom", dim=600, ones=setting.model().ones, **SETS)

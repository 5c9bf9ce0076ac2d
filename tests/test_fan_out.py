"""The simulation of shards, against what is known in closed form."""

import math

import numpy as np
import pytest

from tests.benchmarks import module

model = module("fan_out_model")
Setting, simulate = model.Setting, model.simulate

EXPONENTIAL = -np.log1p(-(np.arange(200_000) + 0.5) / 200_000)[None]
"""Times of one query, exponential with mean 1: an M/M/1 queue where they arrive at random."""


@pytest.mark.parametrize("shards", [1, 4, 64])
@pytest.mark.parametrize("level", [0.5, 0.99, 0.999])
def test_slowest_is_the_root_of_the_level(shards, level):
    assert model.slowest(EXPONENTIAL, shards, level) == pytest.approx(-math.log(1 - level ** (1 / shards)), rel=0.05)


@pytest.mark.parametrize("shards", [1, 4, 64])
def test_shards_that_never_queue_are_as_slow_as_the_slowest(shards):
    found = simulate(EXPONENTIAL, Setting(shards))
    for level in (0.5, 0.99):
        assert found.quantile(level) == pytest.approx(model.slowest(EXPONENTIAL, shards, level), rel=0.03)
    assert found.seconds.mean() == pytest.approx(sum(1 / i for i in range(1, shards + 1)), rel=0.02)


def test_dear_queries_are_dear_everywhere():
    """A tenth of the queries take 10 and the rest 1, give or take nothing: more shards change nothing."""
    times = np.where(np.arange(100)[:, None] < 10, 10.0, 1.0) * np.ones((1, 5))
    for shards in (1, 100):
        assert model.slowest_by_query(times, shards, 0.89) == 1
        assert model.slowest_by_query(times, shards, 0.95) == 10
        assert simulate(times, Setting(shards), 20_000).quantile(0.85) == 1
    independent = model.mixed(times)
    assert model.slowest(independent, 100, 0.05) == model.slowest_by_query(independent, 100, 0.05) == 10
    assert simulate(independent, Setting(100), 20_000).quantile(0.05) == 10


@pytest.mark.parametrize("shards", [1, 8])
def test_both_closed_forms_agree_for_one_query(shards):
    for level in (0.1, 0.5, 0.99, 1.0):
        assert model.slowest_by_query(EXPONENTIAL, shards, level) == model.slowest(EXPONENTIAL, shards, level)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_queue_is_that_of_theory(load):
    """M/M/1: the time to the answer is exponential with mean 1 / (1 - load); M/D/1: Pollaczek and Khinchine."""
    found = simulate(EXPONENTIAL, Setting(1, load), 1_000_000)
    assert found.seconds.mean() == pytest.approx(1 / (1 - load), rel=0.03)
    assert found.quantile(0.99) == pytest.approx(math.log(100) / (1 - load), rel=0.05)
    constant = simulate(np.ones((1, 1)), Setting(1, load), 1_000_000)
    assert constant.seconds.mean() == pytest.approx(1 + load / (2 * (1 - load)), rel=0.03)


def test_shards_of_a_core_add_up():
    """M/E4/1: four exponential parts, so that squares of the work are on average 20 and not 16."""
    free = simulate(EXPONENTIAL, Setting(1, together=4), 200_000)
    assert free.seconds.mean() == pytest.approx(4, rel=0.02)
    assert free.seconds.var() == pytest.approx(4, rel=0.05)
    queued = simulate(EXPONENTIAL, Setting(1, 0.6, together=4), 1_000_000)
    rate = 0.6 / 4
    assert queued.seconds.mean() == pytest.approx(4 + rate * 20 / (2 * (1 - 0.6)), rel=0.03)


def test_two_queues_that_are_joined_are_those_of_flatto_and_hahn():
    """The mean of two M/M/1 queues with the same arrivals: (12 - load) / 8 times that of one."""
    found = simulate(EXPONENTIAL, Setting(2, 0.6), 1_000_000)
    assert found.seconds.mean() == pytest.approx((12 - 0.6) / 8 / (1 - 0.6), rel=0.03)


def test_a_second_request_answers_when_the_first_of_two_does():
    """With no queue and a delay d, an answer is later than t > d if both are: exp(-t) exp(-(t - d))."""
    delay = 1.0
    found = simulate(EXPONENTIAL, Setting(1, replicas=2, hedge=delay))
    for t in (0.5, 1.5, 3.0):
        expected = math.exp(-t) * (math.exp(-(t - delay)) if t > delay else 1)
        assert np.mean(found.seconds > t) == pytest.approx(expected, abs=0.006)
    assert found.extra == pytest.approx(math.exp(-delay), abs=0.006)


def events(arrivals, first, second, replicas, hedge, budget):
    """Do as ``served``, event by event."""
    queues, busy, done, sent = [[] for _ in range(replicas)], [False] * replicas, {}, 0
    happens = [(now, 1, query, "arrives", query % replicas) for query, now in enumerate(arrivals)]

    def begin(replica, now):
        while queues[replica] and not busy[replica]:
            query, work, again = queues[replica].pop(0)
            if not (again and query in done):
                busy[replica] = True
                happens.append((now + work, 0, query, "ends", replica))

    while happens:
        happens.sort()
        now, _, query, what, replica = happens.pop(0)
        if what == "ends":
            done.setdefault(query, now)
            busy[replica] = False
        elif what == "arrives":
            queues[replica].append((query, first[query], False))
            if replicas > 1:
                happens.append((now + hedge, 0.5, query, "again", (query + 1) % replicas))
        elif query not in done and sent < budget * len(arrivals):
            sent += 1
            queues[replica].append((query, second[query], True))
        begin(replica, now)
    return [done[query] - now for query, now in enumerate(arrivals)], sent


@pytest.mark.parametrize("replicas", [1, 2, 3])
@pytest.mark.parametrize("hedge", [0.3, 1.0, 4.0])
def test_served_is_what_happens_event_by_event(replicas, hedge):
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / (0.7 * replicas), 400))
    first, second = rng.exponential(1, (2, 400))
    found, sent = model.served(arrivals, first, second, replicas, hedge, 1.0)
    expected, expected_sent = events(arrivals, first, second, replicas, hedge, 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert sent == expected_sent
    assert (sent > 0) == (replicas > 1)


def test_a_budget_bounds_second_requests():
    for budget in (0.0, 0.05):
        found = simulate(EXPONENTIAL, Setting(3, 0.6, replicas=2, hedge=0.5, budget=budget), 20_000)
        assert found.extra <= budget + 1e-3
    assert simulate(EXPONENTIAL, Setting(3, 0.6, replicas=2, hedge=0.5), 20_000).extra > 0.3


def test_replicas_share_the_queries():
    one, two = (simulate(EXPONENTIAL, Setting(1, 0.6, replicas), 400_000) for replicas in (1, 2))
    assert two.seconds.mean() < one.seconds.mean()  # in turn: arrivals at each are more regular
    assert two.extra == 0

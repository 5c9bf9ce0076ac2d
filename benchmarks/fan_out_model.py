"""How long a query waits for the slowest of many shards: closed forms, and a simulation with queues and hedging.

A query goes to all shards at once and is answered when the last one has answered. A shard is one or more replicas; each
replica is a queue, first come first served, of one worker. What a shard takes for a query is drawn from measured times:
``times[q, s]`` are the seconds of query ``q`` in sample ``s`` (another shard, or another try). A simulated query is one
of these, and each shard takes one of its samples, so that a query that is dear is dear everywhere, as it is in fact.
``mixed`` forgets which query a time is of, which makes the times of shards independent.

Hedging: each query first goes to one replica of a shard, in turn; if that has not answered after a delay, the query
goes to the next replica too, and the first answer counts. A second request that is still in its queue when the first
one is answered is dropped; one that has begun is finished, and so is the first one. Not more than a budget, a part of
all requests, are sent twice: without one, a burst makes second requests, which are the next burst.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]


def slowest(times: Seconds, shards: int, level: float) -> float:
    """Return the quantile of the slowest of independent shards: ``F(t) ** shards = level``."""
    return float(np.quantile(times, level ** (1 / shards), method="inverted_cdf"))


def slowest_by_query(times: Seconds, shards: int, level: float) -> float:
    """Return the same where the times are those of a query: the mean over queries of ``F_q(t) ** shards`` is the level.

    Parameters
    ----------
    times : (q, s) array
    """
    steps = np.sort(times, axis=None)
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        reached = np.mean(np.mean(times <= steps[middle], axis=1) ** shards)
        low, high = (low, middle) if reached >= level - 1e-12 else (middle + 1, high)
    return float(steps[low])


def mixed(times: Seconds) -> Seconds:
    """Return times as those of one query: any shard may take any of them."""
    return times.reshape(1, -1)


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes
    ----------
    shards : int
        Or cores, where each has several of them.
    together : int
        Shards that a core searches one after another for each query.
    load : float
        Part of the time that a replica would work if no query was sent twice; 0 for queries that never meet.
    replicas : int
    hedge : float or None
        Seconds after which a query goes to the next replica too.
    budget : float
        Part of the requests that may be sent twice.
    """

    shards: int
    load: float = 0.0
    replicas: int = 1
    hedge: float | None = None
    budget: float = 1.0
    together: int = 1


@dataclass(frozen=True)
class Simulated:
    """What came of it: seconds of each query, from its arrival to the answer of its slowest shard, and the work."""

    seconds: Seconds
    extra: float
    """Requests that were sent twice, as a part of all."""

    def quantile(self, level: float) -> float:
        """Return a quantile of the seconds."""
        return float(np.quantile(self.seconds, level, method="inverted_cdf"))


def simulate(times: Seconds, setting: Setting, queries: int = 100_000, seed: int = 0) -> Simulated:
    """Simulate queries that arrive at random; the first tenth, in which queues fill, does not count.

    Parameters
    ----------
    times : (q, s) array
    """
    rng = np.random.default_rng(seed)
    apart = np.inf if setting.load == 0 else setting.together * times.mean() / (setting.load * setting.replicas)
    gaps = (
        np.full(queries, times.sum() * setting.together * 1e3) if apart == np.inf else rng.exponential(apart, queries)
    )
    arrivals = np.cumsum(gaps)
    kinds = rng.integers(0, len(times), queries)
    hedge = np.inf if setting.hedge is None else setting.hedge
    worst, twice = np.zeros(queries), 0
    for _ in range(setting.shards):  # a shard after another, so that memory does not grow with them
        first, second = (_work(times, kinds, setting.together, rng) for _ in range(2))
        answered, sent = served(arrivals, first, second, setting.replicas, hedge, setting.budget)
        np.maximum(worst, answered, out=worst)
        twice += sent
    return Simulated(worst[queries // 10 :], twice / (queries * setting.shards))


def _work(times: Seconds, kinds: npt.NDArray[np.int64], together: int, rng: np.random.Generator) -> Seconds:
    """Return what one core does for each query."""
    draws = (times[kinds, rng.integers(0, times.shape[1], len(kinds))] for _ in range(together))
    return np.sum(list(draws), axis=0)


@numba.njit(cache=True)
def served(
    arrivals: Seconds, first: Seconds, second: Seconds, replicas: int, hedge: float, budget: float
) -> tuple[Seconds, int]:  # pragma: no cover - compiled
    """Return how long one shard takes to answer each query, and how many were sent twice.

    Arrivals and second requests, both in order of time, are taken in turn.

    Parameters
    ----------
    arrivals : (n,) array
        Ascending.
    first, second : (n,) arrays
        Seconds of work of both requests.
    """
    free = np.zeros(replicas)
    done = np.empty(len(arrivals))
    asked_again = np.empty(len(arrivals), np.int64)
    next_query, next_again, waiting = 0, 0, 0
    while next_query < len(arrivals) or next_again < waiting:
        if next_again < waiting and (
            next_query == len(arrivals) or arrivals[asked_again[next_again]] + hedge <= arrivals[next_query]
        ):
            query = asked_again[next_again]
            next_again += 1
            replica = (query + 1) % replicas
            begins = max(arrivals[query] + hedge, free[replica])
            if begins < done[query]:
                free[replica] = begins + second[query]
                done[query] = min(done[query], free[replica])
            continue
        query, replica = next_query, next_query % replicas
        next_query += 1
        free[replica] = max(arrivals[query], free[replica]) + first[query]
        done[query] = free[replica]
        if replicas > 1 and done[query] > arrivals[query] + hedge and waiting < budget * next_query:
            asked_again[waiting] = query
            waiting += 1
    return done - arrivals, waiting

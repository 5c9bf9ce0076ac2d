"""Measure the trade-off of recall and time at several search options, on rows of the index itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex
from hdc.apps.serve.background import Job
from hdc.apps.serve.projection.axes import spread
from hdc.apps.serve.projection.rows import vectors_of
from hdc.errors import ParameterError, UnsupportedError
from hdc.search.codes import CODES
from hdc.search.live import live

Ids = npt.NDArray[np.int64]
Search = Callable[..., Ids]
"""Function that takes a query and options and returns ids."""

K = 10

QUERIES = 64

MOST_PAIRS = 1 << 26
"""Most queries times rows to compare for the true neighbors."""

SECONDS = 20.0
"""Time limit of a measurement; points measured until then count."""

STEPS = {"probes": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), "effort": (8, 16, 32, 64, 128, 256, 512, 1024)}


@dataclass(frozen=True)
class Asked:
    """How to search an index for the neighbors of its own rows.

    Attributes
    ----------
    option : str
        The option that varies: probes, effort or candidates.
    steps : tuple of int
        Values of the option.
    queries : array
        One row per query.
    ids : (q,) int64 array
        Ids of the queries, which do not count as hits.
    search : function
    true : function
        Returns the true neighbors of a query, ties included.
    against : str
        What the true neighbors are, for people.
    """

    option: str
    steps: tuple[int, ...]
    queries: npt.NDArray[Any]
    ids: Ids
    search: Search
    true: Callable[[npt.NDArray[Any]], Ids]
    against: str


class Tradeoff(Job):
    """A running or finished measurement.

    Parameters
    ----------
    index : EmbeddingIndex or BinaryIndex

    Attributes
    ----------
    generation : int
        Generation of the index at the start.
    points : list of dict
        ``value`` of the option, ``recall``, and the median ``ms`` per query.

    Raises
    ------
    UnsupportedError
        If the index compares every row, so there is no trade-off, or keeps no vectors to search with.
    """

    def __init__(self, index: EmbeddingIndex | BinaryIndex) -> None:
        super().__init__()
        self.generation = index.store.snapshot.generation
        self.asked = asked_of(index)
        self.points: list[dict[str, float]] = []

    def measure(self) -> None:
        """Measure all values of the option, one after another."""
        began, asked = time.monotonic(), self.asked
        true = []
        for query in asked.queries:
            self.check()
            true.append(asked.true(query))
        for step in asked.steps:
            shares, times = [], []
            asked.search(asked.queries[:1], step)  # the first search builds derived data
            for query, own, near in zip(asked.queries, asked.ids, true, strict=True):
                self.check()
                start = time.perf_counter()
                found = asked.search(query[None], step)
                times.append(time.perf_counter() - start)
                shares.append(recall(found[found != own][:K], near[near != own]))
            self.points.append({"value": step, "recall": float(np.mean(shares)), "ms": 1000 * float(np.median(times))})
            if time.monotonic() - began > SECONDS:
                return

    def to_json(self) -> dict[str, Any]:
        """Return the state of the measurement as JSON."""
        asked = self.asked
        known = {"option": asked.option, "against": asked.against, "k": K, "queries": len(asked.queries)}
        progress = {"state": self.state, "error": self.error, "part": len(self.points) / len(asked.steps)}
        return {**known, **progress, "generation": self.generation, "points": list(self.points)}


def nearest(distances: npt.NDArray[Any], ids: Ids) -> Ids:
    """Return the ids of the ``K + 1`` least distances, and ties with the last of them."""
    last = np.partition(distances, min(K, len(distances) - 1))[min(K, len(distances) - 1)]
    found: Ids = ids[distances <= last]
    return found


def recall(found: Ids, true: Ids, k: int = K) -> float:
    """Return the share of the k nearest that were found; ``true`` may have more than k ids because of ties.

    Examples
    --------
    >>> recall(np.array([1, 2, 8, 9]), np.array([1, 2, 3, 4]), 4)
    0.5
    """
    return int(np.isin(found, true).sum()) / k


def asked_of(index: Any) -> Asked:
    """Return how to search an index; raises as :class:`Tradeoff` does."""
    if not isinstance(index, EmbeddingIndex | BinaryIndex):
        raise UnsupportedError(
            f"recall and time are measured for an index of embeddings or codes, not for a {type(index).__name__}"
        )
    rows = len(index)
    if rows <= K:
        raise ParameterError(f"a trade-off is measured with more than {K} rows; the index has {rows}")
    snapshot = index.store.snapshot
    at = spread(live(snapshot), max(1, min(QUERIES, MOST_PAIRS // rows)))
    codes = index.codes if isinstance(index, EmbeddingIndex) else index
    if isinstance(index, EmbeddingIndex) and (codes.originals is not None or codes.reader is not None):
        return _of_floats(index, at)
    return _of_codes(codes, at)


def _of_floats(index: EmbeddingIndex, at: Ids) -> Asked:
    """Search with the vectors that the index keeps, or with decoded vectors."""
    snapshot, space, vectors = index.store.snapshot, index.model.space_, vectors_of(index)
    rows = vectors.read(snapshot, at)
    if index.codes.originals is None and space.metric != "cosine":
        raise UnsupportedError("the index keeps no vectors to search with; make it with keep=")
    queries = rows if space.center is None or space.metric != "l2" else rows + space.center

    def search(query: npt.NDArray[Any], step: int) -> Ids:
        asked: Any = {option: step}
        return index.search(query, K + 1, **asked)[1].ravel()

    def exact(query: npt.NDArray[Any]) -> Ids:
        asked = query - space.center if space.metric == "l2" and space.center is not None else query
        distances, positions = [], live(snapshot)
        for start in range(0, len(positions), vectors.step):
            block = vectors.read(snapshot, positions[start : start + vectors.step])
            products = block @ asked
            distances.append((block**2).sum(axis=1) - 2 * products if space.metric == "l2" else -products)
        return nearest(np.concatenate(distances), snapshot.ids[positions])

    def exhaustive(query: npt.NDArray[Any]) -> Ids:
        return search(query[None], index.lists)

    if index.kind == "flat":
        if index.codes.originals is None:
            raise UnsupportedError("this index compares the code of every row, so there is no trade-off to measure")
        option, steps = "candidates", _below(tuple(K * factor for factor in (1, 2, 3, 5, 10, 20, 50, 100)), len(index))
    else:
        option = "probes" if index.kind == "ivf" else "effort"
        steps = _below(STEPS[option], index.lists if index.kind == "ivf" else len(index))
    if index.codes.originals is None:
        return Asked(option, steps, queries, snapshot.ids[at], search, exhaustive, "a search of all lists")
    return Asked(option, steps, queries, snapshot.ids[at], search, exact, "exact scores of the vectors")


def _of_codes(index: BinaryIndex, at: Ids) -> Asked:
    """Search with codes; their true neighbors have the least Hamming distances."""
    if index.kind == "flat":
        raise UnsupportedError("this index compares the code of every row, so there is no trade-off to measure")
    if index.levels > 1:
        raise UnsupportedError("the trade-off of codes with several levels cannot be measured")
    snapshot = index.store.snapshot
    option = "probes" if index.kind == "ivf" else "effort"
    lists = len(index.coarse.centroids) if index.coarse is not None else len(index)

    def search(query: npt.NDArray[Any], step: int) -> Ids:
        asked: Any = {option: step}
        return index.search(query, K + 1, **asked)[1].ravel()

    def exact(query: npt.NDArray[Any]) -> Ids:
        positions, step = live(snapshot), vectors_of(index).step
        distances = [
            np.bitwise_count(snapshot.take(CODES, positions[start : start + step]) ^ query).sum(axis=1)
            for start in range(0, len(positions), step)
        ]
        return nearest(np.concatenate(distances), snapshot.ids[positions])

    steps = _below(STEPS[option], lists if option == "probes" else len(index))
    return Asked(option, steps, snapshot.take(CODES, at), snapshot.ids[at], search, exact, "the bits of all codes")


def _below(steps: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Return the steps below a limit, and the limit itself unless it is far beyond the last step."""
    below = tuple(step for step in steps if step < most)
    return (*below, most) if most <= 2 * steps[-1] else below

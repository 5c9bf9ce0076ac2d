"""Queries with known answers, and what searches with some options find of them, and how fast."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.evaluation.metrics import recalls, timed
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.search.options import Options, options_of

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

MOST_CANDIDATES = MOST_EFFORT = 1000

WIDTHS = {"ivf": "probes", "graph": "effort"}
"""The option of a kind that says how much is looked at."""

TIMED = 0.1
"""Seconds that a batch of queries is repeated for, at least."""


@dataclass(frozen=True)
class HeldOut:
    """Queries and their true neighbors.

    Attributes
    ----------
    queries : (q, d) float32 array
    truth : (q, k) int64 array
        Ids, which are numbers of rows.
    own : (q,) int64 array or None
        The row that each query is, which is no answer to itself; None if queries are no rows.
    """

    queries: Floats
    truth: Ids
    own: Ids | None

    @property
    def k(self) -> int:
        """Neighbors of a query."""
        return int(self.truth.shape[1])

    def part(self, rows: slice) -> "HeldOut":
        """Return some of the queries."""
        return HeldOut(self.queries[rows], self.truth[rows], None if self.own is None else self.own[rows])

    def recalls(self, index: EmbeddingIndex, options: Options) -> Doubles:
        """Return what part of each query's neighbors is found: ``(q,)`` float64."""
        k = self.k + (self.own is not None)
        found = index.search(self.queries, k, options=options)[1]
        if self.own is not None:
            found = without(found, self.own)
        return recalls(found, self.truth)

    def rate(self, index: EmbeddingIndex, options: Options) -> float:
        """Return the queries a second of one batch."""
        return len(self.queries) / timed(lambda: index.search(self.queries, self.k, options=options), TIMED)


def without(found: Ids, own: Ids) -> Ids:
    """Return ``(q, k)`` of ``(q, k + 1)`` ids: without the query's own, or the last where that was not found."""
    others = found != own[:, None]
    others[others.all(axis=1), -1] = False
    kept: Ids = found[others].reshape(len(found), -1)
    return kept


def least(recalls: Doubles) -> float:
    """Return the mean recall less one standard error: what new queries will have, with five chances in six."""
    spread = float(recalls.std(ddof=1)) if len(recalls) > 1 else 0.0
    return float(recalls.mean()) - spread / math.sqrt(len(recalls))


@dataclass(frozen=True)
class Setting:
    """Options of a search, measured: the recall less its standard error, its mean, and queries a second."""

    options: Options
    least: float
    recall: float
    rate: float


def settings(index: EmbeddingIndex, queries: HeldOut, recall: float) -> list[Setting]:
    """Measure, for each number of candidates, the fewest probes, or least effort, that reach a recall; or the most.

    Parameters
    ----------
    index : EmbeddingIndex
    queries : HeldOut
    recall : float
        Which the mean less a standard error has to reach.

    Returns
    -------
    list of Setting
        Those that reach it, if any does; the fastest first.
    """
    found = list(_measured(index, queries, recall))
    reached = [setting for setting in found if setting.least >= recall]
    return sorted(reached or found, key=lambda setting: -(setting.rate if reached else setting.least))


def _measured(index: EmbeddingIndex, queries: HeldOut, recall: float) -> Iterator[Setting]:
    """Yield settings of ever more candidates, until more of them neither find more nor are faster."""
    before: Setting | None = None
    for candidates in _candidates(index, queries.k):
        options = _options(index, candidates, _least(index, queries, candidates, recall))
        recalls = queries.recalls(index, options)
        yield (now := Setting(options, least(recalls), float(recalls.mean()), queries.rate(index, options)))
        if before is not None and (now.recall <= before.recall if now.least < recall else now.rate < before.rate):
            return
        before = now if now.least >= recall or before is None or now.recall > before.recall else before


def _candidates(index: EmbeddingIndex, k: int) -> Sequence[int]:
    """Return the numbers of candidates to try: those up to all rows, by steps of about a half."""
    most = max(k, min(MOST_CANDIDATES, len(index)))
    found = [k + 1]
    while found[-1] < most:
        found.append(min(most, found[-1] + max(k, found[-1] // 2)))
    return found


def _least(index: EmbeddingIndex, queries: HeldOut, candidates: int, recall: float) -> int | None:
    """Return the fewest probes, or least effort, that reach a recall, the most if none does; None where all is read."""
    if index.kind not in WIDTHS:
        return None
    graph = index.kind == "graph"
    most = min(MOST_EFFORT, len(index)) if graph else index.lists
    high = queries.k if graph else 1  # fewer make no difference
    low = high - 1
    while high < most and least(queries.recalls(index, _options(index, candidates, high))) < recall:
        low, high = high, min(most, 2 * high)
    while high - low > max(1, low // 8):
        middle = (low + high) // 2
        if least(queries.recalls(index, _options(index, candidates, middle))) < recall:
            low = middle
        else:
            high = middle
    return high


def _options(index: EmbeddingIndex, candidates: int, width: int | None) -> Options:
    given: dict[str, Any] = {} if width is None else {WIDTHS[index.kind]: width}
    return replace(options_of(index.kind, None, **given), candidates=candidates)

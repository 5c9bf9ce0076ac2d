"""What stops training: the recall of held-out queries, and the rounds since it last grew."""

import math
import sys
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.recurrence import unit

NEIGHBORS = 10
"""The recall counted is recall@10."""

MOST_QUERIES = 500

SHARE = 0.02
"""Part of the vectors that is held out as queries."""


LEAST_ASKED = 200
"""Queries that rounds are judged by, at least, where there are so many vectors."""

LEAST_QUERIES = 10
"""Of fewer queries no recall is told to be worse than another."""

DOUBT = 3.0
"""Standard errors by which it has to be: by chance once in 700 comparisons of equal codes."""

Hits = npt.NDArray[np.float64]


class TrainingWarning(UserWarning):
    """A model that was trained finds less than one of at most as many bytes that was not."""


def warn_if_worse(trained: Hits, other: Hits, bits: int, name: str) -> None:
    """Warn if the recalls of ``(q,)`` queries by trained codes are less than by other codes, beyond chance."""
    lost = other - trained
    if len(lost) >= LEAST_QUERIES and lost.mean() > DOUBT * lost.std(ddof=1) / np.sqrt(len(lost)):
        warnings.warn(
            f"codes of {bits} bits that were trained find {trained.mean():.2f} of the ten nearest of held-out vectors, "
            f"and {name} finds {other.mean():.2f}: use that, or train on more vectors, or more like those you will "
            "search",
            TrainingWarning,
            stacklevel=6,
        )


@dataclass(frozen=True)
class Validation:
    """Held-out vectors as queries, and their true neighbors among the others.

    Attributes
    ----------
    training : (n - v,) int64
        Rows that are learned from.
    queries : (v, d) float32
    truth : (v, 10) int64
        Places in ``training``.
    of_one_length : bool
        Whether what codes decode to is compared at length 1, as the vectors have it.
    own : (v,) int64 or None
        Places in ``training`` of queries that are learned from, which they do not find, -1 for others. None: all -1.
    """

    training: npt.NDArray[np.int64]
    queries: Floats
    truth: npt.NDArray[np.int64]
    of_one_length: bool = True
    own: npt.NDArray[np.int64] | None = None

    @classmethod
    def draw(
        cls,
        x: Floats,
        rng: np.random.Generator,
        asked: Floats | None = None,
        *,
        share: float = SHARE,
        of_one_length: bool = True,
    ) -> "Validation":
        """Hold out a part of ``(n, d)`` float32 vectors; none where fewer than ten neighbors would be left.

        ``asked`` are the same rows as queries, whose neighbors have the greatest products; without them, cosines.
        """
        held = min(MOST_QUERIES, int(share * len(x))) if len(x) > 5 * NEIGHBORS else 0
        order = rng.permutation(len(x))
        training, queries = np.sort(order[held:]), (x if asked is None else asked)[order[:held]]
        norms = np.ones(len(training), dtype=np.float32)
        if asked is None:
            norms = np.maximum(np.linalg.norm(x[training], axis=1), np.float32(1e-30))
        return cls(training, queries, nearest(queries @ x[training].T / norms, NEIGHBORS), of_one_length)

    def with_learned(self, x: Floats, asked: Floats | None = None) -> "Validation":
        """Add vectors that are learned from to have ``LEAST_ASKED`` queries; none where none are held out.

        Parameters
        ----------
        x : (n - v, d) float32
        asked : (n - v, d) float32 or None
            The same as queries, if others.
        """
        count = min(max(0, LEAST_ASKED - len(self.queries)), len(x)) if len(self.queries) else 0
        own = np.arange(count) * len(x) // max(1, count)
        queries, norms = (x if asked is None else asked)[own], np.ones(len(x), dtype=np.float32)
        if asked is None:
            norms = np.maximum(np.linalg.norm(x, axis=1), np.float32(1e-30))
        scores = queries @ x.T / norms
        scores[np.arange(len(own)), own] = -np.inf
        return replace(
            self,
            queries=np.concatenate([self.queries, queries]),
            truth=np.concatenate([self.truth, nearest(scores, NEIGHBORS)]),
            own=np.concatenate([np.full(len(self.queries), -1), own]),
        )

    def halves(self) -> tuple["Validation", "Validation"]:
        """Return two, with every other query each: what the one chooses by, the other has not seen."""
        return self._every(slice(0, None, 2)), self._every(slice(1, None, 2))

    def _every(self, rows: slice) -> "Validation":
        own = None if self.own is None else self.own[rows]
        return replace(self, queries=self.queries[rows], truth=self.truth[rows], own=own)

    def recall(self, decoded: Floats) -> float:
        """Return the recall@10 of ``(n - v, d)`` decoded vectors; NaN without queries."""
        return self.recall_of(self.scores(decoded))

    def scores(self, decoded: Floats) -> Floats:
        """Return the ``(v, n - v)`` products of queries with decoded vectors, at length 1 where vectors have it."""
        scores: Floats = self.queries @ (unit(decoded) if self.of_one_length else decoded).T
        if self.own is not None:
            learned = self.own >= 0
            scores[learned, self.own[learned]] = -np.inf
        return scores

    def recall_of(self, scores: Floats) -> float:
        """Return the recall@10 of ``(v, n - v)`` scores."""
        return float(self.hits(nearest(scores, NEIGHBORS)).mean()) if len(self.queries) else float("nan")

    def hits(self, found: npt.NDArray[np.int64]) -> Hits:
        """Return the recall@10 of each query, of ``(v, k)`` places in ``training``."""
        pairs = zip(found, self.truth, strict=True)
        return np.array([len(np.intersect1d(a, b)) for a, b in pairs], dtype=np.float64) / NEIGHBORS


def not_worse(recall: float, best: float, validation: Validation) -> float:
    """Return a recall that counts as a gain unless it is below the best one by more than its standard error.

    The loss falls in every round, and few held-out queries cannot tell a small gain from a small loss; a round that
    fits the vectors and no others, they can.
    """
    error = math.sqrt(best * (1 - best) / max(1, validation.truth.size)) if 0 < best < 1 else 0.0
    return max(recall, math.nextafter(best, 2)) if recall > best - error else recall


def nearest(scores: Floats, k: int) -> npt.NDArray[np.int64]:
    """Return the ``(q, k)`` columns of greatest scores, in no order; fewer where there are fewer columns."""
    if k >= scores.shape[1]:
        return np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    return np.argpartition(-scores, k, axis=1)[:, :k]


@dataclass
class Progress:
    """Counts steps, keeps the best recall, and shows both where standard error is a terminal."""

    what: str
    total: int
    patience: int
    done: int = 0
    best: float = field(default=-1.0)
    best_at: int = 0

    def goes_on(self) -> bool:
        """Tell whether there is another step."""
        return self.done < self.total and self.done - self.best_at < self.patience

    def end(self) -> None:
        """Say that there are no further steps."""
        self.done = self.total

    def step(self, recall: float) -> bool:
        """Count a step; return whether it is the best so far (the last one is, where there is no recall)."""
        self.done += 1
        better = not recall <= self.best
        if better:
            self.best, self.best_at = recall, self.done
        if sys.stderr.isatty():
            end = "" if self.goes_on() else "\n"
            print(
                f"\r{self.what} {self.done}/{self.total}, recall@10 {recall:.4f}", end=end, file=sys.stderr, flush=True
            )
        return better

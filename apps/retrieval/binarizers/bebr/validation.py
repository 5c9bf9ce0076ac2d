"""Validation: the recall of held-out queries, and the number of rounds without gain, decide when training stops."""

import math
import sys
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.recurrence import unit

NEIGHBORS = 10
"""Recall is measured as recall@10."""

MOST_QUERIES = 500

SHARE = 0.02
"""Share of the vectors held out as queries."""


LEAST_ASKED = 200
"""Fewest queries that judge a round, if there are enough vectors."""

LEAST_QUERIES = 10
"""Fewest queries for a warning about worse recall."""

DOUBT = 3.0
"""Standard errors of a difference that warns: about one in 700 comparisons of equal codes exceeds it by chance."""

Hits = npt.NDArray[np.float64]


class TrainingWarning(UserWarning):
    """A trained model has lower recall than an untrained one of at most the same size."""


def warn_if_worse(trained: Hits, other: Hits, bits: int, name: str) -> None:
    """Warn if the recall of ``(q,)`` queries is lower with trained codes than with other codes, beyond chance."""
    lost = other - trained
    if len(lost) >= LEAST_QUERIES and lost.mean() > DOUBT * lost.std(ddof=1) / np.sqrt(len(lost)):
        warnings.warn(
            f"trained codes of {bits} bits find {trained.mean():.2f} of the ten nearest of held-out vectors, but "
            f"{name} finds {other.mean():.2f}; use that, or train on more vectors, or on vectors more like those you "
            "will search",
            TrainingWarning,
            stacklevel=6,
        )


@dataclass(frozen=True)
class Validation:
    """Held-out vectors as queries, and their true neighbors among the others.

    Attributes
    ----------
    training : (n - v,) int64
        Rows to learn from.
    queries : (v, d) float32
    truth : (v, 10) int64
        Positions in ``training``.
    of_one_length : bool
        Whether decoded vectors are normalized before comparison, because the vectors have length 1.
    own : (v,) int64 or None
        Positions in ``training`` of queries that are training vectors, excluded from their results; -1 for others.
        None: all -1.
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
        """Hold out a share of ``(n, d)`` float32 vectors; none if too few neighbors would remain.

        ``asked`` are the same rows as queries, whose neighbors have the greatest products. Without it, cosines decide.
        """
        held = min(MOST_QUERIES, int(share * len(x))) if len(x) > 5 * NEIGHBORS else 0
        order = rng.permutation(len(x))
        training, queries = np.sort(order[held:]), (x if asked is None else asked)[order[:held]]
        norms = np.ones(len(training), dtype=np.float32)
        if asked is None:
            norms = np.maximum(np.linalg.norm(x[training], axis=1), np.float32(1e-30))
        return cls(training, queries, nearest(queries @ x[training].T / norms, NEIGHBORS), of_one_length)

    def with_learned(self, x: Floats, asked: Floats | None = None) -> "Validation":
        """Add training vectors as queries up to ``LEAST_ASKED`` queries; add none if none are held out.

        Parameters
        ----------
        x : (n - v, d) float32
        asked : (n - v, d) float32 or None
            The same rows mapped as queries, if that differs.
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
        """Split the queries into two halves, so that the second has not seen what the first chose by."""
        return self._every(slice(0, None, 2)), self._every(slice(1, None, 2))

    def _every(self, rows: slice) -> "Validation":
        own = None if self.own is None else self.own[rows]
        return replace(self, queries=self.queries[rows], truth=self.truth[rows], own=own)

    def recall(self, decoded: Floats) -> float:
        """Return the recall@10 of ``(n - v, d)`` decoded vectors; NaN without queries."""
        return self.recall_of(self.scores(decoded))

    def scores(self, decoded: Floats) -> Floats:
        """Return the ``(v, n - v)`` products of queries with decoded vectors, normalized if the vectors are."""
        scores: Floats = self.queries @ (unit(decoded) if self.of_one_length else decoded).T
        if self.own is not None:
            learned = self.own >= 0
            scores[learned, self.own[learned]] = -np.inf
        return scores

    def recall_of(self, scores: Floats) -> float:
        """Return the recall@10 of ``(v, n - v)`` scores."""
        return float(self.hits(nearest(scores, NEIGHBORS)).mean()) if len(self.queries) else float("nan")

    def hits(self, found: npt.NDArray[np.int64]) -> Hits:
        """Return the recall@10 of each query, given ``(v, k)`` found positions in ``training``."""
        pairs = zip(found, self.truth, strict=True)
        return np.array([len(np.intersect1d(a, b)) for a, b in pairs], dtype=np.float64) / NEIGHBORS


def not_worse(recall: float, best: float, validation: Validation) -> float:
    """Return a recall that counts as a gain unless it is below the best one by more than its standard error.

    The loss falls in every round, and few held-out queries cannot separate a small gain from a small loss. They do
    show a round that overfits the vectors.
    """
    error = math.sqrt(best * (1 - best) / max(1, validation.truth.size)) if 0 < best < 1 else 0.0
    return max(recall, math.nextafter(best, 2)) if recall > best - error else recall


def nearest(scores: Floats, k: int) -> npt.NDArray[np.int64]:
    """Return the ``(q, k)`` columns of the greatest scores, in no order; all columns if there are at most k."""
    if k >= scores.shape[1]:
        return np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    return np.argpartition(-scores, k, axis=1)[:, :k]


@dataclass
class Progress:
    """Counts steps, stores the best recall, and prints both if standard error is a terminal."""

    what: str
    total: int
    patience: int
    done: int = 0
    best: float = field(default=-1.0)
    best_at: int = 0

    def goes_on(self) -> bool:
        """Return whether another step follows."""
        return self.done < self.total and self.done - self.best_at < self.patience

    def end(self) -> None:
        """Stop: no further steps follow."""
        self.done = self.total

    def step(self, recall: float) -> bool:
        """Count a step; return whether it is the best so far (always True if there is no recall)."""
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

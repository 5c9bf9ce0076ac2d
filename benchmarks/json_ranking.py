"""Where one right document ranks, ties aside, and whether two engines rank it alike.

Equal scores are no order: figures are means over all orders of the documents that have the same score.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

CUTOFF = 10
"""Ranks that count."""

EQUAL = 1e-6
"""Scores are equal within this part of them."""

ALPHA = 0.05
DRAWS = 10_000


@dataclass(frozen=True)
class Comparison:
    """Mean difference of reciprocal ranks, its 95 % interval, and the p-value of no difference."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """Whether ours is better, beyond chance."""
        if self.p >= ALPHA:
            return "level"
        return "above" if self.difference > 0 else "BELOW"


def cut_in_ties(scores: Floats) -> bool:
    """Return whether the last of a list of scores, best first, ties with the last rank that counts."""
    return bool(scores[-1] >= scores[CUTOFF - 1] * (1 - EQUAL))


def expected(ids: Ids, scores: Floats, target: int) -> tuple[float, float]:
    """Return the mean reciprocal rank, 0 beyond the cutoff, and the chance to be within it.

    Parameters
    ----------
    ids : (n,) int64
        Best first, with all that tie with a rank within the cutoff.
    scores : (n,) float64
        Above 0.
    target : int
    """
    places = np.flatnonzero(ids == target)
    if not len(places):
        return 0.0, 0.0
    score = scores[places[0]]
    first = int((scores > score * (1 + EQUAL)).sum())
    equal = int((np.abs(scores - score) <= score * EQUAL).sum())
    ranks = np.arange(first + 1, min(first + equal, CUTOFF) + 1)
    return float((1 / ranks).sum() / equal), len(ranks) / equal


def compare(differences: Floats, groups: Ids) -> Comparison:
    """Test paired differences: flip their signs at random, two-sided; resample them for the interval.

    Parameters
    ----------
    differences : (n,) float64
    groups : (n,) int64
        Differences of one group, such as queries made of one document, are flipped and drawn together.
    """
    _, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, differences), np.bincount(group)
    random = np.random.default_rng(0)
    flipped = np.abs((random.integers(0, 2, (DRAWS, len(sums)), np.int8) * 2 - 1) @ sums)
    p = (1 + int((flipped >= abs(sums.sum()) - 1e-12).sum())) / (1 + DRAWS)
    again = random.integers(0, len(sums), (DRAWS, len(sums)), np.int32)
    means = sums[again].sum(axis=1) / sizes[again].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Comparison(float(differences.mean()), float(low), float(high), p)

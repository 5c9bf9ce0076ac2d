"""Find the smallest dimension that reaches an accuracy, by sequential tests instead of a grid."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hdc.apps.capacity.draws import BLOCK
from hdc.apps.capacity.experiments import Experiment
from hdc.apps.capacity.intervals import CONFIDENCE, MeanTest
from hdc.checks import fraction, integer
from hdc.errors import ParameterError

LARGEST = 1 << 20
"""Largest dimension to try."""


@dataclass(frozen=True)
class Minimum:
    """The result of a search for the smallest dimension.

    Attributes
    ----------
    dim : int
        The smallest dimension tried whose measured accuracy reaches the target.
    below, above : int or None
        The largest dimension shown to miss the target, and the smallest shown to reach it; None if there is none.
    trials : int
        Trials of all tests together.
    target, confidence : float
        ``confidence`` holds for ``below`` and ``above`` together: for all verdicts of the search.
    """

    dim: int
    below: int | None
    above: int | None
    trials: int
    target: float
    confidence: float


def minimum_dimension(
    experiment: str,
    model: str,
    *,
    target: float = 0.99,
    confidence: float = CONFIDENCE,
    resolution: float = 0.02,
    trials: int = 4096,
    start: int = 256,
    seed: int = 0,
    **parameters: Any,
) -> Minimum:
    """Find the smallest dimension whose accuracy is at least ``target``.

    Dimensions are doubled or halved until the target lies between two of them, then bisected. Each is tested
    sequentially (:class:`hdc.apps.capacity.intervals.MeanTest`): easy ones stop after a few hundred trials. The mean
    speaks for a dimension that is undecided after ``trials`` trials, and only verdicts make ``below`` and ``above``.

    Parameters
    ----------
    experiment, model : str
    target : float
        Share of right answers.
    confidence : float
        That no verdict of the search is wrong.
    resolution : float
        Stop when neighboring dimensions differ by this share.
    trials : int
        Most trials at one dimension.
    start : int
        First dimension, which the model takes.
    seed : int
    **parameters
        Those of the experiment and the model.

    Returns
    -------
    Minimum

    Raises
    ------
    ParameterError
        If a number is out of range, or no dimension up to 2^20 reaches the target.
    UnknownNameError
        If the experiment or the model is unknown.
    """
    target, confidence = fraction(target, "target"), fraction(confidence, "confidence")
    resolution, trials, start = (
        fraction(resolution, "resolution"),
        integer(trials, "trials", 1),
        integer(start, "start", 1),
    )
    tests = math.log2(LARGEST) + math.log2(1 / resolution) + 2
    test = MeanTest(target, (1 - confidence) / tests)
    tried: dict[int, Verdict] = {}

    def reaches(dim: int) -> bool:
        setting = Experiment(experiment, {**parameters, "model": model, "dim": dim}, seed)
        tried[dim] = _decide(setting, test, trials)
        return tried[dim].reached

    next_dim = Experiment(experiment, {**parameters, "model": model, "dim": start}, seed).next_dim
    low, high = _bracket(reaches, start, next_dim)
    while high - low > resolution * high and (middle := next_dim(low + max(1, (high - low) // 2))) < high:
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return Minimum(
        dim=high,
        below=max((dim for dim, verdict in tried.items() if verdict.side == "below"), default=None),
        above=min((dim for dim, verdict in tried.items() if verdict.side == "above"), default=None),
        trials=sum(verdict.trials for verdict in tried.values()),
        target=target,
        confidence=confidence,
    )


class Verdict(NamedTuple):
    """The verdict of trials at one dimension: ``side`` is None while undecided; then the mean decides ``reached``."""

    side: str | None
    reached: bool
    trials: int


def _bracket(reaches: Callable[[int], bool], start: int, next_dim: Callable[[int], int]) -> tuple[int, int]:
    """Return two neighbors among doubles and halves of ``start``: one that misses the target, or 1, and one that does.

    Each is raised to the next dimension that the model allows.
    """
    if reaches(start):
        high = start
        while (lower := next_dim(max(1, high // 2))) < high and high > 2:
            if not reaches(lower):
                return lower, high
            high = lower
        return max(1, high // 2), high
    low = start
    while low < LARGEST:
        high = next_dim(2 * low)
        if reaches(high):
            return low, high
        low = high
    raise ParameterError(f"no dimension up to {LARGEST} is seen to reach the target")


def _decide(setting: Experiment, test: MeanTest, trials: int) -> Verdict:
    """Run trials, in portions that double, until the test decides or the limit is reached."""
    shares, count = np.zeros(0), 2 * BLOCK
    while True:
        count = min(count, trials)
        new = [batch.right / setting.asked for batch in setting.answers(len(shares), count)]
        shares = np.concatenate([shares, *new])
        side = test.verdict(shares)
        if side or count == trials:
            return Verdict(side, side == "above" if side else bool(shares.mean() >= test.target), count)
        count *= 2

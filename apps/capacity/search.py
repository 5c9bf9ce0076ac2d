"""The smallest dimension that reaches an accuracy, by sequential tests instead of a grid."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdc.apps.capacity.draws import BLOCK
from hdc.apps.capacity.experiments import Experiment
from hdc.apps.capacity.intervals import CONFIDENCE, MeanTest
from hdc.errors import ParameterError

LARGEST = 1 << 20
"""Dimensions beyond it are not tried."""


@dataclass(frozen=True)
class Minimum:
    """What a search for the smallest dimension found.

    Attributes
    ----------
    dim : int
        Accuracy reaches the target here: certain at the stated confidence.
    below : int
        Accuracy misses the target here: certain at the same confidence; 0 if no dimension was seen to miss it.
    trials : int
        Trials of all tests together.
    target, confidence : float
        ``confidence`` holds for all verdicts of the search together.
    """

    dim: int
    below: int
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
    trials: int = 8192,
    start: int = 256,
    seed: int = 0,
    **parameters: Any,
) -> Minimum:
    """Find the smallest dimension whose accuracy is at least ``target``.

    Dimensions are doubled or halved until the target lies between two of them, then bisected. Each is tested
    sequentially (:class:`hdc.apps.capacity.intervals.MeanTest`): easy ones stop after a few hundred trials. A
    dimension that stays undecided after ``trials`` trials does not count as reaching the target.

    Parameters
    ----------
    experiment, model : str
    target : float
        Share of right answers.
    confidence : float
        That no verdict of the search is wrong.
    resolution : float
        Stop when neighbouring dimensions differ by this share.
    trials : int
        Most trials at one dimension.
    start : int
        First dimension.
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
    for name, value in (("target", target), ("confidence", confidence), ("resolution", resolution)):
        if not 0 < value < 1:
            raise ParameterError(f"{name} must lie strictly between 0 and 1, not {value!r}")
    tests = math.log2(LARGEST) + math.log2(1 / resolution) + 2
    test = MeanTest(target, (1 - confidence) / tests)
    verdicts: dict[int, str | None] = {}
    used = 0

    def reaches(dim: int) -> bool:
        nonlocal used
        setting = Experiment(experiment, {**parameters, "model": model, "dim": dim}, seed)
        verdicts[dim], spent = _decide(setting, test, trials)
        used += spent
        return verdicts[dim] == "above"

    low, high = _bracket(reaches, start)
    while high - low > max(1, resolution * high):
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    below = max((dim for dim, verdict in verdicts.items() if verdict == "below" and dim < high), default=0)
    return Minimum(high, below, used, target, confidence)


def _bracket(reaches: Any, start: int) -> tuple[int, int]:
    """Return neighbouring powers (times ``start``): one that misses the target, or 1, and one that reaches it."""
    if reaches(start):
        high = start
        while high > 2 and reaches(high // 2):
            high //= 2
        return high // 2, high
    low = start
    while low < LARGEST:
        if reaches(2 * low):
            return low, 2 * low
        low *= 2
    raise ParameterError(f"no dimension up to {LARGEST} is seen to reach the target")


def _decide(setting: Experiment, test: MeanTest, trials: int) -> tuple[str | None, int]:
    """Run trials, in portions that double, until the test decides; return its verdict and the trials used."""
    shares, count = np.zeros(0), 2 * BLOCK
    while True:
        count = min(count, trials)
        new = [batch.right / setting.asked for batch in setting.answers(len(shares), count)]
        shares = np.concatenate([shares, *new])
        verdict = test.verdict(shares)
        if verdict or count == trials:
            return verdict, count
        count *= 2

"""Confidence: Wilson intervals for finished counts, and a sequential test that may stop at any time."""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from hdc.checks import fraction, integer, number

CONFIDENCE = 0.95


@cache
def _two_sided(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(share: float, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval for a mean of ``trials`` independent values in [0, 1].

    Values that are shares (several questions a trial) vary at most as much as coins of the same mean, so the
    interval is then conservative.

    Parameters
    ----------
    share : float
        Observed mean.
    trials : int
        At least 1.
    confidence : float

    Returns
    -------
    (low, high)

    Raises
    ------
    ParameterError
        If a number is out of range.
    """
    trials, share = integer(trials, "trials", 1), number(share, "share", 0, 1)
    z = _two_sided(fraction(confidence, "confidence"))
    scale = 1 + z * z / trials
    center = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return min(share, max(0.0, center - half)), max(share, min(1.0, center + half))


@dataclass(frozen=True)
class MeanTest:
    """A sequential test of whether the mean of values in [0, 1] is above or below a target.

    Two gamblers start with capital 1; one bets that the next value exceeds the target, the other that it falls short,
    with stakes that depend on past values only. If the mean is not above the target, the first one's capital
    exceeds 1/α at any time with probability at most α (Ville's inequality), whatever the distribution; so looking
    after every trial and stopping at will costs nothing. Stakes: Waudby-Smith and Ramdas (2024), approximately
    growth-optimal.

    Parameters
    ----------
    target : float
        Strictly between 0 and 1.
    alpha : float
        Chance of each wrong verdict.
    """

    target: float
    alpha: float

    def verdict(self, values: npt.NDArray[np.float64]) -> str | None:
        """Return ``"above"`` or ``"below"`` as soon as the values ``(n,)``, in their order, decide it, else None."""
        n = np.arange(1, len(values) + 1)
        before = n - 0.5  # a prior of half a value at the target
        mean = (self.target / 2 + np.cumsum(values) - values) / before
        square = (0.25 + np.cumsum((values - mean) ** 2) - (values - mean) ** 2) / before
        edge = mean - self.target
        stake = edge / (square + edge**2)
        up = self._log_capital(values, np.clip(stake, 0, 0.95 / self.target))
        down = self._log_capital(values, np.clip(stake, -0.95 / (1 - self.target), 0))
        rich = -math.log(self.alpha)
        first = {"above": np.argmax(up >= rich), "below": np.argmax(down >= rich)}
        decided = {side: first[side] for side, path in (("above", up), ("below", down)) if np.any(path >= rich)}
        return min(decided, key=lambda side: int(decided[side])) if decided else None

    def _log_capital(self, values: npt.NDArray[np.float64], stake: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(np.cumsum(np.log1p(stake * (values - self.target))))

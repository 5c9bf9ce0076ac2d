"""Scales of the numbers of a path: a number's place is its quantile among them.

So years, prices and latitudes each have their own scale.
"""

import math
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from hdc.apps.json.values.numbers import QUANTILE_WIDTHS, decades

NUMBER_SHARE = QUANTILE_WIDTHS[1]
"""A number is as rare as a token in this share of the documents: those within the width of the middle scale."""

PRIOR = 16
"""Weight of an even spread over a path's range, in numbers; quantiles of few numbers are unreliable."""

KNOTS = 64
"""Quantiles per path to store."""

LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Scale:
    """The spread of a path's numbers: quantiles between knots, decades beyond them.

    Attributes
    ----------
    knots : tuple of float
        Ascending.
    quantiles : tuple of float
        Place of each knot, ascending, in 0 … 1.
    share : float
        Share of the documents that a number is taken to be common to: more where one value prevails.
    """

    knots: tuple[float, ...]
    quantiles: tuple[float, ...]
    share: float

    @classmethod
    def learn(cls, numbers: Iterable[float]) -> Self:
        """Learn from a sample of at least one number."""
        counts = sorted(Counter(numbers).items())
        total = sum(count for _, count in counts)
        below, middles = 0, []
        for value, count in counts:
            middles.append((value, (below + count / 2) / total))
            below += count
        (first, _), (last, _) = middles[0], middles[-1]
        if last > first:
            middles = [(v, (total * q + PRIOR * _part(v, first, last)) / (total + PRIOR)) for v, q in middles]
        if len(middles) > KNOTS:
            middles = [middles[round(i * (len(middles) - 1) / (KNOTS - 1))] for i in range(KNOTS)]
        prevailing = max(count for _, count in counts) / total
        return cls(tuple(v for v, _ in middles), tuple(q for _, q in middles), max(NUMBER_SHARE, prevailing))

    def position(self, value: int | float) -> float:
        """Return the quantile of a number, by linear interpolation; it rises with the number everywhere."""
        x, first, last = clamped(value), self.knots[0], self.knots[-1]
        if first < x < last:
            right = bisect_right(self.knots, x)
            low, high = self.quantiles[right - 1], self.quantiles[right]
            return low + _part(x, self.knots[right - 1], self.knots[right]) * (high - low)
        unit = last if last > first else first + max(1.0, abs(first))
        if x <= first:
            return self.quantiles[0] + decades(_part(x, first, unit))
        return self.quantiles[-1] + decades(_part(x, first, unit) - (last > first))


def clamped(value: int | float) -> float:
    """Return the nearest double, for integers beyond the range the largest one."""
    try:
        return float(value)
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST


def _part(x: float, low: float, high: float) -> float:
    """Return (x - low) / (high - low), kept finite; halved only where a difference overflows."""
    half = 0.5 if math.isinf(x - low) or math.isinf(high - low) else 1.0
    part = (half * x - half * low) / (half * high - half * low)
    return max(-LARGEST, min(LARGEST, part))

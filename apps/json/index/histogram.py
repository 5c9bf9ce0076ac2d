"""Histograms of numbers, in few bins that people can read."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

BINS = 20
"""Approximate number of bins."""

TAIL = 0.02
"""Largest share of the distinct numbers at each end to merge into one bin, if they would squeeze the rest."""

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Histogram:
    """Numbers in bins.

    Attributes
    ----------
    kind : str
        What the numbers measure.
    edges : tuple of float
        Of the bins, one more than there are; a bin has its lower edge, the last one both.
    counts : tuple of int
    least, median, greatest : float or None
        Of the numbers; None if there is none.
    """

    kind: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    least: float | None
    median: float | None
    greatest: float | None

    @classmethod
    def of(cls, values: npt.NDArray[np.float64], every: npt.NDArray[np.float64], kind: str = "number") -> Self:
        """Count values in bins that are made for all of them.

        Parameters
        ----------
        values : (n,) float64 array
        every : (m,) float64 array
            Two or more distinct numbers, ascending, among which the values are.
        """
        edges = bins(every)
        values = values[np.isfinite(values)]
        if not len(values):
            return cls(kind, tuple(edges), (0,) * (len(edges) - 1), None, None, None)
        counts = np.histogram(values, edges)[0]
        summary = (float(values.min()), float(np.median(values)), float(values.max()))
        return cls(kind, tuple(edges), tuple(counts.tolist()), *summary)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "kind": self.kind,
            "edges": list(self.edges),
            "counts": list(self.counts),
            "least": self.least,
            "median": self.median,
            "greatest": self.greatest,
        }


def bins(every: npt.NDArray[np.float64]) -> list[float]:
    """Return the edges of bins for distinct numbers that ascend: round ones, save the first and the last."""
    least, greatest = float(every[0]), float(every[-1])
    if len(every) <= BINS and (every == np.round(every)).all() and greatest - least < BINS:
        return np.arange(least, greatest + 2).tolist()
    low, high = (float(np.quantile(every, at)) for at in (TAIL, 1 - TAIL))
    if not 0 < high - low < (greatest - least) / 3:
        low, high = least, greatest
    step = _step((high - low) / BINS)
    if step == 0 or not math.isfinite(step):
        return [least, greatest]
    inner = [float(f"{step * n:.12g}") for n in range(math.floor(low / step) + 1, math.ceil(high / step))]
    edges = [least, *(edge for edge in inner if least < edge < greatest), greatest]
    return edges if len(edges) <= 4 * BINS else [least, greatest]


def _step(width: float) -> float:
    """Return the least round number that is at least a width; 0 if there is none."""
    if not 0 < width < math.inf:
        return 0.0
    power = 10.0 ** math.floor(math.log10(width))
    return next((power * step for step in STEPS if power * step >= width), 10 * power)

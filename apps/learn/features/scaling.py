"""Range and spread of each numeric column, given or from the rows seen first."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.checks import numbers, shown, wrong
from hdc.errors import ParameterError

Real = npt.NDArray[np.float64]

FAR = 1e9
"""Distance from the center, in units, beyond which numbers are not distinguished."""

SAMPLE = 512
"""Most rows whose distances are computed."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Of each column of numbers the ends of its range, its center and its unit; ``(columns,)`` float64 arrays."""

    low: Real
    high: Real
    center: Real
    unit: Real

    def shares(self, X: Real) -> Real:
        """Return where numbers lie in their ranges, 0 to 1; beyond the ends they are at the ends; NaN stays."""
        width = self.high / 2 - self.low / 2
        with np.errstate(over="ignore"):
            found: Real = np.clip((X / 2 - self.low / 2) / np.where(width > 0, width, 0.5), 0.0, 1.0)
        return found

    def standardized(self, X: Real) -> Real:
        """Return numbers by center and unit, at most ``FAR``; missing ones as 0, where they change no projection."""
        with np.errstate(over="ignore"):
            found = (X / 2 - self.center / 2) / (self.unit / 2)
        return np.where(np.isnan(found), 0.0, np.clip(found, -FAR, FAR))


def learned(X: Real) -> Scaling:
    """Return least, greatest, mean and standard deviation of each column, ignoring missing values.

    A column without numbers is centered at 0; one whose numbers are all equal has the unit 1.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns of only NaN
        low, high = (np.nan_to_num(end(X, axis=0), nan=0.0) for end in (np.nanmin, np.nanmax))
        greatest = np.maximum(np.abs(low), np.abs(high))
        parts = X / np.where(greatest > 0, greatest, 1.0)  # with finite squares
        mean, spread = np.nan_to_num(np.nanmean(parts, axis=0), nan=0.0), np.nanstd(parts, axis=0)
    return Scaling(low, high, mean * greatest, _units(spread * greatest))


def _units(spread: Real) -> Real:
    return np.where(spread > 0, spread, 1.0)


def of_ranges(low: Real, high: Real) -> Scaling:
    """Return the scaling of given ranges; numbers are taken to lie evenly in them."""
    return Scaling(low, high, low / 2 + high / 2, _units((high / 2 - low / 2) / np.sqrt(3)))


def given_ranges(ranges: Any, names: Sequence[Any]) -> tuple[Real, Real]:
    """Return the ends of the given ranges of columns, NaN where none is given.

    Parameters
    ----------
    ranges : None, (low, high), or mapping of column names or numbers to such pairs
    names : the names of the numeric columns

    Raises
    ------
    ParameterError
        If one is not a pair of finite numbers with the lower one first.
    """
    low, high = np.full(len(names), np.nan), np.full(len(names), np.nan)
    if isinstance(ranges, Mapping):
        for place, name in enumerate(names):
            if name in ranges:
                low[place], high[place] = ends_of(ranges[name])
    elif ranges is not None:
        low[:], high[:] = ends_of(ranges)
    return low, high


def check_ranges(ranges: Any) -> None:
    """Raise :class:`ParameterError` unless ranges are None, a pair, or a mapping to pairs."""
    for pair in ranges.values() if isinstance(ranges, Mapping) else () if ranges is None else (ranges,):
        ends_of(pair)


def ends_of(value: Any) -> tuple[float, float]:
    """Return the ends of a range; raises as :func:`given_ranges`."""
    try:
        ends = numbers(value, "ranges")
    except ParameterError:
        ends = np.empty(0)
    if ends.shape != (2,) or not np.isfinite(ends).all():
        raise wrong(value, "ranges", "(low, high), two finite numbers, or a mapping of columns to such pairs")
    if not ends[0] < ends[1]:
        raise ParameterError(f"the lower end of a range comes first, not {shown(value)}")
    return float(ends[0]), float(ends[1])


def merged(seen: Scaling, low: Real, high: Real) -> Scaling:
    """Return given ranges, or the seen ones where none are given."""
    known = ~np.isnan(low)
    fixed = of_ranges(np.where(known, low, 0.0), np.where(known, high, 1.0))
    return Scaling(
        np.where(known, fixed.low, seen.low),
        np.where(known, fixed.high, seen.high),
        np.where(known, fixed.center, seen.center),
        np.where(known, fixed.unit, seen.unit),
    )


def sampled(n: int) -> npt.NDArray[np.int64]:
    """Return the numbers of ``SAMPLE`` rows of n, evenly apart, or of all."""
    return np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64)


def median_distance(Z: Real, more: Real) -> float:
    """Return the median distance of two rows; 0 for one row.

    Parameters
    ----------
    Z : (n, columns) standardized rows
    more : (n, n) float64 array
        What is added to their squared distances.
    """
    squares = np.sum(Z * Z, axis=1)
    apart = squares[:, None] + squares - 2 * Z @ Z.T + more
    pairs = apart[np.triu_indices(len(Z), 1)]
    return float(np.sqrt(max(0.0, float(np.median(pairs))))) if len(pairs) else 0.0

"""Time series: bags of windows, each a run of levels in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import VSA, Level, NGrams
from hdc.apps.learn.features.members import BLOCK, Members, taken, unit
from hdc.errors import ParameterError
from hdc.kernels import Array

Real = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeriesCode:
    """A code of series of numbers, in which windows count and not where they are.

    Each number becomes one of some levels of its channel's range, each window of so many levels is bound into one
    vector in which order counts (:class:`hdc.NGrams`), and the windows of a channel are added up and normalized. A
    missing number is that before it, or at the beginning the next one.

    Parameters
    ----------
    vsa : VSA
    names : sequence of names
        Of the channels, whose roles they are.
    low, high : (channels,) float64 arrays
        Ends of their ranges; numbers beyond are at the ends.
    levels : int
        Levels, at least 2: near ones are similar.
    window : int or tuple of int
        Numbers in a window.
    """

    vsa: VSA
    names: Sequence[Any]
    low: Real
    high: Real
    levels: int
    window: Any

    @cached_property
    def _levels(self) -> Array:
        return Level(self.vsa, "series", 0, 1).encode(np.linspace(0.0, 1.0, self.levels))

    def members(self, X: Real) -> Members:
        """Return a member for each channel of ``(n, channels, length)`` series, of weight 0 where all is missing."""
        missing = np.isnan(X)
        present = np.asarray(~missing.all(axis=2))
        width = np.where(self.high > self.low, self.high - self.low, 1.0)[:, None]
        shares = np.clip((filled(X, missing) - self.low[:, None]) / width, 0.0, 1.0)
        places = np.minimum((shares * self.levels).astype(np.int64), self.levels - 1)
        channels = [
            self.vsa.bind(self.vsa.role(("channel", name)), self._windows(places[:, channel]))
            for channel, name in enumerate(self.names)
        ]
        weights = None if present.all() else np.asarray(present, dtype=np.int64)
        return Members(self.vsa.xp.stack(channels, axis=1), weights)

    def _windows(self, places: npt.NDArray[np.int64]) -> Array:
        """Return the normalized bundle of the windows of each row of levels."""
        grams, (rows, length) = NGrams(self.vsa, self.window), places.shape
        if length < min(grams.lengths):
            raise ParameterError(f"series have {length} numbers, and a window has {self.window}: take a smaller window")
        step = max(1, BLOCK // (16 * length * self.vsa.storage))
        parts = [grams.encode(taken(self.vsa, self._levels, places[at : at + step])) for at in range(0, rows, step)]
        return unit(self.vsa, self.vsa.xp.concat(parts, axis=0))


def filled(X: Real, missing: npt.NDArray[np.bool_]) -> Real:
    """Return series with each missing number as the last one before it, at the beginning as the next one, or 0."""
    if not missing.any():
        return X
    places = np.arange(X.shape[2])
    before = np.maximum.accumulate(np.where(missing, -1, places), axis=2)
    first = np.argmax(~missing, axis=2)[..., None]
    return np.nan_to_num(np.take_along_axis(X, np.where(before < 0, first, before), axis=2), nan=0.0)

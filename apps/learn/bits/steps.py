"""Features as integers: the step between a number and all that follows, which is arithmetic of integers.

A feature becomes the integer nearest to ``(x - low) * scale`` (of two the lower one), cut to a range. It is computed as
half of ``ceil((x - low) * (2 * scale))``: operations of doubles that every language rounds alike, and that no compiler
may join. NaN is a missing value, which contributes nothing; infinities are cut to the ends.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits.encoders import MOST_DIM, Encoder, Reals
from hdc.checks import array, shown
from hdc.errors import DimensionError, DTypeError, ParameterError

MOST_SCALE = 2.0**1023
"""Largest scale; twice a scale must be a double."""


@dataclass(frozen=True)
class Stepped(Encoder):
    """What both encoders of numbers share: features become integers.

    Parameters
    ----------
    low, scale : (features,) float64 arrays
        A feature x becomes the integer nearest to ``(x - low) * scale``. Scales are positive.
    """

    low: Reals
    scale: Reals

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.low)

    def _check_steps(self) -> None:
        for name in ("low", "scale"):
            object.__setattr__(self, name, finite(getattr(self, name), name))
        if self.low.shape != self.scale.shape or self.low.ndim != 1 or not 1 <= len(self.low) <= MOST_DIM:
            raise DimensionError(
                f"low and scale must be of shape (features,), not {self.low.shape} and {self.scale.shape}"
            )
        wrong = ~((self.scale > 0) & (self.scale < MOST_SCALE))
        if wrong.any():
            place = int(wrong.argmax())
            raise ParameterError(f"scale of feature {place} must be above 0 and below 2^1023, not {self.scale[place]}")

    def _steps(self, rows: Reals, least: int, most: int, missing: int) -> npt.NDArray[np.int32]:
        """Return the integers of rows, cut to a range; ``missing`` for NaN."""
        with np.errstate(over="ignore"):
            halves = np.ceil((rows - self.low) * (2 * self.scale))
        halves = np.where(np.isnan(rows), 2 * missing, np.clip(halves, 2 * least, 2 * most))
        return halves.astype(np.int32) >> 1


def finite(values: Any, name: str) -> Reals:
    """Return a read-only float64 copy of finite numbers; raises as :class:`Density`."""
    found = array(values, name)
    if found.dtype.kind not in "iuf":
        raise DTypeError(f"{name} must be numbers, not of dtype {found.dtype}")
    found = np.array(found, np.float64)
    if not np.isfinite(found).all():
        raise ParameterError(f"{name} must be finite, and has {shown(found[~np.isfinite(found)][0])}")
    return read_only(found)


def read_only(fresh: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array that no one else has, and no one changes."""
    fresh.flags.writeable = False
    return fresh

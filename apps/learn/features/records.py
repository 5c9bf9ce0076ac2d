"""Records of numbers: the sum over columns of a role times a code of the number's place in its range."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import MAPB, MAPI, VSA, Level, Thermometer
from hdc.apps.learn.features.members import Members, bundled
from hdc.apps.learn.features.numeric import NumericCode, Real
from hdc.apps.learn.features.scaling import Scaling
from hdc.kernels import Array, FeatureKernels
from hdc.words import Words


@dataclass(frozen=True, eq=False)
class NumericRecord(NumericCode):
    """A record of numbers, for any model that the code of a number is for.

    Parameters
    ----------
    code : Level or Thermometer from 0 to 1
    kappa : int or None
        Components of MAP-I are clipped to this magnitude.
    """

    code: Any
    kappa: int | None

    @cached_property
    def roles(self) -> list[Any]:
        """One role for each column."""
        return [self.vsa.role(("column", name)) for name in self.names]

    def members(self, X: Real) -> Members:
        """Return the pairs of role and code, of weight 0 where the number is missing."""
        missing = np.isnan(X)
        codes = self.code.encode(np.where(missing, 0.0, self.scaling.shares(X)))
        bound = [self.vsa.bind(role, codes[:, place]) for place, role in enumerate(self.roles)]
        weights = (~missing).astype(np.int64) if missing.any() else None
        return Members(self.vsa.xp.stack(bound, axis=1), weights)

    def rows(self, X: Real) -> Array:
        """Return the bundles of the pairs."""
        if isinstance(self.vsa, MAPB | MAPI) and self._signs:
            return self._fast.rows(X)
        return self.in_blocks(X, lambda rows: bundled(self.vsa, self.members(rows), self.kappa))

    @property
    def _signs(self) -> bool:
        return isinstance(self.vsa, MAPB) or self.vsa.dtype == self.vsa.xp.int8

    @cached_property
    def _fast(self) -> "SignRecord":
        return SignRecord(self)


class SignRecord:
    """The same record on MAP-B and MAP-I, by kernels that put members together from the two ends of their codes.

    Both codes change one component after another as the number grows. In the order of these changes a member is its
    upper end up to a place and its lower end from there on: that is all the kernels are told of it. Where a sum of
    MAP-B is zero, the sum that decides is the one before it in this order.

    Parameters
    ----------
    record : NumericRecord
    """

    def __init__(self, record: NumericRecord) -> None:
        vsa = record.vsa
        self.record, self.vsa = record, vsa
        self.host = vsa if vsa.kernels.features is not None else vsa.with_backend("auto")
        order = record.code.steps.unit
        self.back = None if np.array_equal(order, np.arange(vsa.dim)) else np.argsort(order)
        low, high = record.code.encode([0.0, 1.0])
        ends = [vsa.xp.stack([vsa.bind(role, end) for role in record.roles]) for end in (high, low)]
        self.upper, self.lower = (self._ordered(end, order) for end in ends)

    def _ordered(self, vectors: Array, order: npt.NDArray[np.int64]) -> Words:
        """Return vectors as packed signs, with their components in the order of the changes."""
        bits, plain = self.host.kernels.bits, self.vsa.to_numpy(vectors)
        words = plain if isinstance(self.vsa, MAPB) else bits.pack(plain < 0)
        return np.asarray(words if self.back is None else bits.gather(words, order, self.vsa.dim))

    def marks(self, X: Real) -> npt.NDArray[np.int32]:
        """Return how many components of each code have changed, -1 where the number is missing."""
        shares = self.record.scaling.shares(X)
        missing = np.isnan(shares)
        marks = np.ceil(np.where(missing, 0.0, shares) * self.vsa.dim - 0.5)
        return np.where(missing, -1, np.clip(marks, 0, self.vsa.dim)).astype(np.int32)

    def rows(self, X: Real) -> Array:
        """Return the bundles of rows."""
        return self.record.in_blocks(X, self._rows)

    def _rows(self, X: Real) -> Array:
        host, ends, dim = self.host, (self.upper, self.lower), self.vsa.dim
        kernels: FeatureKernels = host.kernels.features  # type: ignore[assignment]
        if isinstance(host, MAPB):
            found = kernels.record_majority(*ends, self.marks(X), host.tie, dim)
            found = found if self.back is None else host.kernels.bits.gather(found, self.back, dim)
        else:
            most = self.record.kappa or len(self.record.names)
            found = kernels.record_sums(*ends, self.marks(X), most, dim)
            found = found if self.back is None else found[:, self.back]
        return found if host is self.vsa else self.vsa.from_numpy(found)


def density(vsa: VSA, names: Sequence[Any], scaling: Scaling, kappa: int | None) -> NumericRecord:
    """Return the density code (Kleyko et al. 2020): roles times thermometers, clipped."""
    return NumericRecord(vsa, names, scaling, Thermometer(vsa, "share", 0, 1), kappa)


def level(vsa: VSA, names: Sequence[Any], scaling: Scaling, kappa: int | None) -> NumericRecord:
    """Return the record of level codes, all between the same two atoms."""
    return NumericRecord(vsa, names, scaling, Level(vsa, "share", 0, 1), kappa)

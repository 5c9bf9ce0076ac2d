"""Rows of numbers as hypervectors: one code of the whole row, or a record of its numbers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import VSA, Level, RandomFourier, RandomProjection, Thermometer
from hdc.apps.learn.features.members import Members, bundled
from hdc.apps.learn.features.scaling import Scaling
from hdc.kernels import Array

Real = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NumericCode(ABC):
    """A code of rows of numbers, in which NaN is left out.

    Parameters
    ----------
    vsa : VSA
    names : sequence of names
        Of the columns.
    scaling : Scaling
    """

    vsa: VSA
    names: Sequence[Any]
    scaling: Scaling

    @abstractmethod
    def rows(self, X: Real) -> Array:
        """Return the codes of rows, ``(n, storage)``; NaN is missing."""

    @abstractmethod
    def members(self, X: Real) -> Members:
        """Return what rows are bundled from together with other columns."""


@dataclass(frozen=True, eq=False)
class Whole(NumericCode):
    """A code of the standardised row as a whole: as many columns as it has are its weight beside other columns."""

    encoder: Any

    def rows(self, X: Real) -> Array:
        """Return codes; what is missing is at the center, where it changes no projection."""
        return self.encoder.encode(self.scaling.standardised(X))

    def members(self, X: Real) -> Members:
        """Return one member of each row."""
        return Members(self.rows(X)[:, None], np.full((len(X), 1), len(self.names), dtype=np.int64))


def fourier(vsa: VSA, names: Sequence[Any], scaling: Scaling, kernel: str, bandwidth: float) -> Whole:
    """Return random Fourier features (Rahimi and Recht 2007): similarity is a kernel of the distance of two rows."""
    encoder = RandomFourier(vsa, "features", len(names), kernel=kernel, bandwidth=bandwidth)
    return Whole(vsa, names, scaling, encoder)


def projection(vsa: VSA, names: Sequence[Any], scaling: Scaling) -> Whole:
    """Return random projections: similarity is the cosine of two standardised rows, or their angle."""
    return Whole(vsa, names, scaling, RandomProjection(vsa, "features", len(names)))


@dataclass(frozen=True, eq=False)
class NumericRecord(NumericCode):
    """A record: the sum, over the columns, of the column's role times a code of where the number lies in its range.

    Parameters
    ----------
    code : encoder of numbers from 0 to 1
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
        return bundled(self.vsa, self.members(X), self.kappa)


def density(vsa: VSA, names: Sequence[Any], scaling: Scaling, kappa: int | None) -> NumericRecord:
    """Return the density code (Kleyko et al. 2020): roles times thermometers, clipped."""
    return NumericRecord(vsa, names, scaling, Thermometer(vsa, "share", 0, 1), kappa)


def level(vsa: VSA, names: Sequence[Any], scaling: Scaling, kappa: int | None) -> NumericRecord:
    """Return the record of level codes, all between the same two atoms."""
    return NumericRecord(vsa, names, scaling, Level(vsa, "share", 0, 1), kappa)

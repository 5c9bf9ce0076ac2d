"""Encode rows of numbers as hypervectors: one code of the whole row, or a record of its numbers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import MAPB, MAPI, VSA, RandomFourier, RandomProjection
from hdc.apps.learn.features.members import BLOCK, Members
from hdc.apps.learn.features.scaling import Scaling
from hdc.apps.learn.features.spans import in_spans
from hdc.kernels import Array

Real = npt.NDArray[np.float64]
Whole32 = npt.NDArray[np.int32]

FRACTION = 10
"""Fractional bits of numbers whose Fourier features are signs."""

RANGE = 16
"""Bits of such numbers: up to 64 units."""


@dataclass(frozen=True, eq=False)
class NumericCode(ABC):
    """A code of rows of numbers that ignores NaN.

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

    def in_blocks(self, X: Real, code: Callable[[Real], Array], width: int | None = None) -> Array:
        """Return the codes of rows, some rows at a time, of which each needs so many numbers of 8 bytes."""
        each = width or (1 + len(self.names)) * self.vsa.storage
        step = max(1, BLOCK // (8 * each))
        parts = [code(X[start : start + step]) for start in range(0, len(X), step)]
        return parts[0] if len(parts) == 1 else self.vsa.xp.concat(parts, axis=0)


@dataclass(frozen=True, eq=False)
class Whole(NumericCode):
    """A code of the standardized row as a whole: as many columns as it has are its weight beside other columns."""

    encoder: Any

    def rows(self, X: Real, angles: npt.NDArray[Any] | None = None) -> Array:
        """Return codes; missing values are at the center, where they change no projection.

        Parameters
        ----------
        X : (n, columns) float64 array
        angles : (n, phases) float64 array, optional
            In turns: what is added to those of a model of angles.
        """
        codes = self.encoder.encode(self.scaling.standardized(X))
        if angles is None:
            return codes
        return self.vsa.bind(codes, self.vsa.from_phases(self.vsa.kernels.arrays.from_numpy(2 * np.pi * angles)))

    def members(self, X: Real, angles: npt.NDArray[Any] | None = None, more: int = 0) -> Members:
        """Return one member of each row, of the weight of its columns and ``more``."""
        weights = np.full((len(X), 1), len(self.names) + more, dtype=np.int64)
        return Members(self.rows(X, angles)[:, None], weights)


@dataclass(frozen=True, eq=False)
class FourierSigns(Whole):
    """The signs of random Fourier features on MAP-B and MAP-I, from angles that are whole numbers.

    Numbers are rounded to ``2**-FRACTION`` units, up to ``2**(RANGE - FRACTION)`` of them, and frequencies and offsets
    to whole parts of a turn, of which there are as many as leave every sum exact in float64 too. So a row has the same
    bits in every batch, on every machine and backend, whatever the order in which products are added.
    """

    encoder: RandomFourier

    @cached_property
    def host(self) -> VSA:
        """The model on a backend that has the kernels."""
        return self.vsa if self.vsa.kernels.features is not None else self.vsa.with_backend("auto")

    @cached_property
    def turn(self) -> int:
        """Parts of a turn: products of a number and of a frequency that is at most half a turn, and their sum."""
        return int(2 ** min(24, 52 - RANGE - len(self.names).bit_length()))

    @property
    def parts(self) -> tuple[Whole32, Whole32]:
        """Frequencies, from -half a turn to half a turn for each unit of a rounded number, and offsets; int32.

        The encoder that draws them is another one, so that it does not keep them too.
        """
        turns = replace(self.encoder).frequencies / (2 * np.pi) * (self.turn / 2.0**FRACTION)
        rounded = np.rint(turns)
        wrapped = rounded - self.turn * np.rint(rounded / self.turn)
        return np.ascontiguousarray(wrapped, np.int32), self._offsets

    @cached_property
    def _offsets(self) -> Whole32:
        return np.rint(self.encoder.offsets / (2 * np.pi) * self.turn).astype(np.int32)

    @cached_property
    def _spans(self) -> Whole32:
        """The frequencies in the layout of the kernel."""
        return in_spans(self.parts[0])

    def rows(self, X: Real, angles: npt.NDArray[Any] | None = None) -> Array:
        """Return the signs of rows; missing values are at the center. ``angles`` are added: int32, of ``turn``."""
        if angles is not None:
            return self._signs(X, angles + self._offsets)
        return self.in_blocks(X, lambda rows: self._signs(rows, self._offsets[None]), 3 * X.shape[1])

    def _signs(self, X: Real, added: Whole32) -> Array:
        most = 2.0**RANGE
        whole = np.clip(np.rint(self.scaling.standardized(X) * 2.0**FRACTION), -most, most).astype(np.int32)
        kernels: Any = self.host.kernels.features
        words = kernels.fourier_signs(whole, self._spans, added, self.turn)
        if isinstance(self.vsa, MAPI):
            signs = 1 - 2 * self.host.kernels.bits.unpack(words, self.vsa.dim).view(np.int8)
            words = signs.astype(self.host.dtype, copy=False)
        return words if self.host is self.vsa else self.vsa.from_numpy(words)


def fourier(vsa: VSA, names: Sequence[Any], scaling: Scaling, kernel: str, bandwidth: float) -> Whole:
    """Return random Fourier features (Rahimi and Recht 2007): similarity is a kernel of the distance of two rows."""
    encoder = RandomFourier(vsa, "features", len(names), kernel=kernel, bandwidth=bandwidth)
    return (FourierSigns if isinstance(vsa, MAPB | MAPI) else Whole)(vsa, names, scaling, encoder)


def projection(vsa: VSA, names: Sequence[Any], scaling: Scaling) -> Whole:
    """Return random projections: similarity is the cosine of two standardized rows, or their angle."""
    return Whole(vsa, names, scaling, RandomProjection(vsa, "features", len(names)))

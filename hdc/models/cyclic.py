"""MCR and CGR: integers modulo a number of levels, added to bind (Snaider and Franklin 2014; Yu et al. 2022)."""

import math
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.bounds.moments import Binomials, Moments, agreeing, phases, pluralities
from hdc.checks import integer, number
from hdc.dtypes import size
from hdc.errors import DTypeError, ParameterError, WideningError
from hdc.kernels import Array
from hdc.models.rearranging import Rotating
from hdc.models.ties import tie_vector
from hdc.similarity import pairwise, total_weight
from hdc.tally import Tally, join_sums
from hdc.vsa import MOST_FACTORS

MOST_LEVELS = 256

UNIT = 1 << 31
"""Scale of the integers in which cosines and sines are summed, so that sums are equal everywhere."""

MOST_WEIGHT = 1 << 22
"""Largest sum of the magnitudes of weights: sums are then below 2^53, and exact as doubles."""

SCALE = 1 << 22
"""Scale of the integers in which cosines of differences are summed: 256 of them fit an int32."""


class Modular(Rotating):
    """Integers modulo a number of levels: sums of them bind, rotations of components permute.

    A subclass says how many levels there are, and what becomes of the sums of a bundle. Components are uint8, or int16
    where there are more than 256 levels: torch computes little with uint16.
    """

    @property
    @abstractmethod
    def levels(self) -> int:
        """Number of values per component."""

    @property
    def commutative(self) -> bool:
        """Sums commute."""
        return True

    @property
    def self_inverse(self) -> bool:
        """Where there are two levels, adding twice adds nothing."""
        return self.levels == 2

    levels_name: ClassVar[str] = "levels"

    @property
    def _dtype_name(self) -> str:
        return "uint8" if self.levels <= MOST_LEVELS else "int16"

    @property
    def dtype(self) -> Any:
        """uint8, or int16 where there are more than 256 levels."""
        return self.kernels.arrays.dtype(self._dtype_name)

    def check(self, x: Any, what: str = "array") -> Array:
        """Check for an array of ``storage`` components of 0 to ``levels - 1``."""
        native, xp = self.check_components(x, "ui", what), self.xp
        if native.dtype != self.dtype:
            raise DTypeError(f"{what} of {self.model} must be {self._dtype_name}, not {native.dtype}")
        if self.levels == MOST_LEVELS or size(native) == 0:
            return native
        signed = self.levels > MOST_LEVELS
        if bool(xp.max(native) >= self.levels) or (signed and bool(xp.min(native) < 0)):
            raise ParameterError(
                f"components of {self.model} are below {self.levels_name}={self.levels}, and {what} has others"
            )
        return native

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw uniform components."""
        return self._native(atoms.scale_to(self.kernels.bits.random_words(keys, self.storage), self.levels))

    def _native(self, numbers: npt.NDArray[np.int64]) -> Array:
        return self.kernels.arrays.from_numpy(numbers.astype(self._dtype_name))

    def bind(self, role: Any, x: Array) -> Array:
        """Add, modulo the number of levels."""
        return self.kernels.levels.moved(*self.check_pair(role, x), 1, self.levels)

    def unbind(self, role: Any, y: Array) -> Array:
        """Subtract, modulo the number of levels: the exact inverse."""
        return self.kernels.levels.moved(*self.check_pair(role, y), -1, self.levels)

    @property
    def identity(self) -> Array:
        """Zeros."""
        return self._native(np.zeros(self.storage, np.int64))

    def inverse(self, x: Array) -> Array:
        """Negate, modulo the number of levels."""
        return self.unbind(x, self.identity)

    def power(self, x: Array, exponent: float) -> Array:
        """Multiply by a whole exponent, modulo the number of levels."""
        times = integer(exponent, f"the exponent of {self.model}", -MOST_FACTORS, MOST_FACTORS)
        products = self.xp.astype(self.check(x), self.xp.int64) * times
        return self.xp.astype(self.xp.remainder(products, self.levels), self.dtype)

    def normalize(self, x: Array) -> Array:
        """Return a copy: all vectors have the components of atoms."""
        return self.xp.asarray(self.check(x), copy=True)

    # ------------------------------------------------------------------ bundles

    def _members(self, x: Array, weights: Any) -> tuple[Array, Array | None, float]:
        """Return checked members, their weights, and the greatest sum of magnitudes of the weights."""
        members, xp = self.check_bundle(x), self.xp
        w = None
        if weights is not None:
            w = xp.astype(self.check_weights(weights, members), xp.int64, copy=False)
        weight = total_weight(xp, members, w)
        if weight >= MOST_WEIGHT:
            raise WideningError(f"magnitudes of weights sum to {weight:.3g}; keep them below {MOST_WEIGHT}")
        return members, w, weight

    def tally(self, x: Array, weights: Any = None) -> Tally:
        """Return sums of what bundles are made of, and of the components themselves, which break ties."""
        members, w, weight = self._members(x, weights)
        counting = self.kernels.arrays.from_numpy(np.arange(self.levels)[None])
        components = self.kernels.levels.sums(members, w, counting)[..., 0, :]
        return Tally({**self._sums(members, w), "components": components}, {"weight": weight})

    @abstractmethod
    def _sums(self, members: Array, weights: Array | None) -> dict[str, Array]:
        """Return sums that determine a bundle, besides that of the components."""

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Add, or subtract, sums; see :meth:`hdc.VSA.join_tallies`."""
        weight = max(0.0, a.facts["weight"] + sign * b.facts["weight"])
        if weight >= MOST_WEIGHT:
            raise WideningError(f"magnitudes of weights would sum to {weight:.3g}; keep them below {MOST_WEIGHT}")
        arrays = {name: join_sums(self.xp, a.arrays[name], b.arrays[name], sign) for name in a.arrays}
        return Tally(arrays, {"weight": weight})

    def _lot(self, components: Array) -> Array:
        """Return the tie breaker: uniform below ``levels``, from the tie vector and the other sums."""
        return self.xp.remainder(self._tie + self.xp.roll(components, 1, axis=-1), self.levels)

    @cached_property
    def _tie(self) -> Array:
        return self.xp.astype(tie_vector(self), self.xp.int64)


class Plural(Modular):
    """Bundles of the most frequent values, similarity by equal components."""

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Return the value of the greatest weight in each component; weights are integers (negative ones subtract).

        Of equal weights the first value from a lot on wins: of the tie vector and the sum of the members' components
        beside.
        """
        members, w, _ = self._members(x, weights)
        return self.kernels.levels.plurality(members, w, self._tie, self.levels)

    def _sums(self, members: Array, weights: Array | None) -> dict[str, Array]:
        return {"counts": self.kernels.levels.counts(members, weights, self.levels)}

    def read_tally(self, tally: Tally) -> Array:
        """Return the values of the greatest sums; see :meth:`bundle`."""
        found = self.kernels.levels.leading(tally.arrays["counts"], self._lot(tally.arrays["components"]))
        return self.xp.astype(found, self.dtype)

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return the share of equal components, centered: 0 for unrelated vectors, 1 for equal ones."""
        q, x = self.check(queries, "queries"), self.check(items, "items")
        return pairwise(self.xp, self._centered, q, x, self.xp.float32)

    def _centered(self, q: Array, x: Array) -> Array:
        chance = 1 / self.levels
        share = self.xp.astype(self.kernels.levels.equal(q, x), self.xp.float64) / self.storage
        return (share - chance) / (1 - chance)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of most frequent values; see :meth:`hdc.VSA.scores`."""
        return pluralities(size, self.storage, self.levels)

    def agreements(self, size: int, *, read: str | None = None) -> Binomials | None:
        """Return the exact law of equal components; see :meth:`hdc.VSA.agreements`."""
        return agreeing(size, self.storage, self.levels)


@dataclass(frozen=True)
class _Leveled(Modular):
    """Base of MCR and CGR, with their parameter."""

    _: KW_ONLY
    levels: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "levels", integer(self.levels, "levels", 2, MOST_LEVELS))


@dataclass(frozen=True)
class MCR(_Leveled, Modular):
    """Modular composite representation: phases of a whole number of levels; phasors of 1 to 8 bits.

    Arrays are ``(..., dim)`` uint8. A component is an angle in steps of ``2 π / levels``, so this is FHRR with bundles
    brought back to length one and rounded: at 256 levels a similarity is .99997 of FHRR's, at 16 .9936, at 4 .900. A
    bundle is the level nearest to the sum of the members' phasors, added up in whole numbers so that all backends
    agree. Similarity is the mean cosine of the differences.

    Parameters
    ----------
    levels : int
        2 to 256.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MCR", 1000, levels=256)
    >>> pair = vsa.bind(vsa.symbol("a"), vsa.symbol("b"))
    >>> bool((vsa.unbind(vsa.symbol("a"), pair) == vsa.symbol("b")).all())
    True
    """

    model: ClassVar[str] = "MCR"

    @cached_property
    def _turns(self) -> Array:
        """Cosines and sines of all levels, ``(2, levels)`` float64."""
        return self.kernels.arrays.from_numpy(np.stack([np.cos(self._angles), np.sin(self._angles)]))

    @cached_property
    def _table(self) -> Array:
        """The same as integers."""
        parts = [np.rint(UNIT * part(self._angles)) for part in (np.cos, np.sin)]
        return self.kernels.arrays.from_numpy(np.stack(parts).astype(np.int64))

    @property
    def _angles(self) -> npt.NDArray[np.float64]:
        return 2 * np.pi * np.arange(self.levels) / self.levels

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Return the level nearest to each sum of phasors; weights are integers (negative ones subtract).

        Of two that are as near, or where the sum is zero, a lot decides: of the tie vector and the sum of the members'
        components beside.
        """
        members, w, _ = self._members(x, weights)
        return self.kernels.levels.phases(members, w, self._tie, self._table, self._turns)

    def _sums(self, members: Array, weights: Array | None) -> dict[str, Array]:
        both = self.kernels.levels.sums(members, weights, self._table)
        return {"cosines": both[..., 0, :], "sines": both[..., 1, :]}

    def read_tally(self, tally: Tally) -> Array:
        """Return the levels nearest to the sums; see :meth:`bundle`."""
        across, up, components = (tally.arrays[name] for name in ("cosines", "sines", "components"))
        found = self.kernels.levels.nearest(across, up, self._lot(components), self._turns)
        return self.xp.astype(found, self.dtype)

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return the mean cosine of the differences of angles, added up in whole numbers: alike on all backends."""
        q, x = self.check(queries, "queries"), self.check(items, "items")
        return pairwise(self.xp, self._mean_cosines, q, x, self.xp.float32)

    def _mean_cosines(self, q: Array, x: Array) -> Array:
        total = self.kernels.levels.differences(q, x, self._cosines)
        return self.xp.astype(total, self.xp.float64) / (SCALE * self.dim)

    @cached_property
    def _cosines(self) -> Array:
        return self.kernels.arrays.from_numpy(np.rint(SCALE * np.cos(self._angles)).astype(np.int32))

    def power(self, x: Array, exponent: float) -> Array:
        """Multiply angles, those from -π to less than π, by the exponent, and round to levels."""
        real = number(exponent, "the exponent")
        if real == int(real):
            return super().power(x, int(real))
        xp, half = self.xp, self.levels // 2
        signed = xp.remainder(xp.astype(self.check(x), xp.int64) + half, self.levels) - half
        return self._rounded(xp.astype(signed, xp.float64) * real)

    @property
    def phases(self) -> int:
        """One angle per component."""
        return self.dim

    def from_phases(self, angles: Any) -> Array:
        """Round angles to levels: sums of rounded angles are one step from the rounded sum, or none."""
        return self._rounded(self.xp.astype(self.check_phases(angles), self.xp.float64) / (2 * math.pi) * self.levels)

    def _rounded(self, steps: Array) -> Array:
        return self.xp.astype(self.xp.remainder(self.xp.round(steps), self.levels), self.xp.uint8)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of phases rounded to levels; see :meth:`hdc.VSA.scores`."""
        return phases(size, self.dim, self.levels)


@dataclass(frozen=True)
class CGR(_Leveled, Plural):
    """Cyclic group representation: integers modulo the number of levels, the most frequent value, equal components.

    Arrays are ``(..., dim)`` uint8. A bundle has, in each component, the value of the greatest weight. Similarity is
    the share of equal components less that expected by chance, scaled so that equal vectors score 1. No other model
    stores more per bit.

    Parameters
    ----------
    levels : int
        2 to 256; similarities and bundles take time in proportion.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("CGR", 20_000, levels=8)
    >>> x = vsa.symbols(["a", "b", "c"])
    >>> vsa.similarity(vsa.bundle(x), x).astype(float).round(1).tolist()
    [0.4, 0.4, 0.4]
    """

    model: ClassVar[str] = "CGR"

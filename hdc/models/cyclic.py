"""MCR and CGR: integers modulo a number of levels, added to bind (Snaider and Franklin 2014; Yu et al. 2022)."""

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.bounds.moments import Binomials, Moments, agreeing, phases, pluralities
from hdc.checks import integer, number
from hdc.errors import DTypeError, ParameterError, WideningError
from hdc.kernels import Array
from hdc.models.rearranging import Rotating
from hdc.models.ties import tie_vector
from hdc.similarity import cosine, pairwise, total_weight
from hdc.tally import Tally, join_sums
from hdc.vsa import MOST_FACTORS

MOST_LEVELS = 256

UNIT = 1 << 31
"""Length of the whole numbers that cosines and sines are added up in, so that sums are the same everywhere."""

MOST_WEIGHT = 1 << 22
"""Sum of the magnitudes of weights, at most: sums of these are then below 2^53, and exact as doubles."""

EXACT = 1 << 52
"""Dot products of whole numbers below it are exact in double precision."""

COMPONENTS = 1 << 22
"""Components that are compared or counted at a time."""


@dataclass(frozen=True)
class _Cyclic(Rotating):
    """What both share: uint8 components below ``levels``, sums modulo it to bind, rotation of components."""

    _: KW_ONLY
    levels: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "levels", integer(self.levels, "levels", 2, MOST_LEVELS))

    @property
    def commutative(self) -> bool:
        """Sums commute."""
        return True

    @property
    def self_inverse(self) -> bool:
        """Where there are two levels, adding twice adds nothing."""
        return self.levels == 2

    @property
    def dtype(self) -> Any:
        """uint8."""
        return self.kernels.arrays.dtype("uint8")

    def check(self, x: Any, what: str = "array") -> Array:
        """Check for a uint8 array of ``dim`` components below ``levels``."""
        native = self.check_components(x, "u", what)
        if native.dtype != self.xp.uint8:
            raise DTypeError(f"{what} of {self.model} must be uint8, not {native.dtype}")
        if self.levels < MOST_LEVELS and bool(self.xp.any(native >= self.levels)):
            raise ParameterError(f"components of {self.model} are below levels={self.levels}, and {what} has others")
        return native

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw uniform components."""
        return self._native(atoms.scale_to(self.kernels.bits.random_words(keys, self.dim), self.levels))

    def _native(self, numbers: npt.NDArray[np.int64]) -> Array:
        return self.kernels.arrays.from_numpy(numbers.astype(np.uint8))

    def _moved(self, a: Any, x: Any, sign: int) -> Array:
        (one, other), xp = self.check_pair(a, x), self.xp
        if self.levels == MOST_LEVELS:  # bytes wrap around by themselves
            return other + one if sign > 0 else other - one
        sums = xp.astype(other, xp.int16) + sign * xp.astype(one, xp.int16)
        return xp.astype(xp.remainder(sums, self.levels), xp.uint8)

    def bind(self, role: Any, x: Array) -> Array:
        """Add, modulo the number of levels."""
        return self._moved(role, x, 1)

    def unbind(self, role: Any, y: Array) -> Array:
        """Subtract, modulo the number of levels: the exact inverse."""
        return self._moved(role, y, -1)

    @property
    def identity(self) -> Array:
        """Zeros."""
        return self._native(np.zeros(self.dim, np.int64))

    def inverse(self, x: Array) -> Array:
        """Negate, modulo the number of levels."""
        return self.unbind(x, self.identity)

    def power(self, x: Array, exponent: float) -> Array:
        """Multiply by a whole exponent, modulo the number of levels."""
        times = integer(exponent, f"the exponent of {self.model}", -MOST_FACTORS, MOST_FACTORS)
        products = self.xp.astype(self.check(x), self.xp.int64) * times
        return self.xp.astype(self.xp.remainder(products, self.levels), self.xp.uint8)

    def normalise(self, x: Array) -> Array:
        """Return a copy: all vectors have the components of atoms."""
        return self.xp.asarray(self.check(x), copy=True)

    # ------------------------------------------------------------------ bundles

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Return the bundle along axis -2; weights are integers (negative ones subtract)."""
        return self.read_tally(self.tally(x, weights))

    def _members(self, x: Array, weights: Any) -> tuple[Array, Array, float]:
        members, xp = self.check_bundle(x), self.xp
        if weights is None:
            w = xp.ones(members.shape[:-1], dtype=xp.int64, device=members.device)
        else:
            w = xp.astype(self.check_weights(weights, members), xp.int64, copy=False)
        weight = total_weight(xp, members, w)
        if weight >= MOST_WEIGHT:
            raise WideningError(f"magnitudes of weights sum to {weight:.3g}; keep them below {MOST_WEIGHT}")
        return members, w, weight

    def _sum(self, members: Array, weights: Array, table: npt.NDArray[np.int64]) -> Array:
        """Add up, by their weights, what a table has for each component: ``(..., dim)`` int64."""
        xp, looked_up = self.xp, self.kernels.arrays.from_numpy(table)
        *batch, n, dim = members.shape
        total = xp.zeros((*batch, dim), dtype=xp.int64, device=members.device)
        step = max(1, COMPONENTS // max(1, dim * math.prod(batch)))
        for start in range(0, n, step):
            part = slice(start, start + step)
            block = members[..., part, :]
            values = xp.take(looked_up, xp.astype(block, xp.int64).reshape(-1), axis=0).reshape(block.shape)
            total = total + xp.sum(values * weights[..., part, None], axis=-2, dtype=xp.int64)
        return total

    def tally(self, x: Array, weights: Any = None) -> Tally:
        """Return sums of what bundles are made of, and of the components themselves, which break ties."""
        members, w, weight = self._members(x, weights)
        sums = {name: self._sum(members, w, table) for name, table in self._tables.items()}
        return Tally({**sums, "components": self._sum(members, w, np.arange(self.levels))}, {"weight": weight})

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Add, or subtract, sums; see :meth:`hdc.VSA.join_tallies`."""
        weight = max(0.0, a.facts["weight"] + sign * b.facts["weight"])
        if weight >= MOST_WEIGHT:
            raise WideningError(f"magnitudes of weights would sum to {weight:.3g}; keep them below {MOST_WEIGHT}")
        arrays = {name: join_sums(self.xp, a.arrays[name], b.arrays[name], sign) for name in a.arrays}
        return Tally(arrays, {"weight": weight})

    @property
    def _tables(self) -> dict[str, npt.NDArray[np.int64]]:
        """What the sums of a tally add up for each level."""
        raise NotImplementedError

    def _lot(self, components: Array) -> Array:
        """Return what decides between equals: uniform below ``levels``, of the tie vector and the sums beside."""
        return self.xp.remainder(self._tie + self.xp.roll(components, 1, axis=-1), self.levels)

    @cached_property
    def _tie(self) -> Array:
        return self.xp.astype(tie_vector(self), self.xp.int64)


@dataclass(frozen=True)
class MCR(_Cyclic):
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
    def _angles(self) -> npt.NDArray[np.float64]:
        return 2 * np.pi * np.arange(self.levels) / self.levels

    @cached_property
    def _tables(self) -> dict[str, npt.NDArray[np.int64]]:
        parts = {"cosines": np.cos(self._angles), "sines": np.sin(self._angles)}
        return {name: np.rint(UNIT * part).astype(np.int64) for name, part in parts.items()}

    def read_tally(self, tally: Tally) -> Array:
        """Return the level nearest to each sum; of two that are as near, or where it is zero, one by lot."""
        xp = self.xp
        across, up = (xp.astype(tally.arrays[name], xp.float64) for name in self._tables)
        turn = xp.atan2(up, across) / (2 * math.pi) * self.levels
        about = xp.astype(xp.floor(turn), xp.int64)
        lot = self._lot(tally.arrays["components"])
        below, above = xp.remainder(about, self.levels), xp.remainder(about + 1, self.levels)
        low, high = (self._score(level, across, up) for level in (below, above))
        nearer = xp.where((high > low) | ((high == low) & (lot % 2 == 1)), above, below)
        return xp.astype(xp.where((across == 0) & (up == 0), lot, nearer), xp.uint8)

    def _score(self, level: Array, across: Array, up: Array) -> Array:
        cosines, sines = (self.kernels.arrays.from_numpy(part(self._angles)) for part in (np.cos, np.sin))
        flat, shape = level.reshape(-1), level.shape
        return self.xp.take(cosines, flat).reshape(shape) * across + self.xp.take(sines, flat).reshape(shape) * up

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return the mean cosine of the differences of angles."""
        q, x = self.check(queries, "queries"), self.check(items, "items")
        return cosine(self.kernels, self._phasors(q), self._phasors(x))

    def _phasors(self, x: Array) -> Array:
        """Return cosines and sines as whole numbers, ``(..., 2 dim)`` int32, so that all backends agree."""
        xp, flat = self.xp, self.xp.astype(x, self.xp.int64).reshape(-1)
        length = min(1 << 24, math.isqrt(EXACT // (2 * self.dim)))
        parts = (np.rint(length * part(self._angles)).astype(np.int32) for part in (np.cos, np.sin))
        tables = [self.kernels.arrays.from_numpy(part) for part in parts]
        return xp.concat([xp.take(table, flat).reshape(x.shape) for table in tables], axis=-1)

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
        """One angle a component."""
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
class CGR(_Cyclic):
    """Cyclic group representation: integers modulo the number of levels, the most frequent value, equal components.

    Arrays are ``(..., dim)`` uint8. A bundle has, in each component, the value of the greatest weight. Similarity is
    the share of equal components, less what chance gives, scaled so that equal vectors give 1. Per bit stored no other
    model holds more.

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

    @cached_property
    def _tables(self) -> dict[str, npt.NDArray[np.int64]]:
        return {f"count {level}": (np.arange(self.levels) == level).astype(np.int64) for level in range(self.levels)}

    def read_tally(self, tally: Tally) -> Array:
        """Return the value of the greatest sum; of equal ones the first from a lot on."""
        xp, lot = self.xp, self._lot(tally.arrays["components"])

        def key(level: int) -> Array:
            """Order by sums, and equal ones by how soon they come after the lot."""
            return tally.arrays[f"count {level}"] * self.levels + xp.remainder(lot - 1 - level, self.levels)

        best, chosen = key(0), xp.zeros_like(lot)
        for level in range(1, self.levels):
            other = key(level)
            best, chosen = xp.where(other > best, other, best), xp.where(other > best, level, chosen)
        return xp.astype(chosen, xp.uint8)

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return the share of equal components, centred: 0 for unrelated vectors, 1 for equal ones."""
        q, x = self.check(queries, "queries"), self.check(items, "items")
        return pairwise(self.xp, self._centred, q, x, self.xp.float32)

    def _centred(self, q: Array, x: Array) -> Array:
        xp, chance = self.xp, 1 / self.levels
        share = xp.astype(self._equal(q, x), xp.float64) / self.dim
        return (share - chance) / (1 - chance)

    def _equal(self, q: Array, x: Array) -> Array:
        """Count equal components of all pairs: by comparing few at once, many level by level."""
        xp = self.xp
        if len(q) * len(x) * self.dim <= COMPONENTS:
            return xp.sum(q[:, None, :] == x[None], axis=-1, dtype=xp.int64)
        equal: Any = 0.0
        for level in range(self.levels):
            mine, theirs = (xp.astype(side == level, xp.float32) for side in (q, x))
            equal = equal + mine @ theirs.T
        return equal

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of most frequent values; see :meth:`hdc.VSA.scores`."""
        return pluralities(size, self.dim, self.levels)

    def agreements(self, size: int, *, read: str | None = None) -> Binomials | None:
        """Return the exact law of equal components; see :meth:`hdc.VSA.agreements`."""
        return agreeing(size, self.dim, self.levels)

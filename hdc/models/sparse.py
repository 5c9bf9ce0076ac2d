"""Bloom and CountingBloom: sparse binary atoms, k ones of m, bundled by or and by sum.

The set-theoretic side (membership, set size, intersection size) is that of Bloom filters; binding is that of
binary sparse distributed codes: BSDC-S shifts by a number read off the first operand, BSDC-SEG adds positions
segment by segment (Schlegel et al. 2022, section 2; both undone exactly).
"""

import math
import operator
from abc import abstractmethod
from dataclasses import KW_ONLY, InitVar, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.bounds.moments import Binomials, Moments, covered, covering, linear
from hdc.checks import choice, integer, number
from hdc.dtypes import outer
from hdc.errors import DTypeError, ParameterError, UnsupportedError, WideningError
from hdc.kernels import Array
from hdc.models.packed import Packed
from hdc.models.rearranging import order_of
from hdc.similarity import (
    COMPONENTS,
    dots,
    magnitude,
    most,
    normalized,
    pairwise,
    squared_norms,
    total_weight,
    weighted_sum,
)
from hdc.tally import Tally, join_sums
from hdc.vsa import VSA
from hdc.words import MAX_DIM

Counts = npt.NDArray[np.int64]
BINDINGS = ("shift", "segment")
FORMS = ("subtractive", "additive")

MOST_ROTATIONS = 1024
"""Most rotations that thinning tries."""


FAR = 2
"""Largest factor between a chosen number of ones and the intended number."""


@dataclass(frozen=True)
class _Sparse(VSA):
    """What both share: how atoms are drawn, which permutation binds, and the estimators' constants.

    Parameters
    ----------
    ones : int, optional
        Ones of an atom, k. If it is not given, k is chosen from ``load`` if that is given, else it is
        ``ceil(sqrt(dim))``, the density of Schlegel et al.
    load : int, optional
        Expected number of members of a bundle, n: k is then ``dim ln 2 / n``, which fills half of a Bloom
        bundle and makes its false alarms rarest.
    binding : {"shift", "segment"}
        BSDC-S, or BSDC-SEG, whose atoms have one 1 in each of k segments of equal length. With ``"segment"``,
        ``dim`` must be a multiple of ``ones``; a chosen k is the divisor of ``dim`` nearest to the aim.
    """

    _: KW_ONLY
    ones: int = 0
    load: InitVar[int] = 0
    binding: str = "shift"

    def __post_init__(self, load: int) -> None:
        super().__post_init__()
        choice(self.binding, "binding", BINDINGS)
        if self.dim < 2:
            raise ParameterError(f"{self.model} needs dim of at least 2, not {self.dim}")
        ones, load = integer(self.ones, "ones", 0), integer(load, "load", 0, MAX_DIM)
        object.__setattr__(self, "ones", ones or self._choose_ones(load))
        if not 1 <= self.ones < self.dim:
            raise ParameterError(f"ones must be between 1 and dim - 1 = {self.dim - 1}, not {self.ones}")
        if self.binding == "segment" and self.dim % self.ones:
            raise ParameterError(
                f"segments of equal length need dim to be a multiple of ones, not dim={self.dim}, ones={self.ones}; "
                f"take dim={self.dim - self.dim % self.ones} or ones={self._nearest_divisor(self.ones)}"
            )

    def _choose_ones(self, load: int) -> int:
        aim = self.dim * math.log(2) / load if load else math.ceil(math.sqrt(self.dim))
        k = max(1, min(self.dim - 1, round(aim)))
        if self.binding != "segment":
            return k
        divisor = self._nearest_divisor(k)
        if not k <= divisor * FAR or not divisor <= k * FAR:
            raise ParameterError(
                f"segments of equal length need dim to be a multiple of ones, {k} or about as many, and the nearest "
                f"divisor of dim={self.dim} is {divisor}; take dim={round(self.dim / k) * k}, or give ones={divisor}"
            )
        return divisor

    def _nearest_divisor(self, aim: int) -> int:
        candidates = np.arange(1, self.dim)
        divisors = candidates[self.dim % candidates == 0]
        return int(divisors[np.argmin(np.abs(np.log(divisors / aim)))])

    @property
    def commutative(self) -> bool:
        """Segment binding adds positions; shift binding moves the second operand only."""
        return self.binding == "segment"

    @property
    def associative(self) -> bool:
        """Segment binding adds positions; shift binding reads how far to move off whichever vector comes first."""
        return self.binding == "segment"

    @property
    def keys(self) -> float:
        """Shift binding has one key a shift."""
        return self.dim if self.binding == "shift" else math.inf

    @property
    def bound_options(self) -> dict[str, Any]:
        """Bounds depend on the number of ones."""
        return {"ones": self.ones}

    @property
    def segment(self) -> int:
        """Length of a segment, for ``binding="segment"``."""
        return self.dim // self.ones

    def positions_of(self, keys: npt.NDArray[np.uint64]) -> Counts:
        """Return the positions of the ones of atoms, ``(n, ones)`` int64, ascending in each row."""
        bits = self.kernels.bits
        if self.binding == "segment":
            offsets = atoms.scale_to(bits.random_words(keys, self.ones), self.segment)
            return np.asarray(offsets + self.segment * np.arange(self.ones))
        if 2 * self.ones <= self.dim:
            return atoms.sample_distinct(bits, keys, self.ones, self.dim)
        mask = np.ones((len(keys), self.dim), dtype=np.bool_)
        zeros = atoms.sample_distinct(bits, keys, self.dim - self.ones, self.dim)
        np.put_along_axis(mask, zeros, False, axis=1)
        return np.asarray(np.nonzero(mask)[1].reshape(len(keys), self.ones))

    # ------------------------------------------------------------------ binding and permutation

    @abstractmethod
    def components(self, x: Array) -> Array:
        """Return ``(..., dim)`` components of a checked array."""

    @abstractmethod
    def _gather(self, x: Array, index: Array) -> Array:
        """Return component ``index[..., j]`` of ``x`` as component j."""

    def _here(self, x: Array) -> Array:
        """Return the numbers of the components, ``(dim,)`` int64, on the device of ``x``."""
        return self.xp.arange(self.dim, dtype=self.xp.int64, device=x.device)

    def _shifts(self, components: Array) -> Array:
        """Return the shifts of a first operand: one number per row, or one per segment."""
        xp = self.xp
        if self.binding == "shift":
            return xp.sum(components * self._here(components), axis=-1, dtype=xp.int64) % self.dim
        segments = components.reshape(*components.shape[:-1], self.ones, self.segment)
        if not bool(xp.all(xp.sum(segments, axis=-1, dtype=xp.int64) == 1)):
            raise UnsupportedError(
                "segment binding needs exactly one 1 in each segment of the first operand (an atom, a role or a "
                "bound atom); bind a bundle as the second operand"
            )
        return xp.argmax(xp.astype(segments, xp.int8), axis=-1)

    def _shifted(self, x: Array, shifts: Array) -> Array:
        """Shift the components of ``x`` forward by the output of :meth:`_shifts`."""
        here = self._here(x)
        if self.binding == "shift":
            return self._gather(x, (here - shifts[..., None]) % self.dim)
        starts = here[:: self.segment, None]
        within = (here[: self.segment] - shifts[..., None]) % self.segment
        return self._gather(x, (starts + within).reshape(*shifts.shape[:-1], self.dim))

    def _move(self, role: Any, x: Array, direction: int) -> Array:
        """Bind (+1) or unbind (-1), in blocks of rows so that temporaries stay under ``COMPONENTS`` components."""
        role, x = self.check_pair(role, x)
        if role.ndim == 1:
            return self._shifted(x, direction * self._shifts(self.components(role)))
        batch = self.check_batches(role, x)
        roles, rows = (self.xp.broadcast_to(y, (*batch, self.storage)).reshape(-1, self.storage) for y in (role, x))
        out, step = self.xp.empty_like(rows), max(1, COMPONENTS // self.dim)
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            out[part] = self._shifted(rows[part], direction * self._shifts(self.components(roles[part])))
        return out.reshape(*batch, self.storage)

    def bind(self, role: Any, x: Array) -> Array:
        """Move the components of ``x`` by what ``role`` says: a rotation, or one rotation per segment.

        Raises
        ------
        UnsupportedError
            If ``role`` is an operator, or has not one 1 per segment under ``binding="segment"``.
        """
        return self._move(role, x, +1)

    def unbind(self, role: Any, y: Array) -> Array:
        """Move the components back: the exact inverse of :meth:`bind`."""
        return self._move(role, y, -1)

    @property
    def identity(self) -> Array:
        """The vector that shifts by nothing: a one at the start of each segment.

        Raises
        ------
        UnsupportedError
            If binding shifts: no vector changes nothing on either side.
        """
        if self.binding == "shift":
            raise UnsupportedError(f"shift binding of {self.model} has no identity; take binding='segment'")
        return self._with_ones(np.arange(0, self.dim, self.segment)[None])[0]

    def inverse(self, x: Array) -> Array:
        """Mirror segments: position i moves to ``-i modulo its length``, so that what shifts forward shifts back.

        With one segment, for ``binding="shift"``, the sum of positions is negated.
        """
        length = self.segment if self.binding == "segment" else self.dim
        here = self._here(checked := self.check(x))
        return self._gather(checked, here - here % length + (-here) % length)

    @abstractmethod
    def _with_ones(self, positions: Counts) -> Array:
        """Return vectors with ones at positions, ``(n, any)``, and zeros elsewhere."""

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Apply a fixed random permutation ``shift`` times.

        Not a rotation: rotations commute with both bindings, so the order of an n-gram would be lost. With
        segments, whole segments move and rotate within, so that one 1 per segment stays one 1 per segment.
        """
        key = self.dim, self.seed, self.binding, self.ones
        order = order_of(self.kernels, key, self._permutation, integer(shift, "shift"))
        return self._gather(self.check(x), order)

    # ------------------------------------------------------------------ thinning

    def thin(self, x: Array, density: float | None = None, form: str = "subtractive") -> Array:
        """Bring vectors to a density by context-dependent thinning (Rachkovskij and Kussul 2001).

        Of the ones of a vector z those stay that fixed rotations of z do not cover (``"subtractive"``), or do
        (``"additive"``). Which ones stay depends on all of z, and each member of a bundle keeps its share: their
        similarity to the result falls as one by their number. Rotations of one vector after another are tried until
        it has as many ones as asked or less (additive: or more). They commute with both bindings, and so does
        thinning; with segments they stay within each, so that a one alone in its segment is never covered.

        Parameters
        ----------
        x : (..., storage) array
            Bundles; counters of 1 or more are ones.
        density : float, optional
            Ones by components, above 0; that of atoms, if it is not given. Vectors that have no more stay unchanged.
        form : {"subtractive", "additive"}

        Returns
        -------
        (..., storage) array
            Of the dtype of atoms.

        Raises
        ------
        ParameterError
            If the density is not a number above 0, or after ``MOST_ROTATIONS`` a vector is not as thin.
        """
        choice(form, "form", FORMS)
        given = self.ones / self.dim if density is None else float(number(density, "density"))
        if not 0 < given <= 1:
            raise ParameterError(f"density must be above 0 and at most 1, not {given}")
        most, whole, additive = given * self.dim, self._present(self.check(x)), form == "additive"
        thin, covered = self.xp.asarray(whole, copy=True), self.xp.zeros_like(whole)
        due = self._count_ones(whole) > most
        for shifts in self._rotations:
            if not bool(self.xp.any(due)):
                return thin
            covered = covered | self._shifted(whole, shifts)
            kept = whole & (covered if additive else ~covered)
            count = self._count_ones(kept)
            thin = self.xp.where(due[..., None], kept, thin)
            due = due & ((count < most) if additive else (count > most))
        raise ParameterError(
            f"{MOST_ROTATIONS} rotations do not bring these vectors to density {given:.3g}; ask for more"
        )

    @abstractmethod
    def _present(self, x: Array) -> Array:
        """Return where components are at least one, as bits or as zeros and ones."""

    @abstractmethod
    def _count_ones(self, x: Array) -> Array:
        """Return the number of ones of the output of :meth:`_present`."""

    @cached_property
    def _rotations(self) -> list[Any]:
        """The rotations of thinning: one number, or one per segment, none of them zero."""
        width, length = (self.ones, self.segment) if self.binding == "segment" else (1, self.dim)
        keys = atoms.stream_keys(self.seed, "thin", range(MOST_ROTATIONS))
        offsets = 1 + atoms.scale_to(self.kernels.bits.random_words(keys, width), length - 1)
        shape = () if self.binding == "shift" else (width,)
        return [self.kernels.arrays.from_numpy(row.reshape(shape)) for row in offsets]

    @cached_property
    def _permutation(self) -> Counts:
        key, offset_key = atoms.stream_keys(self.seed, "permute", [0, 1])
        bits = self.kernels.bits
        if self.binding == "shift":
            return atoms.permutation(bits, key, self.dim)
        order = atoms.permutation(bits, key, self.ones)
        offset = atoms.scale_to(bits.random_words(offset_key.reshape(1, 2), self.ones)[0], self.segment)
        within = (np.arange(self.segment) + offset[:, None]) % self.segment
        return np.asarray((order[:, None] * self.segment + within).ravel())

    # ------------------------------------------------------------------ estimators

    @abstractmethod
    def set_size(self, x: Array) -> Array:
        """Estimate the number of members of each bundle, ``x.shape[:-1]``."""

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return correlations: shared ones less what chance gives, scaled so that equal vectors give 1.

        For x, y with sums |x|, |y| this is ``(x.y - |x||y|/dim) / sqrt(...)``, the Pearson correlation of the
        components: expectation 0 for unrelated atoms, and unchanged by binding and permutation.
        """
        q, x = self.check(queries, "queries"), self.check(items, "items")
        return pairwise(self.xp, self._correlations, q, x, self.xp.float32)

    def _correlations(self, q: Array, x: Array) -> Array:
        product, (q_sum, q_square), (x_sum, x_square) = self._products(q, x), self._moments(q), self._moments(x)
        expected = outer(operator.mul, q_sum, x_sum) / self.dim
        q_spread, x_spread = q_square - q_sum**2 / self.dim, x_square - x_sum**2 / self.dim
        return normalized(self.xp, product - expected, q_spread, x_spread, self.xp.float32)

    @abstractmethod
    def _products(self, queries: Array, items: Array) -> Array:
        """Return all dot products of two checked arrays."""

    @abstractmethod
    def _moments(self, x: Array) -> tuple[Array, Array]:
        """Return the sum and the sum of squares of the components of each row, in float64."""


@dataclass(frozen=True)
class Bloom(Packed, _Sparse):
    """Bloom: sparse binary atoms, packed; bundles by or; a bundle is a Bloom filter of its members.

    Arrays are ``(..., words)`` in the layout of :mod:`hdc.words`.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("Bloom", 2000, load=20)
    >>> basket = vsa.bundle(vsa.symbols(["apple", "pear", "plum"]))
    >>> vsa.contains(basket, vsa.symbols(["pear", "fig"])).tolist()
    [True, False]
    >>> round(float(vsa.set_size(basket)))
    3
    """

    model: ClassVar[str] = "Bloom"

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw atoms with exactly ``ones`` bits set."""
        return self._with_ones(self.positions_of(keys))

    def _with_ones(self, positions: Counts) -> Array:
        out = np.zeros((len(positions), self.storage), dtype=np.uint64)
        bit = np.uint64(1) << (positions % 64).astype(np.uint64)
        np.bitwise_or.at(out, (np.arange(len(positions))[:, None], positions // 64), bit)
        return self.kernels.arrays.from_numpy(out)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of correlations with an or of atoms; see :meth:`hdc.VSA.scores`."""
        return covered(size, self.dim, self.ones)

    def agreements(self, size: int, *, read: str | None = None) -> Binomials | None:
        """Return the exact law of covered ones; see :meth:`hdc.VSA.agreements`."""
        return covering(size, self.dim, self.ones)

    def _present(self, x: Array) -> Array:
        return x

    def _count_ones(self, x: Array) -> Array:
        return self.kernels.bits.popcount(x)

    def components(self, x: Array) -> Array:
        """Return the bits."""
        return self.kernels.bits.unpack(x, self.dim)

    def _gather(self, x: Array, index: Array) -> Array:
        return self.kernels.bits.gather(x, index, self.dim)

    def _shifted(self, x: Array, shifts: Array) -> Array:
        if self.binding == "segment":
            return super()._shifted(x, shifts)
        return self.kernels.bits.rotate(x, shifts, self.dim)

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Or the members; a member of weight 0 is left out, and weights have no other effect.

        Raises
        ------
        ParameterError
            If a weight is negative, because members of a Bloom filter cannot be removed.
        """
        members = self.check_bundle(x)
        if weights is not None:
            w = self.check_weights(weights, members)
            if bool(self.xp.any(w < 0)):
                raise ParameterError("Bloom bundles cannot subtract; negative weights need CountingBloom")
            members = members * self.xp.astype(w != 0, members.dtype)[..., None]
        return self.kernels.bits.or_reduce(members)

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Or both; see :meth:`hdc.VSA.join_tallies`."""
        if sign < 0:
            raise UnsupportedError(
                "a Bloom bundle does not say how many members set a bit, so none can be taken out; use CountingBloom"
            )
        return super().join_tallies(a, b, sign)

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide whether every bit of the item is set (D12: k = log2(d/δ), m = n ln(d/δ) / (ln 2)²)."""
        items = self.check(items, "items")
        return self._products(self.check(bundle, "bundle"), items) == self.kernels.bits.popcount(items)

    def set_size(self, x: Array) -> Array:
        """Estimate ``n = -(m/k) ln(1 - ones(x)/m)`` (D13); infinite for a full vector.

        Parameters
        ----------
        x : (..., words) array

        Returns
        -------
        (...) float64 array
        """
        return self._members_at(self.dim - self.kernels.bits.popcount(self.check(x)))

    def _members_at(self, zeros: Array) -> Array:
        """Return the number of members that leave this many zeros, in expectation."""
        share = self.xp.asarray(zeros, dtype=self.xp.float64) / self.dim
        with np.errstate(divide="ignore", invalid="ignore"):
            return -(self.dim / self.ones) * self.xp.log(share) + 0.0

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Estimate ``n(x) + n(y) - n(x or y)`` of every pair (D13).

        Parameters
        ----------
        x : (*p, words) array
        y : (*q, words) array

        Returns
        -------
        (*p, *q) float64 array
        """
        x, y = self.check(x, "x"), self.check(y, "y")
        x_ones, y_ones = self.kernels.bits.popcount(x), self.kernels.bits.popcount(y)
        union_zeros = self.dim - outer(operator.add, x_ones, y_ones) + self._products(x, y)
        sizes_apart = outer(operator.add, self._members_at(self.dim - x_ones), self._members_at(self.dim - y_ones))
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            return sizes_apart - self._members_at(union_zeros)

    def _products(self, queries: Array, items: Array) -> Array:
        flat_q, flat_x = queries.reshape(-1, self.storage), items.reshape(-1, self.storage)
        shared = self.kernels.bits.shared_ones(flat_q, flat_x)
        return shared.reshape(queries.shape[:-1] + items.shape[:-1])

    def _moments(self, x: Array) -> tuple[Array, Array]:
        ones = self.xp.astype(self.kernels.bits.popcount(x), self.xp.float64)
        return ones, ones


@dataclass(frozen=True)
class CountingBloom(_Sparse):
    """CountingBloom: the atoms of Bloom, bundled by integer sum, so that members can be counted and removed.

    Arrays are ``(..., dim)``; atoms are int8 zeros and ones, bundles are int64.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("CountingBloom", 2000, ones=10)
    >>> bag = vsa.bundle(vsa.symbols(["apple", "pear"]), weights=[3, 1])
    >>> float(vsa.set_size(bag))
    4.0
    """

    model: ClassVar[str] = "CountingBloom"

    @property
    def storage(self) -> int:
        """Number of components."""
        return self.dim

    @property
    def dtype(self) -> Any:
        """int8."""
        return self.kernels.arrays.dtype("int8")

    def check(self, x: Any, what: str = "array") -> Array:
        """Check for a signed integer array of ``dim`` components."""
        return self.check_components(x, "i", what)

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw atoms with exactly ``ones`` ones; the same positions as Bloom's atoms."""
        return self._with_ones(self.positions_of(keys))

    def _with_ones(self, positions: Counts) -> Array:
        out = np.zeros((len(positions), self.dim), dtype=np.int8)
        np.put_along_axis(out, positions, np.int8(1), axis=1)
        return self.kernels.arrays.from_numpy(out)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum, whose correlations are MAP-I's at one component less."""
        return linear(size, self.dim - 1)

    def _present(self, x: Array) -> Array:
        return self.xp.astype(x >= 1, self.xp.int8)

    def _count_ones(self, x: Array) -> Array:
        return self.xp.sum(x, axis=-1, dtype=self.xp.int64)

    def components(self, x: Array) -> Array:
        """Return the counters."""
        return x

    def _gather(self, x: Array, index: Array) -> Array:
        if index.ndim == 1:
            return self.xp.take(x, index, axis=-1)
        shape = (*self.check_batches(x, index), self.dim)
        return self.xp.take_along_axis(self.xp.broadcast_to(x, shape), self.xp.broadcast_to(index, shape), axis=-1)

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Add the members, times integer weights, in int64; negative weights remove.

        Raises
        ------
        WideningError
            If a sum can leave int64.
        """
        members = self.check_bundle(x)
        w = None if weights is None else self.check_weights(weights, members)
        largest = most(self.xp, members) if w is None else magnitude(self.xp, members)
        bound = largest * total_weight(self.xp, members, w)
        if bound >= 2.0**63:
            raise WideningError("a sum of these counters can leave int64; scale the weights down")
        narrow = self.xp.int32 if bound < 2.0**31 else self.xp.int64  # twice as fast if it represents every sum
        return self.xp.astype(weighted_sum(self.kernels, members, w, narrow, bound), self.xp.int64, copy=False)

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Add, or subtract, counters; see :meth:`hdc.VSA.join_tallies`."""
        return Tally({"bundle": join_sums(self.xp, a.arrays["bundle"], b.arrays["bundle"], sign)})

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide whether every counter of the item is at least 1 (D15)."""
        xp = self.xp
        present = xp.astype(self.check(bundle, "bundle") >= 1, xp.int8)
        items = self.check(items, "items")
        if bool(xp.any((items != 0) & (items != 1))):
            raise DTypeError("contains takes atoms, whose components are 0 and 1, as items")
        return dots(self.kernels, present, items) == xp.sum(items, axis=-1, dtype=xp.int64)

    def set_size(self, x: Array) -> Array:
        """Return the number of members, counted as often as they were added: ``sum(x) / k``, exact up to 2^53.

        Parameters
        ----------
        x : (..., dim) array

        Returns
        -------
        (...) float64 array
        """
        return self._sums(self.check(x)) / self.ones

    def _sums(self, x: Array) -> Array:
        return self.xp.sum(x, axis=-1, dtype=self.xp.float64)

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Estimate ``(x.y - |x||y|/m) / (k - k²/m)`` of every pair, unbiased (D14).

        For sets this is the number of common members t, with variance ``(ab + t² - 2t)/(m - 1)``; for
        multisets it is the sum of the products of multiplicities.

        Parameters
        ----------
        x : (*p, dim) array
        y : (*q, dim) array

        Returns
        -------
        (*p, *q) float64 array
        """
        x, y = self.check(x, "x"), self.check(y, "y")
        centered = self._products(x, y) - outer(operator.mul, self._sums(x), self._sums(y)) / self.dim
        return centered / (self.ones - self.ones**2 / self.dim)

    def _products(self, queries: Array, items: Array) -> Array:
        return self.xp.astype(dots(self.kernels, queries, items), self.xp.float64, copy=False)

    def _moments(self, x: Array) -> tuple[Array, Array]:
        return self._sums(x), squared_norms(self.kernels, x)

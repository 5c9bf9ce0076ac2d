"""MAP-I and MAP-B: bipolar atoms, multiplied to bind, added to bundle (Gayler 1998; Schlegel et al. 2022)."""

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.bounds.moments import Moments, linear, majority
from hdc.checks import integer, listed, wrong
from hdc.dtypes import dtype_name, kind
from hdc.errors import DTypeError, WideningError
from hdc.kernels import Array
from hdc.models.packed import Packed
from hdc.models.rearranging import Rotating
from hdc.models.ties import tie_vector, where_positive
from hdc.similarity import cosine, dots, magnitude, most, pairwise, total_weight, weighted_sum
from hdc.tally import Tally, float_dtype, join_sums, widened, wider
from hdc.vsa import VSA
from hdc.words import mask_tail


@dataclass(frozen=True)
class _MAP(VSA):
    """Base of both models: the bound pair is the product, and every vector is its own inverse."""

    @property
    def commutative(self) -> bool:
        """Products commute."""
        return True

    @property
    def self_inverse(self) -> bool:
        """Each component is its own inverse."""
        return True

    def unbind(self, role: Any, y: Array) -> Array:
        """Undo :meth:`bind`: multiply again, since ±1 is its own inverse."""
        return self.bind(role, y)


@dataclass(frozen=True)
class MAPI(Rotating, _MAP):
    """MAP-I: ±1 atoms (int8), integer sums that widen and never wrap, product, rotation, cosine.

    Arrays are ``(..., dim)``. Atoms and their products are int8, so int8 components must be ±1; bundles
    are int32, or int64 where a sum or product of the inputs could leave int32. Floating-point arrays are
    used as they are, and gradients flow through every operation.

    Parameters
    ----------
    precision : {"int8", "float32", "float64", "float16", "bfloat16"}
        Dtype of atoms, of those that the backend has. Sums of float atoms stay in it: exact up to 2^24 members in
        float32, 2048 in float16, 256 in bfloat16.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-I", 1000)
    >>> vsa.bundle(vsa.symbols(["a", "b", "c"])).dtype
    dtype('int32')
    """

    _: KW_ONLY
    precision: str = "int8"

    model: ClassVar[str] = "MAP-I"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_precision(self.precision, ("int8",))

    @property
    def dtype(self) -> Any:
        """int8, or the float dtype of ``precision``."""
        return self.kernels.arrays.dtype(self.precision)

    def check(self, x: Any, what: str = "array") -> Array:
        """Check for a signed integer or floating-point array of ``dim`` components."""
        return self.check_components(x, "if", what)

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw ±1 components; the same signs as MAP-B's atoms."""
        drawn = self.kernels.arrays.from_numpy(atoms.signs(self.kernels.bits, keys, self.dim))
        return self.xp.astype(drawn, self.dtype, copy=False)

    def bind(self, role: Any, x: Array) -> Array:
        """Multiply component by component.

        int8 times int8 is int8 (±1 stays ±1) and int8 times a wider integer keeps its width; two bundles
        give int64.

        Raises
        ------
        DTypeError
            If an int8 component is not ±1.
        WideningError
            If a product of two bundles can leave int64, or the negative of a component its dtype.
        """
        a, b = self.check_pair(role, x)
        xp = self.xp
        if "f" in (kind(xp, a), kind(xp, b)):
            return a * b
        if xp.int8 in (a.dtype, b.dtype):
            return self._times_atom(*((a, b) if a.dtype == xp.int8 else (b, a)))
        if magnitude(xp, a) * magnitude(xp, b) >= 2**63:
            raise WideningError("the product of these two bundles can leave int64; bind with an atom")
        return xp.astype(a, xp.int64, copy=False) * xp.astype(b, xp.int64, copy=False)

    def _times_atom(self, atom: Array, other: Array) -> Array:
        """Multiply an int8 array by integers; the kernel that reads them checks both."""
        xp = self.xp
        product, fine = self.kernels.dense.sign_product(atom, other)
        if bool(fine):
            return product
        least = xp.iinfo(other.dtype).min
        if other.dtype != xp.int8 and bool(xp.any(other == least)) and bool(xp.all(xp.abs(atom) == 1)):
            raise WideningError(f"the negative of a component {least} leaves {other.dtype}; widen it first")
        raise DTypeError(
            "int8 components of MAP-I are ±1, but other values were given; "
            "convert bundles to a wider integer with x.astype(np.int32)"
        )

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Add along axis -2, in int32 if all sums fit, otherwise in int64; float weights return floats.

        Raises
        ------
        EmptyBundleError
        WideningError
            If a sum can leave int64.
        """
        members, xp = self.check_bundle(x), self.xp
        w = None if weights is None else self.check_weights(weights, members, "biuf")
        for real in (members, w):
            if real is not None and kind(xp, real) == "f":
                return weighted_sum(self.kernels, members, w, real.dtype, math.inf)
        bound = most(xp, members) * total_weight(xp, members, w)
        if bound >= 2.0**63:
            raise WideningError("a sum of these bundles can leave int64; scale the weights down")
        return weighted_sum(self.kernels, members, w, xp.int32 if bound < 2.0**31 else xp.int64, bound)

    @property
    def identity(self) -> Array:
        """Ones."""
        return self.xp.ones_like(self._tie)

    def normalize(self, x: Array) -> Array:
        """Return signs, as MAP-B has them of the same sums; see :meth:`hdc.VSA.normalize`."""
        positive, one = where_positive(self.xp, self.check(x), self._tie > 0), self.identity
        return self.xp.where(positive, one, -one)

    @cached_property
    def _tie(self) -> Array:
        return tie_vector(self)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum; see :meth:`hdc.VSA.scores`."""
        return linear(size, self.dim)

    def tally(self, x: Array, weights: Any = None) -> Tally:
        """Return sums in int64 or float64, and what decides on the dtype of their bundle."""
        xp, sums = self.xp, self.bundle(widened(self.xp, x), weights)
        if kind(xp, sums) == "f":
            name = dtype_name(x if kind(xp, x) == "f" else sums)
            return Tally({"sums": xp.astype(sums, xp.float64)}, {"dtype": name, "most": 0.0, "weight": 0.0})
        facts = {"dtype": "", "most": most(xp, x), "weight": total_weight(xp, x, weights)}
        return Tally({"sums": xp.astype(sums, xp.int64)}, facts)

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Add, or subtract, sums; see :meth:`hdc.VSA.join_tallies`."""
        facts = {
            "dtype": wider(self.kernels, a.facts["dtype"], b.facts["dtype"]),
            "most": max(a.facts["most"], b.facts["most"]),
            "weight": max(0.0, a.facts["weight"] + sign * b.facts["weight"]),
        }
        return Tally({"sums": join_sums(self.xp, a.arrays["sums"], b.arrays["sums"], sign)}, facts)

    def read_tally(self, tally: Tally) -> Array:
        """Return the sums in the dtype of :meth:`bundle`."""
        xp, sums, name = self.xp, tally.arrays["sums"], tally.facts["dtype"]
        if name:
            return xp.astype(sums, float_dtype(self.kernels, name))
        bound = max(tally.facts["most"] * tally.facts["weight"], magnitude(xp, sums))
        return xp.astype(sums, xp.int32 if bound < 2.0**31 else xp.int64)

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return cosines."""
        return cosine(self.kernels, self.check(queries, "queries"), self.check(items, "items"))

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide ``x.S >= dim / 2`` (bound D1: m = 8 n ln(d/δ))."""
        return dots(self.kernels, self.check(bundle, "bundle"), self.check(items, "items")) >= self.dim / 2

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Estimate ``x.y / dim`` of every pair: unbiased, with variance ``(ab + t² - 2t) / dim`` (D2)."""
        common = dots(self.kernels, self.check(x, "x"), self.check(y, "y"))
        return self.xp.astype(common, self.xp.float64, copy=False) / self.dim


@dataclass(frozen=True)
class MAPB(Packed, _MAP):
    """MAP-B: ±1 atoms packed 64 per word, sign of the sum, exclusive or, rotation, centered Hamming.

    Arrays are ``(..., words)`` in the layout of :mod:`hdc.words`; a set bit is -1. Where a sum is zero, half the sum
    before it decides, with a tie vector of the model's own stream: a bundle depends on its sums alone, is the same
    everywhere, and bundles that share no member are unlike, whatever their number of members.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 1000)
    >>> vsa.symbol("a").shape, vsa.symbol("a").dtype
    ((16,), dtype('uint64'))
    """

    model: ClassVar[str] = "MAP-B"

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw uniform bits; padding bits are cleared."""
        drawn = self.kernels.bits.random_words(keys, self.storage)
        return self.kernels.arrays.from_numpy(mask_tail(drawn, self.dim))

    def bind(self, role: Any, x: Array) -> Array:
        """Multiply the signs: exclusive or of the words."""
        return self.kernels.bits.xor(*self.check_pair(role, x))

    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Take the sign of the weighted sum.

        Where it is zero in component j, the sign is that of ``tie``, turned where half the sum in component j - 1
        (of 0, in the last one) is odd. Weights are integers (negative ones subtract).
        """
        return cast(Array, self.kernels.bits.majority(*self._members(x, weights), self._tie, self.dim))

    def _members(self, x: Array, weights: Any) -> tuple[Array, Array | None]:
        members = self.check_bundle(x)
        if weights is None:
            return members, None
        return members, self.xp.astype(self.check_weights(weights, members), self.xp.int64, copy=False)

    def tally(self, x: Array, weights: Any = None) -> Tally:
        """Return the sums of the members' components: plus the weight where a bit is set, else minus."""
        return Tally({"sums": self.kernels.bits.signed_sums(*self._members(x, weights), self.dim)})

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Add, or subtract, sums; see :meth:`hdc.VSA.join_tallies`."""
        return Tally({"sums": join_sums(self.xp, a.arrays["sums"], b.arrays["sums"], sign)})

    def read_tally(self, tally: Tally) -> Array:
        """Return the signs of the sums; see :meth:`bundle`."""
        bits, sums = self.kernels.bits, tally.arrays["sums"]
        return bits.pack(where_positive(self.xp, sums, bits.unpack(self._tie, self.dim)))

    @property
    def tie(self) -> Array:
        """What decides, with the sums, where a sum is zero, ``(words,)``: read-only, or a copy."""
        return self.kernels.arrays.read_only(self._tie)

    @cached_property
    def _tie(self) -> Array:
        return tie_vector(self)

    @property
    def identity(self) -> Array:
        """Zeros: signs of which none is set."""
        return self.xp.zeros_like(self._tie)

    def normalize(self, x: Array) -> Array:
        """Return a copy: vectors are signs already."""
        return self.xp.asarray(self.check(x), copy=True)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of signs of a sum; see :meth:`hdc.VSA.scores`."""
        return majority(size, self.dim)

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Rotate: component i moves to ``(i + shift) mod dim``."""
        return self.kernels.bits.rotate(self.check(x), integer(shift, "shift") % self.dim, self.dim)

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return ``1 - 2 hamming / dim``, which is the cosine of the signs."""
        q, x, xp = self.check(queries, "queries"), self.check(items, "items"), self.xp
        return pairwise(xp, lambda a, b: self._from_hamming(self.kernels.bits.hamming(a, b)), q, x, xp.float32)

    def _from_hamming(self, distance: Array) -> Array:
        return self.xp.astype(1 - (2 / self.dim) * self.xp.astype(distance, self.xp.float64), self.xp.float32)

    def nearest(self, queries: Array, items: Array, k: int = 1) -> tuple[Array, Array]:
        """Find the nearest items by the backend's Hamming search, where it has one; see :meth:`hdc.VSA.nearest`."""
        q, x, k = self.check_search(queries, items, k)
        search = self.kernels.search
        if k == 0 or search is None:
            return super().nearest(queries, items, max(1, k))
        distance, ids = search.top_k(q.reshape(-1, self.storage), x, k)
        return self._from_hamming(distance).reshape(*q.shape[:-1], k), ids.reshape(*q.shape[:-1], k)

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Estimate ``sqrt(ab) sin(π c / 2)`` of every pair, c the similarity and (a, b) the ``sizes`` (D9).

        Raises
        ------
        ParameterError
            If ``sizes`` is missing or less than 1.
        """
        given = [integer(size, "each of sizes", 1) for size in listed(sizes, "sizes")]
        if len(given) != 2:
            raise wrong(sizes, "sizes", "the number of members of each of the two bundles")
        similarity = self.xp.astype(self.similarity(x, y), self.xp.float64)
        return math.sqrt(math.prod(given)) * self.xp.sin(math.pi / 2 * similarity)

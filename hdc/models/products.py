"""MAP-C and HLB: real components, multiplied to bind (Gayler 1998; Alam et al. 2024)."""

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.atoms import Name
from hdc.bounds.clipped import clipped
from hdc.bounds.moments import Moments, linear
from hdc.checks import choice, integer
from hdc.kernels import Array
from hdc.models.rearranging import Rotating
from hdc.models.summed import Summed
from hdc.models.ties import tie_vector
from hdc.vsa import VSA

ROLES = ("signs", "uniform")


@dataclass(frozen=True)
class _Products(Rotating, Summed):
    """Base of both models: componentwise products, and roles of ±1, which keep norms and are their own inverses."""

    @property
    def commutative(self) -> bool:
        """Products commute."""
        return True

    def _native(self, rows: npt.NDArray[Any]) -> Array:
        return self.xp.astype(self.kernels.arrays.from_numpy(rows), self.dtype, copy=False)

    def role(self, name: Name) -> Array:
        """Return the role of a name: random signs, the same as MAP-I's."""
        keys = atoms.stream_keys(self.seed, "role", (name,))
        return self._native(atoms.signs(self.kernels.bits, keys, self.dim))[0]

    def bind(self, role: Any, x: Array) -> Array:
        """Multiply component by component."""
        one, other = self.check_pair(role, x)
        return one * other

    @property
    def identity(self) -> Array:
        """Ones."""
        return self._native(np.ones(self.dim))

    def normalize(self, x: Array) -> Array:
        """Return signs; where a component is zero, that of a fixed vector; see :meth:`hdc.VSA.normalize`."""
        xp, checked = self.xp, self.check(x)
        one = self.identity
        return xp.where(xp.where(checked == 0, self._tie, xp.astype(checked, self.dtype, copy=False)) > 0, one, -one)

    @cached_property
    def _tie(self) -> Array:
        return tie_vector(self)


@dataclass(frozen=True)
class MAPC(_Products):
    """MAP-C: components uniform over (-1, 1), product, sum clipped to [-1, 1], cosine.

    A role that :meth:`role` makes has components ±1: binding with it keeps norms and similarities, distributes over
    bundles and is undone exactly. Symbols do not: what is bound with a symbol comes back with a cosine of about .745. A
    bundle is clipped as a whole, once: a running one (:class:`hdc.Accumulator`) keeps sums, and a bundle of bundles is
    not that of all members.

    Parameters
    ----------
    roles : {"signs", "uniform"}
        ``"uniform"`` draws roles as symbols are drawn, as in the literature.
    precision : str
        A float that the backend has.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-C", 1000)
    >>> float(abs(vsa.bundle(vsa.symbols(range(20)))).max())
    1.0
    >>> pair = vsa.bind(vsa.role("name"), vsa.symbol("Ada"))
    >>> bool((vsa.unbind(vsa.role("name"), pair) == vsa.symbol("Ada")).all())
    True
    """

    _: KW_ONLY
    roles: str = "signs"

    model: ClassVar[str] = "MAP-C"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.roles, "roles", ROLES)

    @property
    def square(self) -> float:
        """Each component has the mean square 1/3."""
        return self.dim / 3

    @property
    def self_inverse(self) -> bool:
        """Signs are their own inverses."""
        return self.roles == "signs"

    @property
    def exact_unbind(self) -> bool:
        """Signs are undone exactly."""
        return self.roles == "signs"

    @property
    def isometric(self) -> bool:
        """Signs keep norms and similarities."""
        return self.roles == "signs"

    @property
    def distributes(self) -> bool:
        """Clipping is the same on both sides of zero, so signs may be multiplied before it or after."""
        return self.roles == "signs"

    @property
    def clips(self) -> bool:
        """Components of bundles end at ±1."""
        return True

    def unbound_similarity(self, depth: int = 1) -> float:
        """Return 1 for signs, else ``(sqrt(5) / 3) ** depth``: the cosine of x with x y², y uniform."""
        levels = integer(depth, "depth", 0)
        return 1.0 if self.exact_unbind else (math.sqrt(5) / 3) ** levels

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw uniform components: each of the top 53 bits of a word, in the middle of its interval."""
        words = self.kernels.bits.random_words(keys, self.dim)
        return self._native(2 * atoms.uniforms(words) - 1)

    def role(self, name: Name) -> Array:
        """Return the role of a name: random signs, the same as MAP-I's, or an atom."""
        if self.roles == "signs":
            return super().role(name)
        return self.atoms_of(atoms.stream_keys(self.seed, "role", (name,)))[0]

    def unbind(self, role: Any, y: Array) -> Array:
        """Multiply again: the exact inverse of signs, an approximate one of any other vector."""
        return self.bind(role, y)

    def inverse(self, x: Array) -> Array:
        """Return a copy: multiplying again unbinds."""
        return self.xp.asarray(self.check(x), copy=True)

    def of_sums(self, sums: Array) -> Array:
        """Clip sums to [-1, 1]."""
        return self.xp.clip(sums, -1.0, 1.0)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of clipped sums, of atoms or of products of atoms; see :meth:`hdc.VSA.scores`."""
        return clipped(size, self.dim, products=read == "symbol" or (read == "role" and not self.exact_unbind))

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide whether the similarity is at least half that of a member of ``size``; see :meth:`hdc.VSA.contains`."""
        return self._near(bundle, items, size)

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Refuse: what clipping keeps of common members depends on all others.

        Raises
        ------
        UnsupportedError
        """
        return VSA.intersection_size(self, x, y, sizes)


@dataclass(frozen=True)
class HLB(_Products):
    """Hadamard-derived linear binding: components near ±1, product, division, sum, cosine.

    A component of an atom is normal with mean 1 or -1, either at random, and variance 1/dim. Roles that :meth:`role`
    makes are signs. Unbinding divides, so that what is bound with a symbol comes back, too, and gradients flow to both
    operands; a component of a key that is 0 unbinds to 0.

    Parameters
    ----------
    precision : str
        A float that the backend has.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("HLB", 1000)
    >>> pair = vsa.bind(vsa.symbol("a"), vsa.symbol("b"))
    >>> round(float(vsa.similarity(vsa.unbind(vsa.symbol("a"), pair), vsa.symbol("b"))), 5)
    1.0
    """

    model: ClassVar[str] = "HLB"

    @property
    def square(self) -> float:
        """Each component has the mean square 1 + 1/dim."""
        return self.dim + 1.0

    @property
    def self_inverse(self) -> bool:
        """Roles are signs."""
        return True

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw signs, and normal noise of variance 1/dim on the words behind theirs."""
        means = atoms.signs(self.kernels.bits, keys, self.dim)
        skipped = -(-self.dim // 64)
        noise = atoms.normal_rows(self.kernels.bits, keys, self.dim, skipped) / math.sqrt(self.dim)
        return self._native(means + noise)

    def unbind(self, role: Any, y: Array) -> Array:
        """Divide component by component: the exact inverse, but for components 0 of the role, which give 0."""
        one, other = self.check_pair(role, y)
        return self._reciprocal(one) * other

    def inverse(self, x: Array) -> Array:
        """Return reciprocals, and 0 for 0."""
        return self._reciprocal(self.check(x))

    def _reciprocal(self, x: Array) -> Array:
        none = x == 0
        return self.xp.where(none, 0, 1 / self.xp.where(none, 1, x))

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum, whatever the keys, to terms of 1/dim; see :meth:`hdc.VSA.scores`."""
        return linear(size, self.dim)

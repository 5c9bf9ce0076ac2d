"""MBAT: bundles are sums, binding multiplies by an orthogonal operator (Gallant & Okaywe 2013; Gallant 2022)."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.atoms import Name, encode_name
from hdc.checks import choice
from hdc.errors import MismatchError, UnsupportedError
from hdc.kernels import Array
from hdc.models.operators import CACHE, FAMILIES, Operator, SignedPermutation
from hdc.models.rearranging import Rotating
from hdc.models.summed import Summed
from hdc.models.ties import tie_vector, where_positive
from hdc.vsa import Role

ROUNDED = 1 << 8
"""Steps per component of an atom to which sums are rounded before they are compared with zero."""


@dataclass(frozen=True)
class MBAT(Rotating, Summed):
    """Orthogonal MBAT: ±1/sqrt(dim) atoms, weighted sums, operators by name, cosine.

    Arrays are ``(..., dim)`` floats; gradients flow through every operation. Because the operators are orthogonal,
    binding keeps norms and similarities and unbinding is exact to rounding at any depth (Gallant 2022). bundle returns
    the plain sum.

    Parameters
    ----------
    matrix : {"permutation", "hadamard", "haar"}
        Random signed permutations, O(dim); random signs with fast Walsh-Hadamard transforms,
        O(dim log dim); or dense matrices uniform over the orthogonal group, as in the paper, O(dim²).
    precision : {"float32", "float64", "float16", "bfloat16"}
        Dtype of atoms, of those that the backend has.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MBAT", 1024)
    >>> person = vsa.bundle(vsa.bind(vsa.role("name"), vsa.symbols(["Ada"])))
    >>> round(float(vsa.similarity(vsa.unbind(vsa.role("name"), person), vsa.symbol("Ada"))), 5)
    1.0
    """

    _: KW_ONLY
    matrix: str = "permutation"

    model: ClassVar[str] = "MBAT"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.matrix, "matrix", tuple(FAMILIES))

    @property
    def commutative(self) -> bool:
        """Operators and vectors do not change places, nor do two operators."""
        return False

    @property
    def binds_vectors(self) -> bool:
        """Operators bind."""
        return False

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw ±1/sqrt(dim) components; the same signs as MAP-I's atoms."""
        if self.precision == "float32":
            return self.kernels.arrays.from_numpy(atoms.scaled_signs(self.kernels.bits, keys, self.dim, self.dim**-0.5))
        drawn = self.kernels.arrays.from_numpy(atoms.signs(self.kernels.bits, keys, self.dim))
        return self.xp.astype(drawn, self.dtype) * self.dim**-0.5

    def role(self, name: Name) -> Role:
        """Return the operator of a name; powers and products of roles are roles."""
        encode_name(name)
        return Role(self, ((name, 1),))

    def operator(self, role: Role) -> tuple[Operator, ...]:
        """Return the operators that ``role`` applies, first applied last.

        The operators of one role are merged into one where the family allows it (signed permutations), and
        kept in a cache of bounded size.
        """
        steps = tuple(self._power(name, power) for name, power in role.factors)
        if self.matrix != "permutation" or len(steps) < 2:
            return steps
        key = (self._cache_key, *((encode_name(name), power) for name, power in role.factors))
        return (self._cached(key, lambda: _compose(steps)),)

    @property
    def _cache_key(self) -> tuple[Any, ...]:
        return (self.dim, self.seed, self.matrix, self.precision, self.kernels.name, self.device)

    def _cached(self, key: tuple[Any, ...], make: Callable[[], Operator]) -> Operator:
        lasting = self.kernels.arrays.lasting
        found: Operator = CACHE.get(key, lambda: lasting(make), lambda operator: operator.nbytes)
        return found

    def _power(self, name: Name, power: int) -> Operator:
        if power == 1:
            return self._base(name)
        if self.matrix == "hadamard":
            return self._base(name).power(power, self.kernels)
        key = (self._cache_key, encode_name(name), power)
        return self._cached(key, lambda: self._base(name).power(power, self.kernels))

    def _base(self, name: Name) -> Operator:
        def draw() -> Operator:
            key = atoms.stream_keys(self.seed, "role", [name])
            return FAMILIES[self.matrix](key[0], self.dim, self.precision, self.kernels)

        return self._cached((self._cache_key, encode_name(name)), draw)

    def _check_role(self, role: Any) -> Role:
        if not isinstance(role, Role):
            raise UnsupportedError(
                f"MBAT binds with operators, and a {type(role).__name__} was given; use vsa.bind(vsa.role(name), x)"
            )
        if role.vsa != self and role.vsa.algebra() != self.algebra():
            raise MismatchError(f"{role!r} (seed {role.vsa.seed}) is a role of another model than {self}")
        return role

    def bind(self, role: Any, x: Array) -> Array:
        """Apply the operator of ``role`` to each row.

        Parameters
        ----------
        role : Role
            From :meth:`role`; also powers and products.
        x : (..., dim) array

        Raises
        ------
        UnsupportedError
            If ``role`` is not a Role: two hypervectors do not bind in MBAT.
        """
        y = self.check(x)
        for operator in reversed(self.operator(self._check_role(role))):
            y = operator.apply(y, self.kernels)
        return y if y is not x else self.xp.asarray(y, copy=True)

    def normalize(self, x: Array) -> Array:
        """Return signs over ``sqrt(dim)``; zeros go as in MAP-I; see :meth:`hdc.VSA.normalize`."""
        length = math.sqrt(self.dim)
        positive = where_positive(self.xp, self.xp.round(self.check(x) * length * ROUNDED) / ROUNDED, self._tie > 0)
        one = self.xp.abs(self._tie)
        return self.xp.where(positive, one, -one)

    @cached_property
    def _tie(self) -> Array:
        return tie_vector(self)

    def unbind(self, role: Any, y: Array) -> Array:
        """Apply the transpose, which is the exact inverse."""
        return self.bind(self._check_role(role) ** -1, y)


def _compose(steps: tuple[Operator, ...]) -> SignedPermutation:
    product, *rest = (step for step in steps if isinstance(step, SignedPermutation))
    for step in rest:
        product = product.after(step)
    return product

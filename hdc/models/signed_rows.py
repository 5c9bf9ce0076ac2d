"""Signed permutations of many roles as rows of one array: drawn, multiplied and applied in batches.

A :class:`~hdc.vsa.Role` is bound one at a time, which suits most uses. If thousands of roles bind a few vectors each,
as paths of JSON documents do, one call per role costs more than the work.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.atoms import Name
from hdc.kernels import Array
from hdc.models.mbat import MBAT

DIGIT = 64
"""Base of the digits from which powers are composed."""

Ints = npt.NDArray[np.int64]


class SignedRows:
    """Rows that each hold one signed permutation of a model, or nothing yet.

    Parameters
    ----------
    vsa : MBAT
        Of the matrix family ``"permutation"``, on any backend and device, and of at most 2^30 components.
    rows : int
        How many are held: 4 bytes for each component. Names of which powers are put have ``DIGIT`` more, once for
        each digit of the greatest exponent.
    """

    def __init__(self, vsa: MBAT, rows: int) -> None:
        self._vsa = vsa
        xp, arrays = vsa.xp, vsa.kernels.arrays
        shape = (rows, vsa.dim)
        self._digits: dict[Name, list[Array]] = {}
        self._entries: Any = arrays.lasting(lambda: xp.empty(shape, dtype=arrays.dtype("int32"), device=vsa.device))

    def put_identity(self, first: int) -> None:
        """Put what leaves everything in its place."""
        self._put(first, self._given(2 * np.arange(self._vsa.dim, dtype=np.int32)[None]))

    def put_roles(self, first: int, names: Sequence[Name]) -> None:
        """Put the operators of ``vsa.role(name)`` into rows from the first on.

        Raises
        ------
        DTypeError
            If a name is of a type that cannot be written down.
        """
        keys = atoms.stream_keys(self._vsa.seed, "role", names)
        self._put(first, self._given(self._vsa.kernels.bits.signed_orders(keys, self._vsa.dim)))

    def put_powers(self, first: int, name: Name, exponents: Sequence[int]) -> None:
        """Put ``vsa.role(name) ** exponent`` for exponents that are all different, ascending, and at least 1."""
        if name not in self._digits:
            keys = atoms.stream_keys(self._vsa.seed, "role", [name])
            self._digits[name] = [self._given(self._vsa.kernels.bits.signed_orders(keys, self._vsa.dim))]
        self._put(first, self._powers(self._digits[name], 0, np.asarray(exponents, dtype=np.int64)))

    def put_products(self, first: int, outer: Sequence[int], inner: Sequence[int]) -> None:
        """Put what applies an inner row, and then an outer one."""
        self._put(first, self._products(self._entries, np.asarray(outer), np.asarray(inner)))

    def bind(self, x: Array, outer: Sequence[int], inner: Sequence[int]) -> Array:
        """Apply to each row of ``x``, ``(n, dim)``, its inner row, and then its outer one."""
        places = self._given(np.asarray(outer, dtype=np.int64)), self._given(np.asarray(inner, dtype=np.int64))
        return self._vsa.kernels.dense.signed_gathers(x, self._entries, *places)

    def _put(self, first: int, entries: Array) -> None:
        self._entries[first : first + len(entries)] = entries

    def _given(self, x: npt.NDArray[Any]) -> Array:
        return self._vsa.kernels.arrays.from_numpy(x)

    def _products(self, entries: Array, outer: Ints, inner: Ints) -> Array:
        return self._vsa.kernels.dense.signed_products(entries, self._given(outer), self._given(inner))

    def _powers(self, digits: list[Array], level: int, exponents: Ints) -> Array:
        """Return powers of a role to the ``DIGIT ** level``: the product of two, except those that are a digit."""
        low = digits[level] = self._grown(digits[level], min(int(exponents[-1]), DIGIT))
        if exponents[-1] <= DIGIT:
            return low[self._given(exponents - 1)]
        if level + 1 == len(digits):
            digits.append(low[DIGIT - 1 :])
        high, digit = np.divmod(exponents - 1, DIGIT)
        some, above = np.unique(high[high > 0], return_inverse=True)
        used, below = np.unique(digit[high > 0], return_inverse=True)
        table = self._vsa.xp.concat([low[self._given(used)], self._powers(digits, level + 1, some)])
        products = self._products(table, len(used) + above, below)
        return self._vsa.xp.concat([low[self._given(digit[high == 0])], products])

    def _grown(self, powers: Array, most: int) -> Array:
        """Return the powers from the first to another of a row, some of which exist already."""
        while (held := len(powers)) < most:
            more = np.arange(min(held, most - held))
            powers = self._vsa.xp.concat([powers, self._products(powers, np.full(len(more), held - 1), more)])
        return powers
